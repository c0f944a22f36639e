"""Hypothesis strategies that several packages draw from."""

from itertools import combinations

from hypothesis import strategies as st

from causalrep.graphs import ADMG, DAG, PDAG

#: Labels that the text notations can carry: any string, any integer.
text_labels = st.text(max_size=6) | st.integers(-99, 99)


@st.composite
def dags(draw, *, min_nodes=0, max_nodes=6, labels=text_labels):
    """DAGs whose topological order is a random permutation of their node order."""
    nodes = draw(st.lists(labels, min_size=min_nodes, max_size=max_nodes, unique=True))
    ordered = draw(st.permutations(nodes))
    pairs = list(combinations(ordered, 2))
    kept = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    return DAG([pair for pair, keep in zip(pairs, kept, strict=True) if keep], nodes=nodes)


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
