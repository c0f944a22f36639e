"""Models to and from DoWhy-GCM, pgmpy and networkx."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from causalrep.scm import SCM, AdditiveNoise, DiscreteSCM, JointNormal, Linear, LinearGaussianSCM, Normal
from causalrep.utils import CausalRepError, DataError, GraphError, MissingDependencyError


def bent():
    return SCM(
        mechanisms={
            "Z": Normal(1, 1),
            "X": AdditiveNoise(lambda Z: np.sin(Z), Normal(0, 0.5)),
            "Y": Linear({"X": 2.0, "Z": -1.0}, 0.5, Normal(0, 1)),
        }
    )


def a_table():
    return DiscreteSCM.from_cpts(
        {
            "A": ((), [0.3, 0.7]),
            "B": (["A"], [[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]]),
            "C": (["B", "A"], np.random.default_rng(0).dirichlet([1, 1], size=(3, 2))),
        },
        states={"A": ["no", "yes"], "B": ["low", "mid", "high"]},
        latent=["A"],
    )


def test_networkx_and_back():
    scm = bent()
    graph = scm.to_networkx()
    assert list(graph.edges) == [("Z", "X"), ("Z", "Y"), ("X", "Y")]
    back = SCM.from_networkx(graph)
    assert back.graph == scm.graph
    assert all(back.mechanisms[node] is scm.mechanisms[node] for node in scm.graph.nodes)
    rows = scm.sample(5, random_state=0)
    pd.testing.assert_frame_equal(back.sample(5, random_state=0), rows)


def test_networkx_keeps_latents_and_correlated_noise():
    shared = JointNormal(["X", "Y"], [[1.0, 0.5], [0.5, 2.0]], mean=[1.0, 0.0])
    scm = SCM(
        mechanisms={"U": Normal(0, 1), "X": Linear({"U": 1.0}), "Y": Linear({"X": 2.0})},
        noise=shared,
        latent="U",
    )
    back = SCM.from_networkx(scm.to_networkx())
    assert back.graph.latent == scm.graph.latent
    assert back.admg() == scm.admg()
    assert back.expectation("Y", given={"X": 1.0}) == pytest.approx(scm.expectation("Y", given={"X": 1.0}))
    gaussian = LinearGaussianSCM([[0, 1.0], [0, 0]], [[1.0, 0.5], [0.5, 1.0]], names=["X", "Y"])
    again = SCM.from_networkx(gaussian.to_networkx())
    assert again.expectation("Y", given={"X": 1.0}) == pytest.approx(1.5)


def test_special_models_come_back_from_networkx_as_what_they_are():
    B = np.array([[0, 0.5, -1.0], [0, 0, 2.0], [0, 0, 0]])
    gaussian = LinearGaussianSCM(B, [[1.0, 0.5, 0], [0.5, 2.0, 0], [0, 0, 0.0]], [1, 2, 3], list("XYZ"))
    back = LinearGaussianSCM.from_networkx(gaussian.to_networkx())
    np.testing.assert_allclose(back.covariance(), gaussian.covariance(), rtol=1e-12)
    np.testing.assert_allclose(back.mean(), gaussian.mean(), rtol=1e-12)
    with pytest.raises(DataError, match=r"mechanism of 'Y' must be linear with Gaussian noise"):
        LinearGaussianSCM.from_networkx(SCM.from_equations("X = N(0, 1); Y = X**2").to_networkx())
    with pytest.raises(DataError, match=r"mechanism of 'X' must be a CPT"):
        DiscreteSCM.from_networkx(SCM.from_equations("X = N(0, 1); Y = X").to_networkx())


def test_networkx_without_mechanisms_is_refused():
    with pytest.raises(GraphError, match="'X'"):
        SCM.from_networkx(nx.DiGraph([("X", "Y")]))


def test_pgmpy_and_back():
    pytest.importorskip("pgmpy")
    from pgmpy.inference import VariableElimination

    scm = a_table()
    network = scm.to_pgmpy()
    assert network.check_model()
    answer = VariableElimination(network).query(["C"], evidence={"B": "mid"}, show_progress=False)
    for state in (0, 1):
        ours = scm.probability({"C": state}, given={"B": "mid"})
        assert answer.get_value(C=state) == pytest.approx(ours, abs=1e-12)
    back = DiscreteSCM.from_pgmpy(network)
    assert back.graph.latent == scm.graph.latent
    pd.testing.assert_frame_equal(
        back.table(["A", "B", "C"]).sort_values(["A", "B", "C"], ignore_index=True),
        scm.table(["A", "B", "C"]).sort_values(["A", "B", "C"], ignore_index=True),
    )
    with pytest.raises(GraphError, match="a CPT at every node"):
        scm.do({"A": "no"}).to_pgmpy()


def test_dowhy_and_back():
    gcm = pytest.importorskip("dowhy.gcm")
    scm = bent()
    model = scm.to_dowhy()
    gcm.util.general.set_random_seed(0)
    theirs = gcm.draw_samples(model, 20_000)
    ours = scm.sample(20_000, random_state=0)
    np.testing.assert_allclose(
        theirs[list(ours)].mean().astype(float), ours.mean(), atol=4.5 * 2.0 * (2 / 20_000) ** 0.5
    )
    rows = scm.sample(6, random_state=1)
    imagined = gcm.counterfactual_samples(model, {"X": lambda _: 2.0}, observed_data=rows)
    expected = scm.counterfactual(rows, do={"X": 2.0})
    np.testing.assert_allclose(imagined[list(rows)].astype(float), expected, atol=1e-9)
    back = SCM.from_dowhy(model)
    pd.testing.assert_frame_equal(back.sample(5, random_state=0)[list(rows)], scm.sample(5, random_state=0))


def test_a_fitted_model_of_dowhy():
    gcm = pytest.importorskip("dowhy.gcm")
    scm = bent()
    rows = scm.sample(500, random_state=0)
    model = gcm.InvertibleStructuralCausalModel(nx.DiGraph([("Z", "X"), ("Z", "Y"), ("X", "Y")]))
    model.set_causal_mechanism("Z", gcm.EmpiricalDistribution())
    boosting = gcm.ml.create_hist_gradient_boost_regressor
    model.set_causal_mechanism("X", gcm.AdditiveNoiseModel(boosting()))
    model.set_causal_mechanism("Y", gcm.AdditiveNoiseModel(gcm.ml.create_linear_regressor()))
    gcm.fit(model, rows)
    back = SCM.from_dowhy(model)
    assert isinstance(back.mechanisms["Y"], Linear)
    assert back.mechanisms["X"].invertible
    seen = rows.head(5)
    theirs = gcm.counterfactual_samples(model, {"Z": lambda _: 0.5}, observed_data=seen)
    ours = back.counterfactual(seen, do={"Z": 0.5})
    np.testing.assert_allclose(ours[["X", "Y"]], theirs[["X", "Y"]].astype(float), atol=1e-9)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - which must be left alone
    first, second = (back.sample(50, random_state=3) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_dowhy_cannot_express_correlated_noise():
    pytest.importorskip("dowhy.gcm")
    scm = LinearGaussianSCM([[0, 1.0], [0, 0]], [[1.0, 0.5], [0.5, 1.0]], names=["X", "Y"])
    with pytest.raises(CausalRepError, match="correlated"):
        scm.to_dowhy()


@pytest.mark.parametrize(("package", "call"), [("dowhy", bent().to_dowhy), ("pgmpy", a_table().to_pgmpy)])
def test_a_missing_package_is_named(package, call, monkeypatch):
    import importlib

    known = importlib.import_module

    def without(name, *args):
        if name.split(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return known(name, *args)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingDependencyError, match=f"pip install {package}"):
        call()
