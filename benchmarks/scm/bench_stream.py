"""CPU time and memory of drawing more rows than memory holds, and whether they are the rows of one sample.

``--n 100_000_000`` draws 3.2 GB in frames of a million rows; means are compared with their closed form.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from causalrep.scm import SCM

TEXT = "A = N(0, 1); B = 2*A + N(0, 1); C = A - B + N(1, 1); D = 0.5*C + N(0, 1)"
MEANS = {"A": 0.0, "B": 0.0, "C": 1.0, "D": 0.5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=10_000_000)
    n = parser.parse_args().n
    scm = SCM.from_equations(TEXT)
    first = scm.sample(1000, random_state=0)
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total, rows = np.zeros(len(MEANS)), 0
    for part in scm.stream(n, random_state=0):
        if not rows and not part.head(1000).equals(first):
            raise SystemExit("the first rows are not those of a sample with the same seed")
        total += part.to_numpy().sum(axis=0)
        rows += len(part)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    deviations = (total / rows - list(MEANS.values())) * rows**0.5 / np.sqrt([1, 5, 3, 1.75])
    each = seconds / rows / len(MEANS) * 1e9
    print(f"{rows:,} rows x {len(MEANS)} nodes: {seconds:.1f} s CPU, {each:.1f} ns a number")
    print(f"peak memory {peak / 1024:.0f} MB, of which {before / 1024:.0f} MB before the first row")
    print(f"means are off by {np.abs(deviations).max():.1f} standard errors at most")


if __name__ == "__main__":
    main()
