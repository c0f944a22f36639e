"""Your own pictures, or published ones: images, a table of labels and, if you have one, a graph."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from causalrep.datasets._image_files import picture_files, read_pictures
from causalrep.graphs import DAG
from causalrep.utils import DataError, RandomState, as_seed, columns_of, frame_like, is_frame, keyed_generator

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImageData", "load_image_folder", "read_table"]


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images with labels, as ``fit`` of an image model takes them.

    Attributes
    ----------
    images : array of shape (n, channels, size, size)
        Bytes; models divide them by 255.
    labels : pandas.DataFrame of n rows
        A column per label; NaN where one is not known.
    graph : DAG or None
        The causal graph of the labels, if it was given.
    """

    images: NDArray[np.uint8]
    labels: pd.DataFrame
    graph: DAG | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        graph = "no graph" if self.graph is None else repr(self.graph.to_string())
        labels = ", ".join(map(str, self.labels.columns))
        return f"ImageData({len(self)} images of shape {self.images.shape[1:]}; {labels}; {graph})"

    def take(self, index: Any) -> Self:
        """Return the rows `index`, a slice, or an array of int or bool."""
        rows = index if isinstance(index, slice) else np.asarray(index)
        return replace(self, images=self.images[rows], labels=self.labels.iloc[rows].reset_index(drop=True))

    def split(self, test_size: float = 0.2, random_state: RandomState = 0) -> tuple[Self, Self]:
        """Return a training and a test set, drawn without replacement.

        Parameters
        ----------
        test_size : float in (0, 1), default=0.2
            Share of the rows in the test set, rounded to whole rows.
        random_state : int, numpy Generator, numpy RandomState or None, default=0
            Seed.

        Returns
        -------
        train, test : ImageData
            Both in the order that the rows had.

        Raises
        ------
        DataError
            If one of the two would be empty.
        """
        n_test = round(test_size * len(self))
        if not 0 < n_test < len(self):
            raise DataError(
                f"`test_size` must leave both sets at least one of {len(self)} rows, got {test_size}"
            )
        order = keyed_generator(as_seed(random_state), "split").permutation(len(self))
        return self.take(np.sort(order[n_test:])), self.take(np.sort(order[:n_test]))


def load_image_folder(
    folder: str | os.PathLike[str],
    labels: Any,
    *,
    edges: Any = None,
    size: int | None = None,
    channels: int | None = None,
) -> ImageData:
    """Read a folder of pictures, a table of their labels and the edges of the graph.

    Parameters
    ----------
    folder : path
        Pictures (png, jpg, bmp, tif); subfolders are not searched.
    labels : path or data frame
        A column ``file`` with names in the folder and a column per label; a row per picture. As a path: CSV.
        Pictures without a row are left out; empty cells are unlabelled.
    edges : path, str, DAG or list of pairs, optional
        The graph: a CSV file with a row per edge, cause first, with a header; a text such as
        ``"dose -> size"``; or what :class:`~causalrep.graphs.DAG` takes. Its nodes choose the columns.
    size : int, optional
        Cut the middle square out of each picture and scale it to this side; needed if they are not square.
    channels : {1, 3}, optional
        Grey or colour; default what the first picture is.

    Returns
    -------
    ImageData
        Ready for ``fit(data.images, data.labels)``.

    Raises
    ------
    DataError
        If a file is missing or damaged, named twice, pictures differ in shape or are not square, or a label
        is not a number; the message names it.

    Examples
    --------
    >>> from causalrep.datasets import load_image_folder
    >>> data = load_image_folder("scans", "labels.csv", edges="edges.csv", size=32)    # doctest: +SKIP
    >>> CausalDiffAE(graph=data.graph).fit(data.images, data.labels)                   # doctest: +SKIP
    """
    source = Path(folder)
    if not source.is_dir():
        raise DataError(f"{source} is not a folder")
    table = dict(columns_of(labels if is_frame(labels) else read_table(Path(labels)), what="labels"))
    if "file" not in table:
        raise DataError(
            f"`labels` must have a column 'file' with the names of the pictures, got {list(table)}"
        )
    names = [str(name) for name in table.pop("file")]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"`labels` must have one row per picture, {twice!r} has two")
    known = {path.name for path in picture_files(source)}
    missing = [name for name in names if name not in known]
    if missing:
        raise DataError(f"`labels` names {missing[0]!r}, which is not a picture in {source}")
    graph = None if edges is None else _graph(edges)
    wanted = list(table) if graph is None else list(graph.nodes)
    lost = [node for node in wanted if node not in table]
    if lost:
        raise DataError(f"`labels` must have a column for the node {lost[0]!r}, got {list(table)}")
    numbers = {name: _numbers(name, table[name]) for name in wanted}
    images = read_pictures([source / name for name in names], channels=channels, size=size)
    if images.shape[2] != images.shape[3]:
        raise DataError(
            f"the pictures must be square, got {images.shape[2:]} (H, W); `size` cuts squares out"
        )
    return ImageData(images, frame_like(numbers), graph)


def read_table(path: Path) -> pd.DataFrame:
    """Return a table of comma-separated values, or raise DataError naming the file."""
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(f"{path} cannot be read as a table: {error}") from error


def _graph(edges: Any) -> DAG:
    if isinstance(edges, DAG):
        return edges
    if isinstance(edges, (str, os.PathLike)):
        text = os.fspath(edges)
        if not text.endswith(".csv"):
            return DAG.from_string(text)
        table = read_table(Path(text))
        if table.shape[1] < 2:
            raise DataError(f"{text} must have two columns, cause and effect, got {list(table.columns)}")
        return DAG([(str(cause), str(effect)) for cause, effect in table.iloc[:, :2].to_numpy()])
    return DAG(edges)


def _numbers(name: Any, column: NDArray[Any]) -> NDArray[np.float64]:
    try:
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"`labels` must be numbers, the column {name!r} is not") from None
