"""Attributions against closed forms of linear Gaussian models, enumeration, and the axioms."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from causalrep.scm import (
    SCM,
    DiscreteSCM,
    JointNormal,
    Linear,
    LinearGaussianSCM,
    Normal,
    arrow_strength,
    attribute_anomalies,
    attribute_change,
    feature_relevance,
    intrinsic_causal_influence,
    root_causes,
    unit_change,
)
from causalrep.utils import CausalRepError, DataError, GraphError, NotInvertibleError, UnknownNameError

NAMES = ["A", "B", "C", "D"]
COEFFICIENTS = np.array([[0, 0.8, 0.5, 0], [0, 0, -1.2, 0.7], [0, 0, 0, 1.5], [0, 0, 0, 0.0]])
VARIANCES = np.array([1.0, 0.5, 2.0, 0.3])


def linear():
    return LinearGaussianSCM(COEFFICIENTS, VARIANCES, names=NAMES)


def within(found, truth, times=4.5):
    """All estimates within so many standard errors (of 20 groups: t with 19 degrees of freedom)."""
    np.testing.assert_array_less(np.abs(found.values - truth), times * found.se + 1e-9)


def adds_up(found):
    np.testing.assert_allclose(found.values.sum(axis=0), found.total, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_influence_is_the_variance_that_each_noise_sends(seed):
    """Var(D) = sum over nodes of (total effect on D)**2 times the noise's variance."""
    found = intrinsic_causal_influence(linear(), "D", n_samples=4000, random_state=seed)
    sent = np.linalg.inv(np.eye(4) - COEFFICIENTS)[:, 3] ** 2 * VARIANCES
    assert found.players == tuple(NAMES)
    within(found, sent)
    assert abs(found.total - linear().covariance()[3, 3]) < 0.1 * sent.sum()
    adds_up(found)
    assert found.start == 0


def test_influence_of_a_product_is_shared():
    """Y = X * Z with unit normals: all variance comes from the interaction, half of it each."""
    scm = SCM.from_equations("X = N(0, 1); Z = N(0, 1); Y = X * Z")
    found = intrinsic_causal_influence(scm, "Y", n_samples=20_000, random_state=0)
    assert found.players == ("X", "Z")  # Y has no noise of its own
    within(found, [0.5, 0.5])


def test_influence_counts_ancestors_only():
    found = intrinsic_causal_influence(linear(), "B", n_samples=4000, random_state=0)
    assert found.players == ("A", "B")
    within(found, [0.64, 0.5])


def test_influence_under_an_intervention():
    found = intrinsic_causal_influence(linear().do({"C": 1.0}), "D", n_samples=4000, random_state=0)
    assert found.players == ("A", "B", "D")
    within(found, [0.64 * 0.49, 0.5 * 0.49, 0.3])


def test_entropies_of_states_by_enumeration():
    """X and Y coins, Y copies X with probability 0.8: H(Y | X) and H(Y | noise of Y) by hand."""
    scm = DiscreteSCM.from_cpts({"X": ((), [0.5, 0.5]), "Y": (["X"], [[0.8, 0.2], [0.2, 0.8]])})
    found = intrinsic_causal_influence(scm, "Y", measure="entropy", n_samples=100_000, random_state=0)
    given_x = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))
    given_noise = 0.6 * np.log(2)  # for noise in [0.2, 0.8) Y is X, a coin; else it is certain
    none = np.log(2)
    x = 0.5 * (none - given_x) + 0.5 * given_noise
    y = 0.5 * (none - given_noise) + 0.5 * given_x
    np.testing.assert_allclose(found.values, [x, y], atol=0.02)  # 1000 settings of noise: 0.35 / sqrt(1000)
    np.testing.assert_allclose(found.total, none, atol=0.01)


def test_more_than_ten_noises_are_permuted():
    text = "; ".join([f"X{i} = N(0, {1 + i / 10})" for i in range(12)])
    scm = SCM.from_equations(f"{text}; Y = {' + '.join(f'X{i}' for i in range(12))}")
    found = intrinsic_causal_influence(scm, "Y", n_samples=2000, random_state=0)
    assert 0 < found.n_permutations < 512
    within(found, [(1 + i / 10) ** 2 for i in range(12)])
    adds_up(found)


