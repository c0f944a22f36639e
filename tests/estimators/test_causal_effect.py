"""One call identifies, picks and estimates; it says what it did."""

import numpy as np
import polars as pl
import pytest

from causalrep.estimators import AIPW, DoubleML, EffectSet, OverlapWarning, TLearner, causal_effect
from causalrep.graphs import ADMG, CPDAG, DAG, PAG
from causalrep.identification import ida
from causalrep.scm import SCM
from causalrep.utils import DataError, NotIdentifiableError, UnknownNameError

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
    page = report._repr_html_()
    assert "<th>overlap</th>" in page
    assert "adjustment for z, w" in page


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
    with pytest.raises(NotIdentifiableError, match="frontdoor"):  # which serves arms, and z is a dose
        causal_effect(data, treatment="z", outcome="y", graph=ADMG([("z", "m"), ("m", "y")], [("z", "y")]))


HIDDEN = SCM.from_equations(
    "u = N(0, 1); c = N(0, 1); t ~ Bernoulli(sigmoid(0.6*u + 0.4*c)); m = t + c + N(0, 1);"
    "y = 2*m - 4*u + N(0, 1)"
)


@pytest.mark.filterwarnings("ignore::causalrep.estimators.OverlapWarning")  # one row, by a hair
@pytest.mark.parametrize("texts", [False, True])
def test_a_front_door_is_taken_where_nothing_adjusts(texts):
    data = HIDDEN.sample(1500, random_state=1)[["c", "t", "m", "y"]]
    if texts:
        data["c"] = np.where(data["c"] > 0, "high", "low")
    graph = ADMG([("c", "t"), ("c", "m"), ("c", "y"), ("t", "m"), ("m", "y")], [("t", "y")])
    report = causal_effect(data, treatment="t", outcome="y", graph=graph, random_state=0)
    assert (report.strategy, report.mediators, report.adjustment) == ("front door", ("m",), ("c",))
    assert "front door through m given c" in str(report)
    if not texts:
        assert abs(report.estimate - 2) < 4 * report.effect.se
        assert abs(report.unadjusted - 2) > 0.3
    assert np.isnan(report.robustness)
    assert "hidden confounding" not in str(report)


def test_any_formula_is_evaluated_on_discrete_data():
    rng = np.random.default_rng(0)
    n = 20_000
    u, v = rng.integers(0, 2, (2, n))
    w = (rng.random(n) < 0.2 + 0.6 * u * v + 0.1 * u).astype(int)  # the napkin: w -> z -> x -> y
    z = (rng.random(n) < 0.3 + 0.4 * w).astype(int)
    x = (rng.random(n) < 0.1 + 0.4 * z + 0.4 * u).astype(int)
    y = (rng.random(n) < 0.2 + 0.3 * x + 0.4 * v).astype(int)
    graph = ADMG([("w", "z"), ("z", "x"), ("x", "y")], [("w", "x"), ("w", "y")])
    report = causal_effect(
        pl.DataFrame({"w": w, "z": z, "x": x, "y": y}), treatment="x", outcome="y", graph=graph
    )
    assert report.strategy == "formula"
    assert abs(report.estimate - 0.3) < 4 * report.effect.se
    assert "by the formula" in str(report)


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


LINEAR = SCM.from_equations("z = N(0, 1); t = 0.8*z + N(0, 1); w = 0.5*z + N(0, 1); y = 1.5*t + w + N(0, 1)")


@pytest.mark.parametrize("possible", ["local", "optimal"])
def test_a_class_of_graphs_gives_the_effects_of_ida_with_intervals(possible):
    data = LINEAR.sample(3000, random_state=0)
    cpdag = LINEAR.graph.to_cpdag()
    assert cpdag.neighbors("t") == {"z"}
    method = DoubleML(outcome_model="linear", treatment_model="linear", random_state=0)
    found = causal_effect(
        data, treatment="t", outcome="y", graph=cpdag, method=method, possible=possible, random_state=0
    )
    assert isinstance(found, EffectSet)
    assert found.is_complete
    expected = ida(cpdag, "t", "y", data[list(cpdag.nodes)].cov(), method=possible).effects
    np.testing.assert_allclose(np.sort(found.estimates), np.sort(expected), atol=0.02)  # folds against none
    ses = [member.effect.se for member in found.members]
    low, high = found.ci
    assert low == pytest.approx(min(found.estimates - 1.96 * np.array(ses)), rel=1e-4)
    assert low < 1.5 < high
    assert found.smallest == min(abs(found.estimates))
    text = str(found)
    for part in ("t caused by nothing", "t caused by z", "CPDAG", "whichever is true"):
        assert part in text
        assert part in found._repr_html_()


