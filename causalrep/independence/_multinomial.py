"""The largest likelihood of a multinomial logistic regression, by Newton's method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["largest_log_likelihood"]

Floats = NDArray[np.float64]
_STEPS, _HALVINGS = 100, 30


def largest_log_likelihood(codes: NDArray[np.int64], X: Floats) -> float | None:
    """Return the largest log-likelihood of categories given columns, None where Newton's steps do not end.

    Parameters
    ----------
    codes : array of shape (n,), int
        Categories 0, 1, ..., all of which occur.
    X : array of shape (n, p)
        Standardised columns; an intercept is added. Columns that others determine do no harm.

    Notes
    -----
    O(n p^2 m^2) a step for m categories. Where the columns separate the categories, the likelihood rises to a
    limit that no coefficients reach, and the limit is returned.

    References
    ----------
    T. Hastie, R. Tibshirani, J. Friedman, The Elements of Statistical Learning, 2nd ed., 2009, section 4.4.1.
    """
    n, m = len(codes), int(codes.max()) + 1
    if m < 2:
        return 0.0
    design = np.column_stack([np.ones(n), X])
    wanted = codes[:, None] == np.arange(m - 1)  # the last category is the one that others are compared with
    weights = np.zeros((design.shape[1], m - 1))
    value, share = _likelihood(design, weights, codes)
    for _ in range(_STEPS):
        gradient = design.T @ (wanted - share[:, :-1])
        step = np.linalg.lstsq(_information(design, share[:, :-1]), gradient.T.reshape(-1), rcond=1e-12)[0]
        step = step.reshape(m - 1, -1).T
        for _ in range(_HALVINGS):
            found, share_there = _likelihood(design, weights + step, codes)
            if found >= value:
                break
            step = step / 2.0
        else:
            return value
        gained, value, share, weights = found - value, found, share_there, weights + step
        if gained <= 1e-10 * (1.0 + abs(value)):
            return value
    return None


def _likelihood(design: Floats, weights: Floats, codes: NDArray[np.int64]) -> tuple[float, Floats]:
    """Return the log-likelihood, and the probabilities of the categories in each row."""
    score = np.column_stack([design @ weights, np.zeros(len(design))])
    score -= score.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(score).sum(axis=1))
    logs = score - log_total[:, None]
    return float(logs[np.arange(len(codes)), codes].sum()), np.exp(logs)


def _information(design: Floats, share: Floats) -> Floats:
    """Return the negative second derivatives, of shape (p m, p m), category after category."""
    m, p = share.shape[1], design.shape[1]
    blocks = np.empty((m, p, m, p))
    for a in range(m):
        for b in range(m):
            weight = share[:, a] * ((a == b) - share[:, b])
            blocks[a, :, b, :] = design.T @ (weight[:, None] * design)
    return blocks.reshape(m * p, m * p)
