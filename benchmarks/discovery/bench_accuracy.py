"""Skeleton F1 and distance to the true class of PC: each collider rule, and the PC of other packages.

Random DAGs with three neighbours per node in random column order; linear Gaussian mechanisms, odd curves with
Gaussian noise, or three states with logits that add up over parents. Fisher's z for numbers, chi-square for
states, alpha 0.01 everywhere, the same arrays for all. Each fit has a limit of CPU seconds. A method that
exceeds it on the first two data sets of a cell is given up there, and the table says so. Results are
added to a file line by line, and what is there is not run again: so the methods of another interpreter
(``--methods pgmpy gCastle``), another day or another machine go into the same file.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
import warnings
from collections.abc import Callable, Iterable
from multiprocessing import Pool
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ALPHA, DEGREE, N_SEEDS = 0.01, 3.0, 20
FAMILIES, SIZES, ROWS = ("linear", "nonlinear", "discrete"), (20, 50, 100, 200), (500, 10_000)
RULES = ("majority", "max_p", "standard", "conservative")
GIVE_UP = 2
CURVES = (lambda x: np.tanh(2 * x), lambda x: np.sin(2 * x), lambda x: x * np.abs(x) / 2)


def simulate(family: str, d: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the adjacency matrix of a DAG, (i, j) for i -> j, and n rows; columns are in random order."""
    rng = np.random.default_rng([FAMILIES.index(family), d, n, seed])
    order = rng.permutation(d)
    edges = np.triu(rng.random((d, d)) < DEGREE / (d - 1), 1)
    X = np.zeros((n, d))
    for k in range(d):
        parents = np.flatnonzero(edges[:, k])
        if family == "discrete":
            logits = rng.normal(size=3) + sum(
                rng.normal(scale=1.5, size=(3, 3))[X[:, p].astype(int)] for p in parents
            )
            X[:, k] = (logits + rng.gumbel(size=(n, 3))).argmax(axis=1)
            continue
        weights = rng.uniform(0.5, 1.5, len(parents)) * rng.choice([-1, 1], len(parents))
        curves = [
            CURVES[c] if family == "nonlinear" else np.array for c in rng.integers(3, size=len(parents))
        ]
        X[:, k] = rng.normal(size=n) + sum(
            w * f(X[:, p]) for w, f, p in zip(weights, curves, parents, strict=True)
        )
        X[:, k] /= X[:, k].std()
    truth = np.zeros((d, d), dtype=bool)
    truth[np.ix_(order, order)] = edges
    return truth, X[:, np.argsort(order)]


# --- what each package finds, as a matrix: (i, j) allows i -> j, both ways if undirected -----------

Method = Callable[[np.ndarray, bool], np.ndarray]


def ours(rule: str, policy: str = "priority") -> Method:
    from causalrep.discovery import PC

    def run(X: np.ndarray, discrete: bool) -> np.ndarray:
        test = "chisquare" if discrete else "fisherz"
        pc = PC(test, alpha=ALPHA, collider_rule=rule, conflict=policy, constant="drop")
        found = pc.fit(X.astype(int) if discrete else X).graph_
        matrix = np.zeros((X.shape[1],) * 2, dtype=bool)
        matrix[np.ix_(found.nodes, found.nodes)] = found.to_adjacency() != 0
        return matrix

    return run


def causal_learn(X: np.ndarray, discrete: bool) -> np.ndarray:
    from causallearn.search.ConstraintBased.PC import pc

    test = "chisq" if discrete else "fisherz"
    marks = pc(X.astype(int) if discrete else X, ALPHA, test, stable=True, show_progress=False).G.graph
    # (j, i) = 1 and (i, j) = -1 mean i -> j; doubled arrows count as undirected.
    return ((marks == -1) & (marks.T != 0)) | ((marks == 1) & (marks.T == 1))


