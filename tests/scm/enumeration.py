"""Random discrete models and their answers by enumeration of every exogenous state.

The oracle shares nothing with the library: it runs the response functions for all combinations of
exogenous states at once, in each world, and adds up probabilities.
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Enumerated:
    """A model as response functions, and its worlds as arrays over all exogenous states."""

    exogenous: dict
    functions: dict
    order: list

    def __post_init__(self):
        names = list(self.exogenous)
        sizes = [len(self.exogenous[name]) for name in names]
        grid = np.indices(sizes).reshape(len(names), -1)
        self.noise = dict(zip(names, grid, strict=True))
        self.weights = np.prod([np.asarray(self.exogenous[n])[self.noise[n]] for n in names], axis=0)

    def world(self, do=None, reads=None):
        """Values of all nodes; `reads` maps an edge to the values that its child reads instead."""
        do, reads = do or {}, reads or {}
        values = dict(self.noise)
        for node in self.order:
            if node in do:
                values[node] = np.broadcast_to(np.asarray(do[node]), self.weights.shape)
            else:
                arguments, table = self.functions[node]
                index = tuple(reads.get((name, node), values[name]) for name in arguments)
                values[node] = np.asarray(table)[index]
        return values

    def mass(self, world, event):
        """Weights of the exogenous states in which the event holds."""
        held = self.weights.copy()
        for node, value in event.items():
            held = held * (world[node] == value)
        return held


def random_model(rng, n_nodes, *, max_states=3, max_parents=2, n_shared=2, exogenous_states=3):
    """A random model: each node reads up to `max_parents` nodes, a noise of its own and shared ones."""
    order = [f"V{i}" for i in range(n_nodes)]
    states = {node: int(rng.integers(2, max_states + 1)) for node in order}
    exogenous, functions = {}, {}
    shared = [f"S{i}" for i in range(n_shared)]
    for name in [*shared, *(f"U{i}" for i in range(n_nodes))]:
        exogenous[name] = rng.dirichlet(np.ones(int(rng.integers(2, exogenous_states + 1)))).tolist()
    for i, node in enumerate(order):
        parents = list(
            rng.choice(order[:i], size=min(i, int(rng.integers(0, max_parents + 1))), replace=False)
        )
        arguments = [str(p) for p in parents] + [f"U{i}"]
        arguments += [s for s in shared if rng.random() < 0.4]
        shape = [states[a] if a in states else len(exogenous[a]) for a in arguments]
        functions[node] = (arguments, rng.integers(0, states[node], size=shape))
    listed = list(rng.permutation(order))  # the order of definition is not the causal one
    return Enumerated(exogenous, {str(node): functions[node] for node in listed}, order), states
