"""The engine: definition, interventions, containers, arrays, and what it refuses."""

# ruff: noqa: ARG002, ARG005 - argument names are what is tested

import warnings

import networkx as nx
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from causalrep.graphs import DAG
from causalrep.scm import (
    SCM,
    AdditiveNoise,
    Bernoulli,
    Function,
    Invertible,
    Linear,
    Mechanism,
    Normal,
    Root,
    Samples,
    Uniform,
)
from causalrep.utils import (
    CausalRepError,
    CycleError,
    DataError,
    GraphError,
    NotInvertibleError,
    UnknownNameError,
)


class Counted(Mechanism):
    """A mechanism that counts the calls to the one inside it."""

    def __init__(self, inner):
        self.inner = inner
        self.calls = {"forward": 0, "abduct": 0}

    @property
    def parents(self):
        return self.inner.parents

    def forward(self, parents, noise):
        self.calls["forward"] += 1
        return self.inner.forward(parents, noise)

    def abduct(self, parents, value):
        self.calls["abduct"] += 1
        return self.inner.abduct(parents, value)

    def sample_noise(self, n, generator):
        return self.inner.sample_noise(n, generator)


class Renderer(Mechanism):
    """A 3-channel image of X with structured noise that cannot be read back."""

    def forward(self, parents, noise):
        image = parents["X"][:, None, None, None] + noise["background"][:, None, None, None]
        return (image + noise["pixels"]).astype(np.float32)

    def sample_noise(self, n, generator):
        return {"background": generator.uniform(size=n), "pixels": generator.normal(size=(n, 3, 4, 5))}


def chain(**replaced):
    mechanisms = {
        "Z": Normal(0, 1),
        "X": Linear({"Z": 0.5}, noise=Normal(0, 1)),
        "Y": AdditiveNoise(lambda X, Z: X**2 + Z, Normal(0, 0.1)),
    }
    return SCM(DAG([("Z", "X"), ("X", "Y"), ("Z", "Y")]), {**mechanisms, **replaced})


def picture():
    return SCM(
        DAG([("Z", "X"), ("X", "image"), ("Z", "Y")]),
        {"X": Linear({"Z": 1.0}), "image": Renderer(), "Y": Linear({"Z": 2.0})},
        noise={"Z": Normal(0, 1), "X": Normal(0, 1), "Y": Normal(0, 1)},
    )


FRAME = pd.DataFrame({"Z": [0.0, 1.0], "X": [1.0, -1.0], "Y": [1.25, 2.0]})


# Definition


def test_graph_is_read_from_argument_names():
    scm = SCM(
        mechanisms={"Z": Normal(), "X": lambda Z: 2 * Z, "Y": lambda X, Z, noise: X + Z + noise},
        noise={"Y": Normal()},
    )
    assert scm.graph == DAG.from_string("Z -> X -> Y; Z -> Y")


@pytest.mark.parametrize("make", [DAG, nx.DiGraph], ids=["DAG", "networkx"])
def test_graph_can_be_given_and_roots_need_only_a_law(make):
    scm = SCM(make([("Z", "X")]), {"X": lambda Z, noise: Z + noise}, noise={"Z": Normal(), "X": Uniform()})
    assert scm.graph == DAG([("Z", "X")])
    assert scm.mechanisms["Z"].noise == Normal()
    assert scm.mechanisms["X"].noise == Uniform()


