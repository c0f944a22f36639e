"""Best-order score search: a causal graph from the order of the variables that scores most."""

from __future__ import annotations

from causalrep.discovery._best_order import best_order
from causalrep.discovery._climb import Climb
from causalrep.discovery._knowledge import Constraints, Knowledge
from causalrep.discovery._local_score import LocalScore
from causalrep.discovery._score_search import ScoreSearch
from causalrep.graphs._equivalence import PartialOrientation

__all__ = ["BOSS"]


class BOSS(ScoreSearch):
    """Learn the equivalence class of a causal graph by the order of the variables that scores most.

    In a given order the parents of each variable are found among those before it, by adding and dropping one
    at a time. The order is improved by moving one variable at a time to its best place. What comes out is an
    equivalence class, from which edges are deleted while that improves it, as `GES` ends. The recommended
    search by a score: it finds better scores than `GES`, whose first edges, chosen without the others, can be
    hard to mend.

    It assumes what `GES` assumes; where that holds, the class is right in the limit of many rows, under
    weaker conditions than faithfulness.

    Parameters
    ----------
    criterion : str or LocalScore, default="bic"
        The score, as an object or by name: ``"bic"`` is `GaussianBIC`; ``"discrete_bic"`` and ``"bdeu"`` are
        `DiscreteBIC` and `BDeu`. A fitted score needs no data; data given to `fit` replace those that a score
        object has seen, in a copy. A search this thorough also finds what fits by chance:
        ``GaussianBIC(penalty=2.0)`` is a cautious choice.
    knowledge : Knowledge, default=None
        Edges that are required or forbidden, and the order of time.

    Attributes
    ----------
    graph_ : CPDAG or MPDAG
        The equivalence class; an `MPDAG` where knowledge directs more. Its nodes are in the order of the
        columns.
    score_ : float
        Its score; see `LocalScore.total`. Larger is better.
    local_score_ : LocalScore
        The fitted score, which tells what other graphs score.
    n_moves_ : int
        Number of times that a variable was moved.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : array of shape (n_features,), object
        Names of the columns; only where all names are strings.

    Raises
    ------
    DataError, UnknownNameError
        In `fit`: for data that the score refuses, and names that are not columns.

    See Also
    --------
    GES : Faster, and greedier.

    Notes
    -----
    The search starts from the variables in the order of their names, so that the order of the columns does
    not matter. Of d variables each is tried in d places, for which 3 d best sets of parents are looked up,
    mostly on branches that earlier orders have grown.

    References
    ----------
    .. [1] B. Andrews, J. Ramsey, R. Sanchez-Romero, J. Camchong, E. Kummerfeld, "Fast scalable and accurate
       discovery of DAGs using the best order score search and grow-shrink trees", NeurIPS 2023,
       arXiv:2310.17679.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from causalrep.discovery import BOSS
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 2000))
    >>> c = x + y + rng.normal(size=2000)
    >>> BOSS().fit(pd.DataFrame({"x": x, "c": c, "y": y, "d": c + rng.normal(size=2000)})).graph_
    CPDAG.from_string('x -> c; y -> c; c -> d')
    """

    max_degree = None

    def __init__(self, criterion: str | LocalScore = "bic", *, knowledge: Knowledge | None = None) -> None:
        self.criterion = criterion
        self.knowledge = knowledge

    def _best_class(self, score: LocalScore, constraints: Constraints) -> PartialOrientation:
        edges, self.n_moves_ = best_order(score, constraints)
        climb = Climb(score, constraints, None, edges)
        climb.delete_all()
        return climb.graph.marks
