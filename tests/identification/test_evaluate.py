"""Estimands on tables and on data: values, frames, dangling variables, several sources, holes."""

import warnings
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pytest

from causalrep.graphs import ADMG, DAG
from causalrep.identification import identify
from causalrep.scm import DiscreteSCM
from causalrep.utils import (
    DataError,
    NotIdentifiableError,
    PositivityError,
    PositivityWarning,
    UnknownNameError,
)
from tests.identification.discrete_models import RandomModel

BACKDOOR = DAG([("Z", "X"), ("Z", "Y"), ("X", "Y")])
NAPKIN = ADMG.from_string("W -> Z -> X -> Y; W <-> X; W <-> Y")
EFFECT = "P(Y | do(X))"


def table_of(model, names=None, do=()):
    """Return the distribution of a model as a frame, one row per state."""
    joint = model.source(do, names)
    rows = list(product(*(joint.states[name] for name in joint.names)))
    frame = pd.DataFrame(rows, columns=list(joint.names))
    return frame.assign(p=joint.array.ravel())


@pytest.fixture
def model():
    return RandomModel(BACKDOOR, seed=5)


def by_hand(model, x, y):
    """Return the back-door sum written out in loops."""
    p = model.joint(("Z", "X", "Y"))
    return sum(p[z, x, y] / p[z, x].sum() * p[z].sum() for z in range(p.shape[0]))


def test_a_number_where_all_is_said(model):
    result = identify(BACKDOOR, EFFECT)
    value = result.evaluate(table_of(model), do={"X": 1}, outcome={"Y": 1})
    assert isinstance(value, float)
    assert value == pytest.approx(by_hand(model, 1, 1), abs=1e-12)
    assert value == pytest.approx(model.truth(("Y",), ("X",))[1, 1], abs=1e-12)


def test_values_of_the_query_are_used_and_can_be_overridden(model):
    result = identify(BACKDOOR, "P(Y=1 | do(X=1))")
    assert result.evaluate(table_of(model)) == pytest.approx(by_hand(model, 1, 1))
    assert result.evaluate(table_of(model), do={"X": 0}) == pytest.approx(by_hand(model, 0, 1))


@pytest.mark.parametrize("library", ["pandas", "polars", "mapping"])
def test_what_is_not_said_is_tabulated_in_the_library_of_the_table(model, library):
    table = table_of(model)
    given = {"pandas": table, "polars": pl.from_pandas(table), "mapping": dict(table.items())}[library]
    found = identify(BACKDOOR, EFFECT).evaluate(given, outcome={"Y": 0})
    assert isinstance(found, pl.DataFrame if library == "polars" else pd.DataFrame)
    columns = {name: list(found[name]) for name in found.columns}
    assert columns["X"] == list(range(model.size["X"]))
    assert columns["p"] == pytest.approx([by_hand(model, x, 0) for x in columns["X"]])


def test_data_are_counted(model):
    rows = table_of(model)
    counts = np.round(rows["p"] * 3000).astype(int)
    data = rows.loc[rows.index.repeat(counts)].drop(columns="p").sample(frac=1.0, random_state=0)
    data["unrelated"] = 1.5
    counted = rows.assign(p=counts / counts.sum())
    result = identify(BACKDOOR, EFFECT)
    ask = {"do": {"X": 1}, "outcome": {"Y": 1}}
    assert result.evaluate(data, **ask) == pytest.approx(result.evaluate(counted, **ask), abs=1e-12)


def test_a_table_may_have_more_columns_than_needed(model):
    wide = pd.concat([table_of(model).assign(W=w, p=table_of(model)["p"] / 2) for w in (0, 1)])
    graph = DAG([*BACKDOOR.directed_edges, ("Y", "W")])
    value = identify(graph, EFFECT).evaluate(wide, do={"X": 0}, outcome={"Y": 1})
    assert value == pytest.approx(by_hand(model, 0, 1))


def test_conditions_are_fixed_like_actions(model):
    result = identify(BACKDOOR, "P(Y | do(X), Z)")
    value = result.evaluate(table_of(model), do={"X": 1}, outcome={"Y": 1}, given={"Z": 0})
    assert value == pytest.approx(model.truth(("Y",), ("X",), ("Z",))[1, 1, 0])


