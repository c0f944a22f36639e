"""How devices run the networks: measured settings, overrides, and the same answers on all of them."""

from dataclasses import replace

import pytest
import torch

from causalrep.datasets import pendulum
from causalrep.representation import MODELS, CausalDiffAE
from causalrep.representation._execution import Execution, execution_on, precision_on, rows_at_once
from causalrep.representation._recipes import make_recipe
from causalrep.representation._replay import network_under
from causalrep.representation.modules import Condition, SpatialUNet

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA")
PLAIN = Execution(compile=False, channels_last=False, cuda_graphs=False)


@pytest.mark.parametrize("device", ["cpu", "mps", "cuda:1"])
def test_what_is_chosen_is_what_was_measured(device):
    assert execution_on(device) == PLAIN


def test_rows_at_once_follow_the_device_and_the_size():
    assert rows_at_once("cpu", 32) == rows_at_once("mps", 128) == 256
    assert rows_at_once("cuda", 32) == 4 * rows_at_once("cuda", 64) == 2048
    assert rows_at_once("cuda", 1024) == 64


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("size", [16, 32, 64])
def test_precision_is_chosen_where_it_is_left_open(device, size):
    expected = "no" if device == "cuda" and size <= 32 else "auto"
    assert precision_on(device, "auto", size) == expected
    for given in ("no", "bf16", "fp16"):
        assert precision_on(device, given, size) == given


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ["compile", "channels_last", "cuda_graphs"])
@pytest.mark.parametrize("value", [True, False])
def test_a_setting_that_is_given_wins(device, name, value):
    recipe = make_recipe("auto", size=16, n_nodes=4, overrides={name: value})
    assert getattr(recipe.execution(device), name) is value
    others = {key for key in vars(PLAIN) if key != name}
    assert all(getattr(recipe.execution(device), key) == getattr(execution_on(device), key) for key in others)


def test_asking_for_graphs_changes_no_bit_on_the_cpu():
    world = pendulum(size=16)
    s = world.sample(24, random_state=0)
    images = [
        CausalDiffAE(world.graph_of_labels, max_steps=3, device="cpu", cuda_graphs=on, random_state=0)
        .fit(s["image"], s.frame)
        .counterfactual(s["image"][:4], do={"light": 120.0})
        .images
        for on in (None, True, False)
    ]
    assert (images[0] == images[1]).all()
    assert (images[0] == images[2]).all()


def random_network(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SpatialUNet(3, 16, n_nodes=2, slot_dim=1, code_dim=2)
        for parameter in network.parameters():  # none of them zero, as some begin
            torch.nn.init.normal_(parameter, std=0.1)
    return network.cuda()


@pytest.mark.gpu
@cuda
def test_replayed_networks_answer_as_they_do():
    network = random_network(0)
    draw = torch.Generator("cuda").manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=draw, device="cuda")

    conditions = [network.prepare(Condition.full(normal(5, 2, 1), normal(5, 2))) for _ in range(2)]
    with torch.no_grad():
        runs = [network_under(network, condition, cuda_graphs=True) for condition in conditions]
        for n in (5, 5, 3):  # another shape, and back
            for _ in range(3):  # conditions take turns
                for run, condition in zip(runs, conditions, strict=True):
                    part = type(condition)(*(None if v is None else v[:n] for v in vars(condition).values()))
                    again = network_under(network, part, cuda_graphs=True)
                    x, t = normal(n, 3, 16, 16), 1000 * torch.rand(n, device="cuda")
                    expected = network.run(x, t, part)
                    torch.testing.assert_close(again(x, t), expected, rtol=0, atol=1e-5)
                    if n == 5:
                        torch.testing.assert_close(run(x, t), expected, rtol=0, atol=1e-5)


@pytest.mark.gpu
@cuda
def test_replayed_networks_see_their_weights_change():
    network, other = random_network(0), random_network(1)
    x, t = torch.ones(2, 3, 16, 16, device="cuda"), torch.full((2,), 500.0, device="cuda")
    condition = Condition.full(torch.ones(2, 2, 1, device="cuda"), torch.ones(2, 2, device="cuda"))
    with torch.no_grad():
        prepared = network.prepare(condition)
        network_under(network, prepared, cuda_graphs=True)(x, t)
        network.load_state_dict(other.state_dict())  # in their place
        expected = network.run(x, t, prepared)
        torch.testing.assert_close(network_under(network, prepared, cuda_graphs=True)(x, t), expected)
        network.cpu().cuda()  # elsewhere
        for parameter in network.parameters():
            parameter.data = 0.9 * parameter
        expected = network.run(x, t, prepared)
        torch.testing.assert_close(network_under(network, prepared, cuda_graphs=True)(x, t), expected)


@pytest.fixture(scope="module")
def pictures():
    world = pendulum(size=16)
    return world, world.sample(96, random_state=0)


def answers(model, images):
    result = model.counterfactual(images, do={"light": 120.0, "angle": 10.0})
    return torch.as_tensor(result.images), result.labels


@pytest.mark.gpu
@cuda
@pytest.mark.parametrize("solver", ["obelm", "ddim", "heun"])
def test_cuda_answers_as_the_cpu_does(pictures, tmp_path, solver):
    world, s = pictures
    fitted = CausalDiffAE(world.graph_of_labels, max_steps=150, solver=solver, device="cuda", random_state=0)
    fitted.fit(s["image"], s.frame).save(tmp_path / "model")
    here = CausalDiffAE.load(tmp_path / "model", device="cpu")
    with torch.backends.cudnn.flags(allow_tf32=False):
        images, labels = answers(fitted, s["image"][:8])
        again, _ = answers(CausalDiffAE.load(tmp_path / "model", device="cuda"), s["image"][:8])
    expected, expected_labels = answers(here, s["image"][:8])
    # 40 evaluations in float32, summed in another order: a thousandth of the range of grey at most.
    torch.testing.assert_close(images, expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(again, images, rtol=0, atol=1e-5)
    assert (labels - expected_labels).abs().to_numpy().max() < 1e-3


@pytest.mark.gpu
@cuda
def test_images_alone_and_in_a_batch_on_cuda(pictures):
    world, s = pictures
    model = CausalDiffAE(world.graph_of_labels, max_steps=50, device="cuda", random_state=0)
    model.fit(s["image"], s.frame)
    with torch.backends.cudnn.flags(allow_tf32=False):
        together, _ = answers(model, s["image"][:16])
        alone, _ = answers(model, s["image"][3:4])
    torch.testing.assert_close(together[3:4], alone, rtol=0, atol=1e-3)


@pytest.mark.gpu
@cuda
@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_is_trained_alike_with_recorded_steps(pictures, name, monkeypatch):
    world, s = pictures
    models = []
    for recorded in (False, True):
        monkeypatch.setattr(
            "causalrep.representation._execution._MEASURED", {"cuda": replace(PLAIN, cuda_graphs=recorded)}
        )
        model = MODELS[name](
            world.graph_of_labels, max_steps=12, batch_size=32, device="cuda", random_state=0
        )
        with torch.backends.cudnn.flags(allow_tf32=False):
            models.append(model.set_params(precision="no").fit(s["image"], s.frame))
    assert models[0].training_log_["stage"] == models[1].training_log_["stage"]
    for (key, first), second in zip(
        models[0].network_.state_dict().items(), models[1].network_.state_dict().values(), strict=True
    ):
        # Where a loss does not depend on a parameter, its gradient is rounding, and Adam's step is not.
        distance = (first.double() - second.double()).abs().quantile(0.9) if first.numel() else 0.0
        assert distance < 2e-3, key
