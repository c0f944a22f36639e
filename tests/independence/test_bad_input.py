"""Data that a test must refuse, repair or flag, each with a message that names the culprit."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from causalrep.independence import ChiSquare, CITestWarning, FisherZ, Flag, GSquare
from causalrep.utils import DataError, UnknownNameError


def frame(n=50):
    return pd.DataFrame(np.random.default_rng(0).normal(size=(n, 4)), columns=list("abcd"))


@pytest.mark.parametrize("kind", [FisherZ, GSquare, ChiSquare])
def test_rows_with_missing_values_can_be_left_out(kind):
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.integers(3, size=(300, 3)) * 1.0, columns=list("abc"))
    data = data if kind is not FisherZ else data + rng.normal(size=data.shape)
    holes = data.mask(rng.random(data.shape) < 0.1)
    found, complete = kind(missing="drop").fit(holes), kind().fit(holes.dropna())
    assert found.n_samples_ == complete.n_samples_ < 250
    assert found.test("a", "b", ["c"]) == complete.test("a", "b", ["c"])
    assert kind(missing="drop").fit(data).test("a", "b") == kind().fit(data).test("a", "b")
    holes["c"] = np.nan
    with pytest.raises(DataError, match=r'`missing` is "drop", and 0 of 300 rows have no missing value'):
        kind(missing="drop").fit(holes)


def test_chunks_may_hold_rows_that_are_left_out():
    X = frame(200).to_numpy().copy()
    X[::7, 2] = np.nan
    X[:50, 1] = np.nan  # a chunk without a complete row
    test = FisherZ(missing="drop")
    for start in range(0, 200, 50):
        test.partial_fit(X[start : start + 50])
    whole = FisherZ(missing="drop").fit(X)
    assert test.n_samples_ == whole.n_samples_
    assert test.test(0, 1, [2]).pvalue == pytest.approx(whole.test(0, 1, [2]).pvalue, rel=1e-9)


# --- refused ----------------------------------------------------------------------------------


def test_missing_values_are_counted_and_named():
    data = frame()
    data.loc[[1, 2], "b"] = np.nan
    data.loc[3, "d"] = np.nan
    with pytest.raises(
        DataError, match=r"columns 'b', 'd' are not finite: 3 entries hold missing values \(NaN\)"
    ):
        FisherZ().fit(data)


def test_masked_entries_count_as_missing():
    masked = np.ma.masked_less(frame().to_numpy(), -2.0)
    assert masked.mask.any()
    with pytest.raises(DataError, match="NaN"):
        FisherZ().fit(masked)


def test_infinite_values_are_refused():
    data = frame()
    data.loc[3, "c"] = np.inf
    with pytest.raises(DataError, match="column 'c' is not finite: 1 entries hold infinity"):
        FisherZ().fit(data)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e300, -7.0])
def test_constant_columns_are_named(value):
    data = frame()
    data["c"] = value  # the mean of fifty times 0.1 is not 0.1 in floating point
    with pytest.raises(DataError, match="column 'c' is constant"):
        FisherZ().fit(data)


def test_values_beyond_the_arithmetic_of_float64_are_refused():
    data = frame()
    data["a"] = np.where(data["a"] > 0, 1.7e308, -1.7e308)
    with pytest.raises(DataError, match="too large"):
        FisherZ().fit(data)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_fewer_than_four_rows_are_refused(n):
    with pytest.raises(DataError, match=f"at least 4 rows, got n_samples = {n}"):
        FisherZ().fit(frame(n))


def test_an_empty_frame_is_refused():
    with pytest.raises(DataError, match="0 feature"):
        FisherZ().fit(pd.DataFrame())
    with pytest.raises(DataError, match="0 feature"):
        FisherZ().fit(np.empty((10, 0)))


def test_text_and_categories_are_refused_by_name():
    for values in (["x", "y"] * 25, ["1", "2"] * 25, pd.Categorical(["x", "y"] * 25)):
        with pytest.raises(DataError, match=r"column 'c' .* discrete"):
            FisherZ().fit(frame().assign(c=values))


def test_objects_that_are_no_numbers_are_refused_by_name():
    data = frame().astype(object)
    data.at[0, "b"] = {"a": 1}
    with pytest.raises(DataError, match="column 'b' of `X` holds non-numbers"):
        FisherZ().fit(data)
    with pytest.raises(TypeError):
        FisherZ().fit(data.to_numpy())


def test_complex_values_are_refused():
    with pytest.raises(DataError, match="Complex data not supported"):
        FisherZ().fit(frame().to_numpy() + 1j)
    with pytest.raises(DataError, match="Complex data not supported: column 'a'"):
        FisherZ().fit(frame().assign(a=1j * np.arange(50)))


def test_duplicate_names_are_refused():
    with pytest.raises(DataError, match="two columns named 'a'"):
        FisherZ().fit(frame().set_axis(["a", "b", "a", "d"], axis=1))


@pytest.mark.parametrize("shape", [(50,), (5, 5, 2)])
def test_arrays_that_are_not_tables_are_refused(shape):
    with pytest.raises(DataError, match="two dimensions"):
        FisherZ().fit(np.random.default_rng(0).normal(size=shape))


def test_sparse_matrices_are_refused():
    with pytest.raises(DataError, match="sparse"):
        FisherZ().fit(scipy.sparse.eye_array(5))


@pytest.mark.parametrize(
    ("R", "rule"),
    [
        ([[1, 0.5]], "square"),
        ([[1, np.nan], [np.nan, 1]], "finite"),
        ([[1, 0.5], [0.4, 1]], "symmetric"),
        ([[2, 0.5], [0.5, 1]], "diagonal"),
        ([[1, 1.2], [1.2, 1]], "correlations in"),
    ],
)
def test_matrices_that_are_no_correlations_are_refused(R, rule):
    with pytest.raises(DataError, match=rule):
        FisherZ.from_correlation(R, n=100)


@pytest.mark.parametrize("n", [3, 10.5, "100"])
def test_from_correlation_needs_a_number_of_rows(n):
    with pytest.raises(DataError, match="`n` must be an integer of at least 4"):
        FisherZ.from_correlation(np.eye(2), n=n)


@pytest.mark.parametrize("names", [["a"], ["a", "a"]])
def test_from_correlation_needs_as_many_different_names(names):
    with pytest.raises(DataError, match="`names` must be 2 different names"):
        FisherZ.from_correlation(np.eye(2), n=10, names=names)


# --- repaired ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.int64, ">f8", object])
def test_dtypes_are_widened_without_overflow(dtype):
    values = np.random.default_rng(0).integers(-100, 100, size=(500, 3))
    ours = FisherZ().fit(values.astype(dtype)).test(0, 1, [2])
    assert ours.statistic == pytest.approx(
        FisherZ().fit(values.astype(float)).test(0, 1, [2]).statistic, rel=1e-12
    )


def test_views_and_read_only_arrays_are_accepted_and_never_changed():
    X = np.asfortranarray(frame(100).to_numpy())[::2, ::-1]
    before = X.copy()
    X.flags.writeable = False
    result = FisherZ().fit(X).test(0, 1, [2])
    assert np.array_equal(X, before)
    assert result == FisherZ().fit(before).test(0, 1, [2])


# --- flagged ----------------------------------------------------------------------------------


def test_copies_are_named_and_tests_that_need_them_flagged():
    data = frame().assign(e=lambda t: -3 * t["b"] + 5)
    with pytest.warns(CITestWarning, match=r"'e' is a linear function of \['b'\]") as caught:
        test = FisherZ().fit(data)
    assert (caught[0].message.kind, caught[0].message.names) == ("collinear", ("b", "e"))
    flagged = test.test("a", "b", ["e"])
    assert flagged.flag is Flag.SINGULAR
    assert np.isnan(flagged.pvalue)
    assert test.test("a", "c", ["b", "e"]).flag is Flag.SINGULAR
    assert test.test("a", "c", ["b", "d", "e"]).flag is Flag.SINGULAR
    assert test.test("a", "b", ["c"]).flag is Flag.OK
    copies = test.test("b", "e")
    assert np.isfinite(copies.statistic)
    assert copies.pvalue == 0.0
    assert copies.log_pvalue < -100
    assert np.isfinite(copies.log_pvalue)


def test_linear_combinations_are_named():
    data = frame().assign(e=lambda t: t["a"] - 2 * t["c"])
    with pytest.warns(CITestWarning, match=r"'e' is a linear function of \['a', 'c'\]"):
        test = FisherZ().fit(data)
    for x, y, given in (("e", "b", ["a", "c"]), ("b", "d", ["a", "c", "e"]), ("a", "b", ["c", "d", "e"])):
        assert test.test(x, y, given).flag is Flag.SINGULAR
    assert test.test("e", "b", ["a"]).flag is Flag.OK
    with pytest.warns(CITestWarning, match=r"'e' is a linear function of \['a', 'c'\]"):
        FisherZ.from_correlation(np.corrcoef(data.to_numpy().T), n=50, names=list("abcde"))


@pytest.mark.parametrize("k", [2, 3])
def test_residual_variances_below_their_own_rounding_error_are_flagged(k):
    # q is k up to 1e-4 e, so the pivot of {k, q} is 1e-8; i is e up to 3e-5, so its residual variance is
    # 1e-9: larger than what counts as zero, but smaller than its rounding error of 2e-16 / 1e-8.
    rng = np.random.default_rng(0)
    kept, e, i, j, other = rng.normal(size=(5, 1000))
    X = np.column_stack([e + 3e-5 * i, j, kept, kept + 1e-4 * e, other])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CITestWarning)
        test = FisherZ().fit(X)
    assert test.test(0, 1, [2, 3, 4][:k]).flag is Flag.SINGULAR
    assert test.test(4, 1, [2, 3]).flag is Flag.OK


def test_more_columns_than_rows_is_no_collinearity():
    test = FisherZ().fit(np.random.default_rng(0).normal(size=(10, 30)))
    assert test.max_cond == 6
    assert test.test(0, 1, [2, 3, 4, 5, 6, 7]).flag is Flag.OK
    assert test.test(0, 1, [2, 3, 4, 5, 6, 7, 8]).flag is Flag.TOO_FEW_ROWS


def test_too_large_sets_are_flagged():
    test = FisherZ().fit(frame(5))
    assert test.max_cond == 1
    batch = test.test_batch([0, 1], [1, 2], [[2, 3], [0, 3]])
    assert batch.flag.tolist() == [Flag.TOO_FEW_ROWS] * 2
    assert np.isnan(batch.statistic).all()
    assert np.isnan(batch.pvalue).all()
    assert np.isinf(test.strength(np.array([0]), np.array([1]), [np.array([2]), np.array([3])])).all()


def test_integer_codes_are_taken_for_quantities_with_a_warning():
    data = frame().assign(c=np.arange(50) % 3)
    with pytest.warns(CITestWarning, match="column 'c' is integer with at most 5 values") as caught:
        FisherZ().fit(data)
    assert (caught[0].message.kind, caught[0].message.names) == ("few_values", ("c",))


# --- questions that make no sense ---------------------------------------------------------------


def test_unknown_names_are_refused_with_the_nearest():
    data = frame().rename(columns={"a": "angle"})
    with pytest.raises(UnknownNameError, match="did you mean 'angle'"):
        FisherZ().fit(data).test("angel", "b")
    with pytest.raises(UnknownNameError, match="'zzz'"):
        FisherZ().fit(data).test("angle", "b", ["zzz"])


@pytest.mark.parametrize(("x", "y", "given"), [("a", "a", []), ("a", "b", ["a"]), ("a", "b", ["c", "c"])])
def test_repeated_names_are_refused(x, y, given):
    with pytest.raises(DataError, match="twice"):
        FisherZ().fit(frame()).test(x, y, given)


@pytest.mark.parametrize(
    ("i", "j", "S", "rule"),
    [
        ([0, 1], [2], None, "same shape"),
        ([[0]], [[1]], None, "same shape"),
        ([0], [1], [2], r"shape \(1, k\)"),
        ([0], [1], [[2], [3]], r"shape \(1, k\)"),
        ([0], [4], None, r"\[0, 4\), got 4"),
        ([-1], [1], None, r"\[0, 4\), got -1"),
        ([0], [1], [[7]], r"\[0, 4\), got 7"),
        ([0.0], [1.0], None, "integer positions"),
    ],
)
def test_malformed_batches_are_refused(i, j, S, rule):
    with pytest.raises(DataError, match=rule):
        FisherZ().fit(frame()).test_batch(i, j, S)


def test_an_empty_batch_has_an_empty_answer():
    batch = FisherZ().fit(frame()).test_batch([], [], np.empty((0, 2)))
    assert len(batch) == 0
    assert batch.log_pvalue.shape == (0,)


def test_asking_before_fitting_is_refused():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError, match="call `fit`"):
        FisherZ().test(0, 1)
    with pytest.raises(NotFittedError):
        _ = FisherZ().max_cond
