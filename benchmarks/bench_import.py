"""CPU seconds of ``import causalrep``, beside an empty interpreter and the packages of the library."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

MEASURE = """
import importlib, sys, time
start = time.process_time()
for name in sys.argv[1:]:
    importlib.import_module(name)
print(time.process_time() - start)
"""


def import_seconds(modules: list[str], repetitions: int) -> list[float]:
    """Return the CPU seconds that a fresh interpreter spends on importing `modules`, sorted."""
    command = [sys.executable, "-c", MEASURE, *modules]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(repetitions)]
    return sorted(float(run.stdout) for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = {}
    for name in ("causalrep", "causalrep.graphs", "causalrep.scm", "causalrep.discovery", "numpy", "torch"):
        seconds = import_seconds([name], arguments.repetitions)
        rows[name] = {"median": statistics.median(seconds), "min": seconds[0], "max": seconds[-1]}
    if arguments.json:
        print(json.dumps({"unit": "CPU seconds", "import": rows}, indent=2))
        return
    print(f"{'import':<24}{'median':>9}{'min':>9}{'max':>9}   CPU seconds, {arguments.repetitions} processes")
    for name, row in rows.items():
        print(f"{name:<24}{row['median']:>9.3f}{row['min']:>9.3f}{row['max']:>9.3f}")


if __name__ == "__main__":
    main()
