"""The searches of causal-learn behind our interface: right graphs, right directions, nothing left behind."""

import random
import sys

import numpy as np
import pandas as pd
import pytest

from causalrep.discovery import CausalLearn
from causalrep.graphs import ADMG, DAG, PAG, PDAG
from causalrep.utils import DataError, MissingDependencyError, UnknownNameError

COLLIDER = DAG.from_string("x -> c <- y; c -> d")


def linear(n, seed, noise="normal"):
    rng = np.random.default_rng(seed)
    draw = rng.normal if noise == "normal" else lambda size: rng.uniform(-1.7, 1.7, size)
    x, y = draw(size=n), draw(size=n)
    c = x + y + draw(size=n)
    return pd.DataFrame({"x": x, "c": c, "y": y, "d": 0.9 * c + draw(size=n)})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("algorithm", ["pc", "ges", "grasp", "boss"])
def test_classes(algorithm):
    found = CausalLearn(algorithm).fit(linear(1000, 0))
    assert isinstance(found.graph_, PDAG)
    assert found.graph_ == COLLIDER.to_cpdag()
    assert found.weights_ is None
    assert list(found.feature_names_in_) == ["x", "c", "y", "d"]


@pytest.mark.filterwarnings("ignore")
def test_exact_search_returns_a_member_of_the_class():
    found = CausalLearn("exact").fit(linear(1000, 1)).graph_
    assert isinstance(found, DAG)
    assert found.to_cpdag() == COLLIDER.to_cpdag()


@pytest.mark.filterwarnings("ignore")
def test_fci_returns_a_pag():
    found = CausalLearn("fci").fit(linear(1000, 2)).graph_
    assert isinstance(found, PAG)
    assert found == COLLIDER.to_pag()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("algorithm", ["direct_lingam", "ica_lingam"])
def test_lingam_weights_go_from_row_to_column(algorithm):
    found = CausalLearn(algorithm).fit(linear(3000, 3, noise="uniform"))
    strong = np.abs(found.weights_) > 0.3  # LiNGAM prunes little
    assert DAG.from_adjacency(strong.astype(int), ["x", "c", "y", "d"]) == COLLIDER
    # The standard error of a coefficient is about 1 / sqrt(3000); four of them.
    assert found.weights_[0, 1] == pytest.approx(1.0, abs=0.08)
    assert found.weights_[1, 3] == pytest.approx(0.9, abs=0.08)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("algorithm", ["rcd", "cam_uv"])
def test_hidden_causes_are_bidirected(algorithm):
    if algorithm == "cam_uv":
        pytest.importorskip("pygam", reason="CAM-UV of causal-learn needs pygam")
    rng = np.random.default_rng(4)
    u, a, b, e = rng.uniform(-1.7, 1.7, size=(4, 300))
    x, y = (u + 0.4 * a, u + 0.4 * b) if algorithm == "rcd" else (u**2 + 0.3 * a, np.cos(2 * u) + 0.3 * b)
    found = CausalLearn(algorithm).fit({"x": x, "y": y, "alone": e}).graph_
    assert isinstance(found, ADMG)
    assert found.bidirected_edges == {("x", "y")}
    assert not found.directed_edges


@pytest.mark.filterwarnings("ignore")
def test_gin_finds_hidden_variables_behind_clusters():
    rng = np.random.default_rng(5)
    first = rng.uniform(-1, 1, 500)
    second = 0.9 * first + rng.uniform(-1, 1, 500)
    names = list("abcdef")
    columns = [h * w + 0.3 * rng.uniform(-1, 1, 500) for h in (first, second) for w in (1.0, 1.4, 0.8)]
    options = {"indep_test_method": "hsic", "alpha": 0.01}
    found = CausalLearn("gin", options=options).fit(dict(zip(names, columns, strict=True))).graph_
    hidden = set(found.nodes) - set(names)
    clusters = {frozenset(child for child in found.children(node) if child in names) for node in hidden}
    assert clusters  # it may miss one of the two
    assert clusters <= {frozenset("abc"), frozenset("def")}
    assert isinstance(found, PDAG) or found.latent == hidden


@pytest.mark.filterwarnings("ignore")
def test_a_seed_gives_one_answer_and_global_state_is_put_back(capsys):
    data = linear(200, 6)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    expected = random.random(), np.random.random()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    one = CausalLearn("grasp", random_state=3).fit(data).graph_
    assert (random.random(), np.random.random()) == expected  # noqa: NPY002
    assert CausalLearn("grasp", random_state=3).fit(data).graph_ == one
    assert capsys.readouterr().out == ""


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "causallearn.search.FCMBased.lingam.CAMUV", None)
    with pytest.raises(MissingDependencyError, match="CAM-UV"):
        CausalLearn("cam_uv").fit(linear(20, 0))


def test_bad_input():
    with pytest.raises(UnknownNameError, match="`algorithm`"):
        CausalLearn("boos").fit(linear(20, 0))
    with pytest.raises(DataError, match="NaN"):
        CausalLearn().fit(pd.DataFrame({"a": [1.0, np.nan, 2.0], "b": [1.0, 2.0, 3.0]}))
    with pytest.raises(DataError, match="at least 2 rows"):
        CausalLearn().fit(np.ones((1, 3)))