def test_states_may_be_words(model):
    table = table_of(model).replace({"X": {0: "no", 1: "yes", 2: "maybe"}})
    result = identify(BACKDOOR, 'P(Y=1 | do(X="yes"))')
    assert result.evaluate(table) == pytest.approx(by_hand(model, 1, 1))


# Dangling variables


@pytest.mark.parametrize("form", ["simplified", "raw"])
@pytest.mark.parametrize("dangling", ["average", "mode", {"Z": 0}, {"Z": 1}])
def test_any_value_of_a_dangling_variable_will_do_in_the_population(form, dangling):
    model = RandomModel(NAPKIN, seed=2)
    value = identify(NAPKIN, EFFECT).evaluate(
        table_of(model), do={"X": 1}, outcome={"Y": 1}, form=form, dangling=dangling
    )
    assert value == pytest.approx(model.truth(("Y",), ("X",))[1, 1], abs=1e-9)


def test_averaging_over_a_dangling_variable_is_less_noisy_than_choosing():
    model = RandomModel(NAPKIN, seed=2)
    table = table_of(model)
    rng = np.random.default_rng(0)
    result = identify(NAPKIN, EFFECT)
    errors = {"average": [], "least": []}
    least = int(table.groupby("Z")["p"].sum().idxmin())
    for _ in range(60):
        data = table.assign(p=rng.multinomial(400, table["p"] / table["p"].sum()) / 400)
        for name, dangling in (("average", "average"), ("least", {"Z": least})):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", PositivityWarning)
                value = result.evaluate(data, do={"X": 1}, outcome={"Y": 1}, dangling=dangling)
            errors[name].append(value - model.truth(("Y",), ("X",))[1, 1])
    assert np.nanstd(errors["average"]) < 0.9 * np.nanstd(errors["least"])


def test_an_average_leaves_out_values_that_are_undefined():
    model = RandomModel(NAPKIN, seed=2)
    table = table_of(model)
    holed = table.assign(p=table["p"].where(~((table["Z"] == 0) & (table["W"] == 0)), 0.0))
    holed["p"] /= holed["p"].sum()
    result = identify(NAPKIN, EFFECT)
    ask = {"do": {"X": 1}, "outcome": {"Y": 1}}
    weights = holed.groupby("Z")["p"].sum().loc[lambda p: p.index != 0]
    each = [result.evaluate(holed, **ask, dangling={"Z": z}) for z in weights.index]
    assert result.evaluate(holed, **ask) == pytest.approx(np.average(each, weights=weights))
    with pytest.warns(PositivityWarning):
        assert np.isnan(result.evaluate(holed, **ask, dangling={"Z": 0}))


# Several distributions


def test_several_distributions_are_passed_by_name():
    graph = ADMG.from_string("Z -> X -> Y; Z <-> X; Z <-> Y; W -> Y; W <-> Z")
    model = RandomModel(graph, seed=1)
    result = identify(graph, EFFECT, available=["P(W, X, Y, Z)", "P(W, X, Y | do(Z))"])
    tables = {"P(W, X, Y, Z)": table_of(model), "P(W, X, Y | do(Z))": table_of(model, do=("Z",))}
    value = result.evaluate(tables, do={"X": 1}, outcome={"Y": 1})
    assert value == pytest.approx(model.truth(("Y",), ("X",))[1, 1], abs=1e-9)


def test_an_experiment_may_sum_to_one_for_each_value_of_its_action():
    graph = ADMG.from_string("X -> Y; X <-> Y")
    model = RandomModel(graph, seed=1)
    table = table_of(model, do=("X",))
    table["p"] *= model.size["X"]
    result = identify(graph, EFFECT, available=["P(Y | do(X))"])
    assert result.strategy == "experiment"
    value = result.evaluate(table, do={"X": 1}, outcome={"Y": 1})
    assert value == pytest.approx(model.truth(("Y",), ("X",))[1, 1])