def test_nodes_may_be_any_hashable():
    scm = SCM(mechanisms={0: Normal(), ("a", 1): Linear({0: 3.0})})
    frame = scm.sample(5, random_state=0)
    np.testing.assert_array_equal(frame[("a", 1)], 3 * frame[0])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SCM(mechanisms={"X": lambda Y: Y, "Y": lambda X: X}), CycleError, "X -> Y|Y -> X"),
        (lambda: SCM(nx.DiGraph([("X", "Y"), ("Y", "X")]), {}), CycleError, "cycle"),
        (lambda: SCM(DAG([("X", "Y")]), {"X": Normal()}), GraphError, "no mechanism for 'Y'"),
        (
            lambda: SCM(DAG([("X", "Y")]), {"X": Normal()}, noise={"Y": Normal()}),
            GraphError,
            "no mechanism for 'Y'",
        ),
        (
            lambda: SCM(DAG([], nodes=["price"]), {"prize": Normal()}),
            UnknownNameError,
            "`mechanisms` names 'prize'.*did you mean 'price'",
        ),
        (
            lambda: SCM(DAG([], nodes=["X"]), {"X": Normal()}, noise={"U": Normal()}),
            UnknownNameError,
            "`noise` names 'U'",
        ),
        (
            lambda: SCM(DAG([("X", "Y")]), {"X": Normal(), "Y": lambda W: W}),
            GraphError,
            "'Y' reads 'W', but the parents of 'Y' in the graph are 'X'",
        ),
        (
            lambda: SCM(DAG([("X", "Y")]), {"X": Normal(), "Y": lambda: 1}),
            GraphError,
            "'Y' reads no node, but",
        ),
        (
            lambda: SCM(mechanisms={"height": Normal(), "Y": lambda heigth: heigth}),
            UnknownNameError,
            "mechanism of 'Y' names 'heigth'.*did you mean 'height'",
        ),
        (lambda: SCM(mechanisms={"X": Renderer()}), GraphError, "'X' does not name its parents"),
        (lambda: SCM(mechanisms={"X": lambda noise: noise}), DataError, "the mechanism of 'X'.*no law"),
        (
            lambda: SCM(mechanisms={"X": Linear({}, noise=Normal())}, noise={"X": Normal()}),
            DataError,
            "'X'.*only once",
        ),
        (lambda: SCM(mechanisms={"X": Normal()}, noise={"X": Normal()}), DataError, "'X'.*own noise"),
        (lambda: SCM(mechanisms={"X": 3}), TypeError, "mechanism of 'X' must be .* got int"),
        (lambda: SCM("X -> Y", {}), TypeError, "`graph` must be a DAG.*got str"),
        (lambda: SCM(mechanisms=[Normal()]), TypeError, "must be mappings"),
    ],
)
def test_contradictory_models_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


# Sampling


def test_scalar_models_give_frames_and_others_samples():
    assert isinstance(chain().sample(3, random_state=0), pd.DataFrame)
    samples = picture().sample(3, random_state=0)
    assert isinstance(samples, Samples)
    assert samples["image"].shape == (3, 3, 4, 5)
    assert samples["image"].dtype == np.float32
    assert samples.noise["image"]["pixels"].shape == (3, 3, 4, 5)
    assert list(samples.frame.columns) == ["Z", "X", "Y"]
    assert isinstance(chain().sample(3, random_state=0, return_noise=True), Samples)


def test_chosen_nodes_are_the_same_numbers_and_others_are_not_computed():
    idle = Counted(Linear({"X": 1.0}, noise=Normal()))
    graph = DAG([("Z", "X"), ("X", "Y")])
    scm = SCM(graph, {"Z": Normal(), "X": Linear({"Z": 1.0}, noise=Normal()), "Y": idle})
    some = scm.sample(4, 7, nodes=["X"])
    assert list(some.columns) == ["X"]
    assert idle.calls == {"forward": 0, "abduct": 0}
    np.testing.assert_array_equal(some["X"], scm.sample(4, 7)["X"])


def test_seeds_make_draws_repeatable_and_different():
    scm = chain()
    assert scm.sample(4, 1).equals(scm.sample(4, 1))
    assert not scm.sample(4, 1).equals(scm.sample(4, 2))
    generator = np.random.default_rng(0)
    assert not scm.sample(4, generator).equals(scm.sample(4, generator))


def test_nodes_with_equal_laws_draw_different_noise():
    frame = SCM(mechanisms={"A": Normal(), "B": Normal()}).sample(100, 0)
    assert abs(np.corrcoef(frame["A"], frame["B"])[0, 1]) < 0.5


def test_constants_are_repeated_over_the_rows():
    frame = SCM(mechanisms={"A": lambda: 2.5, "B": lambda A: A + 1}).sample(3, 0)
    assert frame["A"].tolist() == [2.5] * 3
    assert frame["B"].tolist() == [3.5] * 3


