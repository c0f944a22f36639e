"""How often the kernel test rejects true independences, with and without the correction of its null moments.

x and y are different curves of the same columns Z, plus noise of their own; 300 draws of 200 rows.
"""

from __future__ import annotations

import numpy as np

from causalrep.independence import KCI

QUICK = False
N_ROWS, N_DRAWS = 200, 300


def draw(k: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(N_ROWS, k))
    w = Z.sum(axis=1) / np.sqrt(k)
    x = np.tanh(w) + 0.5 * rng.normal(size=N_ROWS)
    return np.column_stack([x, 0.5 * w**2 + 0.5 * rng.normal(size=N_ROWS), Z])


def main() -> None:
    for k in (1, 3):
        for corrected in (False, True):
            test = KCI(corrected=corrected)
            given = list(range(2, 2 + k))
            p = np.array([test.fit(draw(k, seed)).test(0, 1, given).pvalue for seed in range(N_DRAWS)])
            shares = f"{np.mean(p < 0.05):.3f} at 5 %, {np.mean(p < 0.01):.3f} at 1 %"
            print(f"given {k}, corrected={corrected}: rejected {shares}", flush=True)


if __name__ == "__main__":
    main()
