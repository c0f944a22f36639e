"""Validate the docstrings of everything public with numpydoc.

The checks are those of ``[tool.numpydoc_validation]`` in ``pyproject.toml``. They run on the
imported objects that the packages list in ``__all__`` and on their public methods, so dataclass
fields count as parameters and an override may inherit the docstring of what it overrides,
neither of which numpydoc can see when it reads the source alone.

    python tools/check_docstrings.py
"""

from __future__ import annotations

import inspect
import pkgutil
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from numpydoc.validate import validate

import causalrep

ROOT = Path(__file__).resolve().parent.parent


def public_modules() -> Iterator[ModuleType]:
    """Yield every module none of whose names begins with an underscore."""
    yield causalrep
    for info in pkgutil.walk_packages(causalrep.__path__, prefix="causalrep."):
        if not any(part.startswith("_") for part in info.name.split(".")):
            yield import_module(info.name)


def public_objects() -> Iterator[str]:
    """Yield the dotted names of public classes, functions, methods and properties."""
    seen: set[int] = set()
    for module in public_modules():
        for name in module.__all__:
            thing = getattr(module, name)
            ours = getattr(thing, "__module__", "").startswith("causalrep")
            if not ours or id(thing) in seen or not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            seen.add(id(thing))
            yield f"{module.__name__}.{name}"
            if inspect.isclass(thing):
                yield from (f"{module.__name__}.{name}.{member}" for member in public_members(thing))


def public_members(cls: type) -> Iterator[str]:
    """Yield the methods and properties that a class of ours defines or overrides itself."""
    for name, member in vars(cls).items():
        if name.startswith("_") or not (
            inspect.isfunction(member) or isinstance(member, (property, classmethod, staticmethod))
        ):
            continue
        inherits = member.__doc__ is None and any(hasattr(base, name) for base in cls.__mro__[1:])
        if not inherits:
            yield name


def findings(name: str, checks: set[str]) -> Iterator[tuple[str, str]]:
    """Yield code and message of every broken check of one object."""
    report = validate(name)
    lists_parameters = "Parameters\n" in (report["docstring"] or "")
    for code, message in report["errors"]:
        if code not in checks:
            continue
        # a sentence may do for what the signature already says; a list of parameters is complete
        # but for what is private
        if code == "PR01" and (not lists_parameters or not re.search(r"'\**[^\W_]\w*'", message)):
            continue
        yield code, f"{report['file']}:{report['file_line']}: {name}: {message}"


def main() -> int:
    """Print the findings; the exit status says whether there were any."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    checks = set(config["tool"]["numpydoc_validation"]["checks"])
    names = list(public_objects())
    found = [finding for name in names for finding in findings(name, checks)]
    for code, message in found:
        sys.stdout.write(f"{code} {message}\n")
    sys.stdout.write(f"{len(names)} public docstrings, {len(found)} finding(s)\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