def test_a_mechanism_that_loses_rows_is_named():
    with pytest.raises(DataError, match=r"mechanism of 'Y' must have 3 rows \(axis 0\), got shape \(2,\)"):
        SCM(mechanisms={"X": Normal(), "Y": lambda X: X[:2]}).sample(3)


def test_an_error_inside_a_mechanism_says_which():
    scm = SCM(mechanisms={"X": Normal(), "Y": lambda X: X.reshape(2, 2)})
    with pytest.raises(ValueError, match="reshape") as caught:
        scm.sample(3, 0)
    assert caught.value.__notes__ == [
        "raised by the mechanism of 'Y', which is called with whole arrays (3 rows)"
    ]


@pytest.mark.parametrize("n", [0, -1, 2.0, True, "3"])
def test_number_of_rows_must_be_positive(n):
    with pytest.raises(DataError, match="`n` must be a positive integer"):
        chain().sample(n)


def test_unknown_node_asked_for():
    with pytest.raises(UnknownNameError, match="`nodes` names 'W'"):
        chain().sample(3, nodes=["W"])


# Interventions


def test_do_cuts_the_arrows_into_the_target_and_leaves_the_model_alone():
    scm = chain()
    done = scm.do(X=1.0)
    assert done.graph == DAG([("X", "Y"), ("Z", "Y")], nodes=["Z", "X", "Y"])
    assert list(done.interventions) == ["X"]
    assert scm.interventions == {}
    assert scm.graph == chain().graph
    assert (done.sample(5, 0)["X"] == 1.0).all()


def test_policy_reads_other_nodes_and_becomes_their_child():
    done = chain().do(X=lambda Z: Z > 0)
    frame = done.sample(50, 0)
    assert (frame["X"] == (frame["Z"] > 0)).all()
    assert 0 < frame["X"].mean() < 1
    base = SCM(mechanisms={"W": Normal(), "X": Normal(), "Y": Linear({"X": 1.0}, noise=Normal())})
    assert base.do(X=lambda W: W).graph == DAG([("W", "X"), ("X", "Y")], nodes=["W", "X", "Y"])


def test_policy_reads_the_intervened_world():
    frame = chain().do(X=lambda Z: 2 * Z, Z=3.0).sample(4, 0)
    assert (frame["X"] == 6.0).all()
    imagined = chain().counterfactual(FRAME, {"X": lambda Z: 2 * Z, "Z": 3.0})
    assert (imagined["X"] == 6.0).all()


def test_policy_may_read_what_used_to_be_a_descendant_if_the_world_allows_it():
    # do(Y=1) cuts X -> Y, so in that world X can depend on Y
    frame = chain().do(Y=1.0, X=lambda Y: Y + 1).sample(3, 0)
    assert (frame["X"] == 2.0).all()


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda m: m.do(XX=1), UnknownNameError, "do names 'XX'.*did you mean 'X'"),
        (lambda m: m.shift(XX=1), UnknownNameError, "shift names 'XX'"),
        (lambda m: m.counterfactual(FRAME, {"XX": 1}), UnknownNameError, "do names 'XX'"),
        (lambda m: m.do(X=lambda Y: Y), CycleError, "X -> Y|Y -> X"),
        (lambda m: m.do(X=lambda X: X), GraphError, "X"),
        (lambda m: m.do(X=lambda zz: zz), UnknownNameError, "policy for 'X' names 'zz'"),
        (lambda m: m.do(X=lambda Z, noise: Z), DataError, "intervention on 'X'.*no law"),
        (lambda m: m.do(X=float("nan")), DataError, "intervention on 'X': must not have NaN"),
        (lambda m: m.do(X=[1.0, np.nan]), DataError, "must not have NaN"),
        (lambda m: m.do(X=torch.tensor([np.nan])), DataError, "must not have NaN"),
        (lambda m: m.do(X=None), DataError, "intervention on 'X': must be a number"),
        (lambda m: m.do(X={"a": 1}), DataError, "intervention on 'X': must be a number"),
        (lambda m: m.shift(X=np.nan), DataError, "shift of 'X'.*without NaN"),
        (lambda m: m.shift(X="up"), DataError, "shift of 'X'.*numbers"),
        (lambda m: m.do([("X", 1)]), TypeError, "mapping of node to value, got list"),
        (lambda m: m.counterfactual(FRAME, [("X", 1)]), TypeError, "mapping of node to value, got list"),
        (lambda m: m.do({"X": 1}, X=2), DataError, "both in the mapping and by keyword"),
        (
            lambda m: m.do(X=[1.0, 2.0]).sample(3),
            DataError,
            r"'X' must be a number, an array of shape \(3,\), got shape \(2,\)",
        ),
        (lambda m: m.shift(X=[1.0, 2.0]).sample(3), DataError, r"got shape \(2,\)"),
        (lambda m: m.counterfactual(FRAME, {"X": [1.0, 2.0, 3.0]}), DataError, r"got shape \(3,\)"),
        (lambda m: m.counterfactual(FRAME, {"X": 1}, shift={"X": 1}), DataError, "both `do` and `shift`"),
    ],
)
def test_impossible_interventions_are_refused(act, error, message):
    with pytest.raises(error, match=message):
        act(chain())


