"""One call identifies, picks and estimates; it says what it did."""

import numpy as np
import polars as pl
import pytest

from causalrep.estimators import TLearner, causal_effect
from causalrep.graphs import ADMG, CPDAG, DAG
from causalrep.scm import SCM
from causalrep.utils import NotIdentifiableError, UnknownNameError

MODEL = SCM.from_equations(
    "z = N(0, 1); w = N(0, 1); t ~ Bernoulli(sigmoid(z/2)); m = 2*t + N(0, 1); y = m + 2*z + w + N(0, 1)"
)


@pytest.fixture(scope="module")
def data():
    return MODEL.sample(2000, random_state=0)


def test_it_adjusts_for_the_optimal_set_and_covers_the_truth(data):
    report = causal_effect(data, treatment="t", outcome="y", graph=MODEL.graph, random_state=0)
    assert set(report.adjustment) == {"z", "w"}  # the mediator is not among them
    assert abs(report.estimate - 2) < 4 * report.effect.se
    assert report.unadjusted > 2.5
    text = str(report)
    for part in ("adjustment for z, w", "AIPW", "2000 rows", "95% interval", "overlap", "hidden confounding"):
        assert part in text
    assert "<pre>" in report._repr_html_()


def test_frames_of_polars_and_texts_work_and_methods_can_be_chosen(data):
    frame = pl.DataFrame(data.to_dict("list")).with_columns(
        z=pl.when(pl.col("z") > 0).then(pl.lit("high")).otherwise(pl.lit("low"))
    )
    report = causal_effect(
        frame, treatment="t", outcome="y", graph=MODEL.graph, method=TLearner(cv=3), random_state=0
    )
    assert type(report.estimator) is TLearner
    assert "z=low" in report.estimator.covariate_names_in_


def test_a_dose_is_partialled_out(data):
    report = causal_effect(data, treatment="z", outcome="y", graph=MODEL.graph, random_state=0)
    assert type(report.estimator).__name__ == "DoubleML"
    truth = MODEL.do(z=0.5).sample(100_000, random_state=1)["y"].mean()
    truth -= MODEL.do(z=-0.5).sample(100_000, random_state=1)["y"].mean()
    assert report.estimate == pytest.approx(truth, abs=0.25)


def test_an_instrument_is_used_where_nothing_adjusts():
    model = SCM.from_equations("i = N(0, 1); u = N(0, 1); x = i + u + N(0, 1); y = 1.5*x - 2*u + N(0, 1)")
    data = model.sample(3000, random_state=0)[["i", "x", "y"]]
    graph = DAG.from_string("i -> x; u -> {x y}; x -> y")
    graph = DAG(graph.directed_edges, graph.nodes, latent=["u"])
    report = causal_effect(data, treatment="x", outcome="y", graph=graph)
    assert (report.strategy, report.instrument) == ("instrument", "i")
    assert report.ci[0] < 1.5 < report.ci[1]
    assert "first-stage F" in str(report)


def test_what_is_not_identified_raises_with_a_witness(data):
    with pytest.raises(NotIdentifiableError, match="hedge") as caught:
        causal_effect(data, treatment="t", outcome="y", graph=ADMG([("t", "y")], [("t", "y")]))
    assert caught.value.witness.verify()
    front = ADMG([("t", "m"), ("m", "y")], [("t", "y")])
    with pytest.raises(NotIdentifiableError, match="frontdoor"):
        causal_effect(data, treatment="t", outcome="y", graph=front)
    with pytest.raises(NotIdentifiableError, match="CPDAG"):
        causal_effect(data, treatment="t", outcome="y", graph=CPDAG(undirected=[("t", "y")]))


def test_names_are_checked(data):
    with pytest.raises(UnknownNameError, match="did you mean 't'"):
        causal_effect(data, treatment="T", outcome="y", graph=MODEL.graph)
    with pytest.raises(UnknownNameError, match="latent"):
        causal_effect(data.drop(columns="w"), treatment="t", outcome="y", graph=MODEL.graph)
    with pytest.raises(ValueError, match="both"):
        causal_effect(data, treatment="t", outcome="t", graph=MODEL.graph)


def test_no_covariate_is_needed_in_an_experiment():
    rng = np.random.default_rng(0)
    t = rng.integers(0, 2, 500)
    frame = pl.DataFrame({"t": t, "y": 3.0 * t + rng.normal(size=500)})
    report = causal_effect(frame, treatment="t", outcome="y", graph=DAG([("t", "y")]), random_state=0)
    assert report.adjustment == ()
    assert report.estimate == pytest.approx(3, abs=0.4)
