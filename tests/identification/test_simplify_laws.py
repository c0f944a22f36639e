"""Whatever formula it is given, simplification keeps the value: random formulas on random models."""

import numpy as np
import pytest

from causalrep.identification import Variable
from causalrep.identification._evaluate import evaluate
from causalrep.identification._expression import difference, fraction, probability, product, total
from causalrep.identification._masks import mask_graph
from causalrep.identification._simplify import Simplifier
from tests.identification.discrete_models import RandomModel, random_admg


def random_term(rng, names, do):
    order = [str(name) for name in rng.permutation([name for name in names if name not in do])]
    cut = int(rng.integers(1, min(3, len(order)) + 1))
    outcome, given = order[:cut], order[cut : cut + int(rng.integers(0, 4))]
    return probability(map(Variable, outcome), map(Variable, given), map(Variable, do))


def random_formula(rng, names, depth, do=()):
    """Return a positive formula of any shape; it need not be a probability of anything."""
    kind = rng.choice(["term", "product", "sum", "sum", "fraction"])
    if depth == 0 or kind == "term":
        return random_term(rng, names, do if rng.random() < 0.7 else ())
    parts = [random_formula(rng, names, depth - 1, do) for _ in range(int(rng.integers(2, 4)))]
    if kind == "product":
        return product(parts)
    if kind == "fraction":
        return fraction(parts[0], parts[1])
    body = product(parts)
    free = body.free_variables
    n_summed = min(len(free), int(rng.integers(1, 3)))
    chosen = [free[i] for i in rng.choice(len(free), size=n_summed, replace=False)] if free else []
    return total(chosen, body)


def check(seed):
    """Return whether the formula became another one; its value must not."""
    rng = np.random.default_rng(seed)
    graph = random_admg(rng, max_nodes=5)
    do = (str(rng.choice(graph.nodes)),)
    formula = random_formula(rng, graph.nodes, depth=3, do=do)
    if seed % 3 == 0:  # denominators stay away from zero
        formula = difference(formula, random_formula(rng, graph.nodes, depth=2, do=do))
    short = Simplifier(mask_graph(graph))(formula)
    model = RandomModel(graph, seed)
    joints = model.distributions([(), do])
    before, after = evaluate(formula, joints), evaluate(short, joints)
    assert set(after.axes) <= set(before.axes)
    difference_ = before.array - after.on(before.axes)
    scale = 1 + np.abs(before.array).max()
    assert np.abs(difference_).max() < 1e-9 * scale, (graph, str(formula), str(short))
    return formula != short


def test_the_value_is_kept_on_some_formulas():
    assert sum(check(seed) for seed in range(60)) > 30


@pytest.mark.slow
def test_the_value_is_kept_on_many_formulas():
    assert sum(check(seed) for seed in range(100, 3000)) > 1500
