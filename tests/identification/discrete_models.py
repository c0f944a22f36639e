"""Random discrete models on a graph, with everything about them known by enumeration."""

import numpy as np

from causalrep.graphs import ADMG, DAG
from causalrep.identification._evaluate import evaluate
from causalrep.identification._joint import Joint


class RandomModel:
    """A model whose hidden causes are nodes: one per bidirected edge, and the latent ones of a DAG."""

    def __init__(self, graph, seed, n_states=2):
        rng = np.random.default_rng(seed)
        self.observed = tuple(graph.observed)
        parents = {node: list(graph.parents(node)) for node in graph.topological_order()}
        hidden = list(graph.latent)
        if isinstance(graph, ADMG):
            for k, (u, v) in enumerate(graph.bidirected_edges):
                parents[u].append(("hidden", k))
                parents[v].append(("hidden", k))
                hidden.append(("hidden", k))
        roots = {node: [] for node in hidden if node not in parents}
        self.parents = {**roots, **parents}
        # Hidden causes with more states than what they act on leave no accidental independence.
        self.size = {v: 3 if v in hidden else n_states for v in self.parents}
        if n_states == 2 and self.observed:  # one variable that is not binary, whichever
            self.size[self.observed[seed % len(self.observed)]] = 3
        self.cpts = {}
        for node, its_parents in self.parents.items():
            shape = [self.size[p] for p in its_parents]
            table = rng.dirichlet(np.ones(self.size[node]), size=int(np.prod(shape)))
            # Kept away from zero, so that rounding cannot blow up in a ratio.
            self.cpts[node] = (0.9 * table + 0.1 / self.size[node]).reshape(*shape, self.size[node])

    def joint(self, names, do=()):
        """Return P(names | do) with one axis per name, then one per node acted on."""
        letter = {node: i for i, node in enumerate(self.parents)}
        operands = []
        for node, its_parents in self.parents.items():
            if node in do:
                operands += [np.ones(self.size[node]), [letter[node]]]
            else:
                operands += [self.cpts[node], [letter[v] for v in (*its_parents, node)]]
        return np.einsum(*operands, [letter[v] for v in (*names, *do)], optimize="greedy")

    def truth(self, outcome, do=(), given=()):
        """Return P(outcome | do, given), axes in that order: outcome, do, given."""
        joint = self.joint((*outcome, *given), do)
        joint = np.moveaxis(joint, range(len(outcome), len(outcome) + len(given)), range(-len(given), 0))
        return joint / joint.sum(axis=tuple(range(len(outcome))), keepdims=True)

    def source(self, do=(), measured=None):
        """Return the distribution under an experiment; the values acted on are equally frequent."""
        measured = [v for v in measured or self.observed if v not in do]
        names = (*measured, *do)
        array = self.joint(measured, do)
        states = {v: tuple(range(self.size[v])) for v in names}
        return Joint(names, states, array / array.sum())

    def distributions(self, experiments=((),)):
        return {(frozenset(do), ""): [self.source(do)] for do in experiments}


def largest_error(model, expression, outcome, do=(), given=(), experiments=((),), joints=None):
    """Return how far a formula is from the truth, at any value of any variable, dangling ones too."""
    found = evaluate(expression, joints or model.distributions(experiments))
    truth = model.truth(outcome, do, given)
    named = [*outcome, *do, *given]
    assert all(axis.primes == 0 for axis in found.axes)
    dangling = [axis for axis in found.axes if axis.name not in named]
    here = [axis for name in named for axis in found.axes if axis.name == name]
    mine = found.on((*dangling, *here))
    shape = [len(axis_states(model, name)) if name in {a.name for a in here} else 1 for name in named]
    mine = mine.reshape(*mine.shape[: len(dangling)], *shape)
    return float(np.abs(mine - truth).max())


def axis_states(model, name):
    return range(model.size[name])


def random_admg(rng, max_nodes=7, p_directed=0.4, p_bidirected=0.25):
    """Return an ADMG whose node order is not its topological order."""
    n = int(rng.integers(3, max_nodes + 1))
    names = [f"V{i}" for i in rng.permutation(n)]
    pairs = [(u, v) for i, u in enumerate(names) for v in names[i + 1 :]]
    directed = [pair for pair in pairs if rng.random() < p_directed]
    bidirected = [pair for pair in pairs if rng.random() < p_bidirected]
    return ADMG(directed, bidirected, nodes=sorted(names))


def random_query(rng, graph):
    """Return disjoint outcome, treatment and conditions, small, the outcome mostly an effect."""
    order = list(graph.topological_order())
    outcome = [order.pop() if rng.random() < 0.7 else order.pop(int(rng.integers(len(order))))]
    rest = list(rng.permutation(order))
    treatment = [rest.pop() for _ in range(1 + int(rng.random() < 0.3)) if rest]
    given = [rest.pop() for _ in range(int(rng.random() < 0.3)) if rest]
    outcome += [rest.pop() for _ in range(int(rng.random() < 0.2)) if rest]
    return tuple(sorted(map(str, part)) for part in (outcome, treatment, given))


def as_dag(text, latent=()):
    return DAG(DAG.from_string(text).directed_edges, latent=latent)
