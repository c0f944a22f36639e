"""A published simulation of propensities that balance, whose over-identified kind is biased by design.

Run ``python benchmarks/effects/bench_published.py [--draws 600]``: the design of Kang and Schafer (2007) with
the propensity model right, the mean of an outcome that is missing for some by normalised weights, as in table
1 of Imai and Ratkovic (2014), beside the figures of that table.
"""

from __future__ import annotations

import argparse
import warnings

import numpy as np
from scipy.special import expit

from causalrep.estimators import CBPS, OverlapWarning

PAPER = {
    (False, 200): (0.05, 3.22),
    (True, 200): (-1.12, 3.50),
    (False, 1000): (0.03, 1.44),
    (True, 1000): (-0.32, 1.60),
}
"""Bias and root mean squared error of CBPS1 and CBPS2 in the rows IPW of table 1, from 10,000 draws."""


def weights(n_draws: int) -> None:
    """Print the errors of just- and over-identified propensities beside the published ones."""
    print("| CBPS | rows | bias | RMSE | bias / spread | paper: bias | RMSE |\n|---|---|---|---|---|---|---|")
    for (over, n), (bias, rmse) in PAPER.items():
        errors = np.array([_kang_schafer(n, seed, over_identified=over) for seed in range(n_draws)])
        kind = "over-identified" if over else "just-identified"
        mean, root, share = errors.mean(), np.sqrt(np.mean(errors**2)), errors.mean() / errors.std()
        print(f"| {kind} | {n} | {mean:.2f} | {root:.2f} | {share:+.2f} | {bias} | {rmse} |", flush=True)


def _kang_schafer(n: int, seed: int, *, over_identified: bool) -> float:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 4))
    t = (rng.random(n) < expit(z @ [-1, 0.5, -0.25, -0.1])).astype(int)
    y = 210 + z @ [27.4, 13.7, 13.7, 13.7] + rng.normal(size=n)
    weight = CBPS(over_identified=over_identified).fit(z, y, treatment=t).weights_
    return float(weight[t == 1] @ y[t == 1] - 210)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=600)
    warnings.simplefilter("ignore", OverlapWarning)  # a row or two of a draw
    weights(parser.parse_args().draws)


if __name__ == "__main__":
    main()
