"""How rows of a table share their noise: margins, joint laws, draws of the noise, twin worlds."""

import numpy as np
import pytest

from causalrep.scm import CPT, DiscreteSCM
from causalrep.scm._couplings import gumbel_joint, interval_cells
from causalrep.utils import DataError, UnknownNameError


def rows(seed, k):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(k), size=2)
    if seed % 3 == 0:
        p[0] = 0  # a state that one row never gives
        p /= p.sum()
    return p, q


@pytest.mark.parametrize("seed", range(12))
def test_gumbel_joint_has_the_right_margins_and_agrees_with_draws(seed):
    p, q = rows(seed, 2 + seed % 4)
    joint = gumbel_joint(p, q)
    np.testing.assert_allclose(joint.sum(axis=1), p, atol=1e-12)
    np.testing.assert_allclose(joint.sum(axis=0), q, atol=1e-12)
    n = 100_000
    noise = np.random.default_rng(seed).gumbel(size=(n, len(p)))
    with np.errstate(divide="ignore"):
        first, second = (np.log(p) + noise).argmax(axis=1), (np.log(q) + noise).argmax(axis=1)
    counts = np.zeros_like(joint)
    np.add.at(counts, (first, second), 1 / n)
    # five standard errors of a frequency, at most 0.5 / sqrt(n) each
    np.testing.assert_allclose(counts, joint, atol=5 * 0.5 / np.sqrt(n))


def test_gumbel_coupling_is_counterfactually_stable():
    """What was seen and became likelier than all else did would be seen again (their definition 1)."""
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.6, 0.2, 0.2])
    joint = gumbel_joint(p, q)
    # seen 0, whose probability grew by 1.2 while no other grew more: it stays 0
    np.testing.assert_allclose(joint[0], [0.5, 0, 0], atol=1e-15)


@pytest.mark.parametrize("seed", range(6))
def test_interval_cells_give_back_the_rows_in_order(seed):
    p, q = rows(seed, 4)
    lengths, response = interval_cells(np.stack([p, q]))
    assert lengths.sum() == pytest.approx(1)
    for row, answer in zip((p, q), response, strict=True):
        np.testing.assert_allclose(np.bincount(answer, weights=lengths, minlength=4), row, atol=1e-12)
        assert (np.diff(answer) >= 0).all()  # a larger noise never gives a smaller state


def table():
    return CPT(
        [[[0.5, 0.3, 0.2], [0.1, 0.9, 0.0]], [[0.2, 0.2, 0.6], [1.0, 0.0, 0.0]]],
        {"A": ["lo", "hi"], "B": [0, 1]},
        states=["x", "y", "z"],
    )


@pytest.mark.parametrize("coupling", ["monotone", "gumbel"])
def test_sampling_follows_the_table_and_drawn_noise_gives_the_value_back(coupling):
    cpt = CPT(table().table, {"A": ["lo", "hi"], "B": [0, 1]}, ["x", "y", "z"], coupling=coupling)
    rng = np.random.default_rng(0)
    n = 60_000
    parents = {
        "A": np.array(["lo", "hi"], dtype=object)[rng.integers(2, size=n)],
        "B": rng.integers(2, size=n),
    }
    values = cpt.forward(parents, cpt.sample_noise(n, rng))
    for a, label in enumerate(["lo", "hi"]):
        for b in (0, 1):
            at = (parents["A"] == label) & (parents["B"] == b)
            found = [(values[at] == state).mean() for state in ("x", "y", "z")]
            # five standard errors of a frequency in a quarter of the rows
            np.testing.assert_allclose(found, cpt.table[a, b], atol=5 * 0.5 / np.sqrt(n / 4))
    drawn = cpt.draw_noise(parents, values, rng)
    np.testing.assert_array_equal(cpt.forward(parents, drawn), values)
    codes = np.searchsorted(["x", "y", "z"], values.astype(str))
    expected = np.log(cpt.table[(parents["A"] == "hi").astype(int), parents["B"], codes])
    np.testing.assert_allclose(cpt.log_prob(parents, values), expected)


@pytest.mark.parametrize("coupling", ["monotone", "gumbel"])
def test_posterior_noise_has_the_law_of_the_noise_behind_the_value(coupling):
    """Drawing values and then noise given them gives noise of the prior law (compared by moments)."""
    cpt = CPT([0.5, 0.3, 0.2], coupling=coupling)
    rng = np.random.default_rng(1)
    n = 100_000
    values = cpt.forward({}, cpt.sample_noise(n, rng))
    again = cpt.draw_noise({}, values, rng)
    mean, sd = (0.5, 12**-0.5) if coupling == "monotone" else (np.euler_gamma, np.pi / 6**0.5)
    np.testing.assert_allclose(again.mean(axis=0), mean, atol=5 * sd / np.sqrt(n))
    np.testing.assert_allclose(again.std(axis=0), sd, rtol=0.02)
    np.testing.assert_array_equal(cpt.forward({}, again), values)


