"""Published image data sets, read from the files that their authors distribute; nothing is downloaded."""

from __future__ import annotations

import io
import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from causalrep.datasets._image_data import ImageData
from causalrep.datasets._image_files import read_pictures, resized
from causalrep.graphs import DAG
from causalrep.utils import DataError, frame_like, optional_import

__all__ = ["load_causal_circuit", "load_celeba", "load_dsprites", "load_mpi3d", "load_shapes3d"]

_DSPRITES = ("color", "shape", "scale", "orientation", "x", "y")
_SHAPES3D = ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation")
_MPI3D = {
    "object_color": 6, "object_shape": 6, "object_size": 2, "camera_height": 3, "background_color": 3,
    "horizontal_axis": 40, "vertical_axis": 40,
}  # fmt: skip
_CIRCUIT = ("red", "green", "blue", "arm")
_CIRCUIT_GRAPH = "arm -> blue; arm -> green; arm -> red; blue -> red; green -> red"

Path_ = str | os.PathLike[str]


def load_dsprites(path: Path_, *, rows: Any = None) -> ImageData:
    """Read dSprites: white shapes on black, five factors that vary independently.

    Parameters
    ----------
    path : path
        The file ``dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz``.
    rows : slice or array of int, optional
        Which of the 737 280 images; default all.

    Returns
    -------
    ImageData
        Images of shape (n, 1, 64, 64); labels ``"shape"`` (1 to 3), ``"scale"``, ``"orientation"``, ``"x"``,
        ``"y"``. The colour is constant and left out. The factors do not cause each other: there is no graph.

    Raises
    ------
    DataError
        If the file is missing, damaged or of another kind.

    References
    ----------
    L. Matthey, I. Higgins, D. Hassabis, A. Lerchner, "dSprites: disentanglement testing sprites dataset",
    2017.
    """
    # the file also holds a pickled description, which is not read
    images, values = _npz(path, "imgs", "latents_values")
    _check(path, images, 3, values, len(_DSPRITES))
    chosen = slice(None) if rows is None else rows
    pictures = (images[chosen] * 255).astype(np.uint8)[:, None]
    labels: dict[Hashable, Any] = {
        name: values[chosen, j] for j, name in enumerate(_DSPRITES) if name != "color"
    }
    return ImageData(pictures, frame_like(labels))


def load_shapes3d(path: Path_, *, rows: Any = None, size: int | None = None) -> ImageData:
    """Read 3DShapes: a shape in a room, six factors that vary independently.

    Parameters
    ----------
    path : path
        The file ``3dshapes.h5``; it needs the extra ``h5``.
    rows : slice or array of int, optional
        Which of the 480 000 images; default all. Only these are read.
    size : int, optional
        Side of the images; default 64, as they are.

    Returns
    -------
    ImageData
        Colour images; labels ``"floor_hue"``, ``"wall_hue"``, ``"object_hue"``, ``"scale"``, ``"shape"``,
        ``"orientation"``.

    Raises
    ------
    DataError
        If the file is missing, damaged or of another kind.
    MissingDependencyError
        Without h5py.

    References
    ----------
    C. Burgess, H. Kim, "3D Shapes dataset", 2018.
    """
    h5py = optional_import("h5py", extra="h5", purpose="reading 3DShapes")
    chosen = slice(None) if rows is None else rows
    if not isinstance(chosen, slice):
        chosen = np.sort(np.asarray(chosen))  # HDF5 reads in ascending order only
    try:
        with h5py.File(path, "r") as file:
            images, labels = np.asarray(file["images"][chosen]), np.asarray(file["labels"][chosen])
    except (OSError, KeyError) as error:
        raise DataError(f"{path} is not an HDF5 file with images and labels: {error}") from error
    _check(path, images, 4, labels, len(_SHAPES3D))
    return ImageData(
        resized(_channels_first(images), size), frame_like({n: labels[:, j] for j, n in enumerate(_SHAPES3D)})
    )


