"""Discrete models of pgmpy, there and back; imported where pgmpy is used."""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from causalrep.scm._cpt import CPT
from causalrep.utils import DataError, MissingDependencyError

__all__ = ["cpts_of_pgmpy", "network_of"]


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "converting a model needs the package 'pgmpy', which is not installed; install it with: "
            "pip install pgmpy"
        ) from error


def network_of(
    tables: Mapping[Hashable, CPT], edges: Sequence[tuple[Hashable, Hashable]], latent: Any
) -> Any:
    """Return the network of pgmpy with these tables."""
    models, factors = _module("pgmpy.models"), _module("pgmpy.factors.discrete")
    network = models.DiscreteBayesianNetwork(list(edges), latents=set(latent))
    network.add_nodes_from([node for node in tables if node not in network.nodes])
    for node, cpt in tables.items():
        sizes = [len(cpt.parent_states[parent]) for parent in cpt.parents]
        states = {node: list(cpt.states.labels)}
        states |= {parent: list(cpt.parent_states[parent].labels) for parent in cpt.parents}
        network.add_cpds(
            factors.TabularCPD(
                node,
                len(cpt.states),
                np.moveaxis(cpt.table, -1, 0).reshape(len(cpt.states), -1),
                evidence=list(cpt.parents) or None,
                evidence_card=sizes or None,
                state_names=states,
            )
        )
    return network


def cpts_of_pgmpy(
    network: Any,
) -> tuple[dict[Hashable, tuple[list[Hashable], NDArray[np.float64]]], dict[Hashable, list[Hashable]]]:
    """Return parents and tables, and the states, of a network of pgmpy."""
    cpts: dict[Hashable, tuple[list[Hashable], NDArray[np.float64]]] = {}
    states: dict[Hashable, list[Hashable]] = {}
    for node in network.nodes:
        cpd = network.get_cpds(node)
        if cpd is None:
            raise DataError(f"every variable of the network needs a table, got none for {node!r}")
        own, *parents = cpd.variables
        # pgmpy holds the variable first and its parents after it; here the variable is the last axis
        cpts[own] = (list(parents), np.moveaxis(np.asarray(cpd.values, dtype=np.float64), 0, -1))
        states[own] = list(cpd.state_names[own])
    for node, (parents, table) in cpts.items():
        orders = network.get_cpds(node).state_names
        for axis, parent in enumerate(parents):
            order = [list(orders[parent]).index(state) for state in states[parent]]
            table = np.take(table, order, axis=axis)
        cpts[node] = (parents, table)
    return cpts, states
