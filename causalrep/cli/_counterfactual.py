"""``causalrep counterfactual``: pictures in, pictures and labels out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from causalrep.cli._pictures import png_bytes, read_images, unique_stems
from causalrep.utils import DataError, UnknownNameError, atomic_directory

__all__ = ["parse_do", "run_counterfactual"]


def run_counterfactual(model: Path, images: Path, *, do: Sequence[str], out: Path, device: str) -> None:
    """Write the images as they would have been under ``do``, and a table of their labels.

    Raises
    ------
    DataError, CheckpointError, UnknownNameError
        Before any work, for bad images, a bad model, or an intervention on no node of it.
    """
    action = parse_do(do)
    refuse_to_overwrite(out)
    from causalrep.representation import load_model

    fitted = load_model(model, device=device)
    known = {str(node): node for node in fitted.graph_.nodes}
    for name in action:
        if name not in known:
            raise UnknownNameError(name, known, what="`--do`")
    names, pictures = read_images(images, channels=fitted.shape_.channels)
    print(f"{len(names)} images, {type(fitted).__name__} on {fitted.graph_.to_string()}")
    result = fitted.counterfactual(pictures, do={known[name]: value for name, value in action.items()})
    files = unique_stems(names)
    table = result.labels.copy()
    table.insert(0, "file", files)
    for node in result.factual_labels.columns:
        table[f"{node} (factual)"] = result.factual_labels[node].to_numpy()
    with atomic_directory(out) as folder:
        for file, picture in zip(files, result.images, strict=True):
            (folder / file).write_bytes(png_bytes(picture))
        table.to_csv(folder / "labels.csv", index=False)
    print(f"wrote {len(files)} pictures and labels.csv to {out}")


def parse_do(texts: Sequence[str]) -> dict[str, float]:
    """Return the interventions that texts like ``"light=120"`` name.

    Raises
    ------
    DataError
        For a text of another form, a value that is no finite number, or a node named twice.
    """
    action: dict[str, float] = {}
    for text in texts:
        node, equals, value = (part.strip() for part in text.partition("="))
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not (node and equals and math.isfinite(number)):
            raise DataError(f"`--do` must be NODE=NUMBER, such as light=120, got {text!r}")
        if node in action:
            raise DataError(f"`--do` sets {node!r} twice")
        action[node] = number
    return action


def refuse_to_overwrite(out: Path) -> None:
    """Raise DataError if there already is something at `out`."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise DataError(f"{out} already exists; it is left as it is, name another folder with --out")