def test_tables_of_one_distribution_may_hold_different_columns():
    graph = DAG([("X", "M"), ("M", "Y")])
    model = RandomModel(graph, seed=3)
    available = ["P(X, M)", "P(M, Y)"]
    result = identify(graph, "P(Y, M | do(X))", available=available)
    tables = {"P(X, M)": table_of(model, ["X", "M"]), "P(M, Y)": table_of(model, ["M", "Y"])}
    value = result.evaluate(tables, do={"X": 1}, outcome={"Y": 1, "M": 0})
    assert value == pytest.approx(model.truth(("Y", "M"), ("X",))[1, 0, 1], abs=1e-12)
    with pytest.raises(DataError, match=r"needs P\(Y \| M\)"):
        result.evaluate({"P(X, M)": tables["P(X, M)"], "P(X, Y)": table_of(model, ["X", "Y"])}, do={"X": 1})


def test_a_missing_distribution_is_named():
    graph = ADMG.from_string("A -> B -> C -> Y; A <-> B; C <-> Y; B <-> C")
    available = ["P(A, B, C, Y)", "P(B, C, Y | do(A))", "P(A, B, Y | do(C))"]
    result = identify(graph, "P(Y, B | do(A, C))", available=available)
    with pytest.raises(DataError, match=r"do\("):
        result.evaluate({"P(A, B, C, Y)": table_of(RandomModel(graph, 0))}, do={"A": 0, "C": 0})


# Models


@pytest.mark.parametrize("available", [None, ["P(W, X, Y | do(Z))"]])
def test_a_model_is_asked_for_its_distributions_and_agrees_with_itself(available):
    graph = ADMG.from_string("W -> Z -> X -> Y; W <-> X; W <-> Y").canonical_dag()
    rng = np.random.default_rng(0)
    parents = {node: list(graph.parents(node)) for node in graph.topological_order()}
    cpts = {
        node: (names, rng.dirichlet(np.ones(2), size=(2,) * len(names))) for node, names in parents.items()
    }
    model = DiscreteSCM.from_cpts(cpts)
    result = identify(graph, EFFECT, available=available)
    assert result.strategy == ("id" if available is None else "gid")
    value = result.evaluate(model, do={"X": 1}, outcome={"Y": 1})
    assert value == pytest.approx(model.probability({"Y": 1}, do={"X": 1}), abs=1e-9)


# Holes


def holed(model):
    """Return the table without the stratum X = 1, Z = 0."""
    table = table_of(model)
    table = table[~((table["X"] == 1) & (table["Z"] == 0))]
    return table.assign(p=table["p"] / table["p"].sum())


def test_a_hole_is_nan_and_a_warning(model):
    result = identify(BACKDOOR, EFFECT)
    with pytest.warns(PositivityWarning, match="1 of 1"):
        assert np.isnan(result.evaluate(holed(model), do={"X": 1}, outcome={"Y": 1}))


def test_a_hole_elsewhere_does_no_harm(model):
    value = identify(BACKDOOR, EFFECT).evaluate(holed(model), do={"X": 0}, outcome={"Y": 1})
    assert 0 < value < 1


def test_a_hole_can_be_an_error(model):
    result = identify(BACKDOOR, EFFECT)
    with pytest.raises(PositivityError, match="never occurs"):
        result.evaluate(holed(model), do={"X": 1}, outcome={"Y": 1}, on_violation="raise")


def test_a_hole_can_be_left_out(model):
    table = holed(model)
    result = identify(BACKDOOR, EFFECT)
    value = result.evaluate(table, do={"X": 1}, outcome={"Y": 1}, on_violation="drop")
    p = model.joint(("Z", "X", "Y"))  # the hole changes all other cells by one factor, which cancels
    p[0, 1] = 0
    strata = range(1, p.shape[0])
    weight = sum(p[z].sum() for z in strata)
    expected = sum(p[z, 1, 1] / p[z, 1].sum() * p[z].sum() for z in strata) / weight
    assert value == pytest.approx(expected)


