"""Definitions spelled out, slowly and without the library's algorithms: what its answers are held to.

`LinearModel` draws a linear Gaussian model on a graph, whose effects and covariances are matrix
algebra. `Marked` states the criteria of Perković et al. (2018) path by path. `every_admg` lists all
mixed graphs on a few nodes with the separations and ancestries that define their MAG and PAG.
"""

from itertools import chain, combinations, pairwise, permutations, product

import networkx as nx
import numpy as np

from causalrep.graphs import ADMG, DAG, MAG, PAG


def subsets(items):
    items = list(items)
    return chain.from_iterable(combinations(items, size) for size in range(len(items) + 1))


class LinearModel:
    """A linear Gaussian model with random coefficients; a bidirected edge is a hidden common cause."""

    def __init__(self, g, seed):
        rng = np.random.default_rng(seed)
        self.nodes = list(g.nodes)
        at = {node: i for i, node in enumerate(self.nodes)}
        p = len(at)
        self.B = np.zeros((p, p))  # B[i, j] is the coefficient of i -> j
        for u, v in g.directed_edges:
            self.B[at[u], at[v]] = rng.uniform(0.4, 1.6) * rng.choice([-1, 1])
        noise = np.diag(rng.uniform(0.5, 1.5, p))
        for u, v in g.bidirected_edges:
            a, b = rng.uniform(0.4, 1.2, 2) * rng.choice([-1, 1], 2)
            weights = np.zeros(p)
            weights[at[u]], weights[at[v]] = a, b
            noise += np.outer(weights, weights)
        self.at, self.noise = at, noise
        reduced = np.linalg.inv(np.eye(p) - self.B)
        self.S = reduced.T @ noise @ reduced

    def ids(self, nodes):
        return [self.at[node] for node in nodes]

    def effect(self, x, y):
        """Joint total effect of all of x on y: (I - B)^-1 with the edges into x cut."""
        cut = self.B.copy()
        cut[:, self.ids(x)] = 0
        return np.linalg.inv(np.eye(len(cut)) - cut)[np.ix_(self.ids(x), self.ids([y]))][:, 0]

    def coefficients(self, y, regressors):
        rows = self.ids(regressors)
        return np.linalg.solve(self.S[np.ix_(rows, rows)], self.S[rows, self.at[y]])

    def adjusts(self, x, y, z):
        """Whether the regression of every outcome on x and z shows the effect of x."""
        x = list(x)
        return all(
            np.allclose(self.coefficients(v, [*x, *z])[: len(x)], self.effect(x, v), atol=1e-7) for v in y
        )


