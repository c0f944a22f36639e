"""Compare a model with data: five questions, and one correction for having asked so many.

1. *Fit.* Are the probability integral transforms of the noises uniform (Dawid 1984)?
2. *Noise.* Is each noise independent of the parents of its node?
3. *Graph.* Is each node independent of its other non-descendants given its parents (local Markov)?
4. *Falsification.* Does the graph violate fewer of these than graphs with permuted nodes (Eulig et al. 2025)?
5. *Prediction.* Are rows drawn from the model told apart from the data by the energy distance?

References
----------
A. P. Dawid, "Statistical theory: the prequential approach", JRSS A 147(2), 1984, doi:10.2307/2981683.
E. Eulig, A. A. Mastakouri, P. Blöbaum, M. Hardt, D. Janzing, "Toward falsifying causal graphs using a
permutation-based approach", AAAI 2025, arXiv:2305.09565.
G. J. Székely, M. L. Rizzo, "Energy statistics: a class of statistics based on distances", Journal of
Statistical Planning and Inference 143(8), 2013, doi:10.1016/j.jspi.2013.03.018.
S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2),
1979.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import cdist

from causalrep.graphs import DAG
from causalrep.independence import CITestWarning, FisherZ, PolynomialGCM
from causalrep.scm._classifiers import Count
from causalrep.scm._cpt import StateMechanism
from causalrep.scm._encoding import is_categorical
from causalrep.scm._evidence import Evidence
from causalrep.scm._mechanism import Array, Mechanism
from causalrep.utils import DataError, RandomState, as_seed, frame_like, keyed_generator

if TYPE_CHECKING:
    import pandas as pd

    from causalrep.scm._scm import SCM

__all__ = ["CheckMixin", "CheckReport"]

Floats = NDArray[np.float64]
Question = tuple[str, str, float, float]  # what, about what, statistic, p-value


@dataclass(frozen=True)
class CheckReport:
    """What `SCM.check` found.

    Attributes
    ----------
    table : pandas.DataFrame
        One row for each question: ``check`` ("fit", "noise", "graph", "prediction"), ``about``,
        ``statistic``, ``pvalue``, ``adjusted`` (Holm's, over the whole table) and ``rejected``.
    alpha : float
        Level at which questions count as rejected.
    n_violations : int
        Implied independences that a test of rank correlation rejects at `alpha`, each by itself.
    n_implied : int
        Number of implied independences.
    violations_permuted : array of int
        Violations by the same graph with its nodes permuted, one number for each permutation.
    energy_distance : float
        Between standardised rows of the data and of the model; zero if their laws are equal.
    """

    table: pd.DataFrame
    alpha: float
    n_violations: int
    n_implied: int
    violations_permuted: NDArray[np.intp]
    energy_distance: float

    @property
    def ok(self) -> bool:
        """Whether no question was rejected after the correction."""
        return not bool(self.table["rejected"].any())

    @property
    def permutation_pvalue(self) -> float:
        """Share of permuted graphs that violate no more than the graph: small if the graph is informative."""
        better = int(np.sum(self.violations_permuted <= self.n_violations))
        return (1 + better) / (1 + len(self.violations_permuted))

    def __str__(self) -> str:
        lines = []
        for name in dict.fromkeys(self.table["check"]):
            part = self.table[self.table["check"] == name]
            bad = part[part["rejected"]].sort_values("pvalue")
            worst = ", ".join(
                f"{about} (p = {p:.1g})" for about, p in zip(bad["about"], bad["pvalue"], strict=True)
            )
            lines.append(f"{name}: {len(bad)} of {len(part)} rejected{': ' + worst if worst else ''}")
        usual = f"{np.median(self.violations_permuted):.0f}" if len(self.violations_permuted) else "?"
        lines.append(
            f"falsification: {self.n_violations} of {self.n_implied} implied independences violated; "
            f"permuted graphs violate {usual} (p = {self.permutation_pvalue:.2g})"
        )
        lines.append(f"energy distance: {self.energy_distance:.3g}")
        return "\n".join(lines)


class CheckMixin:
    """How an `SCM` is compared with data."""

    def check(
        self,
        data: Any,
        *,
        alpha: float = 0.05,
        n_permutations: int = 50,
        max_rows: int = 1000,
        random_state: RandomState = None,
    ) -> CheckReport:
        """Return what speaks against the model in data, best in rows that it was not fitted to.

        Parameters
        ----------
        data : data frame, Samples or mapping of node to array
            The rows, with all nodes, one number or label each.
        alpha : float, default=0.05
            Level; p-values in the table are corrected for their number (Holm 1979).
        n_permutations : int, default=50
            Permutations of nodes for the falsification baseline, and of rows (four times as many) for the
            energy distance.
        max_rows : int, default=1000
            Rows, drawn at random, of the energy distance, whose cost is their square.
        random_state : int, numpy Generator, numpy RandomState or None, default=None
            Seed.

        Returns
        -------
        CheckReport
            Print it; `table` has every question.

        Raises
        ------
        DataError
            If a column is missing, or `alpha` is not in (0, 1).

        Notes
        -----
        A question that is not rejected is not answered yes: with few rows nothing is rejected. Noises that a
        value only narrows down (of discrete nodes) are drawn from what it leaves of them.

        Examples
        --------
        >>> from causalrep.scm import SCM
        >>> truth = SCM.from_equations("X = N(0, 1); Y = X**2 + N(0, 1); Z = Y + N(0, 1)")
        >>> data = truth.sample(1000, random_state=0)
        >>> truth.check(data, random_state=0).ok
        True
        >>> wrong = SCM.from_equations("X = N(0, 1); Y = X + N(0, 1.7); Z = Y + N(0, 1)")
        >>> report = wrong.check(data, random_state=0)
        >>> report.table[report.table["rejected"]][["check", "about"]].to_numpy().tolist()[:2]
        [['fit', 'Y'], ['noise', 'Y | X']]
        """
        if not 0 < alpha < 1:
            raise DataError(f"`alpha` must be in (0, 1), got {alpha!r}")
        model, evidence = cast("SCM", self), Evidence.read(data)
        for node in model.graph.nodes:
            evidence.require(node, "to check the model")
        values = {node: np.asarray(evidence.values[node]) for node in model.graph.nodes}
        seed = as_seed(random_state)
        noises = _noises(model, values, seed)
        codes = {node: _codes(column) for node, column in values.items()}
        questions = [*_uniformity(model, noises), *_noise_questions(model.graph, noises, codes)]
        implied = _implied(model.graph)
        questions += _graph_questions(implied, codes)
        distance, pvalue = _energy(model, values, max_rows, 4 * n_permutations, seed)
        questions.append(("prediction", "all nodes", distance, pvalue))
        own, permuted = _falsification(model.graph, codes, alpha, n_permutations, seed)
        return CheckReport(_table(questions, alpha), alpha, own, len(implied), permuted, distance)


def _codes(column: NDArray[Any]) -> Floats:
    """Return numbers as they are, and categories as their rank."""
    if is_categorical(column):
        return np.unique(column, return_inverse=True)[1].astype(np.float64)
    return column.astype(np.float64)


def _noises(model: SCM, values: Mapping[Hashable, NDArray[Any]], seed: int) -> dict[Hashable, Floats]:
    """Return one uniform number per row for each node whose noise has a known law."""
    found: dict[Hashable, Floats] = {}
    for node, mechanism in model.mechanisms.items():
        transform = _transform(mechanism)
        if mechanism.deterministic or transform is None or not mechanism.has_posterior:
            continue
        parents: dict[Hashable, Array] = {parent: values[parent] for parent in model.graph.parents(node)}
        noise = mechanism.draw_noise(parents, values[node], keyed_generator(seed, "check", node))
        if isinstance(noise, np.ndarray) and noise.ndim == 1:
            found[node] = np.asarray(transform(noise), dtype=np.float64)
    return found


def _transform(mechanism: Mechanism) -> Any:
    """Return the distribution function of a mechanism's noise, or None if it is not known."""
    if isinstance(mechanism, (StateMechanism, Count)):
        return lambda noise: noise  # drawn uniform
    law = getattr(mechanism, "noise", None)
    inner = getattr(mechanism, "inner", None)
    if law is None and inner is not None:
        return _transform(inner)
    name = type(law).__name__
    return getattr(law, "cdf", None) if name not in ("Bernoulli", "Categorical", "Poisson") else None


def _uniformity(model: SCM, noises: Mapping[Hashable, Floats]) -> list[Question]:
    answers = []
    for node in model.graph.nodes:
        if node in noises:
            test = stats.kstest(noises[node], "uniform")
            answers.append(("fit", f"{node}", float(test.statistic), float(test.pvalue)))
    return answers


def _asked(columns: Mapping[Any, Floats], triples: Sequence[tuple[Any, Any, tuple[Any, ...]]]) -> list[Any]:
    """Return statistic and p-value of "a is independent of b given S"; None where there is no answer."""
    varied = {name: column for name, column in columns.items() if np.ptp(column) > 0}
    names = list(varied)
    answers: list[Any] = [None] * len(triples)
    if len(names) < 2:
        return answers
    at = {name: position for position, name in enumerate(names)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CITestWarning)  # few values are what discrete nodes have
        test = PolynomialGCM().fit(np.column_stack([varied[name] for name in names]))
    by_size: dict[int, list[int]] = {}
    for number, (a, b, given) in enumerate(triples):
        if all(name in at for name in (a, b, *given)):
            by_size.setdefault(len(given), []).append(number)
    for size, numbers in by_size.items():
        asked = [triples[number] for number in numbers]
        i, j = (np.array([at[triple[side]] for triple in asked]) for side in (0, 1))
        S = np.array([[at[name] for name in triple[2]] for triple in asked], dtype=int).reshape(
            len(asked), size
        )
        batch = test.test_batch(i, j, S)
        for number, statistic, pvalue in zip(numbers, batch.statistic, batch.pvalue, strict=True):
            if np.isfinite(pvalue):
                answers[number] = float(statistic), float(pvalue)
    return answers


def _noise_questions(
    graph: DAG, noises: Mapping[Hashable, Floats], codes: Mapping[Hashable, Floats]
) -> list[Question]:
    columns = {("noise", node): noise for node, noise in noises.items()} | {
        ("value", node): column for node, column in codes.items()
    }
    pairs = [(node, parent) for node in noises for parent in graph.parents(node)]
    answers = _asked(columns, [(("noise", node), ("value", parent), ()) for node, parent in pairs])
    return [
        ("noise", f"{node} | {parent}", *answer)
        for (node, parent), answer in zip(pairs, answers, strict=True)
        if answer is not None
    ]


def _implied(graph: DAG) -> list[tuple[Hashable, Hashable, tuple[Hashable, ...]]]:
    """Return the local Markov statements pair by pair, each pair of nodes once."""
    order = list(graph.topological_order())
    statements = []
    for at, node in enumerate(order):
        parents = tuple(graph.parents(node))
        statements += [(node, other, parents) for other in order[:at] if other not in parents]
    return statements


def _graph_questions(
    implied: Sequence[tuple[Hashable, Hashable, tuple[Hashable, ...]]], codes: Mapping[Hashable, Floats]
) -> list[Question]:
    answers = _asked(codes, implied)
    return [
        ("graph", f"{a} _||_ {b} | {', '.join(map(str, given)) or 'nothing'}", *answer)
        for (a, b, given), answer in zip(implied, answers, strict=True)
        if answer is not None
    ]


def _falsification(
    graph: DAG, codes: Mapping[Hashable, Floats], alpha: float, n_permutations: int, seed: int
) -> tuple[int, NDArray[np.intp]]:
    """Return how many statements are violated, by the graph and by it with its nodes permuted."""
    names = [name for name in graph.nodes if np.ptp(codes[name]) > 0]
    ranks = np.column_stack([stats.rankdata(codes[name]) for name in names] or [np.empty(0)])
    if len(names) < 2:
        return 0, np.zeros(n_permutations, dtype=np.intp)
    scores = stats.norm.ppf((ranks - 0.5) / len(ranks))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CITestWarning)
        test = FisherZ().fit(scores)
    at = {name: position for position, name in enumerate(names)}
    statements = [s for s in _implied(graph) if all(name in at for name in (s[0], s[1], *s[2]))]
    coded = [(at[a], at[b], [at[name] for name in given]) for a, b, given in statements]
    generator = keyed_generator(seed, "check permutations")
    own = _violated(test, coded, np.arange(len(names)), alpha)
    permuted = [
        _violated(test, coded, generator.permutation(len(names)), alpha) for _ in range(n_permutations)
    ]
    return own, np.array(permuted, dtype=np.intp)


