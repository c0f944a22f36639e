"""What PC refuses, and what it does with data that are allowed but poor."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError

from causalrep.discovery import FCI, PC, RFCI, Knowledge
from causalrep.graphs import CPDAG, DAG
from causalrep.independence import CITestWarning, FisherZ, Oracle
from causalrep.independence._registry import TESTS
from causalrep.utils import CycleError, DataError, DeviceError, GraphError, UnknownNameError


def frame(n=100):
    rng = np.random.default_rng(0)
    a = rng.normal(size=n)
    return pd.DataFrame({"a": a, "b": a + rng.normal(size=n), "c": rng.normal(size=n)})


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 1.5, np.nan, "0.01", None])
def test_alpha_must_be_a_level(alpha):
    with pytest.raises(DataError, match=r"`alpha` must be in \(0, 1\)"):
        PC(alpha=alpha).fit(frame())


@pytest.mark.parametrize("max_cond", [-1, 1.5, "2"])
def test_max_cond_must_be_a_size(max_cond):
    with pytest.raises(DataError, match="`max_cond` must be a non-negative integer or None"):
        PC(max_cond=max_cond).fit(frame())


def test_options_are_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'fisherz'"):
        PC(test="fisher").fit(frame())
    with pytest.raises(UnknownNameError, match="did you mean 'max_p'"):
        PC(collider_rule="maxp").fit(frame())


def test_wrong_types_are_refused():
    with pytest.raises(TypeError, match="`test` must be a name or a CITest object, got <class"):
        PC(test=FisherZ).fit(frame())
    with pytest.raises(TypeError, match="`knowledge` must be a Knowledge, got list"):
        PC(knowledge=[("a", "b")]).fit(frame())


def test_data_are_needed_unless_the_test_is_fitted():
    for test in ("fisherz", FisherZ()):
        with pytest.raises(DataError, match="`X` is needed"):
            PC(test=test).fit()


def test_a_device_that_is_not_there_is_refused():
    wanted = "cuda:99" if torch.cuda.is_available() else "cuda"
    for device in (wanted, "abacus"):
        with pytest.raises(DeviceError, match=f"`device` is '{device}', which this machine cannot use"):
            PC(device=device).fit(frame())
    with pytest.raises(DataError, match="`device`"):
        PC(test=Oracle(DAG.from_string("A -> B")), device="cpu").fit()


@pytest.mark.parametrize("device", [None, "cpu"])
def test_bad_data_are_refused_with_their_names(device):
    pc = PC(device=device)
    with pytest.raises(DataError, match="NaN"):
        pc.fit(frame().mask(frame() > 2))
    with pytest.raises(DataError, match="constant"):
        pc.fit(frame().assign(d=3.0))
    with pytest.raises(DataError, match="'d'"):
        pc.fit(frame().assign(d="text"))
    with pytest.raises(DataError, match="Complex"):
        pc.fit(frame().to_numpy() + 1j)
    with pytest.raises(DataError, match="two columns named 'a'"):
        pc.fit(frame().set_axis(["a", "a", "b"], axis=1))
    with pytest.raises(DataError, match="0 feature"):
        pc.fit(pd.DataFrame())
    with pytest.raises(DataError, match="4 rows"):
        pc.fit(frame(3))


def test_foreign_memory_is_accepted_on_a_device():
    X = frame().to_numpy().astype(">f4")[::-1]
    X.flags.writeable = False
    assert PC(device="cpu").fit(X).graph_ == PC().fit(frame().to_numpy()).graph_


def test_a_failed_fit_leaves_no_fitted_estimator():
    pc = PC()
    with pytest.raises(DataError):
        pc.fit(frame(3))
    with pytest.raises(NotFittedError):
        pc.orient(Knowledge())


def test_one_column_gives_one_node():
    pc = PC().fit(frame()[["a"]])
    assert pc.graph_ == CPDAG(nodes=["a"])
    assert (pc.n_tests_, len(pc.sepsets_), pc.pvalues_.shape) == (0, 0, (1, 1))


def test_copies_keep_their_edges_and_are_warned_of():
    data = frame().assign(d=lambda t: 2 * t["a"])
    with pytest.warns(CITestWarning, match=r"'d' is a linear function of \['a'\]"):
        pc = PC().fit(data)
    edges = {frozenset(edge) for edge in (*pc.graph_.directed_edges, *pc.graph_.undirected_edges)}
    assert edges == {frozenset("ad"), frozenset("ab"), frozenset("bd")}
    assert pc.n_untestable_ > 0
    assert np.isfinite(pc.pvalues_[~np.eye(4, dtype=bool)]).all()


def test_four_rows_allow_the_empty_set_only():
    pc = PC(alpha=0.5).fit(frame(4))
    assert len(pc.n_tests_per_level_) == 1


# --- every search, row by row ---------------------------------------------------------------------

SEARCHES = [PC, FCI, RFCI]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X: X.mask(X > 2), r"columns 'a', 'b' are not finite: \d+ entries hold missing values"),
        (lambda X: X.assign(a=[np.inf, *X["a"][1:]]), "column 'a' is not finite: 1 entries hold infinity"),
        (lambda X: X.assign(c=3.0), "column 'c' is constant"),
        (lambda X: X.assign(d=["x", "y"] * 50), "column 'd'.*a test for discrete variables suits"),
        (lambda X: X.assign(d=pd.Categorical(["x", "y"] * 50)), "a test for discrete variables suits"),
        (lambda X: X.assign(d=1j * X["a"]), "Complex data not supported: column 'd'"),
        (lambda X: X.set_axis(["a", "a", "b"], axis=1), "two columns named 'a'"),
        (lambda X: X["a"].to_numpy(), "`X` must have two dimensions"),
        (lambda X: np.stack([X, X]), "`X` must have two dimensions"),
        (lambda X: X[[]], "0 feature"),
        (lambda X: X.head(1), "at least 4 rows"),
    ],
)
def test_every_search_refuses_the_same_and_is_not_fitted(search, spoil, message):
    data = frame()
    data.loc[3, ["a", "b"]] = 2.5
    data["c"] = data["c"].clip(upper=1.9)
    learner = search().fit(data)
    with pytest.raises(DataError, match=message):
        learner.fit(spoil(data))
    assert not hasattr(learner, "graph_")


@pytest.mark.parametrize("search", SEARCHES)
def test_knowledge_that_cannot_be_is_refused(search):
    for wrong in (Knowledge(required=[("a", "z")]), Knowledge(tiers=[["a"], ["y"]])):
        with pytest.raises(UnknownNameError, match=r"the knowledge names '[yz]'"):
            search(knowledge=wrong).fit(frame())
    with pytest.raises(GraphError, match="both required and forbidden"):
        search(knowledge=Knowledge(required=[("a", "b")], forbidden=[("a", "b")]))
    with pytest.raises(CycleError):
        search(knowledge=Knowledge(required=[("a", "b"), ("b", "a")]))


@pytest.mark.parametrize("search", SEARCHES)
def test_more_columns_than_rows_and_sums_of_columns_give_a_graph(search):
    rng = np.random.default_rng(0)
    wide = search(alpha=0.05).fit(rng.normal(size=(10, 30)))
    assert len(wide.graph_.nodes) == 30
    with pytest.warns(CITestWarning, match="'d' is a linear function of") as caught:
        summed = search().fit(frame().assign(d=lambda t: t["a"] + t["b"]))
    assert set(caught[0].message.names) == {"a", "b", "d"}
    assert np.isfinite(summed.pvalues_[~np.eye(4, dtype=bool)]).all()
    edges = {frozenset((u, v)) for u in summed.graph_.nodes for v in summed.graph_.adjacent(u)}
    assert edges >= {frozenset("ad"), frozenset("bd")}


@pytest.mark.filterwarnings("ignore::causalrep.independence.CITestWarning")
@pytest.mark.parametrize("name", sorted(TESTS))
def test_no_test_breaks_a_search_on_copies_and_columns_that_others_determine(name):
    rng = np.random.default_rng(0)
    if name in ("chisquare", "gsquare"):
        a, c = rng.integers(3, size=120), rng.integers(2, size=120)
        data = {"a": a, "b": (a + rng.integers(2, size=120)) % 3, "c": c, "d": 2 - a, "e": (a > 0) | (c > 0)}
    else:
        data = frame(120).assign(d=lambda t: 2 * t["a"] - 1, e=lambda t: t["a"] + t["b"])
    found = PC(name, max_cond=1).fit(data)
    assert "d" in found.graph_.adjacent("a")
    assert np.isfinite(found.pvalues_[~np.eye(5, dtype=bool)]).all()
    if name not in ("cmiknn", "rcit"):  # which answer also where all variance is explained
        assert found.n_untestable_ > 0


@pytest.mark.parametrize("search", SEARCHES)
def test_few_rows_stop_the_levels(search):
    found = search(alpha=0.999).fit(np.random.default_rng(0).normal(size=(5, 6)))
    assert len(found.n_tests_per_level_) == 2
    assert found.n_untestable_ > 0


@pytest.mark.parametrize("search", SEARCHES)
def test_forms_of_numbers_do_not_matter(search):
    data = (frame(200) * 30).round()
    expected = search().fit(data)
    for form in ("int8", "float16", "object", ">f4"):
        assert search().fit(data.astype(form)).graph_ == expected.graph_
    strided = np.asfortranarray(np.repeat(data.to_numpy(), 2, axis=0))[::2]
    strided.flags.writeable = False
    before = strided.copy()
    assert np.array_equal(search().fit(strided).pvalues_, expected.pvalues_, equal_nan=True)
    assert np.array_equal(strided, before)
    scaled = data * [1e-9, 1.0, 1e9] + [1e-4, -1e5, 1e14]
    assert search().fit(scaled.set_axis(range(200)[::-1])).graph_ == expected.graph_


@pytest.mark.parametrize("search", SEARCHES)
def test_codes_and_truth_values_are_warned_of_once(search):
    for column in (np.arange(100) % 3, np.arange(100) % 2 == 0):
        with pytest.warns(CITestWarning, match="takes codes of categories for quantities") as caught:
            search().fit(frame().assign(d=column))
        assert len(caught) == 1
        assert (caught[0].message.kind, caught[0].message.names) == ("few_values", ("d",))


@pytest.mark.parametrize("search", SEARCHES)
def test_every_search_takes_one_column_and_checks_its_options(search):
    assert search().fit(frame()[["a"]]).graph_.nodes == ("a",)
    for alpha in (0, 1, np.nan, "x"):
        with pytest.raises(DataError, match="`alpha`"):
            search(alpha=alpha).fit(frame())
    with pytest.raises(DataError, match="`max_cond`"):
        search(max_cond=-1).fit(frame())


@pytest.mark.parametrize("search", SEARCHES)
def test_constant_columns_are_dropped_and_listed_when_asked(search):
    data = frame()
    spoilt = data.assign(p=3.0, q=True, r="x")[["p", "a", "q", "b", "c", "r"]]
    found, expected = search(constant="drop").fit(spoilt), search().fit(data)
    assert found.dropped_ == ("p", "q", "r")
    assert found.graph_ == expected.graph_
    assert np.array_equal(found.pvalues_, expected.pvalues_, equal_nan=True)
    assert found.n_features_in_ == 6
    assert found.feature_names_in_.tolist() == list(spoilt.columns)
    assert found.fit(data).dropped_ == ()
    assert found.n_features_in_ == 3


def test_columns_of_an_array_keep_their_numbers_when_others_are_dropped():
    X = np.insert(frame().to_numpy(), 1, 7.0, axis=1)
    found = PC(constant="drop").fit(X)
    assert found.dropped_ == (1,)
    assert found.graph_.nodes == (0, 2, 3)
    assert found.sepsets_[0, 3] == PC().fit(frame()).sepsets_["a", "c"] == set()


def test_a_column_with_one_value_and_gaps_is_constant():
    X = frame(60).assign(g=[None, np.nan, pd.NA, *["x"] * 57], h=[np.nan, *[2.0] * 59])
    assert PC(constant="drop").fit(X).dropped_ == ("g", "h")
    codes = pd.DataFrame({"u": list("xy") * 30, "v": ["x"] * 60, "w": list("xxy") * 20})
    assert PC("gsquare", constant="drop").fit(codes).dropped_ == ("v",)


def test_what_cannot_be_dropped_is_refused():
    with pytest.raises(DataError, match=r"all columns of `X` are constant: \['a'\]"):
        PC(constant="drop").fit(pd.DataFrame({"a": [1.0] * 9}))
    with pytest.raises(DataError, match="needs a data frame, a mapping or a NumPy array, got Tensor"):
        PC(constant="drop").fit(torch.ones(9, 2))
    with pytest.raises(UnknownNameError, match="`constant`"):
        PC(constant="ignore").fit(frame())