def test_a_second_do_on_the_same_target_counts_and_warns():
    with pytest.warns(UserWarning, match="'X' was intervened on before"):
        done = chain().do(X=1.0).do(X=2.0)
    assert (done.sample(3, 0)["X"] == 2.0).all()


def test_policy_after_do_gets_its_arrows_back():
    with pytest.warns(UserWarning, match="'X'"):
        done = chain().do(X=1.0).do(X=lambda Z: Z)
    assert done.graph == chain().graph


def test_shifts_add_up_and_shift_what_do_has_set():
    frame = chain().do(X=1.0).shift(X=0.5).shift(X=0.25).sample(3, 0)
    assert (frame["X"] == 1.75).all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert (chain().shift(X=0.5).do(X=1.0).sample(3, 0)["X"] == 1.0).all()


def test_a_law_is_drawn_from_a_stream_of_its_own():
    scm = chain()
    frame = scm.do(X=Normal(0, 1)).sample(5, 0)
    noise = scm.sample(5, 0, return_noise=True).noise["X"]
    assert not np.isclose(frame["X"], noise).any()
    assert frame["X"].equals(scm.do(X=Normal(0, 1), Z=0.0).sample(5, 0)["X"])


def test_a_mechanism_can_take_the_place_of_another():
    frame = chain().do(X=Linear({"Z": -1.0}, intercept=4.0)).sample(5, 0)
    np.testing.assert_allclose(frame["X"], 4.0 - frame["Z"])


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(2, np.float64), (True, np.float64), (0.5, np.float64), (np.float32(0.5), np.float64)],
)
def test_a_number_takes_the_type_of_the_node(value, dtype):
    assert chain().do(X=value).sample(3, 0)["X"].dtype == dtype


def test_a_number_that_does_not_fit_an_integer_node_is_not_cut():
    scm = SCM(mechanisms={"T": Bernoulli(0.5), "Y": Linear({"T": 2.0})})
    assert scm.do(T=1).sample(3, 0)["T"].dtype == np.int64
    assert (scm.do(T=0.5).sample(3, 0)["Y"] == 1.0).all()
    frame = pd.DataFrame({"T": [0, 1], "Y": [0.0, 2.0]})
    assert (scm.counterfactual(frame, {"T": 0.5})["Y"] == 1.0).all()


# Counterfactuals


def test_worked_by_hand():
    # Z = (0, 1), U_Y = Y - X^2 - Z = (0.25, 0); do(X=2): Y = 4 + Z + U_Y
    imagined = chain().counterfactual(FRAME, {"X": 2.0})
    np.testing.assert_allclose(imagined["Y"], [4.25, 5.0])
    assert imagined["X"].tolist() == [2.0, 2.0]
    # U_X = X - Z/2 = (1, -1.5); do(Z=-2): X = -1 + U_X = (0, -2.5), Y = X^2 - 2 + U_Y
    imagined = chain().counterfactual(FRAME, {"Z": -2.0})
    np.testing.assert_allclose(imagined["X"], [0.0, -2.5])
    np.testing.assert_allclose(imagined["Y"], [-1.75, 4.25])