def load_mpi3d(path: Path_, *, rows: Any = None, size: int | None = None) -> ImageData:
    """Read MPI3D: a robot arm holds an object; seven factors that vary independently.

    Parameters
    ----------
    path : path
        A file such as ``mpi3d_toy.npz``.
    rows : slice or array of int, optional
        Which of the 1 036 800 images; default all.
    size : int, optional
        Side of the images; default 64, as they are.

    Returns
    -------
    ImageData
        Colour images; labels are the numbers 0, 1, ... of ``"object_color"``, ``"object_shape"``,
        ``"object_size"``, ``"camera_height"``, ``"background_color"``, ``"horizontal_axis"`` and
        ``"vertical_axis"``, of which the last runs fastest through the file.

    Raises
    ------
    DataError
        If the file is missing, damaged, or does not hold one image per combination of the factors.

    References
    ----------
    M. W. Gondal et al., "On the transfer of inductive bias from simulation to the real world: a new
    disentanglement dataset", NeurIPS 2019, arXiv:1906.03292.
    """
    (images,) = _npz(path, "images")
    sizes = tuple(_MPI3D.values())
    if images.ndim != 4 or len(images) != np.prod(sizes):
        raise DataError(
            f"{path} must hold {np.prod(sizes)} images of shape (H, W, 3), got shape {images.shape}"
        )
    index = np.arange(len(images)) if rows is None else np.arange(len(images))[rows]
    factors = np.unravel_index(index, sizes)
    labels: dict[Hashable, Any] = {
        name: factor.astype(np.float64) for name, factor in zip(_MPI3D, factors, strict=True)
    }
    return ImageData(resized(_channels_first(images[index]), size), frame_like(labels))


def load_celeba(
    folder: Path_,
    *,
    attributes: list[str] | None = None,
    size: int = 64,
    rows: Any = None,
    edges: str | None = None,
) -> ImageData:
    """Read CelebA: aligned faces with forty attributes.

    Parameters
    ----------
    folder : path
        Holds ``list_attr_celeba.txt`` and the folder ``img_align_celeba``.
    attributes : list of str, optional
        Which attributes; default those in `edges`, or all.
    size : int, default=64
        Side of the images: the middle square of each, scaled.
    rows : slice or array of int, optional
        Which of the 202 599 faces; default all. Only these are read.
    edges : str, optional
        Your graph of the attributes, such as ``"Young -> Gray_Hair"``.

    Returns
    -------
    ImageData
        Colour images; labels 0 and 1.

    Raises
    ------
    DataError
        If a file is missing or damaged, or an attribute does not exist.

    References
    ----------
    Z. Liu, P. Luo, X. Wang, X. Tang, "Deep learning face attributes in the wild", ICCV 2015,
    arXiv:1411.7766.
    """
    source = Path(folder)
    names, values, files = _celeba_table(source / "list_attr_celeba.txt")
    graph = None if edges is None else DAG.from_string(edges)
    wanted = attributes or (names if graph is None else [str(node) for node in graph.nodes])
    for name in wanted:
        if name not in names:
            raise DataError(f"CelebA has no attribute {name!r}; known: {', '.join(names)}")
    index = np.arange(len(files)) if rows is None else np.arange(len(files))[rows]
    faces = [source / "img_align_celeba" / files[i] for i in index]
    lost = next((face for face in faces if not face.exists()), None)
    if lost is not None:
        raise DataError(f"{lost} is not there; `rows` reads some of the faces only")
    images = read_pictures(faces, channels=3, size=size)
    labels: dict[Hashable, Any] = {
        name: (values[index, names.index(name)] > 0).astype(np.float64) for name in wanted
    }
    return ImageData(images, frame_like(labels), graph)


