"""Recorded steps compute what steps do; on the CPU nothing is recorded."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from causalrep.representation.trainer import Stage, Trainer, draw_rows, steps_done
from causalrep.representation.trainer._chance import BatchGenerator, Share
from causalrep.representation.trainer._step_graph import StepGraph

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


class Device:
    """Stands in for CUDA: work is done when it is launched, or kept while a graph records."""

    def __init__(self):
        self.recording, self.registered = None, []

    def launch(self, kernel):
        if self.recording is None:
            kernel()
        else:
            self.recording.append(kernel)

    def graph_class(self):
        device = self

        class Graph(list):
            def register_generator_state(self, generator):
                assert device.recording is None
                device.registered.append(generator)

            def replay(self):
                for kernel in self:
                    kernel()

        return Graph

    @contextmanager
    def graph(self, graph, **_options):
        self.recording = graph
        yield
        self.recording = None


@pytest.fixture
def device(monkeypatch):
    device = Device()
    monkeypatch.setattr("torch.cuda.Stream", lambda: SimpleNamespace(wait_stream=lambda _other: None))
    monkeypatch.setattr("torch.cuda.current_stream", torch.cuda.Stream)
    monkeypatch.setattr("torch.cuda.stream", lambda _stream: nullcontext())
    monkeypatch.setattr("torch.cuda.CUDAGraph", device.graph_class())
    monkeypatch.setattr("torch.cuda.graph", device.graph)
    monkeypatch.setattr("causalrep.representation.trainer._step_graph._over_the_state_of", lambda g: g)
    return device


@pytest.mark.parametrize("reads_step", [False, True])
def test_replays_take_the_batch_and_the_chance_of_their_step(device, reads_step):
    calls = []

    def update(batch, generator):
        calls.append(len(batch))
        losses, norm = torch.zeros(2), torch.zeros(())
        factor = 1 + steps_done(generator) if reads_step else 1
        whole = generator.batch

        def kernel():
            noise = torch.rand(2, generator=generator) + torch.rand(2, generator=whole)
            losses.copy_(factor * (batch["x"] + noise))
            norm.copy_(losses.sum())

        device.launch(kernel)
        return losses, norm

    step_graph, generator, results = StepGraph(update), BatchGenerator("cpu"), []
    for step in range(8):
        keyed = generator.key(Share(0, 2, 2), 5, "s", step, step=step)
        results.append(step_graph({"x": torch.tensor([1.0, 2.0]) * step}, keyed))
    assert len(calls) == (8 if reads_step else 4)
    assert device.registered == ([] if reads_step else [generator, generator.batch])
    for step, (losses, norm) in enumerate(results):  # also: later replays leave earlier results alone
        fresh = BatchGenerator("cpu").key(Share(0, 2, 2), 5, "s", step)
        noise = torch.rand(2, generator=fresh) + torch.rand(2, generator=fresh.batch)
        expected = (1 + step if reads_step else 1) * (torch.tensor([1.0, 2.0]) * step + noise)
        assert torch.equal(losses, expected)
        assert torch.equal(norm, expected.sum())


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
