"""The causal layer: structure by construction, invertibility, every hop."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from causalrep.representation.modules import CausalLayer


def random_topology(seed: int, max_nodes: int = 12) -> tuple[list[list[int]], list[int], np.ndarray]:
    """Parents, topological order and ancestor matrix of a random DAG whose indices are shuffled."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, max_nodes + 1))
    order = rng.permutation(n)
    adjacency = np.zeros((n, n), dtype=bool)
    for later in range(1, n):
        for earlier in range(later):
            adjacency[order[earlier], order[later]] = rng.random() < 0.35 or later == earlier + 1 < 4
    reach = adjacency.copy()
    for k in range(n):
        reach |= np.outer(reach[:, k], reach[k])
    return [list(np.flatnonzero(adjacency[:, j])) for j in range(n)], [int(i) for i in order], reach


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("mechanism", ["additive", "affine"])
def test_jacobian_is_zero_exactly_where_there_is_no_path(seed: int, mechanism: str) -> None:
    parents, order, reach = random_topology(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layer = CausalLayer(parents, order, 2, mechanism=mechanism).double()
        noise = torch.randn(1, len(parents), 2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(layer, noise)[0, :, :, 0]  # (i, k, j, l): dz_ik / du_jl
    moves = jacobian.abs().amax(dim=(1, 3)).numpy() > 0
    expected = reach.T | np.eye(len(parents), dtype=bool)
    np.testing.assert_array_equal(moves, expected)


@pytest.mark.parametrize("mechanism", ["additive", "affine"])
@given(seed=st.integers(0, 1000), slot_dim=st.integers(1, 4))
def test_inverse_after_forward_is_the_identity(mechanism: str, seed: int, slot_dim: int) -> None:
    parents, order, _ = random_topology(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layer = CausalLayer(parents, order, slot_dim, mechanism=mechanism)
        noise = torch.randn(5, len(parents), slot_dim)
    torch.testing.assert_close(layer.inverse(layer(noise)), noise, atol=1e-5, rtol=1e-5)


def test_a_change_of_the_first_node_of_a_chain_reaches_the_last() -> None:
    # The released implementation propagates one hop only: its last node would not move at all.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = CausalLayer([[], [0], [1], [2]], [0, 1, 2, 3], 1)
    noise = torch.zeros(2, 4, 1)
    noise[1, 0] = 1.0
    slots = layer(noise)
    assert ((slots[1] - slots[0]).abs() > 1e-6).all()


def test_parents_are_told_apart() -> None:
    # Summing the parents, as the released implementation does, could not tell these two rows apart.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = CausalLayer([[], [], [0, 1]], [0, 1, 2], 1)
    slots = layer(torch.tensor([[[1.0], [-1.0], [0.0]], [[-1.0], [1.0], [0.0]]]))
    assert (slots[0, 2] - slots[1, 2]).abs() > 1e-4


def test_roots_are_their_own_noise() -> None:
    layer = CausalLayer([[], [0]], [0, 1], 3, mechanism="affine")
    noise = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(layer(noise)[:, 0], noise[:, 0])


def test_every_parameter_gets_a_gradient() -> None:
    layer = CausalLayer([[], [0], [0, 1]], [0, 1, 2], 2, mechanism="affine")
    layer(torch.randn(8, 3, 2, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())
