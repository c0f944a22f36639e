"""A change of means, from two tables: right if the regressions are, or if the ratios are."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from causalrep.graphs import DAG
from causalrep.scm import SCM, attribute_change, attribute_mean_change
from causalrep.utils import DataError, UnknownNameError

OLD = SCM.from_equations("X = N(0, 1); Y = X + N(0, 1); Z = Y - X/2 + N(0, 1); W = X + N(0, 1)")
NEW = SCM.from_equations("X = N(0.5, 1); Y = 1.4*X + N(0, 1); Z = Y - X/2 + N(0.3, 1); W = X + N(0, 1)")


def tables(n=2000, old=OLD, new=NEW):
    return old.sample(n, random_state=1), new.sample(n + 100, random_state=2)


def test_parts_add_up_to_the_difference_of_the_sample_means_and_agree_with_the_models():
    rows = tables()
    found = attribute_mean_change(OLD.graph, *rows, "Z", random_state=0)
    truth = attribute_change(OLD, NEW, "Z", n_samples=200_000, random_state=0)
    assert found.players == truth.players == ("X", "Y", "Z")
    gone = rows[1]["Z"].mean() - rows[0]["Z"].mean()
    assert found.total == pytest.approx(gone, abs=1e-12)
    assert found.values.sum() == pytest.approx(gone, abs=1e-12)
    assert found.start == pytest.approx(rows[0]["Z"].mean(), abs=1e-12)
    # 4 standard errors, which are those of 2000 rows: about 1/sqrt(1000)
    assert (np.abs(found.values - truth.values) < 4 * found.se).all()
    assert ((found.se > 0.01) & (found.se < 0.08)).all()


ROLES = "regressor", "classifier"
RIGHT = LinearRegression(), LogisticRegression()
BLIND = DummyRegressor(), DummyClassifier(strategy="prior")


@pytest.mark.parametrize("regressor", [RIGHT[0], BLIND[0]], ids=["regression", "no regression"])
@pytest.mark.parametrize("classifier", [RIGHT[1], BLIND[1]], ids=["ratios", "no ratios"])
def test_either_is_enough(regressor, classifier):
    # normal laws of equal variance: the means are lines, and the log ratio of X is one
    old = SCM.from_equations("X = N(0, 1); Y = 2*X + N(0, 1)")
    new = SCM.from_equations("X = N(0.7, 1); Y = 2*X + N(1, 1)")
    found = attribute_mean_change(
        old.graph, *tables(4000, old, new), "Y", regressor=regressor, classifier=classifier, random_state=0
    )
    off = np.abs(found.values - [1.4, 1.0])
    if regressor is BLIND[0] and classifier is BLIND[1]:
        assert off.max() > 10 * found.se.max()
    else:
        assert (off < 4 * found.se).all()


@pytest.mark.slow
def test_intervals_cover():
    # 100 draws of three parts: 95 % of each, give or take 3 * sqrt(0.95 * 0.05 / 100) = 0.065
    truth = attribute_change(OLD, NEW, "Z", n_samples=1_000_000, random_state=0).values
    inside = []
    for seed in range(100):
        rows = OLD.sample(2000, random_state=2 * seed), NEW.sample(2000, random_state=2 * seed + 1)
        found = attribute_mean_change(OLD.graph, *rows, "Z", random_state=seed)
        inside.append(np.abs(found.values - truth) < 1.96 * found.se)
    assert (np.abs(np.mean(inside, axis=0) - 0.95) < 0.065).all()


def test_labels_are_causes_too():
    rng = np.random.default_rng(0)
    rows = []
    for weights in ([0.6, 0.3, 0.1], [0.2, 0.3, 0.5]):
        kind = rng.choice(["a", "b", "c"], size=3000, p=weights)
        rows.append(pd.DataFrame({"kind": kind, "Y": 2.0 * (kind == "c") + rng.normal(size=3000)}))
    found = attribute_mean_change(DAG([("kind", "Y")]), *rows, "Y", random_state=0)
    assert abs(found["kind"] - 0.8) < 4 * found["kind"].se
    assert abs(found["Y"]) < 4 * found["Y"].se


def test_forests_can_be_asked():
    forests = (
        kind(n_estimators=20, min_samples_leaf=20, random_state=0)
        for kind in (RandomForestRegressor, RandomForestClassifier)
    )
    old, new = (SCM.from_equations(f"X = N({mean}, 1); Y = X + N(0, 1)") for mean in (0, 0.5))
    found = attribute_mean_change(
        old.graph, *tables(800, old, new), "Y", **dict(zip(ROLES, forests, strict=True)), random_state=0
    )
    assert abs(found["X"] - 0.5) < 4 * found["X"].se
    assert abs(found["Y"]) < 4 * found["Y"].se


def test_a_root_has_changed_by_itself():
    found = attribute_mean_change(OLD.graph, *tables(50), "X", random_state=0)
    assert found.players == ("X",)
    assert found.values[0] == pytest.approx(found.total)


def test_too_little_overlap_is_said():
    far = SCM.from_equations("X = N(3, 1); Y = X + N(0, 1); Z = Y + N(0, 1)")
    with pytest.warns(UserWarning, match="overlap too little"):
        attribute_mean_change(far.graph, *tables(300, OLD, far), "Z", random_state=0)


def test_the_seed_decides():
    first, again, other = (
        attribute_mean_change(OLD.graph, *tables(1500), "Z", random_state=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.values, again.values)
    assert (first.values != other.values).any()


def test_bad_input_is_named():
    old, new = tables(30)
    graph = OLD.graph
    chain = DAG([(i, i + 1) for i in range(11)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnknownNameError, match="'Q'"):
            attribute_mean_change(graph, old, new, "Q")
        with pytest.raises(DataError, match=r"no column 'X'.*in `new`"):
            attribute_mean_change(graph, old, new[["Y", "Z"]], "Z")
        with pytest.raises(DataError, match="'Y' of `old` must be one finite number"):
            attribute_mean_change(graph, old.assign(Y=np.nan), new, "Z")
        with pytest.raises(DataError, match="at least 10 rows, got 9"):
            attribute_mean_change(graph, old.head(9), new, "Z")
        with pytest.raises(DataError, match="must have numbers, in `old` it has labels"):
            attribute_mean_change(graph, old.assign(Z="a"), new, "Z")
        with pytest.raises(DataError, match="at most 9 ancestors, 11 has 11"):
            attribute_mean_change(chain, old, new, 11)
        with pytest.raises(DataError, match="`cv` must be an integer"):
            attribute_mean_change(graph, old, new, "Z", cv=1)