def test_what_cannot_happen_needs_no_support():
    # M never takes the value 2 under X = 1, so that P(Y | M = 2, ...) is not needed there.
    graph = ADMG.from_string("X -> M -> Y; X <-> Y")
    rows = [(x, m, y) for x, m, y in product((0, 1), (0, 1, 2), (0, 1)) if not (m == 2 and x == 1)]
    table = pd.DataFrame(rows, columns=["X", "M", "Y"]).assign(p=1 / len(rows))
    result = identify(graph, EFFECT)
    assert result.evaluate(table, do={"X": 1}, outcome={"Y": 1}) == pytest.approx(0.5)
    with pytest.warns(PositivityWarning):
        assert np.isnan(result.evaluate(table, do={"X": 0}, outcome={"Y": 1}))


# Bad input


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"do": {"x": 1}}, UnknownNameError, "'X'"),
        ({"outcome": {"Q": 1}}, UnknownNameError, "`outcome`"),
        ({"do": {"X": 7}}, DataError, "never 7"),
        ({"outcome": {"Y": 7}}, DataError, "never 7"),
        ({"on_violation": "ignore"}, ValueError, "on_violation"),
    ],
    ids=str,
)
def test_bad_values_are_refused(model, change, error, match):
    arguments = {"do": {"X": 1}, "outcome": {"Y": 1}, **change}
    with pytest.raises(error, match=match):
        identify(BACKDOOR, EFFECT).evaluate(table_of(model), **arguments)


def test_a_missing_column_is_named(model):
    with pytest.raises(UnknownNameError, match="'Z'"):
        identify(BACKDOOR, EFFECT).evaluate(table_of(model).drop(columns="Z"), do={"X": 1})


def test_a_latent_column_is_not_needed_and_does_no_harm(model):
    graph = DAG([*BACKDOOR.directed_edges, ("U", "Y")], latent=["U"])
    data = table_of(model).drop(columns="p")
    ask = {"do": {"X": 1}, "outcome": {"Y": 1}}
    result = identify(graph, EFFECT)
    assert result.evaluate(data.assign(U=0), **ask) == result.evaluate(data, **ask)


def test_two_columns_of_one_name_are_refused(model):
    table = table_of(model)
    with pytest.raises(DataError, match="two columns named 'Z'"):
        identify(BACKDOOR, EFFECT).evaluate(pd.concat([table, table[["Z"]]], axis=1), do={"X": 1})


def test_probabilities_must_be_probabilities(model):
    for bad, match in ((-0.1, "negative"), (np.nan, "finite"), (0.9, "sum to one")):
        table = table_of(model)
        table.loc[0, "p"] = bad
        with pytest.raises(DataError, match=match):
            identify(BACKDOOR, EFFECT).evaluate(table, do={"X": 1})


def test_a_node_may_be_called_p(model):
    graph = DAG([("p", "X"), ("p", "Y"), ("X", "Y")])
    data = table_of(model).drop(columns="p").rename(columns={"Z": "p"})
    ask = {"do": {"X": 1}, "outcome": {"Y": 1}}
    plain = identify(BACKDOOR, EFFECT).evaluate(data.rename(columns={"p": "Z"}), **ask)
    assert identify(graph, EFFECT).evaluate(data, **ask) == plain


def test_continuous_data_are_refused():
    data = pd.DataFrame(np.random.default_rng(0).normal(size=(3000, 3)), columns=list("XYZ"))
    with pytest.raises(DataError, match="discrete"):
        identify(BACKDOOR, EFFECT).evaluate(data)


def test_missing_values_are_refused(model):
    data = table_of(model).drop(columns="p").astype(float)
    data.iloc[0, 0] = np.nan
    with pytest.raises(DataError, match="missing"):
        identify(BACKDOOR, EFFECT).evaluate(data)


def test_a_bad_choice_for_a_dangling_variable_is_refused():
    table = table_of(RandomModel(NAPKIN, seed=2))
    with pytest.raises(ValueError, match="'Z'"):
        identify(NAPKIN, EFFECT).evaluate(table, do={"X": 1}, dangling={"Q": 1})


def test_what_is_not_identifiable_has_no_value(model):
    result = identify(ADMG([("X", "Y")], [("X", "Y")]), EFFECT)
    with pytest.raises(NotIdentifiableError, match="hedge") as caught:
        result.evaluate(table_of(model), do={"X": 1})
    assert caught.value.hedge is result.witness