def test_only_what_is_replayed_is_abducted_and_only_descendants_are_computed():
    parts = {
        "Z": Counted(Root(Normal())),
        "X": Counted(Linear({"Z": 1.0}, noise=Normal())),
        "Y": Counted(Linear({"X": 1.0, "Z": 1.0}, noise=Normal())),
    }
    scm = chain(**parts)
    scm.counterfactual(FRAME, {"X": 1.0})
    assert [part.calls for part in parts.values()] == [
        {"forward": 0, "abduct": 0},
        {"forward": 0, "abduct": 0},
        {"forward": 1, "abduct": 1},
    ]
    noise = scm.abduct(FRAME)
    scm.counterfactual(FRAME, {"X": 1.0}, noise=noise)
    assert parts["Y"].calls == {"forward": 2, "abduct": 2}  # the second abduct is that of scm.abduct


def test_shift_moves_the_observed_value_of_even_an_opaque_mechanism():
    opaque = Function(lambda Z, noise: Z + noise, Normal())
    imagined = chain(X=opaque).counterfactual(FRAME, shift={"X": 1.0})
    assert imagined["X"].tolist() == [2.0, 0.0]
    np.testing.assert_allclose(imagined["Y"], [4.25, 1.0])  # (X + 1)^2 + Z + U_Y


def test_an_opaque_mechanism_is_named_with_a_way_out():
    scm = chain(Y=lambda X, Z: X + Z, X=Function(lambda Z, noise: Z * noise, Normal()))
    assert scm.counterfactual(FRAME, {"X": 1.0})["Y"].tolist() == [1.0, 2.0]  # its noise is not needed
    with pytest.raises(NotInvertibleError, match=r"noise of 'X'.*AdditiveNoise.*return_noise=True.*noise="):
        scm.counterfactual(FRAME, {"Z": 1.0})
    with pytest.raises(NotInvertibleError, match="noise of 'X'"):
        scm.abduct(FRAME)


def test_an_opaque_mechanism_is_replayed_with_noise_that_is_known():
    scm = chain(X=Function(lambda Z, noise: Z * noise, Normal()))
    samples = scm.sample(4, 0, return_noise=True)
    expected = 3.0 * samples.noise["X"]
    np.testing.assert_array_equal(scm.counterfactual(samples, {"Z": 3.0})["X"], expected)
    given = scm.counterfactual(samples.frame, {"Z": 3.0}, noise={"X": samples.noise["X"]})
    np.testing.assert_array_equal(given["X"], expected)
    assert scm.abduct(samples)["X"] is samples.noise["X"]


def test_a_refusal_inside_a_mechanism_names_the_node():
    class Censored(Renderer):
        def abduct(self, parents, value):
            raise NotInvertibleError("the object is out of frame")

    graph = DAG([("X", "image")])
    scm = SCM(graph, {"X": Normal(), "image": Censored()})
    rows = {"X": np.zeros(2), "image": np.zeros((2, 3, 4, 5))}
    with pytest.raises(NotInvertibleError, match="noise of 'image': the object is out of frame"):
        scm.counterfactual(rows, {"X": 1.0})


def test_noise_of_an_intervened_node_is_not_taken_for_its_own():
    # after do(X) the value of X does not come from its noise, so consistency needs a fresh abduction
    scm = chain()
    samples = scm.sample(4, 0, return_noise=True)
    imagined = scm.counterfactual(samples, {"X": 5.0})
    assert set(imagined.noise) == {"Z", "Y"}
    again = scm.counterfactual(imagined, {"Z": samples["Z"]})
    np.testing.assert_allclose(again["X"], 5.0)
    assert set(scm.do(X=1.0).sample(2, 0, return_noise=True).noise) == {"Z", "Y"}
    assert set(scm.shift(X=1.0).sample(2, 0, return_noise=True).noise) == {"Z", "Y"}