def pgmpy(X: np.ndarray, discrete: bool) -> np.ndarray:
    import pandas as pd
    from pgmpy.estimators import PC

    names = [str(k) for k in range(X.shape[1])]
    found = PC(pd.DataFrame(X.astype(int) if discrete else X, columns=names)).estimate(
        variant="stable",
        ci_test="chi_square" if discrete else "pearsonr",
        significance_level=ALPHA,
        n_jobs=1,
        show_progress=False,
    )
    matrix = np.zeros((len(names),) * 2, dtype=bool)
    for u, v in found.directed_edges:
        matrix[int(u), int(v)] = True
    for u, v in found.undirected_edges:
        matrix[int(u), int(v)] = matrix[int(v), int(u)] = True
    return matrix


def gcastle(X: np.ndarray, discrete: bool) -> np.ndarray:
    from castle.algorithms.pc import PC

    search = PC(variant="stable", alpha=ALPHA, ci_test="chi2" if discrete else "fisherz")
    search.learn(X)
    return np.asarray(search.causal_matrix) != 0


PEERS: dict[str, Method] = {"causal-learn": causal_learn, "pgmpy": pgmpy, "gCastle": gcastle}


def method_of(name: str) -> Method:
    """Return the method called so: a peer, or a collider rule, with a policy for conflicts after a slash."""
    return PEERS[name] if name in PEERS else ours(*name.split("/"))


# --- running ------------------------------------------------------------------------------------


def true_class(truth: np.ndarray) -> np.ndarray:
    from causalrep.graphs import DAG

    dag = DAG([tuple(edge) for edge in np.argwhere(truth).tolist()], nodes=range(len(truth)))
    return np.asarray(dag.to_cpdag().to_adjacency() != 0)


def score(truth: np.ndarray, found: np.ndarray) -> tuple[float, int]:
    """Return the F1 of the adjacencies and the number of pairs on which the graphs differ."""
    real, guess = np.triu(truth | truth.T), np.triu(found | found.T)
    both = int((real & guess).sum())
    differs = truth != found
    return 2 * both / max(int(real.sum() + guess.sum()), 1), int(np.triu(differs | differs.T).sum())


class Task(NamedTuple):
    """The data sets of a cell that a method has still to see, and what it needed for the others."""

    family: str
    d: int
    n: int
    method: str
    seeds: tuple[int, ...]
    limit: float
    path: Path


class TooSlow(BaseException):
    """Raised in a fit at its limit; no Exception, which packages may catch."""


def stop(*_: object) -> None:
    raise TooSlow