def test_strength_of_arrows_does_not_depend_on_correlations():
    """C = 0.5 A - 1.2 B + noise with A -> B: coefficient squared times the variance of the parent."""
    found = arrow_strength(linear(), "C", random_state=3)
    assert found.players == ("A", "B")
    within(found, [0.25 * 1.0, 1.44 * 1.14])
    assert found.total is None


def test_divergence_of_arrows():
    """The conditional mixture is normal with variance s2 + a2 Var(X): KL = log(that / s2) / 2 on average."""
    found = arrow_strength(linear(), "C", measure="kl", n_samples=4000, random_state=0)
    truth = np.log((2.0 + np.array([0.25, 1.44 * 1.14])) / 2.0) / 2
    np.testing.assert_allclose(found.values, truth, atol=0.035)  # 3.5 * 0.6 / sqrt(4000)


def test_divergence_of_an_arrow_between_states():
    scm = DiscreteSCM.from_cpts({"X": ((), [0.3, 0.7]), "Y": (["X"], [[0.9, 0.1], [0.4, 0.6]])})
    y = np.array([0.3 * 0.9 + 0.7 * 0.4, 0.3 * 0.1 + 0.7 * 0.6])
    joint = np.array([[0.27, 0.03], [0.28, 0.42]])
    truth = (joint * np.log(joint / joint.sum(axis=1, keepdims=True) / y)).sum()
    found = arrow_strength(scm, "Y", measure="kl", n_samples=4000, random_state=0)
    assert abs(found["X"] - truth) < 4.5 * found["X"].se + 1e-3


def test_mean_strength_of_a_product_is_the_covariance():
    """Y = X Z with correlated parents: cutting an arrow moves the mean from Cov(X, Z) to zero."""
    scm = SCM.from_equations("X = N(0, 1); Z = 0.5*X + N(0, 1); Y = X * Z + N(0, 1)")
    found = arrow_strength(scm, "Y", measure="mean", random_state=0)
    within(found, [-0.5, -0.5])


@pytest.mark.parametrize("seed", [0, 1])
def test_relevance_is_the_covariance_of_each_term(seed):
    """Shares of Var(C) given parents as inputs: Cov(a_j X_j, f(X)), and the noise's own variance."""
    found = feature_relevance(linear(), "C", random_state=seed)
    cov = linear().covariance()
    ab = cov[:2, :2] * np.outer([0.5, -1.2], [0.5, -1.2])
    assert found.players == ("A", "B", "noise")
    within(found, [*ab.sum(axis=0), 2.0])
    adds_up(found)


def test_relevance_of_rows_is_each_term_less_its_mean():
    rows = linear().sample(5, random_state=1)
    found = feature_relevance(linear(), "C", rows, n_samples=20_000, random_state=0)
    noise = rows["C"] - 0.5 * rows["A"] + 1.2 * rows["B"]
    truth = np.stack([0.5 * rows["A"], -1.2 * rows["B"], noise])
    # means of 20,000 draws that all rows share: 4.5 standard deviations of each term
    spread = 4.5 * np.sqrt([0.25, 1.44 * 1.14, 2.0]) / 20_000**0.5
    assert (np.abs(found.values - truth) < spread[:, None]).all()
    np.testing.assert_allclose(found.total + found.start, rows["C"], atol=1e-9)


def anomaly_by_enumeration(draws, noise, least, far):
    """Shapley values of log tail probabilities for Y = sum of noises, from the same kind of draws."""
    p = len(noise)

    def value(known):
        y = sum(np.full(len(draws), noise[i]) if i in known else draws[:, i] for i in range(p))
        return np.log((np.sum(far(y) >= least - 1e-9) + 1) / (len(draws) + 1))

    total = np.zeros(p)
    orders = list(permutations(range(p)))
    for order in orders:
        for k, i in enumerate(order):
            total[i] += value(set(order[: k + 1])) - value(set(order[:k]))
    return total / len(orders)


