"""Random discrete models with explicit hidden causes, and all their worlds by enumeration.

The oracle of the tests: no identification theory, only functions applied to every state of the
hidden causes.
"""

from itertools import product

import numpy as np

from causalrep.identification._potential import Potential


class ResponseModel:
    """Functions of parents and hidden causes, over all combinations of the hidden causes' states.

    Each bidirected edge is a hidden cause with `n_hidden` states. Each node has a noise of its own: its
    first states force a value, so that every value has positive probability everywhere.
    """

    def __init__(self, graph, seed, n_states=2, n_hidden=3, positive=True):
        chance = np.random.default_rng(seed)
        self.graph = graph
        sizes = n_states if isinstance(n_states, dict) else dict.fromkeys(graph.nodes, n_states)
        self.states = {v: tuple(range(sizes[v])) for v in graph.nodes}
        hidden = [*graph.bidirected_edges, *graph.nodes]
        n_of = [n_hidden if h not in sizes else sizes[h] * positive + 2 for h in hidden]
        worlds = np.array(list(product(*map(range, n_of)))).T
        weights = [chance.dirichlet(np.full(n, 1.0)) * 0.9 + 0.1 / n for n in n_of]
        self.p = np.prod([w[row] for w, row in zip(weights, worlds, strict=True)], axis=0)
        self.functions = {}
        for v in graph.nodes:
            causes = [i for i, h in enumerate(hidden) if h == v or (h not in sizes and v in h)]
            parents = list(graph.parents(v))
            shape = [sizes[p] for p in parents] + [n_of[i] for i in causes]
            table = chance.integers(sizes[v], size=shape)
            noise_axis = len(parents) + causes.index(hidden.index(v))
            if positive:
                for value in range(sizes[v]):
                    index = [slice(None)] * len(shape)
                    index[noise_axis] = value
                    table[tuple(index)] = value
            self.functions[v] = (parents, table, [worlds[i] for i in causes])

    def values(self, potential):
        """The value of a potential outcome in every state of the hidden causes."""
        fixed = {
            name: self.values(value) if isinstance(value, Potential) else np.full(self.p.shape, value)
            for name, value in potential.do
        }
        found = {}
        for v in self.graph.topological_order():
            parents, table, hidden = self.functions[v]
            found[v] = fixed.get(v)
            if found[v] is None:
                found[v] = table[(*(found[p] for p in parents), *hidden)]
        return found[potential.variable]

    def probability(self, event, given=()):
        """The probability of a conjunction of (potential outcome, value), given another."""
        holds = [self.values(potential) == value for potential, value in event]
        known = [self.values(potential) == value for potential, value in given]
        both = np.logical_and.reduce([*holds, *known, np.ones(self.p.shape, bool)])
        condition = np.logical_and.reduce([*known, np.ones(self.p.shape, bool)])
        return self.p[both].sum() / self.p[condition].sum()

    def mean(self, potential, given=()):
        return sum(
            value * self.probability([(potential, value)], given) for value in self.states[potential.variable]
        )

    def table(self, do=(), names=None):
        """The joint distribution after an experiment, as columns and a column p."""
        do = tuple(dict(do).items())
        names = [v for v in self.graph.nodes if v not in dict(do)] if names is None else list(names)
        columns = {v: self.values(Potential(v, do)) for v in names}
        sizes = [len(self.states[v]) for v in names]
        flat = np.ravel_multi_index([columns[v] for v in names], sizes)
        p = np.bincount(flat, weights=self.p, minlength=int(np.prod(sizes)))
        cells = np.array(list(product(*(self.states[v] for v in names)))).T
        return {**dict(zip(names, cells, strict=True)), "p": p}


def Y(node, **do):  # reads as the potential outcome it makes
    """A potential outcome: Y("Y", X=1)."""
    return Potential(node, tuple(do.items()))
