"""Chance is explicit: same seed and key, same draws; global state untouched."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causalrep.utils import (
    as_generator,
    as_seed,
    keyed_generator,
    keyed_seed,
    keyed_torch_generator,
    torch_rng,
)

keys = st.lists(st.one_of(st.text(max_size=5), st.integers(-9, 9)), max_size=4).map(tuple)


@given(seed=st.integers(0, 2**63 - 1))
def test_an_int_is_its_own_seed(seed):
    assert as_seed(seed) == seed


def test_as_seed_accepts_numpy_integers():
    assert as_seed(np.int32(7)) == 7


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_a_generator_gives_a_new_seed_each_time_and_the_same_sequence_again(make):
    first, again = make(3), make(3)
    seeds = [as_seed(first) for _ in range(4)]
    assert len(set(seeds)) == 4
    assert seeds == [as_seed(again) for _ in range(4)]


def test_none_gives_fresh_seeds():
    seeds = {as_seed(None) for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("bad", [True, 1.5, "0", np.random])
def test_as_seed_refuses_other_types(bad):
    with pytest.raises(TypeError, match="random_state must be"):
        as_seed(bad)


@pytest.mark.parametrize("bad", [-1, 2**63])
def test_as_seed_refuses_numbers_out_of_range(bad):
    with pytest.raises(ValueError, match=r"\[0, 2\*\*63\)"):
        as_seed(bad)


def test_as_generator_hands_a_generator_through():
    generator = np.random.default_rng(0)
    assert as_generator(generator) is generator


def test_as_generator_repeats_for_a_seed():
    np.testing.assert_array_equal(as_generator(5).random(8), as_generator(5).random(8))


@given(seed=st.integers(0, 2**63 - 1), keys=keys)
def test_keyed_seed_is_in_range(seed, keys):
    assert 0 <= keyed_seed(seed, *keys) < 2**63


@given(first=keys, second=keys)
def test_different_keys_address_different_streams(first, second):
    # 64-bit hashes: a collision among these few keys has probability below 1e-15
    assert (keyed_seed(0, *first) == keyed_seed(0, *second)) == (first == second)


def test_keys_are_not_glued_together():
    assert keyed_seed(0, "a", "b") != keyed_seed(0, "ab")
    assert keyed_seed(1, "2") != keyed_seed(12)


def test_a_name_read_from_a_numpy_array_addresses_the_stream_of_the_plain_name():
    names = np.array(["X", "Y"])
    assert keyed_seed(0, names[1]) == keyed_seed(0, "Y")
    assert keyed_seed(0, np.int64(3)) == keyed_seed(0, 3)


def test_streams_do_not_depend_on_when_they_are_drawn():
    before = keyed_generator(0, "noise", "Y").normal(size=5)
    keyed_generator(0, "noise", "X").normal(size=1000)
    np.testing.assert_array_equal(before, keyed_generator(0, "noise", "Y").normal(size=5))


def test_streams_of_different_keys_are_uncorrelated():
    n = 20_000
    streams = np.array([keyed_generator(0, "noise", k).normal(size=n) for k in range(6)])
    correlations = np.corrcoef(streams)[np.triu_indices(6, 1)]
    # 15 independent correlations, each normal with sd 1/sqrt(n): |r| > 4.5 sd has probability 1e-4
    assert np.abs(correlations).max() < 4.5 / np.sqrt(n)


def test_torch_streams_are_keyed_too():
    torch = pytest.importorskip("torch")
    draw = [torch.rand(4, generator=keyed_torch_generator(0, key)) for key in ("a", "a", "b")]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])


def test_torch_rng_seeds_inside_and_restores_outside():
    torch = pytest.importorskip("torch")
    before = torch.random.get_rng_state()
    with torch_rng(11):
        first = torch.rand(3)
    assert torch.equal(before, torch.random.get_rng_state())
    with torch_rng(11):
        assert torch.equal(first, torch.rand(3))


def test_threads_do_not_draw_from_each_other():
    import torch

    met = threading.Barrier(4)

    def draw(seed):
        met.wait()
        with torch_rng(seed):
            parts = []
            for _ in range(5):
                parts.append(torch.rand(3))
                time.sleep(0.002)  # lets another thread in, were it allowed
        return torch.cat(parts).tolist()

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(draw, range(4)))
    for seed, found in enumerate(together):
        with torch_rng(seed):
            assert found == torch.rand(5, 3).ravel().tolist()


def test_torch_rng_restores_after_an_error():
    torch = pytest.importorskip("torch")
    before = torch.random.get_rng_state()
    with pytest.raises(RuntimeError, match="shape"), torch_rng(11):
        torch.rand(3).reshape(2)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_global_state_of_numpy_and_python_is_untouched():
    numpy_before, python_before = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    as_seed(None)
    keyed_generator(0, "x").normal()
    as_generator(0).normal()
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002
    assert python_before == random.getstate()