def measure(task: Task) -> str:
    """Run a method on data sets of a cell and add a line for each to the file."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, stop)
    method, discrete, n_late = method_of(task.method), task.family == "discrete", 0
    method(simulate(task.family, 4, 400, 0)[1], discrete)  # first calls load libraries
    for seed in task.seeds:
        dag, X = simulate(task.family, task.d, task.n, seed)
        row: dict[str, Any] = {"family": task.family, "d": task.d, "n": task.n, "method": task.method}
        row |= {"seed": seed, "limit": task.limit}
        start = time.process_time()
        try:
            signal.setitimer(signal.ITIMER_PROF, task.limit)
            found = method(X, discrete)
            signal.setitimer(signal.ITIMER_PROF, 0)
            row["seconds"] = round(time.process_time() - start, 4)
            row["f1"], row["shd"] = score(true_class(dag), found)
        except TooSlow:
            n_late += 1
        with task.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if n_late >= GIVE_UP:
            break
    return " ".join(map(str, task[:5]))


def tasks(args: argparse.Namespace) -> Iterable[Task]:
    """Yield what is still to do, small data first."""
    done: dict[tuple[Any, ...], dict[int, bool]] = {}
    for row in rows_of(args.rows):
        seeds = done.setdefault(tuple(row[key] for key in ("family", "d", "n", "method")), {})
        seeds[row["seed"]] = "shd" in row
    for d in args.sizes:
        for n in ROWS:
            for family in args.families:
                for method in args.methods:
                    seen = done.get((family, d, n, method), {})
                    left = tuple(seed for seed in range(args.seeds) if seed not in seen)
                    if left and sum(not in_time for in_time in seen.values()) < GIVE_UP:
                        yield Task(family, d, n, method, left, args.limit, args.rows)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# --- reporting ----------------------------------------------------------------------------------


class Cell(NamedTuple):
    """What a method did in a cell: its results by seed, and the limit if it was too slow for one."""

    results: dict[int, dict[str, float]]
    limit: float | None


def cells_of(path: Path) -> dict[tuple[str, int, int], dict[str, Cell]]:
    cells: dict[tuple[str, int, int], dict[str, Cell]] = {}
    for row in rows_of(path):
        methods = cells.setdefault((row["family"], row["d"], row["n"]), {})
        cell = methods.get(row["method"], Cell({}, None))
        if "shd" in row:
            cell.results[row["seed"]] = row
        else:
            cell = cell._replace(limit=row["limit"])
        methods[row["method"]] = cell
    return dict(sorted(cells.items(), key=lambda item: (FAMILIES.index(item[0][0]), *item[0][1:])))


def report(path: Path, methods: list[str]) -> None:
    """Print tables of means, the best of each cell in bold, with numbers of data sets where not all ran."""
    cells = cells_of(path)
    for what, digits, best in (("shd", 1, min), ("f1", 3, max), ("seconds", 2, min)):
        print(f"\n{what}\n\n| data | d | n | {' | '.join(methods)} |\n|{'---|' * (len(methods) + 3)}")
        for (family, d, n), row in cells.items():
            means = {
                m: round(float(np.mean([result[what] for result in row[m].results.values()])), digits)
                for m in methods
                if m in row and row[m].results
            }
            full = [means[m] for m in means if len(row[m].results) == N_SEEDS]
            shown = [_shown(row.get(m), means.get(m), digits, best(full, default=None)) for m in methods]
            print(f"| {family} | {d} | {n:,} | {' | '.join(shown)} |")
    summarise(cells, methods)


def _shown(cell: Cell | None, mean: float | None, digits: int, top: float | None) -> str:
    if cell is None:
        return ""
    if mean is None:
        return f"> {cell.limit:.0f} s"
    if len(cell.results) < N_SEEDS:
        return f"{mean:.{digits}f} ({len(cell.results)})"
    return f"**{mean:.{digits}f}**" if mean == top else f"{mean:.{digits}f}"


def summarise(cells: dict[tuple[str, int, int], dict[str, Cell]], methods: list[str]) -> None:
    """Print the mean distance of each method relative to that of the first, on data sets of both."""
    print(f"\n| method | SHD relative to {methods[0]} | linear | nonlinear | discrete | cells | nearer in |")
    print("|---|---|---|---|---|---|---|")
    for method in methods:
        ratios: dict[str, list[float]] = {family: [] for family in FAMILIES}
        for (family, _, _), row in cells.items():
            if method in row and methods[0] in row:
                one, other = row[method].results, row[methods[0]].results
                both = sorted(set(one) & set(other))
                if both:
                    theirs = sum(other[seed]["shd"] for seed in both)
                    ratios[family].append(sum(one[seed]["shd"] for seed in both) / max(theirs, 1))
        every = [ratio for part in ratios.values() for ratio in part]
        means = [f"{np.mean(part):.2f}" if part else "" for part in (every, *ratios.values())]
        print(f"| {method} | {' | '.join(means)} | {len(every)} | {sum(ratio < 1 for ratio in every)} |")


def main() -> None:
    methods = [*RULES, *PEERS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=methods, help="rule, rule/policy, or a package")
    parser.add_argument("--rows", type=Path, default=Path("accuracy.jsonl"), help="results, line by line")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--families", nargs="+", default=FAMILIES)
    parser.add_argument("--seeds", type=int, default=N_SEEDS)
    parser.add_argument("--limit", type=float, default=60.0, help="CPU seconds for a fit")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--report-only", action="store_true")
    args = parser.parse_args()
    if not args.report_only:
        with Pool(args.workers, maxtasksperchild=1) as pool:
            for done in pool.imap_unordered(measure, tasks(args)):
                print(done, flush=True)
    report(args.rows, args.methods)


if __name__ == "__main__":
    main()
