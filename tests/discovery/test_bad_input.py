"""What PC refuses, and what it does with data that are allowed but poor."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError

from causalrep.discovery import PC, Knowledge
from causalrep.graphs import CPDAG, DAG
from causalrep.independence import CITestWarning, FisherZ, Oracle
from causalrep.utils import DataError, DeviceError, UnknownNameError


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
