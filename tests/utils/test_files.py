"""Files are whole or untouched, also when the process dies in the middle."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from causalrep.utils import atomic_directory, atomic_path, write_text


def run_and_die(code, *arguments):
    """Run `code` in a process that is expected to kill itself."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL


def fail_after(written):
    raise RuntimeError(f"half way, {written} characters written")


def test_write_text_replaces_the_whole_file(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "a long first text")
    write_text(target, "ü")
    assert target.read_bytes() == "ü".encode()


def test_missing_folders_are_made(tmp_path):
    write_text(tmp_path / "new" / "folder" / "a.txt", "x")
    assert (tmp_path / "new" / "folder" / "a.txt").read_text() == "x"


def test_an_exception_leaves_the_old_file_and_no_litter(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="half way"), atomic_path(target) as temporary:
        fail_after(temporary.write_text("new, but not comp"))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_is_seen_at_the_path_before_the_end(tmp_path):
    target = tmp_path / "a.txt"
    with atomic_path(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.parent == target.parent  # a rename across file systems would not be atomic
    assert target.read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="permission bits of POSIX")
def test_permissions_are_those_of_any_new_file(tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_text("x")
    write_text(tmp_path / "atomic.txt", "x")
    (tmp_path / "plain").mkdir()
    with atomic_directory(tmp_path / "atomic"):
        pass
    for ours, other in [("atomic.txt", "plain.txt"), ("atomic", "plain")]:
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in (ours, other)]
        assert modes[0] == modes[1]


@pytest.mark.skipif(os.name != "posix", reason="uses SIGKILL")
def test_a_crash_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    code = (
        "import os, signal, sys\n"
        "from causalrep.utils import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('new, but not comp')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run_and_die(code, target)
    assert target.read_text() == "old"


@pytest.mark.skipif(os.name != "posix", reason="uses SIGKILL")
def test_a_file_rewritten_until_a_kill_is_always_whole(tmp_path):
    target = tmp_path / "a.txt"
    size = 300_000
    code = (
        "import itertools, sys\n"
        "from causalrep.utils import write_text\n"
        "for i in itertools.count():\n"
        f"    write_text(sys.argv[1], str(i % 10) * {size})\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(target)])
    try:
        deadline = time.monotonic() + 30
        while not target.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        for _ in range(20):
            text = target.read_text()
            assert len(text) == size
            assert len(set(text)) == 1
    finally:
        writer.kill()
        writer.wait()
    text = target.read_text()
    assert len(text) == size
    assert len(set(text)) == 1


def test_a_directory_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "model"
    with atomic_directory(target) as folder:
        (folder / "weights").write_text("1")
        (folder / "only-in-the-first").write_text("1")
    with atomic_directory(target) as folder:
        (folder / "weights").write_text("2")
        assert (target / "weights").read_text() == "1"
    assert {path.name: path.read_text() for path in target.iterdir()} == {"weights": "2"}
    assert list(tmp_path.iterdir()) == [target]


def test_an_exception_leaves_the_old_directory_and_no_litter(tmp_path):
    target = tmp_path / "model"
    with atomic_directory(target) as folder:
        (folder / "weights").write_text("1")
    with pytest.raises(RuntimeError, match="half way"), atomic_directory(target) as folder:
        fail_after((folder / "weights").write_text("2"))
    assert (target / "weights").read_text() == "1"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="uses SIGKILL")
def test_a_crash_leaves_the_old_directory(tmp_path):
    target = tmp_path / "model"
    with atomic_directory(target) as folder:
        (folder / "weights").write_text("1")
    code = (
        "import os, signal, sys\n"
        "from causalrep.utils import atomic_directory\n"
        "with atomic_directory(sys.argv[1]) as folder:\n"
        "    (folder / 'weights').write_text('2')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run_and_die(code, target)
    assert {path.name: path.read_text() for path in target.iterdir()} == {"weights": "1"}