@pytest.mark.parametrize("tail", ["both", "upper", "lower"])
def test_anomalies_by_enumeration(tail):
    scm = SCM.from_equations("A = N(0, 1); B = A + N(0, 1); Y = B + N(0, 1)")
    rows = pd.DataFrame({"A": [0.5, -2.0], "B": [3.5, -1.0], "Y": [3.0, -2.5]})
    found = attribute_anomalies(scm, "Y", rows, tail=tail, n_samples=400_000, random_state=0)
    adds_up(found)
    draws = np.random.default_rng(5).normal(size=(400_000, 3))
    far = {"both": np.abs, "upper": lambda y: y, "lower": lambda y: -y}[tail]
    noises = np.stack([rows["A"], rows["B"] - rows["A"], rows["Y"] - rows["B"]], axis=1)
    for row, (noise, y) in enumerate(zip(noises, rows["Y"], strict=True)):
        truth = anomaly_by_enumeration(draws, noise, far(y), far)
        # the rarest tail, of probability 0.00135, has a relative error of 0.043 and a weight of a third; with
        # the others that is a deviation of about 0.017 on either side: four times both together
        np.testing.assert_allclose(found.values[:, row], truth, atol=0.1)


def test_score_of_an_anomaly_is_minus_the_log_of_its_tail():
    from scipy.stats import norm

    scm = linear()
    rows = scm.sample(6, random_state=2)
    found = attribute_anomalies(scm, "D", rows, n_samples=20_000, random_state=0)
    z = np.abs(rows["D"]) / scm.covariance()[3, 3] ** 0.5
    np.testing.assert_allclose(found.total, -np.log(2 * norm.sf(z)), atol=0.15)
    assert (found.se > 0).all()


def test_anomalies_of_noise_that_is_drawn():
    """A table cannot tell its noise; it is drawn given the value, and shares still add up."""
    scm = SCM.from_equations("X ~ Bernoulli(0.01); Y = 5*X + N(0, 1)")
    table = DiscreteSCM.from_cpts({"X": ((), [0.99, 0.01])}).mechanisms["X"]
    scm = SCM(mechanisms={"X": table, "Y": scm.mechanisms["Y"]})
    found = attribute_anomalies(scm, "Y", {"X": np.array([1]), "Y": np.array([5.0])}, random_state=0)
    assert found.ranking(0) == ["X", "Y"]
    assert found["X"][0] > 3  # X = 1 has probability 0.01, so about log(100) is its fault
    adds_up(found)


def test_standard_errors_are_the_spread_over_seeds():
    """Forty seeds: the root mean square error against the mean of the reported ones, within 35 %."""
    scm = SCM.from_equations("A = N(0, 1); Y = A + N(0, 1)")
    rows = pd.DataFrame({"A": [2.0], "Y": [2.5]})
    runs = [attribute_anomalies(scm, "Y", rows, random_state=seed) for seed in range(40)]
    values = np.stack([run.values[:, 0] for run in runs])
    reported = np.mean([run.se[:, 0] for run in runs], axis=0)
    np.testing.assert_allclose(values.std(axis=0, ddof=1), reported, rtol=0.35)


def test_change_of_means_in_a_linear_model():
    """Means move by new coefficients, intercepts and noises; a share of a product is a mean of orders."""
    old = SCM.from_equations("X = N(1, 1); Y = 2*X + N(0, 1); Z = Y + N(0, 1)")
    new = SCM.from_equations("X = N(3, 1); Y = 5*X + N(0, 1); Z = Y + N(-1, 1)")
    found = attribute_change(old, new, "Z", n_samples=20_000, random_state=0)
    # X: 2 more times a slope of 2 or 5; Y: 3 more times a mean of 1 or 3
    within(found, [7.0, 6.0, -1.0])
    np.testing.assert_allclose(found.start, 2.0, atol=0.1)
    adds_up(found)


@pytest.mark.parametrize("functional", ["variance", "median", 0.8, "kl", np.ptp])
def test_what_did_not_change_gets_nothing(functional):
    old = linear()
    changed = SCM(old.graph, {**old.mechanisms, "B": Linear({"A": 2.0}, 1.0, Normal(0, 1))})
    found = attribute_change(old, changed, "D", functional, n_samples=2000, random_state=0)
    assert found["B"] != 0
    assert [found[node] for node in "ACD"] == [0, 0, 0]
    assert [found[node].se for node in "ACD"] == [0, 0, 0]
    adds_up(found)


def test_change_of_a_variance_by_orders():
    """Var(Y) = a**2 s**2 + 1 from (1, 1) to (2, 3): shares are means over the two orders."""
    old = SCM.from_equations("X = N(0, 1); Y = X + N(0, 1)")
    new = SCM.from_equations("X = N(0, 3); Y = 2*X + N(0, 1)")
    found = attribute_change(old, new, "Y", "variance", n_samples=20_000, random_state=0)
    within(found, [(8 + 32) / 2, (3 + 27) / 2])