def test_counterfactual_of_rows_seen_in_an_intervened_world():
    scm = chain().shift(X=10.0)
    frame = scm.sample(4, 0)
    assert (scm.counterfactual(frame, {"Z": frame["Z"]}) - frame).abs().to_numpy().max() < 1e-9
    moved = scm.counterfactual(frame, {"Z": frame["Z"] + 1})
    np.testing.assert_allclose(moved["X"], frame["X"] + 0.5)


def test_noise_from_another_world_is_not_believed_about_an_intervened_node():
    samples = chain().sample(4, 0, return_noise=True)
    imagined = chain().shift(X=10.0).counterfactual(samples, {"Z": samples["Z"]})
    np.testing.assert_allclose(imagined["X"], samples["X"], atol=1e-12)


def test_interventions_that_draw_are_repeatable():
    scm = chain()
    first, second = (scm.counterfactual(FRAME, {"X": Normal(0, 1)}, random_state=3) for _ in range(2))
    assert first.equals(second)
    assert not first.equals(scm.counterfactual(FRAME, {"X": Normal(0, 1)}, random_state=4))


def test_chosen_nodes_leave_out_what_would_have_changed():
    scm = picture()
    samples = scm.sample(3, 0)
    imagined = scm.counterfactual(samples, {"Z": 1.0}, nodes=["Y"])
    assert set(imagined) == {"Z", "Y"}  # X and image would have changed and are not computed
    np.testing.assert_array_equal(imagined["Y"], scm.counterfactual(samples, {"Z": 1.0})["Y"])
    labels = scm.counterfactual(samples.frame, {"Z": 1.0}, nodes=["X", "Y"])
    assert list(labels.columns) == ["Z", "X", "Y"]


def test_a_column_that_is_not_needed_may_be_missing():
    imagined = chain().counterfactual(FRAME.drop(columns="X"), {"X": 2.0}, noise={"Y": np.array([0.25, 0.0])})
    np.testing.assert_allclose(imagined["Y"], [4.25, 5.0])
    assert list(imagined.columns) == ["Z", "Y", "X"]


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (
            lambda m: m.counterfactual(FRAME.drop(columns="Y"), {"X": 1}),
            DataError,
            "no column 'Y'.*noise of 'Y'.*'Z', 'X'",
        ),
        (
            lambda m: m.counterfactual(FRAME.drop(columns="Z"), {"X": 1}),
            DataError,
            "no column 'Z'.*to compute 'Y'",
        ),
        (
            lambda m: m.counterfactual(FRAME.drop(columns="X"), shift={"X": 1}),
            DataError,
            "no column 'X'.*to shift it",
        ),
        (lambda m: m.abduct(FRAME.drop(columns="Z"), ["X"]), DataError, "no column 'Z'.*noise of 'X'"),
        (lambda m: m.log_prob(FRAME.drop(columns="Z")), DataError, "no column 'Z'"),
        (
            lambda m: m.counterfactual(FRAME, {"X": 1}, noise={"Y": np.zeros(3)}),
            DataError,
            r"noise of 'Y' must have 2 rows, got \[3\]",
        ),
        (
            lambda m: m.counterfactual(FRAME, {"X": 1}, noise={"W": np.zeros(2)}),
            UnknownNameError,
            "`noise` names 'W'",
        ),
        (lambda m: m.counterfactual(FRAME, {"X": 1}, nodes=["W"]), UnknownNameError, "`nodes` names 'W'"),
        (
            lambda m: m.counterfactual(FRAME.to_numpy(), {"X": 1}),
            DataError,
            "`observed` must be a data frame.*ndarray",
        ),
        (
            lambda m: m.counterfactual({"Z": np.zeros(2), "X": np.zeros(3)}, {"X": 1}),
            DataError,
            "same number of rows",
        ),
        (lambda m: m.counterfactual({"Z": 1.0}, {"X": 1}), DataError, "same number of rows"),
        (lambda m: m.counterfactual(FRAME[[]], {"X": 1}), DataError, "no columns"),
        (lambda m: m.do(X=1.0).log_prob(FRAME), CausalRepError, "'X', has no density"),
    ],
)
def test_unusable_evidence_is_refused(act, error, message):
    with pytest.raises(error, match=message):
        act(chain())