def test_members_that_adjust_for_the_same_are_one_and_no_path_is_no_effect():
    data = LINEAR.sample(500, random_state=0)
    cpdag = CPDAG(undirected=[("z", "t"), ("t", "y")])
    found = causal_effect(data, treatment="t", outcome="y", graph=cpdag, possible="local", random_state=0)
    assert [member.because for member in found.members] == [
        ("t caused by nothing",),
        ("t caused by z",),
        ("t caused by y",),
    ]
    zero = found.members[2].effect
    assert (zero.estimate, zero.ci, found.smallest) == (0.0, (0.0, 0.0), 0.0)
    assert "no directed path" in str(found)
    merged = causal_effect(data, treatment="t", outcome="y", graph=cpdag, random_state=0)
    assert merged.members[0].because == ("t caused by nothing", "t caused by z")  # nothing to gain from z


def test_knowledge_that_settles_the_question_gives_one_effect():
    data = LINEAR.sample(500, random_state=0)
    mpdag = LINEAR.graph.to_cpdag().to_mpdag(required=[("z", "t")])
    report = causal_effect(data, treatment="t", outcome="y", graph=mpdag, random_state=0)
    assert report.strategy == "adjustment"
    assert abs(report.estimate - 1.5) < 4 * report.effect.se


def test_a_pag_gives_what_its_members_identify_and_says_what_they_do_not():
    data = LINEAR.sample(500, random_state=0)
    pag = DAG.from_string("z -> t; t -> y; z -> w; w -> y").to_pag()
    found = causal_effect(data, treatment="t", outcome="y", graph=pag, random_state=0)
    listed = {text for member in found.members for text in member.because}
    # by hand: t -> y is visible if z -> t or z <-> t, for z is not adjacent to y; else nothing tells
    # t -> y from t <- hidden -> y
    truth = DAG.from_string("z -> t; t -> y; z -> w; w -> y").to_mag()
    assert any(truth.is_markov_equivalent(type(truth).from_string(text)) for text in listed)
    assert all(type(truth).from_string(text).to_pag() == pag for text in listed)
    assert len(listed) == sum(len(member.because) for member in found.members)
    some = [member for member in found.members if member.effect is not None]
    assert any(abs(one.effect.estimate - 1.5) < 4 * one.effect.se for one in some)
    assert not found.is_complete
    assert found.ci == (-np.inf, np.inf)
    assert "not identified" in str(found)


def test_a_pag_with_too_many_circles_is_refused(data):
    names = ["z", "w", "t", "m", "y"]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    pag = PAG.from_string("; ".join(f"{a} o-o {b}" for a, b in pairs))
    with pytest.raises(NotIdentifiableError, match="20 circles are too many"):
        causal_effect(data, treatment="t", outcome="y", graph=pag)


def test_refuters_are_run_and_read(data):
    report = causal_effect(
        data[:300],
        treatment="t",
        outcome="y",
        graph=MODEL.graph,
        method=AIPW(outcome_model="linear", propensity_model="linear", cv=2),
        refute="data_subset",
        random_state=0,
    )
    assert [one.method for one in report.refutations] == ["data_subset"]
    assert report.refutations[0].reading in str(report)
    with pytest.raises(UnknownNameError, match="placebo_treatment"):
        causal_effect(data, treatment="t", outcome="y", graph=MODEL.graph, refute=["placebo"])


def test_no_number_without_overlap_that_does_not_say_so_first(data):
    sure = data.assign(t=(data["z"] > 0).astype(int))
    with pytest.warns(OverlapWarning, match="worth"):
        report = causal_effect(sure, treatment="t", outcome="y", graph=MODEL.graph, random_state=0)
    lines = str(report).split("\n")
    assert lines[1].startswith("  ! ")  # before the estimate
    assert report._repr_html_().index("moved there") < report._repr_html_().index(f"{report.estimate:.4g}")


def test_the_page_stands_alone_and_the_picture_shows_both_numbers(data, tmp_path):
    pytest.importorskip("matplotlib")
    report = causal_effect(data, treatment="t", outcome="y", graph=MODEL.graph, random_state=0)
    report.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    for name in ("Effect of t on y", "Overlap of the arms", "Balance of the covariates"):
        assert f'aria-label="{name}"' in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("https://www.w3.org", "")
    ax = report.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["AIPW", "unadjusted"]
    dots = ax.lines[-1].get_xdata()
    np.testing.assert_allclose(dots, [report.estimate, report.unadjusted])


def test_options_are_checked(data):
    with pytest.raises(UnknownNameError, match="possible"):
        causal_effect(data, treatment="t", outcome="y", graph=MODEL.graph, possible="global")
    with pytest.raises(DataError, match="method"):
        causal_effect(data, treatment="t", outcome="y", graph=MODEL.graph, method="best")
