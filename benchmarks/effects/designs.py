"""Designs with known effects, and the semi-synthetic data of ../shared/data, for causalrep and its peers.

It imports NumPy and, for files, polars: the environments of the peers have no causalrep.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def linear(n: int, seed: int) -> dict[str, np.ndarray]:
    """Return five covariates, linear outcomes, and an effect that follows one of them."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(n, 5))
    effect = 1 + 0.5 * W[:, 0]
    propensity = 1 / (1 + np.exp(-0.6 * W[:, 0] + 0.4 * W[:, 1]))
    return _outcome(rng, W, effect, W @ [1.0, -0.5, 0.3, 0.2, 0], propensity)


def nonlinear(n: int, seed: int) -> dict[str, np.ndarray]:
    """Return five covariates whose waves and products move treatment and outcome; the mean effect is 1."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(n, 5))
    wave = np.sin(2 * W[:, 0]) + np.tanh(W[:, 1] * W[:, 2])
    effect = 1 + 0.5 * W[:, 0] + 0.5 * np.sin(2 * W[:, 1])
    return _outcome(rng, W, effect, 3 * wave, 1 / (1 + np.exp(-wave)))


def _outcome(
    rng: np.random.Generator, W: np.ndarray, effect: np.ndarray, base: np.ndarray, propensity: np.ndarray
) -> dict[str, np.ndarray]:
    t = (rng.random(len(W)) < propensity).astype(int)
    return {"W": W, "t": t, "y": base + effect * t + rng.normal(size=len(W)), "effect": effect}


DESIGNS = {"linear": linear, "nonlinear": nonlinear}


def ihdp(replication: int) -> dict[str, np.ndarray]:
    """Return a replication of the infant health programme, 1 to 6 (Hill 2011)."""
    rows = _read(DATA / "ihdp" / f"ihdp_npci_{replication}.csv")
    W = np.column_stack([rows[f"x{j}"] for j in range(1, 26)])
    return {
        "W": W,
        "t": rows["treatment"].astype(int),
        "y": rows["y_factual"],
        "effect": rows["mu1"] - rows["mu0"],
    }


def acic(setting: int) -> dict[str, np.ndarray]:
    """Return a setting of the 2016 challenge, 1 to 5 (Dorie et al. 2019); letters become indicators."""
    import polars as pl

    rows = _read(DATA / "acic2016" / f"zymu_{setting}.csv")
    frame = pl.read_parquet(DATA / "acic2016" / "x.parquet")
    letters = frame.select(~pl.selectors.numeric()).columns
    W = frame.to_dummies(letters, drop_first=True).to_numpy().astype(float)
    t = rows["z"].astype(int)
    y = np.where(t == 1, rows["y1"], rows["y0"])
    return {"W": W, "t": t, "y": y, "effect": rows["mu1"] - rows["mu0"]}


def twins(seed: int) -> dict[str, np.ndarray]:
    """Return twins of whom one is hidden, by a propensity that is linear in the covariates (GANITE)."""
    import polars as pl

    rows = pl.read_parquet(DATA / "twins_ganite" / "twin_data.parquet").to_numpy().astype(float)
    W = rows[:, :30]
    W = np.nan_to_num((W - W.mean(axis=0)) / W.std(axis=0))
    dead = (rows[:, 30:32] < 9999).astype(float)
    rng = np.random.default_rng(seed)
    logit = W @ rng.uniform(-0.1, 0.1, 30) + 0.1 * rng.normal(size=len(W))
    t = (rng.random(len(W)) < 1 / (1 + np.exp(-logit))).astype(int)
    return {"W": W, "t": t, "y": dead[np.arange(len(W)), t], "effect": dead[:, 1] - dead[:, 0]}


def _read(path: Path) -> dict[str, np.ndarray]:
    with path.open() as file:
        rows = list(csv.reader(file))
    values = np.array([[float(cell) for cell in row] for row in rows[1:]])
    return {name.strip('"'): values[:, j] for j, name in enumerate(rows[0])}


DATA_SETS = {"ihdp": (ihdp, range(1, 7)), "acic2016": (acic, range(1, 6)), "twins": (twins, range(5))}