def _violated(test: FisherZ, coded: list[tuple[int, int, list[int]]], names: Any, alpha: float) -> int:
    count = 0
    for size in sorted({len(given) for *_, given in coded}):
        part = [statement for statement in coded if len(statement[2]) == size]
        i, j = (names[[statement[side] for statement in part]] for side in (0, 1))
        S = names[np.array([statement[2] for statement in part], dtype=int).reshape(len(part), size)]
        count += int(np.sum(np.asarray(test.test_batch(i, j, S).pvalue) < alpha))
    return count


def _energy(
    model: SCM, values: Mapping[Hashable, NDArray[Any]], max_rows: int, n_permutations: int, seed: int
) -> tuple[float, float]:
    """Return the energy distance of data and model, and its p-value by permutation."""
    n = min(len(next(iter(values.values()))), max_rows)
    generator = keyed_generator(seed, "check energy")
    rows = generator.permutation(len(next(iter(values.values()))))[:n]
    drawn = model.sample(n, seed, list(values), return_noise=True)
    both = [np.concatenate([values[node][rows], np.asarray(drawn[node])]) for node in values]
    table = np.column_stack([_codes(column) for column in both])
    deviation = table[:n].std(axis=0)
    points = table / np.where(deviation > 0, deviation, 1.0)
    distances = cdist(points, points)
    side = np.concatenate([np.ones(n), -np.ones(n)])
    sides = np.column_stack([side, *(generator.permutation(side) for _ in range(n_permutations))])
    # 2 mean(between) - mean(within) - mean(within) is minus the quadratic form of the signs
    found, *trials = (-np.sum(sides * (distances @ sides), axis=0) / n**2).tolist()
    return found, (1 + sum(trial >= found for trial in trials)) / (1 + n_permutations)


def _table(questions: Sequence[Question], alpha: float) -> pd.DataFrame:
    pvalues = np.array([pvalue for *_, pvalue in questions])
    adjusted = holm(pvalues)
    columns: dict[Hashable, NDArray[Any]] = {
        "check": np.array([name for name, *_ in questions], dtype=object),
        "about": np.array([about for _, about, *_ in questions], dtype=object),
        "statistic": np.array([statistic for _, _, statistic, _ in questions]),
        "pvalue": pvalues,
        "adjusted": adjusted,
        "rejected": adjusted < alpha,
    }
    table: pd.DataFrame = frame_like(columns)
    return table


def holm(pvalues: Floats) -> Floats:
    """Return p-values that are corrected for their number, by Holm's step-down rule."""
    order = np.argsort(pvalues, kind="stable")
    factors = len(pvalues) - np.arange(len(pvalues))
    adjusted = np.empty(len(pvalues))
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * pvalues[order]), 1.0)
    return adjusted
