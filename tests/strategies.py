"""Hypothesis strategies that several packages draw from."""

from itertools import combinations

from hypothesis import strategies as st

from causalrep.graphs import ADMG, DAG, MAG, PAG, PDAG
from causalrep.utils import GraphError

#: Labels that the text notations can carry: any string, any integer.
text_labels = st.text(max_size=6) | st.integers(-99, 99)


@st.composite
def dags(draw, *, min_nodes=0, max_nodes=6, labels=text_labels, latent=False):
    """DAGs whose topological order is a random permutation of their node order; perhaps with latents."""
    nodes = draw(st.lists(labels, min_size=min_nodes, max_size=max_nodes, unique=True))
    ordered = draw(st.permutations(nodes))
    pairs = list(combinations(ordered, 2))
    kept = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    return DAG(
        [pair for pair, keep in zip(pairs, kept, strict=True) if keep],
        nodes=nodes,
        latent=draw(st.lists(st.sampled_from(nodes), unique=True)) if latent and nodes else (),
    )


@st.composite
def pdags(draw, *, min_nodes=0, max_nodes=6, labels=text_labels):
    """PDAGs without a directed cycle; most have no consistent extension."""
    nodes = draw(st.lists(labels, min_size=min_nodes, max_size=max_nodes, unique=True))
    ordered = draw(st.permutations(nodes))
    pairs = list(combinations(ordered, 2))
    kinds = draw(st.lists(st.sampled_from(["", "->", "--"]), min_size=len(pairs), max_size=len(pairs)))
    edges = list(zip(pairs, kinds, strict=True))
    return PDAG(
        [pair for pair, kind in edges if kind == "->"],
        [pair for pair, kind in edges if kind == "--"],
        nodes=nodes,
    )


@st.composite
def admgs(draw, *, min_nodes=0, max_nodes=6, labels=text_labels, latent=False):
    """ADMGs, bows included; with `latent`, some nodes are declared so."""
    nodes = draw(st.lists(labels, min_size=min_nodes, max_size=max_nodes, unique=True))
    pairs = list(combinations(draw(st.permutations(nodes)), 2))
    kinds = draw(
        st.lists(st.sampled_from(["", "", ">", "<>", "><>"]), min_size=len(pairs), max_size=len(pairs))
    )
    edges = list(zip(pairs, kinds, strict=True))
    return ADMG(
        [pair for pair, kind in edges if kind.startswith(">")],
        [pair for pair, kind in edges if kind.endswith("<>")],
        nodes=nodes,
        latent=draw(st.lists(st.sampled_from(nodes), unique=True)) if latent and nodes else (),
    )


@st.composite
def mags(draw, *, min_nodes=0, max_nodes=5, labels=text_labels):
    """MAGs: undirected edges among the first nodes, then directed and, where they may be, bidirected ones."""
    nodes = draw(st.lists(labels, min_size=min_nodes, max_size=max_nodes, unique=True))
    ordered = draw(st.permutations(nodes))
    n_undirected = draw(st.integers(0, len(nodes)))
    edges = {"->": [], "<->": [], "--": []}
    for (i, u), (j, v) in combinations(enumerate(ordered), 2):
        kind = draw(st.sampled_from(["", "->", "<->"]))
        if kind and j < n_undirected:
            kind = "--"
        elif kind == "<->" and i < n_undirected:
            kind = "->"
        if kind:
            edges[kind].append((u, v))
    try:
        return MAG(edges["->"], edges["<->"], edges["--"], nodes=nodes)
    except GraphError:  # not ancestral or not maximal; without bidirected edges it is both
        return MAG(edges["->"], (), edges["--"], nodes=nodes)


@st.composite
def pags(draw, *, min_nodes=0, max_nodes=6, labels=text_labels):
    """Graphs with the marks of a PAG and no directed cycle; most are the class of no MAG."""
    nodes = draw(st.lists(labels, min_size=min_nodes, max_size=max_nodes, unique=True))
    pairs = list(combinations(draw(st.permutations(nodes)), 2))
    kinds = ["", "->", "<->", "--", "o->", "<-o", "o-o", "o--", "--o"]
    drawn = draw(st.lists(st.sampled_from(kinds), min_size=len(pairs), max_size=len(pairs)))
    return PAG([(u, kind, v) for (u, v), kind in zip(pairs, drawn, strict=True) if kind], nodes=nodes)
