"""A small net, its data and its stages; as a script, one process of a training."""

from __future__ import annotations

import argparse
import time

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from causalrep.representation.trainer import Stage, Trainer, draw_rows


class Net(nn.Module):
    """A noisy regression, with dropout and batch normalisation where asked."""

    def __init__(self, dropout: float = 0.0, batch_norm: bool = False) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16) if batch_norm else nn.Identity())
        self.second = nn.Sequential(nn.Dropout(dropout), nn.SiLU(), nn.Linear(16, 1))

    def forward(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        clean = batch["x"]
        noise = draw_rows(torch.randn, tuple(clean.shape), generator=generator, device=clean.device)
        x = clean + 0.1 * noise
        residual = self.second(self.first(x)).squeeze(1) - batch["y"]
        return {"squared": residual.square().mean(), "absolute": 0.1 * residual.abs().mean()}


def make_net(seed: int = 0, **options: float) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Net(**options)


def make_data(rows: int = 100) -> dict[str, Tensor]:
    x = torch.randn((rows, 4), generator=torch.Generator().manual_seed(1))
    return {"x": x, "y": x.sum(1) + x[:, 0] * x[:, 1]}


def make_stages(net: nn.Module, first: int = 20, second: int = 10) -> list[Stage]:
    return [
        Stage("all", net, max_steps=first, batch_size=32, warmup_steps=5, patience=9, validate_every=4),
        Stage("head", net, max_steps=second, batch_size=8, frozen=("first",), gradient_accumulation=2),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint")
    parser.add_argument("--weights")
    parser.add_argument("--first", type=int, default=20)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--rank", type=int, default=0)
    options = parser.parse_args()
    net = make_net(seed=options.rank)  # the first process's weights count
    trainer = Trainer(
        device="cpu",
        checkpoint=options.checkpoint,
        checkpoint_every_minutes=0.0,
        log_every=3,
        on_step=lambda *_: time.sleep(options.pause),
    )
    trainer.run(make_stages(net, options.first), make_data())
    if options.weights and options.rank == 0:
        save_file(net.state_dict(), options.weights)


if __name__ == "__main__":
    main()
