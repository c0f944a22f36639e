"""Saved models answer as before, and a folder from elsewhere can do no harm."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from sklearn.ensemble import HistGradientBoostingRegressor

from causalrep.graphs import DAG
from causalrep.scm import (
    CPT,
    SCM,
    AdditiveNoise,
    Classification,
    DiscreteSCM,
    Empirical,
    Equation,
    FlowRegression,
    JointNormal,
    Laplace,
    Linear,
    LinearGaussianSCM,
    Normal,
    Regression,
    Smoothed,
)
from causalrep.utils import CausalRepError, CheckpointError

TRIANGLE = DAG([("X", "L"), ("X", "Y"), ("L", "Y")])


def mixed_rows(n=400):
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    label = np.where(x + rng.logistic(size=n) > 0, "high", "low").astype(object)
    y = np.sin(2 * x) + 2 * (label == "high") + np.exp(x / 3) * rng.normal(size=n) / 4
    return pd.DataFrame({"X": x, "L": label, "Y": y, "N": rng.poisson(np.exp(1 + x / 2))})


def again(model, tmp_path):
    model.save(tmp_path / "model")
    return type(model).load(tmp_path / "model")


@pytest.mark.parametrize("word", ["linear", "spline", "heteroscedastic", "postnonlinear"])
def test_learned_models_answer_as_before(word, tmp_path):
    data = mixed_rows()
    graph = DAG([*TRIANGLE.directed_edges, ("X", "N")])
    model = SCM(graph).fit(data, {"Y": word}, random_state=0)
    loaded = again(model, tmp_path)
    assert loaded.graph == model.graph
    assert loaded.sample(50, 1).equals(model.sample(50, 1))
    np.testing.assert_array_equal(loaded.log_prob(data), model.log_prob(data))
    pd.testing.assert_frame_equal(loaded.choices_, model.choices_)
    with pytest.warns(UserWarning, match="extrapolated"):
        loaded.do(X=99.0)


def test_a_flow_is_saved_with_its_weights(tmp_path):
    data = mixed_rows(100)
    model = SCM(DAG([("X", "Y")])).fit(data, {"Y": FlowRegression((8,), max_epochs=1)}, cv=2, random_state=0)
    assert again(model, tmp_path).sample(20, 0).equals(model.sample(20, 0))


def test_hand_made_models_answer_as_before(tmp_path):
    scm = SCM(
        mechanisms={
            ("a", 1): Empirical([1.0, 2.0, 5.0]),
            2: Smoothed.of(np.arange(20.0) ** 2),
            "Q": CPT([0.2, 0.8], states=["no", "yes"]),
            "X": Linear({2: 0.1 + 0.2}, intercept=-1e-300, noise=Laplace(0, 1 / 3)),
            "Y": Equation("X**2 + noise", Normal(0, 2)),
        }
    )
    assert again(scm, tmp_path).sample(30, 0).equals(scm.sample(30, 0))


def test_special_models_keep_their_class(tmp_path):
    discrete = DiscreteSCM.from_cpts({"X": ([], [0.3, 0.7]), "Y": (["X"], [[0.1, 0.9], [0.6, 0.4]])})
    loaded = again(discrete, tmp_path / "a")
    assert type(loaded) is DiscreteSCM
    assert loaded.probability({"Y": 1}, do={"X": 0}) == pytest.approx(0.9, abs=1e-12)
    gaussian = LinearGaussianSCM([[0, 2.0], [0, 0]], [[1.0, 0.5], [0.5, 1.0]], names=["X", "Y"])
    loaded = again(gaussian, tmp_path / "b")
    np.testing.assert_allclose(loaded.covariance(), gaussian.covariance(), rtol=1e-12)
    assert loaded.sample(10, 0).equals(gaussian.sample(10, 0))
    assert type(SCM.load(tmp_path / "b" / "model")) is LinearGaussianSCM
    with pytest.raises(CheckpointError, match="holds a 'LinearGaussianSCM', which is no DiscreteSCM"):
        DiscreteSCM.load(tmp_path / "b" / "model")


def test_noise_that_is_shared_is_saved_once(tmp_path):
    shared = JointNormal(["X", "Y"], [[1.0, 0.5], [0.5, 1.0]])
    scm = SCM(mechanisms={"X": Linear({}), "Y": Linear({"X": 2.0})}, noise={"X": shared, "Y": shared})
    assert again(scm, tmp_path).sample(10, 0).equals(scm.sample(10, 0))


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_numbers_survive_exactly(tmp_path_factory, seed, coefficient):
    scm = SCM(mechanisms={"X": Normal(0, 1), "Y": Linear({"X": coefficient}, noise=Normal(0, 1))})
    loaded = again(scm, tmp_path_factory.mktemp("m"))
    assert loaded.mechanisms["Y"].coefficients == {"X": coefficient}
    assert loaded.sample(3, seed).equals(scm.sample(3, seed))


@pytest.mark.parametrize(
    "mechanism",
    [
        AdditiveNoise(lambda X: X, Normal()),
        Regression(HistGradientBoostingRegressor(max_iter=3)),
    ],
    ids=["function", "estimator"],
)
def test_code_is_refused_with_an_explanation(mechanism, tmp_path):
    data = mixed_rows(60)
    scm = SCM(DAG([("X", "Y")])).fit(data, {"Y": mechanism}, random_state=0)
    with pytest.raises(CausalRepError, match=r"the mechanism of 'Y' cannot be saved.*run code"):
        scm.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_foreign_classifier_is_refused(tmp_path):
    from sklearn.naive_bayes import GaussianNB

    scm = SCM(DAG([("X", "L")])).fit(mixed_rows(60), {"L": Classification(GaussianNB())}, random_state=0)
    with pytest.raises(CausalRepError, match="GaussianNB"):
        scm.save(tmp_path / "model")


def test_intervened_models_are_not_saved(tmp_path):
    with pytest.raises(CausalRepError, match="not intervened on"):
        SCM.from_equations("X = N(0, 1)").do(X=1).save(tmp_path / "model")


def test_a_saved_model_is_replaced_and_anything_else_left_alone(tmp_path):
    first, second = (SCM.from_equations(f"X = N({mean}, 1)") for mean in (0, 5))
    first.save(tmp_path / "model")
    second.save(tmp_path / "model")
    assert SCM.load(tmp_path / "model").mechanisms["X"].noise == Normal(5, 1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="left as it is"):
        first.save(tmp_path / "other")
    assert (tmp_path / "other" / "thesis.txt").read_text() == "years of work"


def changed(folder, **changes):
    path = folder / "scm.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "scm.json").unlink(), "no saved model"),
        (lambda f: (f / "scm.json").write_text("{"), "no saved model"),
        (lambda f: (f / "scm.json").write_text("[]"), "does not describe"),
        (lambda f: changed(f, format="other"), "does not describe"),
        (lambda f: changed(f, format_version=99), "format 99"),
        (lambda f: save_file({"0": np.zeros(3)}, f / "scm.safetensors"), "damaged"),
        (lambda f: changed(f, mechanisms=[]), "damaged"),
        (lambda f: changed(f, mechanisms=[{"kind": "os.system", "with": {"command": "true"}}] * 2), "read"),
        (lambda f: changed(f, mechanisms=[{"kind": "Normal", "with": {"sclae": 2}}] * 2), "read"),
        (lambda f: changed(f, mechanisms=[{"array": "99"}] * 2), "read"),
        (lambda f: changed(f, mechanisms=[3, 4]), "damaged"),
        (lambda f: changed(f, **{"class": "Mechanism"}), "no SCM"),
        (lambda f: changed(f, graph="{}"), "damaged"),
    ],
)
def test_damaged_and_foreign_folders_are_refused(spoil, message, tmp_path):
    SCM.from_equations("X = N(0, 1); Y = X + N(0, 1)").save(tmp_path / "model")
    spoil(tmp_path / "model")
    with pytest.raises(CheckpointError, match=message):
        SCM.load(tmp_path / "model")
