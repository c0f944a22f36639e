"""
A world whose counterfactual images are known
=============================================

The Pendulum world is a structural causal model whose last mechanism draws. Counterfactual images
that a learned model can only guess are here computed, by the same call.
"""

# %%
# Angle and light cast a shadow of some length at some position; a picture shows all of it, on a
# background and with a colour that no label tells.

import matplotlib.pyplot as plt
import numpy as np

from causalrep.datasets import pendulum

world = pendulum(size=64, nuisance=True)
print(world.graph_of_labels.to_string())
samples = world.sample(6, random_state=3)
samples.frame.round(1)

# %%
# One intervention per row
# ------------------------
# Moving the light moves the shadow; moving the shadow leaves the light alone. Background, colour
# and the noise of the shadows are kept: the rows answer "what would *this* picture have looked
# like".

interventions = {
    "factual": {},
    "do(angle = 30)": {"angle": 30.0},
    "do(light = 140)": {"light": 140.0},
    "do(length = 9)": {"length": 9.0},
    "do(position = 5)": {"position": 5.0},
}
_, axes = plt.subplots(len(interventions), len(samples), figsize=(7.2, 6.2), layout="constrained")
for row, (title, do) in zip(axes, interventions.items(), strict=True):
    images = world.counterfactual(samples, do=do)["image"]
    for ax, image in zip(row, images, strict=True):
        ax.imshow(image.transpose(1, 2, 0))
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(title, rotation=0, ha="right", va="center")

# %%
# Reading the picture back
# ------------------------
# ``world.read`` measures every label from the pixels alone, so an image that a model has made can
# be asked whether the intervention took effect, and whether it changed what it should not have
# changed.

imagined = world.counterfactual(samples, do={"light": 140.0})
read = world.read(imagined["image"])
read.round(1)

# %%
# Reading inverts drawing to within the resolution of the picture. What cannot be seen, such as a
# shadow that lies outside of the frame, is NaN and not a guess.

error = np.abs(read[["angle", "light"]] - imagined.frame[["angle", "light"]]).max()
print(error)
