"""Recorded steps compute what steps do; on the CPU nothing is recorded."""

import pytest
import torch
from torch import nn

from causalrep.representation.trainer import Stage, Trainer, draw_rows, steps_done
from causalrep.representation.trainer._chance import BatchGenerator, Share

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA")


class Noisy(nn.Module):
    """Follows a mean of noise, by dropout and by both streams of the generator; counts its calls."""

    def __init__(self, reads_step: bool = False):
        super().__init__()
        self.p = nn.Parameter(torch.zeros(4, 2))
        self.dropout = nn.Dropout(0.5)
        self.reads_step, self.calls = reads_step, 0

    def forward(self, batch, generator):
        self.calls += 1
        x = batch["x"]
        whole = draw_rows(torch.randn, (len(x), 2), generator=generator, device=x.device)
        own = torch.rand(x.shape, generator=generator, device=x.device)
        weight = 1.0 + steps_done(generator) if self.reads_step else 1.0
        return {"a": weight * (self.dropout(x + own) @ self.p - whole).square().mean()}


def fit(module, device, **options):
    x = torch.randn((50, 4), generator=torch.Generator().manual_seed(1))
    stage = Stage("s", module, max_steps=30, batch_size=16, learning_rate=0.05, warmup_steps=5)
    log = Trainer(device=device, precision="no", log_every=1, **options).run([stage], {"x": x})
    return log, module.p.detach().cpu()


def test_graphs_change_nothing_on_the_cpu():
    (first, a), (second, b) = (fit(Noisy(), "cpu", cuda_graphs=on) for on in (False, True))
    assert torch.equal(a, b)
    assert first["objective"] == second["objective"]


def test_generator_notes_who_asks_for_the_step():
    generator = BatchGenerator("cpu").key(Share(0, 4, 4), 3, "s", step=7)
    draw_rows(torch.randn, (4, 2), generator=generator)
    assert not generator.step_was_read
    assert steps_done(generator) == 7
    assert generator.step_was_read


def test_a_generator_keyed_again_draws_as_a_new_one():
    used = BatchGenerator("cpu").key(Share(0, 4, 4), 3, "s", 0)
    draw_rows(torch.randn, (4, 2), generator=used)
    torch.rand(3, generator=used)
    used.key(Share(0, 4, 4), 3, "s", 1)
    new = BatchGenerator("cpu").key(Share(0, 4, 4), 3, "s", 1)
    for generators in ((used, new), (used.batch, new.batch)):
        assert torch.equal(*(torch.rand(5, generator=generator) for generator in generators))


@pytest.mark.gpu
@cuda
def test_recorded_steps_are_the_steps():
    plain, recorded = Noisy(), Noisy()
    (first, a), (second, b) = fit(plain, "cuda"), fit(recorded, "cuda", cuda_graphs=True)
    torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    # Losses of single steps agree: rows, both kinds of noise, dropout and rate are those of the step.
    torch.testing.assert_close(first["objective"], second["objective"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(first["gradient_norm"], second["gradient_norm"], rtol=1e-4, atol=1e-6)
    assert (plain.calls, recorded.calls) == (30, 4)


@pytest.mark.gpu
@cuda
def test_steps_that_count_are_not_recorded():
    counts, plain = Noisy(reads_step=True), Noisy(reads_step=True)
    _, a = fit(counts, "cuda", cuda_graphs=True)
    _, b = fit(plain, "cuda")
    assert counts.calls == 30
    torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


@pytest.mark.gpu
@cuda
def test_recorded_training_resumes(tmp_path):
    _, whole = fit(Noisy(), "cuda", cuda_graphs=True)

    def stop(_name, step, _log):
        if step == 13:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(Noisy(), "cuda", cuda_graphs=True, checkpoint=tmp_path, on_step=stop)
    _, resumed = fit(Noisy(), "cuda", cuda_graphs=True, checkpoint=tmp_path)
    torch.testing.assert_close(resumed, whole, rtol=0, atol=1e-6)
