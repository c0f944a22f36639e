"""One trainer for every torch model: stages, averaging, exact resume, any number of processes.

A model owns modules and their losses; the trainer owns everything else. A module becomes
trainable by a ``forward(batch, generator)`` that returns named losses:

>>> import torch
>>> from causalrep.representation.trainer import Stage, Trainer
>>> class Mean(torch.nn.Module):
...     def __init__(self):
...         super().__init__()
...         self.mean = torch.nn.Parameter(torch.zeros(()))
...     def forward(self, batch, generator):
...         return {"squared_error": (batch["x"] - self.mean).square().mean()}
>>> model = Mean()
>>> stage = Stage("fit", model, max_steps=200, batch_size=4, learning_rate=0.1)
>>> log = Trainer(device="cpu").run([stage], {"x": torch.tensor([1.0, 2.0, 3.0, 6.0])})
>>> round(model.mean.item(), 2)
3.0
"""

from causalrep.representation.trainer._chance import draw_rows, steps_done
from causalrep.representation.trainer._data import Data, RowSource, StreamedData, TensorData
from causalrep.representation.trainer._ema import MovingAverage
from causalrep.representation.trainer._log import NonFiniteLossError, TrainingLog
from causalrep.representation.trainer._stage import Stage
from causalrep.representation.trainer._trainer import Trainer

__all__ = [
    "Data",
    "MovingAverage",
    "NonFiniteLossError",
    "RowSource",
    "Stage",
    "StreamedData",
    "TensorData",
    "Trainer",
    "TrainingLog",
    "draw_rows",
    "steps_done",
]
