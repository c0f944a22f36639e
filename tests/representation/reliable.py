"""As a script: one process of a training of an image model, which may be killed or one of several."""

from __future__ import annotations

import argparse
import os
from functools import partial

import numpy as np
import pandas as pd

from causalrep.representation import CausalDiffAE, _training
from causalrep.representation.trainer import Trainer


def make_model(**options: object) -> CausalDiffAE:
    settings = {"max_steps": 30, "batch_size": 8, "solver_steps": 3, "device": "cpu", "random_state": 0}
    return CausalDiffAE("a -> b", **{**settings, **options})  # type: ignore[arg-type]


def make_data() -> tuple[np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng(0)
    labels = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"])
    images = rng.random((40, 1, 16, 16), dtype=np.float32) / 2
    return (images + 0.1 * labels.to_numpy().sum(1)[:, None, None, None]).clip(0, 1), labels


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint")
    parser.add_argument("--out", required=True)
    parser.add_argument("--max-steps", type=int, default=30)
    parser.add_argument("--gradient-accumulation", type=int)
    arguments = parser.parse_args()
    # A state every tenth of a second, so that a kill finds the training between two of them.
    _training.Trainer = partial(Trainer, checkpoint_every_minutes=0.1 / 60)  # type: ignore[misc]
    images, labels = make_data()
    model = make_model(
        checkpoint=arguments.checkpoint,
        max_steps=arguments.max_steps,
        gradient_accumulation=arguments.gradient_accumulation,
    ).fit(images, labels)
    if os.environ.get("RANK", "0") == "0":
        model.save(arguments.out)


if __name__ == "__main__":
    main()
