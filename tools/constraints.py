"""Print the tested set: one exact pin for every installed package that the project needs.

Run in the environment whose tests have just passed:

    python tools/constraints.py > constraints.txt

The walk starts at the requirements, extras and groups of ``pyproject.toml`` and follows the
metadata of what is installed, so packages that merely lie around in the environment stay out. The
extras for accelerators are left out: which of them can be installed and tested depends on the machine.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

HEADER = """\
# The tested set of packages. Written by `make constraints`; do not edit by hand.
# torch is pinned here because packages that depend on it otherwise replace it.
"""


def declared_requirements(project_file: Path) -> Iterator[Requirement]:
    """Yield what the project asks for: to build, to run, with the extras for any machine, in every group."""
    config = tomllib.loads(project_file.read_text(encoding="utf-8"))
    texts: list[Any] = [*config["build-system"]["requires"], *config["project"]["dependencies"]]
    for name, extra in config["project"]["optional-dependencies"].items():
        if not name.startswith("gpu"):
            texts += extra
    for group in config["dependency-groups"].values():
        texts += [item for item in group if isinstance(item, str)]
    yield from map(Requirement, texts)


def installed_closure(requirements: Iterator[Requirement]) -> dict[str, Version]:
    """Return name and version of everything the requirements pull in, as it is installed."""
    versions: dict[str, Version] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(requirement, "") for requirement in requirements]
    while queue:
        requirement, extra = queue.pop()
        name = str(canonicalize_name(requirement.name))
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            raise SystemExit(f"{requirement} is needed but not installed; run `make setup`") from None
        version = Version(package.version)
        if not requirement.specifier.contains(version, prereleases=True):
            raise SystemExit(f"{requirement} is needed but {version} is installed")
        versions[name] = version
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                queue += [(Requirement(text), wanted) for text in package.requires or ()]
    return versions


def main() -> int:
    """Print the pins, sorted by name; local versions such as ``+cpu`` are a property of the machine."""
    project_file = Path(__file__).resolve().parent.parent / "pyproject.toml"
    versions = installed_closure(declared_requirements(project_file))
    pins = "\n".join(f"{name}=={versions[name].public}" for name in sorted(versions))
    sys.stdout.write(f"{HEADER}{pins}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
