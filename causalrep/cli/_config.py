"""TOML files that say what to do, checked before any work."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from causalrep.utils import DataError, UnknownNameError

__all__ = ["check_keys", "read_toml", "table_of", "text_of"]


def read_toml(config: Path, known: Iterable[str]) -> dict[str, Any]:
    """Return what a TOML file holds, or raise DataError, or UnknownNameError for a key that is not known."""
    with config.open("rb") as file:
        try:
            settings = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise DataError(f"{config} is not a TOML file: {error}") from error
    check_keys(settings, known, str(config))
    return settings


def check_keys(settings: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    """Raise UnknownNameError for a key that is not known."""
    known = tuple(known)
    for key in settings:
        if key not in known:
            raise UnknownNameError(key, known, what=what)


def table_of(
    settings: Mapping[str, Any], name: str, config: Path, known: Iterable[str] | None
) -> dict[str, Any]:
    """Return a table of the file, with its keys checked unless `known` is None."""
    table = settings.get(name)
    if not isinstance(table, dict):
        raise DataError(f"{config} must have a table [{name}]")
    if known is not None:
        check_keys(table, known, f"[{name}] of {config}")
    return table


def text_of(table: Mapping[str, Any], key: str, config: Path) -> str:
    """Return a text of the file."""
    if not isinstance(table.get(key), str):
        raise DataError(f"{config} must say `{key}` as a text, got {table.get(key)!r}")
    return str(table[key])