class Marked:
    """A graph as marks: mark[u, v] is the mark at v of the edge that joins u and v."""

    def __init__(self, g):
        self.nodes = list(g.nodes)
        self.mark = {}
        for u, v in permutations(self.nodes, 2):
            mark = g.mark(u, v)
            if mark:
                self.mark[u, v] = mark
        self.near = {u: [v for v in self.nodes if (u, v) in self.mark] for u in self.nodes}

    def paths(self, start, ends, avoid):
        """All paths from start that end in `ends` and do not enter `avoid`."""
        stack = [(start,)]
        while stack:
            path = stack.pop()
            if len(path) > 1 and path[-1] in ends:
                yield path
            stack += [(*path, v) for v in self.near[path[-1]] if v not in path and v not in avoid]

    def possibly_directed(self, path):
        """No edge has an arrowhead at its nearer end; nor, in an MPDAG, does an edge point back."""
        return all(self.mark.get((v, u)) != "arrow" for u, v in pairwise(path))

    def points_back(self, path):
        return any(
            self.mark.get((v, u)) == "arrow" and self.mark.get((u, v)) == "tail"
            for u, v in combinations(path, 2)
        )

    def causal(self, path):
        return all(self.mark[u, v] == "arrow" and self.mark[v, u] == "tail" for u, v in pairwise(path))

    def possible_descendants(self, node):
        found = {node}
        for path in self.paths(node, set(self.nodes), set()):
            if self.possibly_directed(path) and not self.points_back(path):
                found.add(path[-1])
        return found

    def definite(self, path):
        """Per inner node "collider" or "other", or None if one has no definite status."""
        status = []
        for a, b, c in zip(path, path[1:], path[2:], strict=False):
            ends = (self.mark[a, b], self.mark[c, b])
            if ends == ("arrow", "arrow"):
                status.append("collider")
            elif self.leaves(b, a) or self.leaves(b, c) or ("arrow" not in ends and c not in self.near[a]):
                status.append("other")
            else:
                return None
        return status

    def leaves(self, u, v):
        """Whether the edge is out of u; the tails of an undirected edge do not say so."""
        return self.mark[v, u] == "tail" and self.mark[u, v] != "tail"

    def descendants(self, node):
        found, stack = {node}, [node]
        while stack:
            u = stack.pop()
            for v in self.near[u]:
                if self.mark[u, v] == "arrow" and self.mark[v, u] == "tail" and v not in found:
                    found.add(v)
                    stack.append(v)
        return found

    def open(self, path, z):
        status = self.definite(path)
        return status is not None and all(
            bool(self.descendants(node) & set(z)) if kind == "collider" else node not in z
            for node, kind in zip(path[1:-1], status, strict=True)
        )

    def visible(self, u, v):
        """Whether u -> v is visible: directed, with a certificate into u (Zhang 2008, definition 8)."""
        if (self.mark.get((u, v)), self.mark.get((v, u))) != ("arrow", "tail"):
            return False
        for w in self.nodes:
            if w == v or w in self.near[v]:
                continue
            for path in self.paths(w, {u}, {v}):
                inner = path[1:-1]
                ok = self.mark[path[-2], u] == "arrow" and all(
                    self.mark[a, b] == "arrow" and self.mark[c, b] == "arrow"
                    for a, b, c in zip(path, path[1:], path[2:], strict=False)
                )
                if ok and all(
                    v in self.near[c] and self.mark[c, v] == "arrow" and self.mark[v, c] == "tail"
                    for c in inner
                ):
                    return True
        return False

    def adjustment(self, x, y, *, hidden_causes):
        """Return (amenable, forbidden, non-causal paths) by the definitions.

        `hidden_causes` says whether only visible edges are certainly causal.
        """
        amenable, forbidden, others = True, set(), []
        for u in x:
            for path in self.paths(u, set(y), set(x)):
                possible = self.possibly_directed(path) and not self.points_back(path)
                if possible:
                    first = path[:2]
                    certain = self.visible(*first) if hidden_causes else self.causal(first)
                    amenable &= certain
                    for node in path[1:]:
                        forbidden |= self.possible_descendants(node)
                if not self.causal(path) and not possible:
                    others.append(path)
        return amenable, forbidden - set(x), others

    def valid(self, x, y, z, *, hidden_causes):
        amenable, forbidden, others = self.adjustment(x, y, hidden_causes=hidden_causes)
        return amenable and not forbidden & set(z) and not any(self.open(path, z) for path in others)


def every_admg(n_nodes):
    """All ADMGs on n nodes."""
    pairs = list(combinations(range(n_nodes), 2))
    for kinds in product(["", "->", "<-"], repeat=len(pairs)):
        directed = [p if k == "->" else p[::-1] for p, k in zip(pairs, kinds, strict=True) if k]
        twin = nx.DiGraph(directed)
        if not nx.is_directed_acyclic_graph(twin):
            continue
        for bidirected in subsets(pairs):
            yield ADMG(directed, bidirected, nodes=range(n_nodes))


