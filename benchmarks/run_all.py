"""Run every quick benchmark, each in a process of its own; the exit status says whether one failed.

A benchmark that has a line ``QUICK = False`` at its top level takes long and is run by hand.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def is_quick(script: Path) -> bool:
    """Read the flag without importing the script."""
    for statement in ast.parse(script.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "QUICK" for target in statement.targets
        ):
            return bool(ast.literal_eval(statement.value))
    return True


def main() -> int:
    failed = []
    for script in sorted(FOLDER.rglob("bench_*.py")):
        if not is_quick(script):
            print(f"\n== {script.relative_to(FOLDER)}: takes long, run by hand", flush=True)
            continue
        print(f"\n== {script.relative_to(FOLDER)}", flush=True)
        if subprocess.run([sys.executable, str(script)], check=False).returncode != 0:
            failed.append(script.name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