def test_a_model_changes_by_an_intervention_and_not_by_itself():
    scm = linear()
    found = attribute_change(scm, scm.do({"B": 2.0}), "D", random_state=0)
    assert found.ranking()[0] == "B"
    total = 2.0 * (0.7 - 1.2 * 1.5)
    assert found["B"] == pytest.approx(total, abs=4.5 * found["B"].se)
    same = attribute_change(scm, scm, "D", random_state=0)
    assert not same.values.any()
    assert same.total == 0


def test_models_with_other_arrows():
    """The new X reads Z, which the old one does not: the order follows both graphs."""
    old = SCM.from_equations("X = N(0, 1); Z = N(1, 1); Y = X + N(0, 1)")
    new = SCM.from_equations("Z = N(1, 1); X = 2*Z + N(0, 1); Y = X + N(0, 1)")
    found = attribute_change(old, new, "Y", random_state=0)
    assert found.players == ("X", "Z", "Y")
    within(found, [2.0, 0.0, 0.0])


def test_unit_change_of_a_linear_model():
    """Each noise sends its difference along the total effect; nothing is drawn, so nothing is uncertain."""
    scm = linear()
    before, after = scm.sample(4, random_state=0), scm.sample(4, random_state=1)
    found = unit_change(scm, before, after, "D")
    effects = np.linalg.inv(np.eye(4) - COEFFICIENTS)[:, 3]
    noise = [(rows[NAMES].to_numpy() @ (np.eye(4) - COEFFICIENTS)).T for rows in (before, after)]
    np.testing.assert_allclose(found.values, effects[:, None] * (noise[1] - noise[0]), atol=1e-9)
    np.testing.assert_allclose(found.total, after["D"] - before["D"], atol=1e-9)
    assert not found.se.any()


def test_unit_change_with_a_changed_mechanism():
    old = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
    new = SCM(mechanisms={"X": old.mechanisms["X"], "Y": Linear({"X": 5.0}, noise=Normal(0, 1))})
    before, after = {"X": [1.0], "Y": [2.5]}, {"X": [3.0], "Y": [14.0]}
    found = unit_change(old, before, after, "Y", new=new)
    assert found.players == (("X", "noise"), ("Y", "noise"), ("Y", "mechanism"))
    # X: 2 more times a slope of 2 or 5; slope: 3 more times 1 or 3; noise of Y: from 0.5 to -1
    np.testing.assert_allclose(found.values[:, 0], [7.0, -1.5, 6.0], atol=1e-9)


def test_root_causes_finds_the_broken_node_and_says_why():
    scm = linear()
    rows = scm.shift({"B": 6.0}).sample(5, random_state=0)
    table = root_causes(scm, rows, "D", random_state=0)
    assert table["node"][0] == "B"
    line = table.set_index("node").loc["B"]
    assert line["given_parents"] > 5 > line["parents"]
    downstream = table.set_index("node").loc["C"]
    assert downstream["given_parents"] < 3 < downstream["score"]


def test_root_causes_of_states_and_without_parents():
    weather = DiscreteSCM.from_cpts({"W": ((), [0.98, 0.02])}, states={"W": ["calm", "storm"]})
    scm = SCM(
        mechanisms={**weather.mechanisms, "Y": lambda W, noise: 9.0 * (W == "storm") + noise},
        noise={"Y": Normal(0, 1)},
    )
    with pytest.raises(NotInvertibleError, match="'Y'"):
        root_causes(scm, {"W": np.array(["storm"]), "Y": np.array([9.0])}, "Y", random_state=0)
    from causalrep.scm import AdditiveNoise

    scm = SCM(
        mechanisms={
            **weather.mechanisms,
            "Y": AdditiveNoise(lambda W: 9.0 * (W == "storm"), Normal(0, 1)),
        }
    )
    table = root_causes(scm, {"W": np.array(["storm"]), "Y": np.array([9.0])}, "Y", random_state=0)
    assert table["node"].tolist() == ["W", "Y"]
    assert table["score"][0] == pytest.approx(-np.log(0.02), abs=1.0)
    assert np.isnan(table["parents"][0])