def chain(coupling):
    rng = np.random.default_rng(5)
    return DiscreteSCM.from_cpts(
        {
            "Z": ((), [0.3, 0.7]),
            "X": (["Z"], rng.dirichlet(np.ones(3), size=2)),
            "W": (["Z"], rng.dirichlet(np.ones(2), size=2)),
            "Y": (["X", "W"], rng.dirichlet(np.ones(3), size=(3, 2))),
        },
        coupling=coupling,
    )


@pytest.mark.parametrize("coupling", ["monotone", "gumbel"])
@pytest.mark.parametrize("given", [{"Y": 0}, {"X": 2, "Y": 1}, {"Z": 1, "X": 0, "W": 1, "Y": 2}])
def test_exact_counterfactuals_agree_with_replayed_draws(coupling, given):
    """Rejection by hand: sample with noise, keep the rows that agree, replay them under the action."""
    scm = chain(coupling)
    n = 200_000
    rows = scm.sample(n, random_state=3, return_noise=True)
    agree = np.logical_and.reduce([rows[node] == value for node, value in given.items()])
    kept = rows.take(np.flatnonzero(agree))
    imagined = scm.counterfactual(kept, do={"X": 1})
    for state in range(3):
        exact = scm.counterfactual_probability({"Y": state}, do={"X": 1}, given=given)
        assert exact.exact
        assert abs((imagined["Y"] == state).mean() - exact) <= 5 * 0.5 / np.sqrt(len(kept))


@pytest.mark.parametrize("coupling", ["monotone", "gumbel"])
def test_couplings_differ_in_counterfactuals_and_in_nothing_else(coupling):
    scm, other = chain(coupling), chain("monotone")
    assert scm.probability({"Y": 2}, do={"X": 1}) == pytest.approx(other.probability({"Y": 2}, do={"X": 1}))
    assert scm.probability({"Y": 2}, given={"X": 1}) == pytest.approx(
        other.probability({"Y": 2}, given={"X": 1})
    )
    given = {"X": 0, "Y": 1}
    same = scm.counterfactual_probability({"Y": 1}, do={"X": 0}, given=given)
    assert same == pytest.approx(1.0)  # consistency
    here = scm.counterfactual_probability({"Y": 2}, do={"X": 1}, given=given)
    there = other.counterfactual_probability({"Y": 2}, do={"X": 1}, given=given)
    assert (abs(here - there) > 1e-3) == (coupling == "gumbel")


def test_three_worlds_of_gumbel_noise_are_sampled():
    scm = chain("gumbel")
    found = scm.effect("PNS", "X", "Y", given={"Y": 1}, random_state=0)
    assert not found.exact
    rows = scm.sample(200_000, random_state=9, return_noise=True)
    kept = rows.take(np.flatnonzero(rows["Y"] == 1))
    on, off = (scm.counterfactual(kept, do={"X": x})["Y"] for x in (1, 0))
    by_hand = ((on == 1) & (off != 1)).mean()
    assert abs(found - by_hand) <= 4 * np.hypot(found.se, 0.5 / np.sqrt(len(kept)))
    exact = chain("monotone").effect("PNS", "X", "Y", given={"Y": 1})
    assert exact.exact


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("axes", ([0.5, 0.5], ["A"])),
        ("sum to 1", ([0.5, 0.4],)),
        ("sum to 1", ([1.5, -0.5],)),
        ("sum to 1", ([np.nan, 1.0],)),
        ("shape", ([0.5, 0.5], (), ["a", "b", "c"])),
        ("shape", ([[0.5, 0.5], [1, 0]], {"A": [0, 1, 2]})),
        ("distinct", ([0.5, 0.5], (), [1, 1.0])),
        ("numbers or text", ([0.5, 0.5], (), [("a", "b"), "c"])),
        ("axes", (0.5,)),
    ],
)
def test_bad_tables_are_refused(match, arguments):
    with pytest.raises(DataError, match=match):
        CPT(*arguments)


def test_bad_couplings_and_values_are_refused():
    with pytest.raises(DataError, match="'monotone' or 'gumbel'"):
        CPT([0.5, 0.5], coupling="max")
    with pytest.raises(UnknownNameError, match="did you mean 'lo'"):
        table().log_prob({"A": np.array(["low"]), "B": np.array([0])}, np.array(["x"]))
    with pytest.raises(UnknownNameError, match="2"):
        CPT([0.5, 0.5]).log_prob({}, np.array([2]))
    with pytest.raises(UnknownNameError):
        CPT([0.5, 0.5]).log_prob({}, np.array([0.5]))