def load_causal_circuit(path: Path_, *, rows: Any = None, size: int | None = None) -> ImageData:
    """Read CausalCircuit: a robot arm presses buttons that light lamps.

    Parameters
    ----------
    path : path
        A ``.npz`` file with ``imgs`` and ``original_latents``: pictures as bytes of shape (n, H, W, 3), or
        encoded as PNG, one or, before and after an intervention, two per row, of which the first is taken.
    rows : slice or array of int, optional
        Which rows; default all.
    size : int, optional
        Side of the images; default as they are.

    Returns
    -------
    ImageData
        Colour images; labels ``"red"``, ``"green"``, ``"blue"``, ``"arm"``, in that order; the graph.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another kind, or holds pickled objects, which are not read.

    References
    ----------
    J. Brehmer, P. de Haan, P. Lippe, T. Cohen, "Weakly supervised causal representation learning", NeurIPS
    2022, arXiv:2203.16437.
    """
    images, latents = _npz(path, "imgs", "original_latents")
    chosen = slice(None) if rows is None else rows
    images, latents = images[chosen], latents[chosen]
    if latents.ndim == 3:  # pairs
        images, latents = images[:, 0], latents[:, 0]
    if images.dtype.kind == "S":
        images = _decoded(path, images)
    _check(path, images, 4, latents, len(_CIRCUIT))
    labels: dict[Hashable, Any] = {name: latents[:, j].astype(np.float64) for j, name in enumerate(_CIRCUIT)}
    return ImageData(
        resized(_channels_first(images), size), frame_like(labels), DAG.from_string(_CIRCUIT_GRAPH)
    )


def _npz(path: Path_, *names: str) -> list[NDArray[Any]]:
    """Return arrays of an ``.npz`` file without unpickling anything."""
    try:
        with Path(path).open("rb") as stream:  # NumPy leaves the file open if it is damaged
            file = np.load(stream, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise ValueError("it holds a single array")
            return [file[name] for name in names]
    except KeyError as error:
        raise DataError(f"{path} must hold {' and '.join(names)}: {error}") from error
    except (OSError, ValueError, BadZipFile) as error:
        raise DataError(f"{path} is not an .npz file of plain arrays: {error}") from error


def _check(path: Path_, images: NDArray[Any], ndim: int, labels: NDArray[Any], n_labels: int) -> None:
    if images.ndim != ndim or labels.shape != (len(images), n_labels):
        raise DataError(
            f"{path} must hold images of {ndim} dimensions and {n_labels} factors for each, got shapes "
            f"{images.shape} and {labels.shape}"
        )


def _channels_first(images: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2).astype(np.uint8))


def _decoded(path: Path_, encoded: NDArray[np.bytes_]) -> NDArray[np.uint8]:
    """Return pictures that are files inside an array; a PNG does not end in the zeros that NumPy strips."""
    pillow = optional_import("PIL.Image", extra="images", purpose="reading pictures")
    pictures = []
    for i, content in enumerate(encoded):
        try:
            with pillow.open(io.BytesIO(content)) as picture:
                pictures.append(np.asarray(picture.convert("RGB")))
        except (pillow.UnidentifiedImageError, OSError) as error:
            raise DataError(f"{path}: row {i} of imgs is not a picture that can be read") from error
    return np.stack(pictures)


def _celeba_table(path: Path) -> tuple[list[str], NDArray[np.int64], list[str]]:
    """Return attributes, values of -1 and 1, and file names: a count, the names, then a row per face."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        names = lines[1].split()
        rows = [line.split() for line in lines[2 : 2 + int(lines[0])]]
        values = np.array([row[1:] for row in rows], dtype=np.int64)
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"{path} cannot be read as the table of CelebA: {error}") from error
    if len(rows) != int(lines[0]) or values.shape != (len(rows), len(names)):
        raise DataError(
            f"{path} must have {lines[0]} rows of {len(names)} attributes, got values of shape {values.shape}"
        )
    return names, values, [row[0] for row in rows]
