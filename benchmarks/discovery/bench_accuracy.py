"""Skeleton F1 and distance to the true class of PC: each collider rule, and the PC of other packages.

Random DAGs with three neighbours per node in random column order; linear Gaussian mechanisms, odd curves with
Gaussian noise, or three states with logits that add up over parents. Fisher's z for numbers, chi-square for
states, alpha 0.01 everywhere. causal-learn runs in this interpreter; pgmpy and gCastle in the one that
``--peer`` names, on the same arrays. A method stops in a cell after so many CPU seconds, and the
table says how many data sets it got through. Rows are added to a file, and what is there is not run again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ALPHA, DEGREE, N_SEEDS = 0.01, 3.0, 20
FAMILIES, SIZES, ROWS = ("linear", "nonlinear", "discrete"), (20, 50, 100, 200), (500, 10_000)
RULES = ("max_p", "standard", "conservative", "majority")
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


def ours(rule: str, policy: str = "priority") -> Callable[[np.ndarray, bool], np.ndarray]:
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


PEERS: dict[str, Callable[[np.ndarray, bool], np.ndarray]] = {
    "causal-learn": causal_learn,
    "pgmpy": pgmpy,
    "gCastle": gcastle,
}

# --- running ------------------------------------------------------------------------------------


def found_in_time(
    method: Callable[[np.ndarray, bool], np.ndarray], sets: list[np.ndarray], discrete: bool, limit: float
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield CPU seconds and result for each data set, until the limit is passed."""
    method(sets[0][:400, :4], discrete)  # first calls load libraries
    begin = time.process_time()
    for X in sets:
        start = time.process_time()
        found = method(X, discrete)
        yield time.process_time() - start, found
        if time.process_time() - begin > limit:
            return


def serve(name: str, path: str, limit: float) -> None:
    """Print one line per data set of a file: what another interpreter does for `in_other_interpreter`."""
    data = np.load(path)
    sets = [data[key] for key in sorted(data.files) if key != "discrete"]
    for seconds, found in found_in_time(PEERS[name], sets, bool(data["discrete"]), limit):
        print("FOUND " + json.dumps([seconds, np.argwhere(found).tolist()]), flush=True)


def in_other_interpreter(
    python: str, name: str, sets: list[np.ndarray], discrete: bool, limit: float
) -> Iterator[tuple[float, np.ndarray]]:
    import resource

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(2 * limit) + 20, int(2 * limit) + 20))

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/data.npz"
        np.savez(path, discrete=discrete, **{f"x{k:03}": X for k, X in enumerate(sets)})
        command = [python, "-W", "ignore", __file__, "--serve", name, path, str(limit)]
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=bounded, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("FOUND "):
            seconds, edges = json.loads(line[6:])
            matrix = np.zeros((sets[0].shape[1],) * 2, dtype=bool)
            matrix[tuple(np.array(edges, dtype=int).reshape(-1, 2).T)] = True
            yield seconds, matrix


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


def measure(args: argparse.Namespace) -> None:
    args.rows.touch()
    known = {tuple(row[key] for key in ("family", "d", "n", "method")) for row in rows_of(args.rows)}
    methods = [f"causalrep {rule}" for rule in RULES] + ["causal-learn"]
    methods += ["pgmpy", "gCastle"] if args.peer else []
    cells = [(family, d, n) for d in args.sizes for n in ROWS for family in FAMILIES]
    for family, d, n in cells:
        wanted = [method for method in methods if (family, d, n, method) not in known]
        if not wanted:
            continue
        data = [simulate(family, d, n, seed) for seed in range(N_SEEDS)]
        truths, sets = [true_class(dag) for dag, _ in data], [X for _, X in data]
        for method in wanted:
            discrete = family == "discrete"
            if method in ("pgmpy", "gCastle"):
                results = in_other_interpreter(args.peer, method, sets, discrete, args.limit)
            else:
                run = ours(method.split()[1]) if method.startswith("causalrep") else causal_learn
                results = found_in_time(run, sets, discrete, args.limit)
            rows = [(s, *score(truth, found)) for truth, (s, found) in zip(truths, results, strict=False)]
            cell: dict[str, Any] = {"family": family, "d": d, "n": n, "method": method}
            cell |= dict(zip(("seconds", "f1", "shd"), map(list, zip(*rows, strict=True)), strict=False))
            with args.rows.open("a") as file:
                file.write(json.dumps(cell) + "\n")
            print(family, d, n, method, len(rows), np.mean(cell.get("shd", np.nan)), flush=True)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def report(path: Path) -> None:
    """Print a table of means, the best of each cell in bold, with numbers of data sets where not all ran."""
    cells: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for row in rows_of(path):
        cells.setdefault((row["family"], row["d"], row["n"]), {})[row["method"]] = row
    methods = [*(f"causalrep {rule}" for rule in RULES), *PEERS]
    for measure_, digits, best in (("shd", 1, min), ("f1", 3, max)):
        print(f"\n| data | d | n | {' | '.join(methods)} |\n|{'---|' * (len(methods) + 3)}")
        for key in sorted(cells, key=lambda key: (FAMILIES.index(key[0]), *key[1:])):
            rows = cells[key]
            means = {m: np.mean(rows[m][measure_]) for m in methods if rows.get(m, {}).get(measure_)}
            top = best(round(value, digits) for value in means.values())
            shown = []
            for method in methods:
                if method not in means:
                    shown.append("")
                    continue
                count = len(rows[method][measure_])
                text = f"{means[method]:.{digits}f}"
                text = f"**{text}**" if round(means[method], digits) == top else text
                shown.append(text + (f" ({count})" if count < N_SEEDS else ""))
            print(f"| {key[0]} | {key[1]} | {key[2]:,} | {' | '.join(shown)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="interpreter with pgmpy and gCastle")
    parser.add_argument("--rows", type=Path, default=Path("accuracy.jsonl"), help="results, line by line")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--limit", type=float, default=10.0, help="CPU seconds for a method in a cell")
    parser.add_argument("--serve", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.serve:
        serve(args.serve[0], args.serve[1], float(args.serve[2]))
        return
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    measure(args)
    report(args.rows)


if __name__ == "__main__":
    main()
