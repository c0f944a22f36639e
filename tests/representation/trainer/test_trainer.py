"""The trainer against a loop written by hand."""

from __future__ import annotations

import random
import signal

import numpy as np
import pytest
import torch
from torch import nn

from causalrep.representation.trainer import Stage, TensorData, Trainer
from causalrep.representation.trainer._chance import RowOrder, steps_done
from causalrep.utils import DataError


class Linear(nn.Module):
    """A regression without noise; keeps the losses it returned."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.map = nn.Linear(4, outputs)
        self.seen: list[float] = []

    def forward(self, batch, _generator):
        loss = (self.map(batch["x"]).sum(1) - batch["y"]).square().mean()
        self.seen.append(loss.item())
        return {"squared": 0.75 * loss, "more": 0.25 * loss}


def train(stages, data, **options):
    return Trainer(**{"device": "cpu", "log_every": 5, **options}).run(stages, data)


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def equal(first, second) -> bool:
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


def test_loss_falls(toy):
    net = toy.make_net()
    log = train([Stage("fit", net, max_steps=300, batch_size=32, learning_rate=0.02)], toy.make_data())
    assert log["squared"][-1] < 0.1 * log["squared"][0]


@pytest.mark.parametrize("clip", [None, 0.5])
def test_weights_are_those_of_a_loop_written_by_hand(toy, clip):
    data, steps = toy.make_data(50), 40
    stage = Stage(
        "fit", Linear(3), max_steps=steps, batch_size=8, learning_rate=0.05, weight_decay=0.3, clip_norm=clip
    )
    net = Linear(3)
    net.load_state_dict(stage.module.state_dict())
    matrix, vector = net.map.weight, net.map.bias
    optimizer = torch.optim.AdamW(
        [{"params": [matrix]}, {"params": [vector], "weight_decay": 0.0}], weight_decay=0.3
    )
    average = {name: tensor.detach().clone() for name, tensor in net.named_parameters()}
    order, norms = RowOrder(torch.arange(50), 8, 11, "trainer", "fit"), []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = stage.learning_rate_at(step)
        rows = order.batch(step)
        loss = (net.map(data["x"][rows]).sum(1) - data["y"][rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        norm = torch.cat([p.grad.flatten() for p in net.parameters()]).norm()
        norms.append(norm.item())
        if clip is not None and norm > clip:
            for parameter in net.parameters():
                parameter.grad *= clip / norm
        optimizer.step()
        decay = min(0.999, (1 + step) / (10 + step))
        for name, parameter in net.named_parameters():
            average[name] = decay * average[name] + (1 - decay) * parameter.detach()
    log = train([stage], data, seed=11, log_every=steps)
    # Forty float32 steps of size 0.05: rounding (6e-8) is magnified where Adam divides by small moments.
    for name, parameter in stage.module.named_parameters():
        torch.testing.assert_close(parameter.detach(), average[name], rtol=1e-4, atol=1e-5)
    assert log["gradient_norm"] == [pytest.approx(np.mean(norms), rel=1e-4)]
    assert max(norms) > 0.5


def test_weight_decay_shrinks_matrices_and_not_vectors():
    class Still(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix = nn.Parameter(torch.ones(2, 2))
            self.vector = nn.Parameter(torch.ones(2))

        def forward(self, _batch, _generator):
            return {"zero": 0.0 * (self.matrix.sum() + self.vector.sum())}

    net = Still()
    options = {"schedule": "constant", "warmup_steps": 0, "learning_rate": 0.1, "ema_decay": 0.0}
    train([Stage("s", net, max_steps=3, batch_size=1, weight_decay=0.5, **options)], {"x": torch.zeros(1)})
    torch.testing.assert_close(net.matrix.detach(), torch.full((2, 2), (1 - 0.1 * 0.5) ** 3))
    assert torch.equal(net.vector.detach(), torch.ones(2))


def test_module_ends_with_the_average_of_its_weights_and_buffers(toy):
    net, history = toy.make_net(batch_norm=True), []

    def remember(*_):
        history.append(weights(net))

    start = weights(net)
    train([Stage("s", net, max_steps=30, batch_size=16)], toy.make_data(), on_step=remember)
    for name, tensor in net.state_dict().items():
        expected = start[name].double()
        for step, live in enumerate(history):
            decay = min(0.999, (1 + step) / (10 + step))
            expected = decay * expected + (1 - decay) * live[name].double()
        if name.endswith("num_batches_tracked"):
            assert tensor == 30
        else:
            torch.testing.assert_close(tensor.double(), expected, rtol=1e-5, atol=1e-6)
    assert not torch.equal(net.state_dict()["first.1.running_mean"], history[-1]["first.1.running_mean"])


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_accumulated_parts_equal_the_whole_batch(toy, parts):
    """Also in three unequal parts, and with noise, because the noise is drawn by row."""
    nets = toy.make_net(), toy.make_net()
    for net, accumulation in zip(nets, (1, parts), strict=True):
        stage = Stage("s", net, max_steps=20, batch_size=16, gradient_accumulation=accumulation)
        train([stage], toy.make_data())
    for first, second in zip(*(net.parameters() for net in nets), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-6)


def test_log_holds_means_over_its_windows_and_a_last_short_one(toy):
    net = Linear()
    log = train([Stage("s", net, max_steps=13, batch_size=8)], toy.make_data())
    windows = [net.seen[:5], net.seen[5:10], net.seen[10:]]
    assert log["step"] == [5, 10, 13]
    assert log["objective"] == pytest.approx([np.mean(window) for window in windows], rel=1e-6)
    assert log["more"] == pytest.approx([value / 4 for value in log["objective"]], rel=1e-6)
    assert log["learning_rate"] == [Stage("s", net, max_steps=13).learning_rate_at(s) for s in (4, 9, 12)]
    assert log["seconds"] == sorted(log["seconds"])


def test_module_can_ask_how_many_steps_are_done():
    class Asks(nn.Module):
        def __init__(self):
            super().__init__()
            self.p, self.seen = nn.Parameter(torch.ones(1)), []

        def forward(self, _batch, generator):
            self.seen.append(steps_done(generator))
            return {"a": self.p.sum()}

    net = Asks()
    stage = Stage("s", net, max_steps=3, batch_size=2, gradient_accumulation=2, patience=1, validate_every=3)
    train([stage], {"x": torch.zeros(8)})
    assert net.seen == [0, 0, 1, 1, 2, 2, None]  # the last is the validation


def test_losses_are_read_only_when_the_log_is_written(toy, monkeypatch):
    """Every read waits for the device; their number must not grow with the steps."""

    def reads(steps: int) -> int:
        count = 0

        def counted(function):
            def call(*arguments):
                nonlocal count
                count += 1
                return function(*arguments)

            return call

        net = toy.make_net()
        with monkeypatch.context() as patch:
            for name in ("item", "tolist", "__float__", "__bool__", "__int__", "cpu", "numpy"):
                patch.setattr(torch.Tensor, name, counted(getattr(torch.Tensor, name)))
            train([Stage("s", net, max_steps=steps, batch_size=8)], toy.make_data(), log_every=100)
        return count

    assert reads(10) == reads(30)


def test_seed_decides_everything(toy):
    ends = []
    for seed in (3, 3, 4):
        net = toy.make_net(dropout=0.3)
        torch.manual_seed(random.randrange(10**6))
        train(toy.make_stages(net), toy.make_data(), seed=seed)
        ends.append(weights(net))
    assert equal(ends[0], ends[1])
    assert not equal(ends[0], ends[2])


def test_surroundings_are_left_as_they_were(toy):
    net = toy.make_net(dropout=0.3)
    net.second.eval()
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    threads, state, modes = (
        torch.get_num_threads(),
        torch.get_rng_state(),
        [m.training for m in net.modules()],
    )
    train(toy.make_stages(net), toy.make_data())
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert [module.training for module in net.modules()] == modes
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())
    assert "forward" not in vars(net)


def test_trainers_of_different_precision_share_a_process(toy):
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState, GradientState

    try:
        own = Accelerator(cpu=True, mixed_precision="bf16")
        ends = []
        for precision in ("no", "bf16", "no"):
            net = toy.make_net()
            train(toy.make_stages(net), toy.make_data(), precision=precision)
            ends.append(weights(net))
        assert own.mixed_precision == "bf16"
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
    assert equal(ends[0], ends[2])
    assert not equal(ends[0], ends[1])
    # bf16 has 8 bits: after thirty small steps the weights are near those of float32, which they keep.
    for name, tensor in ends[1].items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, ends[0][name], rtol=0, atol=0.05)


def test_stages_run_in_order_and_each_starts_from_the_average_before(toy):
    net, calls, begun = toy.make_net(), [], {}

    def watch(name, step, log):
        calls.append((name, step))
        if step == 1:
            begun[name] = weights(net)

    first, second = toy.make_stages(net, first=4, second=3)
    train([first, second], toy.make_data(), on_step=watch)
    assert calls == [("all", 1), ("all", 2), ("all", 3), ("all", 4), ("head", 1), ("head", 2), ("head", 3)]
    alone = toy.make_net()
    train(toy.make_stages(alone, first=4)[:1], toy.make_data())
    frozen = {name: tensor for name, tensor in begun["head"].items() if name.startswith("first")}
    assert equal(frozen, {name: weights(alone)[name] for name in frozen})


def test_frozen_parts_keep_parameters_and_statistics_for_their_stage_only(toy):
    net = toy.make_net(batch_norm=True)
    stages = [
        Stage("head", net, max_steps=5, batch_size=16, frozen=("first",)),
        Stage("all", net, max_steps=5, batch_size=16),
    ]
    start, ends = weights(net), {}

    def watch(name, step, log):
        ends[name] = weights(net)

    train(stages, toy.make_data(), on_step=watch)
    for name in start:
        assert torch.equal(ends["head"][name], start[name]) == name.startswith("first")
        assert not torch.equal(ends["all"][name], ends["head"][name])


def interrupt(stage, step, action=None):
    def on_step(name, done, log):
        if (name, done) == (stage, step):
            if action is None:
                raise KeyboardInterrupt
            action()

    return on_step


def test_stages_need_names_of_their_own(toy):
    stage = toy.make_stages(toy.make_net())[0]
    with pytest.raises(DataError, match=r"distinct names, got \['all', 'all'\]"):
        train([stage, stage], toy.make_data())
    with pytest.raises(DataError, match="one or more stages"):
        train([], toy.make_data())


def test_progress_goes_to_stderr_only_when_asked(toy, capsys):
    train(toy.make_stages(toy.make_net()), toy.make_data())
    assert capsys.readouterr() == ("", "")
    train(toy.make_stages(toy.make_net()), TensorData(toy.make_data()), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "all: 100%" in err
    assert "head: 100%" in err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's compiler looks at it, and ignores it too
def test_compiled_training_is_the_same(toy):
    from torch._dynamo.utils import counters

    nets = toy.make_net(dropout=0.0), toy.make_net(dropout=0.0)
    counters.clear()
    for net, compiled in zip(nets, (False, True), strict=True):
        train(toy.make_stages(net), toy.make_data(), compile=compiled)
        assert (counters["stats"]["unique_graphs"] > 0) == compiled
        assert not any("forward" in vars(part) for part in net.modules())
    for first, second in zip(*(net.parameters() for net in nets), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA")
@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_cuda_training_follows_the_cpu_and_resumes(toy, tmp_path, precision):
    net, stopped, resumed = (toy.make_net() for _ in range(3))
    train(toy.make_stages(net, first=40), toy.make_data(), device="cuda", precision=precision)
    options = {"device": "cuda", "precision": precision, "checkpoint": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        train(toy.make_stages(stopped, first=40), toy.make_data(), on_step=interrupt("all", 25), **options)
    train(toy.make_stages(resumed, first=40), toy.make_data(), **options)
    for name, tensor in net.state_dict().items():
        assert tensor.device.type == "cuda"
        # The same noise on the same device; kernels may sum in another order each time.
        torch.testing.assert_close(resumed.state_dict()[name], tensor, rtol=0, atol=1e-4)
