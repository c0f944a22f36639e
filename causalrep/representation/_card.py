"""The card beside a saved model: what it is, what it was trained on, what not to ask of it."""

from __future__ import annotations

from typing import Any

from causalrep.graphs import DAG

__all__ = ["model_card"]

_CARD = """\
---
library_name: causalrep
license: other
tags:
- counterfactual-images
- causal-inference
---

# {model}

A counterfactual image model: it answers what an image would have been, had some of its labels been different.

| | |
|---|---|
| causal graph (given, not verified) | `{graph}` |
| images | {channels} x {size} x {size}, floating point in [0, 1] |
| training images | {n_images} |
| image network | {denoiser}, objective {objective}, {steps} steps of {batch} |
| solver | {solver}, {solver_steps} steps each way, abduction: {abduction} |
| seed | {seed} |
| library | causalrep {version} |

Labels, as seen in training:

| label | mean | standard deviation | reading error |
|---|---|---|---|
{labels}

The reading error is the root mean squared difference between given labels and those read off training
images, in user units; on new images it is larger. A counterfactual cannot be more certain than that.

## Use

```python
from causalrep.representation import load_model

model = load_model("{folder}")
result = model.counterfactual(images, do={{{example!r}: ...}})
```

## When not to believe it

- The graph is an assumption. A missing arrow is an effect that is not drawn; an unlabelled common cause
  of two labels makes their mechanisms wrong.
- Values outside the range of the training labels, or leaves far from what their parents allow, ask for
  pictures of a kind that was never seen.
- What neither labels nor code nor noise hold cannot be kept. Compare `result.reconstruction` with the image.
"""


def model_card(description: dict[str, Any], *, folder: str = "model") -> str:
    """Return the text of the card of a saved model.

    Parameters
    ----------
    description : dict
        What is written to ``model.json``, with "labels" (a list of name, mean, standard deviation and
        reading error), "n_images" and "library_version".
    folder : str
        Where the example loads the model from.
    """
    recipe = description["recipe"]
    channels, size = description["image_shape"]
    rows = [
        f"| {name} | {mean:.4g} | {deviation:.4g} | {error:.4g} |"
        for name, mean, deviation, error in description["labels"]
    ]
    return _CARD.format(
        model=description["model"],
        graph=DAG.from_json(description["graph"]).to_string(),
        channels=channels,
        size=size,
        n_images=description["n_images"],
        denoiser=recipe["architecture"]["denoiser"],
        objective=recipe["objective"],
        steps=recipe["max_steps"],
        batch=recipe["batch_size"],
        solver=recipe["solver"],
        solver_steps=recipe["solver_steps"],
        abduction=recipe["abduction"],
        seed=description["seed"],
        version=description["library_version"],
        labels="\n".join(rows),
        folder=folder,
        example=str(description["labels"][0][0]),
    )