def test_result_as_frame_and_by_name():
    found = arrow_strength(linear(), "C", random_state=0)
    assert found.frame.columns.tolist() == ["cause", "value", "se"]
    assert found["A"].se > 0
    assert list(found) == ["A", "B"]
    assert len(found) == 2
    assert "'B': " in repr(found)
    with pytest.raises(UnknownNameError, match="'Q'"):
        found["Q"]
    rows = attribute_anomalies(linear(), "B", linear().sample(3, random_state=0), random_state=0)
    frame = rows.frame
    assert frame[["cause", "row"]].to_numpy().tolist()[3] == ["B", 0]
    np.testing.assert_array_equal(frame["value"].to_numpy().reshape(2, 3), rows.values)
    assert "3 rows" in repr(rows)


def test_the_seed_decides_and_global_state_does_not():
    np.random.seed(0)  # noqa: NPY002 - the global state is what must not matter
    first = attribute_anomalies(linear(), "D", linear().sample(2, random_state=0), random_state=7)
    np.random.seed(1)  # noqa: NPY002
    second = attribute_anomalies(linear(), "D", linear().sample(2, random_state=0), random_state=7)
    np.testing.assert_array_equal(first.values, second.values)


def test_correlated_noises_are_refused():
    scm = LinearGaussianSCM([[0, 1.0], [0, 0]], [[1.0, 0.5], [0.5, 1.0]], names=["X", "Y"])
    rows = scm.sample(3, random_state=0)
    for call in (
        lambda: intrinsic_causal_influence(scm, "Y"),
        lambda: attribute_anomalies(scm, "Y", rows),
        lambda: attribute_change(scm, scm, "Y"),
        lambda: unit_change(scm, rows, rows, "Y"),
        lambda: arrow_strength(scm, "Y"),
        lambda: feature_relevance(scm, "Y"),
    ):
        with pytest.raises(CausalRepError, match="correlated"):
            call()


def test_correlated_parents_do_not_matter_to_arrows():
    shared = JointNormal(["X", "Z"], [[1.0, 0.5], [0.5, 1.0]])
    mechanisms = {"X": Linear({}), "Z": Linear({}), "Y": Linear({"X": 1.0, "Z": 2.0}, noise=Normal(0, 1))}
    scm = SCM(mechanisms=mechanisms, noise=shared)
    within(arrow_strength(scm, "Y", random_state=0), [1.0, 4.0])
    within(feature_relevance(scm, "Y", random_state=0), [1.0 + 1.0, 4.0 + 1.0, 1.0])


def test_bad_input_is_named():
    scm, rows = linear(), linear().sample(3, random_state=0)
    with pytest.raises(UnknownNameError, match="'E'"):
        intrinsic_causal_influence(scm, "E")
    with pytest.raises(DataError, match="'gini'"):
        intrinsic_causal_influence(scm, "D", measure="gini")
    with pytest.raises(DataError, match="no parents"):
        arrow_strength(scm, "A")
    with pytest.raises(DataError, match="'middle'"):
        attribute_anomalies(scm, "D", rows, tail="middle")
    with pytest.raises(DataError, match="'B'"):
        attribute_anomalies(scm, "D", rows.drop(columns="B"))
    with pytest.raises(DataError, match="missing values"):
        attribute_anomalies(scm, "D", rows.assign(B=np.nan))
    with pytest.raises(DataError, match="`n_samples`"):
        attribute_anomalies(scm, "D", rows, n_samples=3)
    with pytest.raises(DataError, match="3 and 2 rows"):
        unit_change(scm, rows, rows[:2], "D")
    with pytest.raises(GraphError, match="'A' is in one of them only"):
        attribute_change(scm, SCM.from_equations("D = N(0, 1); Q = N(0, 1)"), "D")
    with pytest.raises(CausalRepError, match="row by row"):
        attribute_change(scm, scm.do({"B": np.zeros(4)}), "D")
    words = DiscreteSCM.from_cpts({"X": ((), [0.5, 0.5])}, states={"X": ["a", "b"]})
    with pytest.raises(DataError, match="must have numbers"):
        intrinsic_causal_influence(words, "X")
    with pytest.raises(DataError, match="at most 100 states"):
        intrinsic_causal_influence(scm, "D", measure="entropy", n_samples=4000)
    with pytest.raises(DataError, match="nothing is drawn"):
        intrinsic_causal_influence(scm.do({"A": 1.0}), "A")