# Containers


def test_pandas_frames_keep_index_order_extra_columns_and_dtypes():
    frame = FRAME.assign(name=pd.Categorical(["a", "b"]))[["name", "Y", "Z", "X"]]
    frame.index = pd.Index([7, 7], name="id")
    imagined = chain().counterfactual(frame, {"X": 2})
    assert list(imagined.columns) == ["name", "Y", "Z", "X"]
    assert imagined.index.equals(frame.index)
    assert imagined["name"].dtype == frame["name"].dtype
    assert imagined["X"].dtype == np.float64
    np.testing.assert_allclose(imagined["Y"], [4.25, 5.0])


def test_series_are_taken_row_by_row_whatever_their_index():
    values = pd.Series([2.0, 3.0], index=[1, 0])
    assert chain().counterfactual(FRAME, {"X": values})["X"].tolist() == [2.0, 3.0]


def test_polars_frames_stay_polars():
    frame = pl.from_pandas(FRAME).with_columns(name=pl.Series(["a", "b"]))
    imagined = chain().counterfactual(frame, {"X": 2.0})
    assert isinstance(imagined, pl.DataFrame)
    assert imagined.columns == ["Z", "X", "Y", "name"]
    np.testing.assert_allclose(imagined["Y"], [4.25, 5.0])
    assert imagined["name"].to_list() == ["a", "b"]
    assert chain().counterfactual(frame, {"X": 2.0}, nodes=["X"]).columns == ["Z", "X", "name"]


def test_mappings_stay_dicts():
    rows = {name: FRAME[name].to_numpy() for name in FRAME}
    imagined = chain().counterfactual(rows, {"X": 2.0})
    assert type(imagined) is dict
    assert imagined["Z"] is rows["Z"]
    np.testing.assert_allclose(imagined["Y"], [4.25, 5.0])


def test_an_image_does_not_fit_into_a_frame():
    scm = picture()
    samples = scm.sample(2, 0)
    with pytest.raises(DataError, match=r"'image' has shape \(2, 3, 4, 5\) and fits no column"):
        scm.counterfactual(samples.frame, {"X": 1.0}, noise={"image": samples.noise["image"]})


# Arrays and images


def test_counterfactual_image_differs_by_the_intervention_alone():
    scm = picture()
    samples = scm.sample(4, 0)
    imagined = scm.counterfactual(samples, {"X": samples["X"] + 0.5})
    # float32 images of magnitude below 8: one rounding each
    np.testing.assert_allclose(imagined["image"] - samples["image"], 0.5, atol=2e-6)
    assert imagined["Y"] is samples["Y"]
    assert imagined.noise["image"]["pixels"] is samples.noise["image"]["pixels"]


@pytest.mark.parametrize("sampled", [True, False], ids=["sample", "counterfactual"])
@pytest.mark.parametrize(
    "value",
    [0.25, np.full((3, 4, 5), 0.25), np.full((3, 3, 4, 5), 0.25), np.float64(0.25)],
    ids=["number", "one image", "image per row", "numpy number"],
)
def test_an_image_node_can_be_set(value, sampled):
    # with 3 rows and 3 channels, one image (3, 4, 5) must not be taken for rows
    scm = picture()
    image = (
        scm.do(image=value).sample(3, 0)["image"]
        if sampled
        else scm.counterfactual(scm.sample(3, 0), {"image": value})["image"]
    )
    assert image.shape == (3, 3, 4, 5)
    assert (image == 0.25).all()
    assert image.dtype == (np.float32 if np.ndim(value) == 0 else np.float64)


def test_an_image_of_the_wrong_shape_is_refused():
    with pytest.raises(DataError, match=r"shape \(2, 3, 4, 5\) or of shape \(3, 4, 5\), got shape \(4, 5\)"):
        picture().do(image=np.zeros((4, 5))).sample(2)