def separations(g):
    """All (a, b, given) that hold, by the moral graph."""
    nodes = list(g.nodes)
    return frozenset(
        (a, b, given)
        for a, b in combinations(nodes, 2)
        for given in subsets([v for v in nodes if v not in (a, b)])
        if augmented_separated(g, {a}, {b}, set(given))
    )


def augmented_separated(g, x, y, given):
    """Richardson's criterion: separation in the augmented graph of the smallest ancestral set."""
    ends = {*x, *y, *given}
    inside = ends | set(g.ancestors(ends))
    spouses = nx.Graph()
    spouses.add_nodes_from(inside)
    spouses.add_edges_from((u, v) for u, v in g.bidirected_edges if u in inside and v in inside)
    moral = nx.Graph()
    moral.add_nodes_from(inside)
    for district in nx.connected_components(spouses):
        family = district.union(*(g.parents(v) for v in district))
        moral.add_edges_from(combinations(family, 2))
    moral.add_edges_from((u, v) for u, v in g.directed_edges if u in inside and v in inside)
    moral.remove_nodes_from(given)
    return not any(nx.has_path(moral, a, b) for a in x for b in y)


def ancestry(g):
    return frozenset((u, v) for v in g.nodes for u in g.ancestors(v))


def mag_of(g, held=None):
    """The MAG of an ADMG: adjacent where nothing separates, directed by ancestry."""
    held = separations(g) if held is None else held
    apart = {(a, b) for a, b, _ in held}
    above = ancestry(g)
    directed, bidirected = [], []
    for a, b in combinations(g.nodes, 2):
        if (a, b) in apart:
            continue
        if (a, b) in above:
            directed.append((a, b))
        elif (b, a) in above:
            directed.append((b, a))
        else:
            bidirected.append((a, b))
    return MAG(directed, bidirected, nodes=g.nodes)


def pag_of(mags):
    """The PAG of a class of MAGs: the marks that all have in common."""
    nodes = mags[0].nodes
    edges = []
    written = {
        ("tail", "arrow"): "->",
        ("arrow", "tail"): "<-",
        ("arrow", "arrow"): "<->",
        ("circle", "arrow"): "o->",
        ("arrow", "circle"): "<-o",
        ("circle", "circle"): "o-o",
        ("tail", "tail"): "--",
        ("circle", "tail"): "o--",
        ("tail", "circle"): "--o",
    }
    for u, v in combinations(nodes, 2):
        if mags[0].mark(u, v) is None:
            continue
        ends = []
        for a, b in ((v, u), (u, v)):
            marks = {g.mark(a, b) for g in mags}
            ends.append(marks.pop() if len(marks) == 1 else "circle")
        edges.append((u, written[tuple(ends)], v))
    return PAG(edges, nodes=nodes)


def as_dag(g):
    """A DAG whose latent nodes stand for the bidirected edges of an ADMG."""
    edges = list(g.directed_edges)
    hidden = []
    for u, v in g.bidirected_edges:
        hidden.append(("latent", u, v))
        edges += [(hidden[-1], u), (hidden[-1], v)]
    return DAG(edges, nodes=[*g.nodes, *hidden], latent=hidden)


def every_dag(n_nodes):
    """All DAGs on n nodes."""
    pairs = list(combinations(range(n_nodes), 2))
    for kinds in product(["", "->", "<-"], repeat=len(pairs)):
        edges = [p if k == "->" else p[::-1] for p, k in zip(pairs, kinds, strict=True) if k]
        if nx.is_directed_acyclic_graph(nx.DiGraph(edges)):
            yield DAG(edges, nodes=range(n_nodes))


def random_admg(chance, n_nodes, directed=0.45, bidirected=0.2):
    """An ADMG in a random order of its nodes, bows included."""
    pairs = list(combinations(chance.sample(range(n_nodes), n_nodes), 2))
    return ADMG(
        [pair for pair in pairs if chance.random() < directed],
        [pair for pair in pairs if chance.random() < bidirected],
        nodes=range(n_nodes),
    )
