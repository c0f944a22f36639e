"""What cannot be estimated is refused in words that say what to do, or estimated with a warning."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.neighbors import KNeighborsRegressor

from causalrep.estimators import (
    AIPW,
    CrossFitWarning,
    DoseWarning,
    DoubleML,
    EntropyBalancing,
    OverlapWarning,
    TLearner,
)
from causalrep.utils import CausalRepError, DataError, PositivityWarning, UnknownNameError


def fit(X, y, t=None, **options):
    return AIPW(treatment=None if t is not None else "t", random_state=0, **options).fit(X, y, treatment=t)


@pytest.fixture
def parts(design):
    X, y = design
    return X[["a", "b", "c"]], y, X["t"].to_numpy()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_outcome_and_treatment_must_be_finite(parts, bad):
    W, y, t = parts
    with pytest.raises(ValueError, match=r"y contains|Input y"):
        fit(W, np.where(np.arange(400) == 3, bad, y), t)
    with pytest.raises(DataError, match="`treatment` contains NaN or infinity"):
        fit(W, y, np.where(np.arange(400) == 3, bad, t))


def test_missing_covariates_are_refused_unless_the_models_take_them(parts):
    W, y, t = parts
    W = W.mask(np.random.default_rng(0).random(W.shape) < 0.1)
    with pytest.raises(ValueError, match="NaN"):
        fit(W, y, t)
    models = {
        "outcome_model": HistGradientBoostingRegressor(max_iter=20),
        "propensity_model": HistGradientBoostingClassifier(max_iter=20),
    }
    assert np.isfinite(fit(W, y, t, **models).ate().estimate)
    with pytest.raises(ValueError, match="infinity"):
        fit(W.replace({W.iloc[0, 0]: np.inf}).fillna(np.inf), y, t, **models)


def test_a_constant_treatment_has_no_overlap(parts):
    W, y, _ = parts
    with pytest.raises(DataError, match=r"no overlap: the treatment is .* in all rows"):
        fit(W, y, np.ones(400))


def test_an_arm_of_few_rows_makes_fewer_folds_and_of_one_row_none(parts):
    W, y, _ = parts
    few = (np.arange(400) < 6).astype(int)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit(W, y, few)
    assert any(issubclass(one.category, CrossFitWarning) and "3 folds" in str(one.message) for one in said)
    with pytest.raises(DataError, match="smallest arm has 1 row"):
        fit(W, y, (np.arange(400) == 6).astype(int))


def test_folds_of_the_user_with_one_arm_are_refused(parts):
    W, y, t = parts
    rows = np.argsort(t, kind="stable")
    with pytest.raises(DataError, match="no overlap in a fold"):
        fit(W, y, t, cv=[(rows[:150], rows[150:]), (rows[150:], rows[:150])])


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (1, "at least 2"),
        ([(np.arange(200), np.arange(200, 400))], "exactly once"),
        ([(np.arange(400), np.arange(400))], "train and in its test"),
    ],
)
def test_folds_must_be_folds(parts, cv, message):
    with pytest.raises(DataError, match=message):
        fit(*parts, cv=cv)


def test_many_whole_numbers_are_no_arms(parts):
    W, y, _ = parts
    many = np.arange(400) % 30
    with pytest.raises(DataError, match=r"30 values, and two arms .*treatment_type='continuous'"):
        fit(W, y, many)
    assert np.isfinite(fit(W, y, many, treatment_type="continuous").ate().estimate)
    with pytest.warns(DoseWarning, match="read as a dose"):
        fit(W, y, np.arange(400) % 3)
    with pytest.raises(DataError, match="must have two values or be numeric here"):
        EntropyBalancing().fit(W, y, treatment=np.array(["low", "mid", "high", "mid"] * 100))


def test_a_design_without_overlap_warns_first_and_with_every_number(parts):
    W, y, _ = parts
    sure = (W["a"] > 0).astype(int).to_numpy()
    with pytest.warns(OverlapWarning, match=r"propensities are outside .* worth .* rows") as said:
        est = fit(W, y, sure)
    assert issubclass(OverlapWarning, PositivityWarning)
    assert len(said) >= 1
    for result in (est.ate(), est.gate(sure), est.blp(), est.interval(W[:3]), est.effect_summary()):
        assert any("moved there" in text for text in result.warnings)
        assert "  ! " in str(result)
    assert est.overlap_.min_propensity == 0.01


def test_columns_are_checked(parts):
    W, y, t = parts
    with pytest.raises(DataError, match="two columns named 'a'"):
        fit(W.set_axis(["a", "a", "c"], axis=1), y, t)
    with pytest.raises(DataError, match="levels of names"):
        fit(W.set_axis(pd.MultiIndex.from_product([["u"], ["a", "b", "c"]]), axis=1), y, t)
    with pytest.raises(DataError, match=r"'b' must be numeric, got values such as 'x'"):
        fit(W.assign(b="x"), y, t)
    with pytest.raises(UnknownNameError, match=r"did you mean 't'"):
        AIPW(treatment="T").fit(W.assign(t=t), y)
    with pytest.raises(DataError, match=r"position 9, but X has 3"):
        AIPW(treatment=9).fit(W, y)
    with pytest.raises(DataError, match="both name the column 't'"):
        DoubleML(treatment="t", instrument="t", model="pliv").fit(W.assign(t=t), y)


def test_tables_of_other_shapes_are_refused_as_scikit_learn_does(parts):
    W, y, t = parts
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        fit(sparse.csr_matrix(W.to_numpy()), y, t)
    with pytest.raises(ValueError, match="Expected 2D array"):
        fit(W["a"].to_numpy(), y, t)
    with pytest.raises(DataError, match="one value for each of the 400 rows"):
        fit(W, y[:399], t)
    with pytest.raises(DataError, match="at least 10 rows"):
        fit(W[:8], y[:8], t[:8])


def test_a_role_is_given_once_and_only_to_who_uses_it(parts):
    W, y, t = parts
    with pytest.raises(DataError, match="`treatment` is missing: name its column"):
        AIPW().fit(W, y)
    with pytest.raises(DataError, match="given twice"):
        AIPW(treatment="a").fit(W, y, treatment=t)
    with pytest.raises(DataError, match="AIPW has no use for `instrument`"):
        AIPW().fit(W, y, treatment=t, instrument=t)
    with pytest.raises(DataError, match=r"name .* or the position"):
        AIPW(treatment=t).fit(W, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_rep": 0}, "`n_rep` must be an integer of at least 1"),
        ({"min_propensity": 0.7}, r"`min_propensity` must be in \(0, 0.5\)"),
        ({"treatment_type": "ternary"}, "`treatment_type` must be"),
        ({"outcome_model": "lasso"}, "must be 'auto', 'linear' or an estimator"),
        ({"propensity_model": HistGradientBoostingRegressor()}, "must be a classifier"),
    ],
)
def test_parameters_out_of_range_are_named(parts, options, message):
    with pytest.raises(CausalRepError, match=message):
        fit(*parts, **options)


def test_questions_are_checked_too(parts):
    W, y, t = parts
    est = fit(W, y, t)
    with pytest.raises(DataError, match=r"`alpha` must be in \(0, 1\), got 1.5"):
        est.ate(alpha=1.5)
    with pytest.raises(DataError, match="`groups` names 'age', which is no covariate"):
        est.gate("age")
    with pytest.raises(DataError, match="has the value 7"):
        est.predict_outcome(W, 7)
    with pytest.raises(DataError, match="has no ATT"):
        fit(W, y, t, treatment_type="continuous").att()


def test_weights_must_be_weights_that_the_models_take(parts):
    W, y, t = parts
    for weight, message in ((-np.ones(400), "at least zero"), (np.ones(3), "shape"), (np.zeros(400), "zero")):
        with pytest.raises(DataError, match=message):
            AIPW().fit(W, y, treatment=t, sample_weight=weight)
    with pytest.raises(DataError, match="KNeighborsRegressor takes no weights"):
        TLearner(outcome_model=KNeighborsRegressor()).fit(W, y, treatment=t, sample_weight=np.ones(400))
