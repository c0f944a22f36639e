"""Least squares by drawing: known minima, rows on their own, steps that never make things worse."""

import torch

from causalrep.datasets._fitting import gauss_newton, nearest

X = torch.linspace(0.0, 1.0, 40)


def bump(value):
    """A bump of some place and height."""
    place, height = value[:, :1], value[:, 1:]
    return height / (1.0 + 30.0 * (X - place) ** 2)


def fit(seen, start, steps=15):
    return gauss_newton(bump, seen, start, differences=(1e-3, 1e-3), limits=(0.1, 1.0), steps=steps)


def test_finds_what_was_drawn():
    truth = torch.tensor([[0.3, 1.0], [0.62, 0.4], [0.5, 2.0]])
    start = truth + torch.tensor([[0.15, 0.3], [-0.2, 0.2], [0.1, -1.0]])
    value, cost = fit(bump(truth), start)
    torch.testing.assert_close(value, truth, atol=1e-5, rtol=0)
    assert (cost < 1e-9).all()


def test_is_a_least_squares_fit_under_noise():
    truth = torch.tensor([[0.4, 1.0]])
    seen = bump(truth) + 0.05 * torch.randn(1, 40, generator=torch.Generator().manual_seed(0))
    value, cost = fit(seen, truth)
    for move in ([1e-2, 0.0], [-1e-2, 0.0], [0.0, 1e-2], [0.0, -1e-2]):
        assert (seen - bump(value + torch.tensor([move]))).square().sum() > cost[0]


def test_rows_are_on_their_own_and_never_get_worse():
    truth = torch.tensor([[0.3, 1.0], [0.7, 0.5]])
    start = torch.tensor([[0.9, -1.0], [0.6, 0.4]])  # the first starts far away
    value, cost = fit(bump(truth), start)
    assert (cost <= (bump(truth) - bump(start)).square().sum(dim=1)).all()
    alone, _ = fit(bump(truth)[1:], start[1:])
    torch.testing.assert_close(alone[0], value[1], atol=1e-6, rtol=0)


def test_a_parameter_that_moves_nothing_stays():
    flat = torch.tensor([[0.5, 0.0]])
    value, _ = fit(torch.zeros(1, 40), flat)
    torch.testing.assert_close(value, flat)


def test_nearest_picks_a_move_for_each_row():
    truth = torch.tensor([[0.3, 1.0], [0.62, 0.4], [0.5, 2.0]])
    moves = torch.tensor([[-0.2, 0.0], [0.0, 0.0], [0.1, 0.0]])
    start = truth - moves[[2, 0, 1]]
    torch.testing.assert_close(nearest(bump, bump(truth), start, moves), truth)
