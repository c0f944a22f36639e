"""Files that are either written whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_directory", "atomic_path", "write_text"]


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path` and move it there when the block succeeds.

    A crash or an exception leaves whatever stood at `path` as it was.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target)
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary directory beside `path` and put it in place of `path` at the end.

    The old directory is renamed away before the new one takes its name and is deleted last,
    so at every moment one complete copy exists on disk.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target)
    temporary.mkdir()
    try:
        yield temporary
        if target.exists():
            retired = _beside(target)
            target.replace(retired)
            temporary.replace(target)
            shutil.rmtree(retired)
        else:
            temporary.replace(target)
    finally:
        if temporary.exists():
            shutil.rmtree(temporary)


def _beside(target: Path) -> Path:
    """Return an unused hidden name in the folder of `target`.

    Not :mod:`tempfile`, whose files only their owner may read; these become the user's files.
    """
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
