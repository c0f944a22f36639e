"""Designs with known effects."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression


def linear_design(n, seed, effect=2.0):
    """Return covariates with the treatment, and the outcome; the effect is the same for all rows."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(n, 3))
    t = (rng.random(n) < 1 / (1 + np.exp(-0.6 * W[:, 0] + 0.4 * W[:, 1]))).astype(int)
    y = effect * t + W @ [1.0, -0.5, 0.3] + rng.normal(size=n)
    return pd.DataFrame({"a": W[:, 0], "t": t, "b": W[:, 1], "c": W[:, 2]}), y


@pytest.fixture
def design():
    return linear_design(400, seed=1)


@pytest.fixture
def folds():
    rows = np.random.default_rng(7).permutation(400)
    parts = np.array_split(rows, 4)
    return [(np.setdiff1d(rows, test), test) for test in parts]


def by_hand(X, y, folds):
    """Return the cross-fitted nuisances mu0, mu1 and e of linear models, written out."""
    W, t = X[["a", "b", "c"]].to_numpy(), X["t"].to_numpy()
    mu0, mu1, e = (np.zeros(len(y)) for _ in range(3))
    for train, test in folds:
        for arm, mu in ((0, mu0), (1, mu1)):
            rows = train[t[train] == arm]
            mu[test] = LinearRegression().fit(W[rows], y[rows]).predict(W[test])
        e[test] = LogisticRegression().fit(W[train], t[train]).predict_proba(W[test])[:, 1]
    return mu0, mu1, e
