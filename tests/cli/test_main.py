import subprocess
import sys

import pytest

import causalrep
from causalrep.cli import _demo, main
from causalrep.utils import DataError


def test_the_version_is_told(capsys):
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"causalrep {causalrep.__version__}\n"


@pytest.mark.parametrize("command", ["demo", "train", "counterfactual"])
def test_every_command_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as done:
        main([command, "--help"])
    assert done.value.code == 0
    assert "--device" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["dmeo"], ["demo", "--seed", "-1"], ["train"], ["demo", "--seed", "x"]]
)
def test_wrong_usage_exits_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_what_a_user_can_cause_is_one_line(monkeypatch, capsys):
    def fail(*_, **__):
        raise DataError("two\nlines")

    monkeypatch.setattr(_demo, "run_demo", fail)
    assert main(["demo"]) == 2
    assert capsys.readouterr().err == "causalrep demo: two lines\n"
    with pytest.raises(DataError):
        main(["--traceback", "demo"])


def test_an_interruption_says_how_to_go_on(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(_demo, "run_demo", interrupt)
    assert main(["demo"]) == 130
    assert "resumes" in capsys.readouterr().err


def test_a_fault_of_the_library_is_not_hidden(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(_demo, "run_demo", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["demo"])


def test_help_loads_neither_torch_nor_matplotlib():
    code = (
        "import sys; from causalrep.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('loaded:', {'torch', 'matplotlib', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded: set()\n")