def test_an_image_node_can_be_shifted():
    scm = picture()
    samples = scm.sample(2, 0)
    step = np.linspace(0, 1, 60, dtype=np.float32).reshape(3, 4, 5)
    moved = scm.counterfactual(samples, shift={"image": step})["image"]
    np.testing.assert_array_equal(moved, samples["image"] + step)
    np.testing.assert_array_equal(scm.shift(image=step).sample(2, 0)["image"], moved)


def test_vector_valued_nodes_pass_through():
    rotate = np.array([[0.0, -1.0], [1.0, 0.0]])
    scm = SCM(
        mechanisms={
            "v": Normal(0, 1, shape=(2,)),
            "w": AdditiveNoise(lambda v: v @ rotate.T, Normal(0, 1, shape=(2,))),
            "norm": lambda w: np.linalg.norm(w, axis=1),
        }
    )
    samples = scm.sample(5, 0)
    imagined = scm.counterfactual(samples, {"v": np.array([1.0, 0.0])})
    np.testing.assert_allclose(imagined["w"], [0.0, 1.0] + samples.noise["w"])
    np.testing.assert_allclose(imagined["norm"], np.hypot(*imagined["w"].T))


# Torch


def torch_model():
    scale = AdditiveNoise(lambda X: torch.tanh(X) * 2, Normal(0, 1))
    picture = Invertible(
        lambda Y, noise: Y[:, None, None] + noise,
        lambda Y, value: value - Y[:, None, None],
        Normal(0, 1, shape=(2, 2)),
    )
    return SCM(mechanisms={"X": Normal(), "Y": scale, "image": picture})


def torch_rows():
    generator = torch.Generator().manual_seed(0)
    return {
        "X": torch.randn(3, generator=generator),
        "Y": torch.randn(3, generator=generator),
        "image": torch.rand(3, 2, 2, generator=generator),
    }


@pytest.mark.parametrize("value", [1.0, 1, np.ones(3), torch.ones(3)], ids=["float", "int", "numpy", "torch"])
def test_torch_values_stay_torch(value):
    rows = torch_rows()
    imagined = torch_model().counterfactual(rows, {"X": value})
    assert all(isinstance(v, torch.Tensor) and v.dtype == torch.float32 for v in imagined.values())
    expected = rows["Y"] - 2 * torch.tanh(rows["X"]) + 2 * np.tanh(1.0)
    torch.testing.assert_close(imagined["Y"], expected)
    # the image follows Y with its own noise
    torch.testing.assert_close(imagined["image"], rows["image"] + (expected - rows["Y"])[:, None, None])


def test_torch_noise_can_be_reused():
    scm, rows = torch_model(), torch_rows()
    noise = scm.abduct(rows)
    assert isinstance(noise["image"], torch.Tensor)
    fresh = scm.counterfactual(rows, {"X": 0.5})
    reused = scm.counterfactual(rows, {"X": 0.5}, noise=noise)
    assert torch.equal(fresh["image"], reused["image"])
    same = scm.counterfactual(rows, {"X": rows["X"]})
    torch.testing.assert_close(same["image"], rows["image"])
    assert scm.counterfactual(rows, {"Y": 0.5})["X"] is rows["X"]


def test_gradients_flow_through_a_counterfactual():
    scm, rows = torch_model(), torch_rows()
    x = torch.full((3,), 0.5, requires_grad=True)
    scm.counterfactual(rows, {"X": x})["Y"].sum().backward()
    torch.testing.assert_close(x.grad, 2 / torch.cosh(x.detach()) ** 2)


def test_torch_samples_are_not_turned_into_frames():
    class TorchNormal(Mechanism):
        parents = ()

        def forward(self, parents, noise):
            return noise

        def sample_noise(self, n, generator):
            return torch.from_numpy(generator.normal(size=n)).float()

    scm = SCM(mechanisms={"X": TorchNormal(), "Y": lambda X: 2 * X})
    samples = scm.sample(3, 0)
    assert isinstance(samples["Y"], torch.Tensor)
    done = scm.do(X=1).sample(3, 0)
    assert torch.equal(done["Y"], torch.full((3,), 2.0))
    assert torch.equal(scm.do(X=np.array([1.0, 2.0, 3.0])).sample(3, 0)["X"], torch.tensor([1.0, 2.0, 3.0]))
