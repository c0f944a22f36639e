import subprocess
import sys

_REPORT = """
from causalrep.graphs import DAG, PDAG
edges = {(a + "1", b + "2") for a in "spam" for b in "eggs!"} | {("s1", "p1"), ("p1", "a1")}
g = DAG(edges)
p = PDAG(undirected=edges, nodes=set(g.nodes) | {"w", "v"})
x = {"e2", "!2"}
print(g.to_string(), g.to_json(), g.to_dot(), p.to_string(), g.topological_order(), g.depth_levels())
print(g.find_separator("s1", {"a1", "m1"}, restrict={"p1", "e2"}), g.separated_from("m1", x), g.ancestors(x))
print(g.to_cpdag().to_string(), p.nodes, p.meek_closure().to_string(), g.markov_blanket("e2"))
print(g.parents("e2") | {"z", "y", "x"}, {"s1", "a1", "m1"} & g.parents("e2"), g.subgraph(x), g.do(*x))
print(PDAG(undirected={("s1", "p1"), ("p1", "a1"), ("a1", "m1")}).consistent_extension().to_string())
"""


def test_results_do_not_depend_on_the_hash_seed():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _REPORT],
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1
    assert "s1" in outputs.pop()
