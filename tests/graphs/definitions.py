"""Definitions, written out as slowly as they read: what the quick algorithms are tested against."""

import random
from itertools import combinations, product

from causalrep.graphs import ADMG, CPDAG, DAG, MAG, PDAG
from causalrep.utils import GraphError


def edge_marks(g):
    """For each ordered pair of nodes, the (mark at the first, mark at the second) of each edge."""
    marks = {}
    for kind, pairs in (
        (("tail", "arrow"), g.directed_edges),
        (("arrow", "arrow"), g.bidirected_edges),
        (("tail", "tail"), g.undirected_edges),
    ):
        for u, v in pairs:
            marks.setdefault((u, v), []).append(kind)
            marks.setdefault((v, u), []).append(kind[::-1])
    return marks


def separated_by_paths(g, x, y, given):
    """m-separation: no path on which just the colliders are in, or are ancestors of, `given`."""
    marks = edge_marks(g)
    given = set(given)
    open_colliders = given | set(g.ancestors(given))

    def is_open(node, into, out):
        collider = into == out == "arrow"
        return node in open_colliders if collider else node not in given

    # A path so far: its nodes, and the mark at the last of them of the edge that led there.
    paths = [((x,), None)]
    while paths:
        path, into = paths.pop()
        for other in g.adjacent(path[-1]):
            if other in path:
                continue
            for out, at_other in marks[path[-1], other]:
                if into is not None and not is_open(path[-1], into, out):
                    continue
                if other == y:
                    return False
                paths.append(((*path, other), at_other))
    return True


def definitely_separated_by_paths(g, x, y, given):
    """Separation in a PAG: no path of definite status on which just the colliders lead to `given`."""
    given = set(given)
    open_colliders = given | set(g.ancestors(given))
    paths = [(x,)]
    while paths:
        path = paths.pop()
        for other in g.adjacent(path[-1]):
            if other in path:
                continue
            if len(path) > 1:
                before, node = path[-2:]
                marks = g.mark(before, node), g.mark(other, node)
                collider = marks == ("arrow", "arrow")
                unshielded_circles = marks == ("circle", "circle") and other not in g.adjacent(before)
                if not (collider or "tail" in marks or unshielded_circles):
                    continue
                if collider != (node in given) and not (collider and node in open_colliders):
                    continue
            if other == y:
                return False
            paths.append((*path, other))
    return True


def separation_pattern(g):
    """All separations of single nodes, as one value."""
    subsets = [z for size in range(len(g) + 1) for z in combinations(g.nodes, size)]
    return b"".join(g.separation_matrix(z).tobytes() for z in subsets)


def separating_sets(g, x, y, include, restrict):
    """All sets between `include` and `restrict` that separate."""
    optional = [node for node in restrict if node not in include]
    return [
        frozenset((*include, *chosen))
        for size in range(len(optional) + 1)
        for chosen in combinations(optional, size)
        if g.is_separated(x, y, (*include, *chosen))
    ]


def minimal(sets):
    return {one for one in sets if not any(other < one for other in sets)}


def every_mag(pairs, nodes):
    """All MAGs on these nodes whose adjacencies are `pairs`."""
    for choice in product(["->", "<-", "<->", "--"], repeat=len(pairs)):
        edges = list(zip(pairs, choice, strict=True))
        directed = [(u, v) if kind == "->" else (v, u) for (u, v), kind in edges if kind in ("->", "<-")]
        bidirected, undirected = (
            [pair for pair, kind in edges if kind == wanted] for wanted in ("<->", "--")
        )
        try:
            yield MAG(directed, bidirected, undirected, nodes=nodes)
        except GraphError:
            continue


def mag_classes(pairs, n_nodes):
    """The Markov equivalence classes of the MAGs with these adjacencies, as lists of MAGs."""
    classes = {}
    for g in every_mag(pairs, range(n_nodes)):
        classes.setdefault(separation_pattern(g), []).append(g)
    return list(classes.values())


def skeletons(n_nodes):
    """All sets of pairs of the nodes 0, 1, ..."""
    pairs = list(combinations(range(n_nodes), 2))
    for kept in product((False, True), repeat=len(pairs)):
        yield [pair for pair, keep in zip(pairs, kept, strict=True) if keep]


# Random graphs, quicker than hypothesis draws them


def random_dag(chance, n_nodes, density):
    order = chance.sample(range(n_nodes), n_nodes)
    return DAG([p for p in combinations(order, 2) if chance.random() < density], nodes=range(n_nodes))


def random_admg(chance, n_nodes, density):
    order = chance.sample(range(n_nodes), n_nodes)
    pairs = list(combinations(order, 2))
    return ADMG(
        [p for p in pairs if chance.random() < density],
        [p for p in pairs if chance.random() < density / 2],
        nodes=range(n_nodes),
    )


def random_mag(chance, n_nodes, density):
    """A projection of a larger DAG, or now and then a random graph that happens to be a MAG."""
    if chance.random() < 0.5:
        g = random_dag(chance, n_nodes + 3, density)
        gone = chance.sample(range(n_nodes + 3), 3)
        n_latent = chance.randint(0, 3)
        return g.to_mag(latent=gone[:n_latent], selection=gone[n_latent:])
    while True:
        order = chance.sample(range(n_nodes), n_nodes)
        kinds = [chance.choice(("->", "<->", "--")) for _ in combinations(order, 2)]
        drawn = [
            (p, kind)
            for p, kind in zip(combinations(order, 2), kinds, strict=True)
            if chance.random() < density
        ]
        edges = ([p for p, kind in drawn if kind == wanted] for wanted in ("->", "<->", "--"))
        try:
            return MAG(*edges, nodes=range(n_nodes))
        except GraphError:
            continue


def random_graph(kind, seed, max_nodes=7):
    """A graph of the named kind with two nodes or more."""
    chance = random.Random(seed)
    n_nodes = chance.randint(2, max_nodes)
    density = chance.choice((0.2, 0.35, 0.5))
    if kind in ("MAG", "PAG"):
        g = random_mag(chance, n_nodes, density)
        return g if kind == "MAG" else g.to_pag()
    if kind == "ADMG":
        return random_admg(chance, n_nodes, density)
    g = random_dag(chance, n_nodes, density)
    if kind == "DAG":
        return g
    c = g.to_cpdag()
    assert type(c) is CPDAG
    if kind == "CPDAG" or not c.undirected_edges:
        return c
    # Background knowledge that is true of g.
    known = [edge for edge in g.directed_edges if edge not in c.directed_edges and chance.random() < 0.4]
    rest = [p for p in c.undirected_edges if p not in known and p[::-1] not in known]
    return PDAG([*c.directed_edges, *known], rest, nodes=c.nodes).meek_closure()
