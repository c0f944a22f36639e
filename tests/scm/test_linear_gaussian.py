"""Linear Gaussian models against the big joint Gaussian of noises and worlds, conditioned numerically."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm

from causalrep.graphs import DAG
from causalrep.scm import SCM, AdditiveNoise, Interval, JointNormal, Linear, LinearGaussianSCM, Normal
from causalrep.utils import CycleError, DataError, ImpossibleEvidenceError, UnknownNameError

TOLERANCE = 1e-9  # asked for by the specification


def random_parameters(rng, d, *, correlated):
    order = rng.permutation(d)
    B = np.zeros((d, d))
    for i in range(d):
        for j in range(i + 1, d):
            if rng.random() < 0.6:
                B[order[i], order[j]] = rng.normal()
    variances = rng.uniform(0.3, 2.0, size=d)
    omega = np.diag(variances)
    if correlated:
        root = rng.normal(size=(3, 3))
        block = rng.choice(d, size=3, replace=False)
        omega[np.ix_(block, block)] = root @ root.T + 0.3 * np.eye(3)
    return B, omega, rng.normal(size=d)


def stacked(B, omega, mean, do):
    """Joint mean and covariance of (V, V under do): both are affine maps of one noise vector."""
    d = len(B)
    cut = B.copy()
    cut[:, list(do)] = 0
    own = np.ones(d)
    own[list(do)] = 0
    shift = np.zeros(d)
    shift[list(do)] = list(do.values())
    seen = np.linalg.inv(np.eye(d) - B.T)
    acted = np.linalg.inv(np.eye(d) - cut.T)
    maps = np.vstack([seen, acted * own])
    constant = np.concatenate([np.zeros(d), acted @ shift])
    return maps @ mean + constant, maps @ omega @ maps.T


def conditioned(mean, covariance, evidence):
    at, values = list(evidence), np.array(list(evidence.values()))
    gain = np.linalg.solve(covariance[np.ix_(at, at)], covariance[at]).T
    return mean + gain @ (values - mean[at]), covariance - gain @ covariance[at]


def check_model(seed):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(3, 8))
    B, omega, mean = random_parameters(rng, d, correlated=seed % 2 == 1)
    scm = LinearGaussianSCM(B, omega if seed % 2 else np.diag(omega), mean)
    do = {int(rng.integers(d)): float(rng.normal())}
    joint_mean, joint_covariance = stacked(B, omega, mean, do)
    np.testing.assert_allclose(scm.mean(), joint_mean[:d], atol=TOLERANCE)
    np.testing.assert_allclose(scm.covariance(), joint_covariance[:d, :d], atol=TOLERANCE)
    np.testing.assert_allclose(scm.do(do).covariance(), joint_covariance[d:, d:], atol=TOLERANCE)
    k = int(rng.integers(1, d + 1))  # partial evidence up to a full row
    evidence = {int(i): float(rng.normal()) for i in rng.choice(d, size=k, replace=False)}
    after_mean, after_covariance = conditioned(joint_mean, joint_covariance, evidence)
    for node in range(d):
        found = scm.counterfactual_expectation(node, do=do, given=evidence)
        assert found == pytest.approx(after_mean[d + node], abs=TOLERANCE)
        assert found.exact
        variance = scm.counterfactual_variance(node, do=do, given=evidence)
        assert variance == pytest.approx(after_covariance[d + node, d + node], abs=TOLERANCE)
        assert scm.expectation(node, given=evidence) == pytest.approx(after_mean[node], abs=TOLERANCE)
        low, high = sorted(rng.normal(size=2))
        chance = scm.counterfactual_probability({node: Interval(low, high)}, do=do, given=evidence)
        sd = np.sqrt(max(after_covariance[d + node, d + node], 0.0))
        if sd > 1e-4:  # below it the reference itself has no digits left
            expected = norm.cdf(high, after_mean[d + node], sd) - norm.cdf(low, after_mean[d + node], sd)
            assert chance == pytest.approx(expected, abs=TOLERANCE)
    free = {node: value for node, value in evidence.items() if node not in do}
    if free:  # conditions in the world of the intervention
        later, _ = conditioned(joint_mean[d:], joint_covariance[d:, d:], free)
        for node in range(d):
            found = scm.expectation(node, do=do, given=free)
            assert found == pytest.approx(later[node], abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(30))
def test_everything_agrees_with_the_big_gaussian(seed):
    check_model(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(400))
def test_everything_agrees_with_the_big_gaussian_often(seed):
    check_model(1000 + seed)


def small():
    B = np.array([[0, 0.8, -1.0], [0, 0, 2.0], [0, 0, 0]])
    return LinearGaussianSCM(B, [1.0, 1.0, 0.25], [0.5, 0.0, 1.0], ["Z", "X", "Y"])


def test_direction_of_the_matrix():
    """`B[i, j]` is i -> j: a transposed reading would give the graph Y -> X -> Z."""
    scm = small()
    assert scm.graph == DAG([("Z", "X"), ("Z", "Y"), ("X", "Y")])
    assert scm.expectation("Y", do={"X": 1.0}) == pytest.approx(1.0 + 2.0 - 0.5)
    np.testing.assert_array_equal(scm.direct_effects()[1], [0, 0, 2.0])
    np.testing.assert_allclose(scm.total_effects()[0], [0, 0.8, -1.0 + 0.8 * 2.0])


def test_the_engine_serves_it_as_any_scm():
    scm = small()
    rows = scm.sample(50_000, random_state=0)
    # standard error of a covariance near 5 from n Gaussian rows: sqrt((5*5 + 5**2) / n) = 0.03
    np.testing.assert_allclose(rows.cov(), scm.covariance(), atol=0.13)
    imagined = scm.counterfactual(rows, do={"X": 0.0})
    np.testing.assert_allclose(imagined["Y"], rows["Y"] - 2.0 * rows["X"], atol=1e-9)
    row = {name: float(rows[name][3]) for name in rows}
    for node in ("Z", "X", "Y"):
        exact = scm.counterfactual_expectation(node, do={"X": 0.0}, given=row)
        assert exact == pytest.approx(imagined[node][3], abs=1e-9)
        assert scm.counterfactual_variance(node, do={"X": 0.0}, given=row) == pytest.approx(0, abs=1e-12)


def test_shift_and_stochastic_interventions_stay_exact():
    scm = small()
    assert scm.shift(X=0.5).expectation("Y") == pytest.approx(scm.expectation("Y") + 1.0)
    drawn = scm.do(X=Normal(2.0, 3.0))
    np.testing.assert_allclose(drawn.mean(), [0.5, 2.0, 4.5])
    assert drawn.covariance()[2, 2] == pytest.approx(1.0 + 4 * 9.0 + 0.25)
    soft = scm.do(X=Linear({"Z": -1.0}, noise=Normal(0, 1)))
    assert soft.covariance()[2, 2] == pytest.approx((-1.0 - 2.0) ** 2 + 4.0 + 0.25)
    np.testing.assert_array_equal(scm.do(X=0.0).direct_effects()[:, 1], 0)


def test_correlated_noise_acts_like_a_bidirected_edge():
    omega = [[1.0, 0.5], [0.5, 1.0]]
    scm = LinearGaussianSCM([[0, 2.0], [0, 0]], omega, names=["X", "Y"])
    assert scm.expectation("Y", given={"X": 1.0}) == pytest.approx(2.5)
    assert scm.expectation("Y", do={"X": 1.0}) == pytest.approx(2.0)
    rows = scm.sample(40_000, random_state=1)
    noise = np.stack([rows["X"], rows["Y"] - 2 * rows["X"]])
    # standard error of a covariance of 0.5 between unit variances: sqrt(1.25 / n) = 0.0056
    assert np.cov(noise)[0, 1] == pytest.approx(0.5, abs=0.023)
    done = scm.do(X=0.0).sample(40_000, random_state=1)
    np.testing.assert_allclose(done["Y"], rows["Y"] - 2 * rows["X"], atol=1e-9)  # common random numbers
    alone = scm.sample(40_000, random_state=1, nodes=["X"])
    np.testing.assert_array_equal(alone["X"], rows["X"])


def test_joint_noise_density_is_joint():
    omega = np.array([[1.0, 0.5], [0.5, 2.0]])
    scm = LinearGaussianSCM([[0, 2.0], [0, 0]], omega, mean=[0.3, -0.2])
    rows = scm.sample(20, random_state=0)
    expected = multivariate_normal(scm.mean(), scm.covariance()).logpdf(rows.to_numpy())
    np.testing.assert_allclose(scm.log_prob(rows), expected, atol=1e-9)
    shifted = scm.shift({1: 1.0})
    expected = multivariate_normal(shifted.mean(), scm.covariance()).logpdf(rows.to_numpy())
    np.testing.assert_allclose(shifted.log_prob(rows), expected, atol=1e-9)
    drawn = scm.do({0: Normal(0.0, 3.0)})
    expected = multivariate_normal(drawn.mean(), drawn.covariance()).logpdf(rows.to_numpy())
    np.testing.assert_allclose(drawn.log_prob(rows), expected, atol=1e-9)


def test_joint_noise_of_an_scm_in_any_form():
    law = JointNormal(["X", "Y"], [[1.0, 0.8], [0.8, 1.0]], mean=[1.0, 0.0])
    scm = SCM(
        DAG([("X", "Y")]),
        {"Y": AdditiveNoise(lambda X: X**2), "X": Linear({})},
        noise=law,
    )
    found = scm.expectation("Y", given={"X": 2.0}, random_state=0)
    assert abs(found - (4.0 + 0.8)) <= 4 * found.se
    assert scm.admg().bidirected_edges == {("X", "Y")}
    assert not scm.do(X=1).admg().bidirected_edges


def test_singular_covariances():
    """Two noises that are one: evidence on one settles the other."""
    scm = LinearGaussianSCM([[0, 1.0], [0, 0]], [[1.0, 2.0], [2.0, 4.0]], names=["X", "Y"])
    assert scm.counterfactual_expectation("Y", do={"X": 0.0}, given={"X": 1.5}) == pytest.approx(3.0)
    assert scm.counterfactual_variance("Y", do={"X": 0.0}, given={"X": 1.5}) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ImpossibleEvidenceError):
        scm.expectation("Y", given={"X": 1.5, "Y": 0.0})


def test_deterministic_nodes_and_events_of_probability_zero():
    scm = LinearGaussianSCM([[0, 2.0], [0, 0]], [1.0, 0.0], names=["X", "Y"])
    assert scm.probability({"Y": 3.0}, given={"X": 1.5}) == 1.0
    assert scm.probability({"Y": 3.0}) == 0.0
    assert scm.probability({"Y": Interval(0, 3), "X": 1.0}, do={"X": 1.0}) == 1.0
    with pytest.raises(ImpossibleEvidenceError):
        scm.expectation("X", given={"X": 1.0, "Y": 2.5})
    assert scm.expectation("X", given={"Y": 2.5}) == pytest.approx(1.25)


def test_tails_keep_their_digits():
    scm = LinearGaussianSCM([[0.0]], [1.0], names=["X"])
    assert scm.probability({"X": Interval(low=12)}) == pytest.approx(norm.sf(12), rel=1e-12)
    assert scm.probability({"X": Interval(-13, -12)}) == pytest.approx(norm.cdf(-12), rel=1e-3)


def test_several_conditions_are_sampled():
    scm = small()
    found = scm.probability(
        {"X": Interval(low=0.4), "Y": Interval(low=1.5)}, random_state=0, n_samples=50_000
    )
    order = [1, 2]
    law = multivariate_normal(scm.mean()[order], scm.covariance()[np.ix_(order, order)])
    expected = 1 - norm.cdf(0.4, scm.mean()[1], scm.covariance()[1, 1] ** 0.5)
    expected -= norm.cdf(1.5, scm.mean()[2], scm.covariance()[2, 2] ** 0.5) - law.cdf([0.4, 1.5])
    assert not found.exact
    assert abs(found - expected) <= 4 * found.se


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        (CycleError, ([[0, 1], [1, 0]], [1, 1])),
        (DataError, ([[0, 1]], [1, 1])),
        (DataError, ([[0, 1], [0, 0]], [1])),
        (DataError, ([[0, 1], [0, 0]], [1, -1])),
        (DataError, ([[0, np.nan], [0, 0]], [1, 1])),
        (DataError, ([[0, 1], [0, 0]], [[1, 2], [2, 1]])),
        (DataError, ([[0, 1], [0, 0]], [[1, 0.5], [0.4, 1]])),
        (DataError, ([[0, 1], [0, 0]], [[0, 0.5], [0.5, 1]])),
        (DataError, ([[0, 1], [0, 0]], [1, 1], [0])),
        (DataError, ([[0, 1], [0, 0]], [1, 1], None, ["X"])),
    ],
)
def test_bad_parameters_are_refused(error, arguments):
    with pytest.raises(error):
        LinearGaussianSCM(*arguments)


def test_values_that_are_not_known_are_no_evidence():
    scm, row = small(), {"Z": 0.3, "X": np.nan, "Y": 1.0}
    known = {"Z": 0.3, "Y": 1.0}
    found = scm.counterfactual_expectation("Y", do={"X": 1.0}, given=row)
    assert found == scm.counterfactual_expectation("Y", do={"X": 1.0}, given=known)


def test_bad_questions_are_refused():
    scm = small()
    with pytest.raises(DataError, match="shape"):
        scm.expectation("Y", given={"X": np.array([1.0, 2.0])})
    with pytest.raises(DataError, match="finite"):
        scm.expectation("Y", given={"X": np.inf})
    with pytest.raises(UnknownNameError, match="did you mean 'Y'"):
        scm.expectation("y")
    with pytest.raises(UnknownNameError):
        scm.probability({"Q": 1})
    with pytest.raises(DataError, match="n_samples"):
        scm.expectation("Y", n_samples=0)
    with pytest.raises(DataError, match="low"):
        Interval(2, 1)
    law = JointNormal(["X", "Y"], np.eye(2))
    with pytest.raises(DataError, match="same JointNormal"):
        SCM(mechanisms={"X": Linear({}), "Y": Linear({"X": 1.0}, noise=Normal(0, 1))}, noise={"X": law})


def test_rows_with_gaps_are_drawn_exactly():
    """Draws of the noise follow its conditional law, row by row, whatever is missing."""
    scm = LinearGaussianSCM(
        np.array([[0, 0.8, -1.0], [0, 0, 2.0], [0, 0, 0]]),
        [[1.0, 0.0, 0.4], [0.0, 1.0, 0.0], [0.4, 0.0, 0.5]],
        names=["Z", "X", "Y"],
    )
    gaps = [[0.2, 1.0, 1.5], [np.nan, -0.5, 0.3], [np.nan, np.nan, -1.0], [0.4, np.nan, np.nan], [np.nan] * 3]
    rows = pd.DataFrame(gaps, columns=["Z", "X", "Y"])
    n = 20_000
    draws = scm.counterfactual(rows, do={"X": 2.0}, n_draws=n, random_state=0)
    assert draws.ess.tolist() == pytest.approx([n] * 5)
    for i, row in rows.iterrows():
        for node in ("Z", "X", "Y"):
            values = draws.samples[node].reshape(5, n)[i]
            mean = scm.counterfactual_expectation(node, do={"X": 2.0}, given=dict(row))
            variance = scm.counterfactual_variance(node, do={"X": 2.0}, given=dict(row))
            assert abs(values.mean() - mean) <= 4 * np.sqrt(variance / n) + 1e-9
            # the standard error of a Gaussian variance is variance * sqrt(2 / n)
            assert abs(values.var() - variance) <= 4 * variance * np.sqrt(2 / n) + 1e-9
    np.testing.assert_array_equal(draws.samples["Z"].reshape(5, n)[0], 0.2)
    other = scm.counterfactual(rows, do={"X": 5.0}, n_draws=n, random_state=0)
    np.testing.assert_allclose(other.samples["Y"] - draws.samples["Y"], 6.0, atol=1e-9)  # the same noise


def test_stochastic_interventions_on_rows_with_gaps():
    scm = small()
    rows = pd.DataFrame({"Y": [1.0, -1.0]})
    n = 20_000
    draws = scm.counterfactual(rows, do={"X": Normal(2.0, 3.0)}, n_draws=n, random_state=0)
    for i, y in enumerate(rows["Y"]):
        fixed = scm.counterfactual_expectation("Y", do={"X": 2.0}, given={"Y": y})
        left = scm.counterfactual_variance("Y", do={"X": 2.0}, given={"Y": y}) + 4 * 9.0
        values = draws.samples["Y"].reshape(2, n)[i]
        assert abs(values.mean() - fixed) <= 4 * np.sqrt(left / n)
        assert values.var() == pytest.approx(left, rel=4 * np.sqrt(2 / n))


def test_rows_that_contradict_themselves():
    scm = LinearGaussianSCM([[0, 2.0], [0, 0]], [1.0, 0.0], names=["X", "Y"])
    rows = pd.DataFrame({"X": [1.0, 1.0], "Y": [2.0, 2.5]})
    with pytest.raises(ImpossibleEvidenceError):
        scm.counterfactual(rows, do={"X": 0.0}, n_draws=3, random_state=0)


def test_a_published_network_agrees_with_adjustment():
    """46 genes: the total effect is the coefficient in the regression on treatment and its parents."""
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "bnlearn_networks"
    if not folder.exists():
        pytest.skip(f"{folder} is absent")
    nodes = pd.read_csv(folder / "ecoli70_nodes.csv").set_index("node")
    arcs = pd.read_csv(folder / "ecoli70_coefficients.csv")
    names = list(nodes.index)
    B = np.zeros((len(names), len(names)))
    for cause, effect, coefficient in arcs.itertuples(index=False):
        B[names.index(cause), names.index(effect)] = coefficient
    scm = LinearGaussianSCM(B, nodes["noise_variance"], nodes["intercept"], names)
    covariance = scm.covariance()
    for x in names:
        for y in scm.graph.descendants(x):
            if y != x:
                given = [names.index(node) for node in (x, *scm.graph.parents(x))]
                slopes = np.linalg.solve(covariance[np.ix_(given, given)], covariance[given, names.index(y)])
                assert scm.effect("ATE", x, y) == pytest.approx(slopes[0], abs=1e-9)
