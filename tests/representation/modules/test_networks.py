"""Denoisers and encoders: shapes, conditioning, independence of rows."""

import pytest
import torch
from torch import Tensor

from causalrep.representation.modules import Condition, ImageEncoder, SlotMaps, SpatialUNet, UNet2DDenoiser
from causalrep.utils import DataError, MissingDependencyError


def condition(n: int, n_nodes: int = 3, slot_dim: int = 1, code_dim: int = 2, seed: int = 0) -> Condition:
    generator = torch.Generator().manual_seed(seed)
    slots = torch.randn(n, n_nodes, slot_dim, generator=generator)
    return Condition.full(slots, torch.randn(n, code_dim, generator=generator))


def awake(network: torch.nn.Module) -> torch.nn.Module:
    """Give the zero-initialised last layers values, so that inputs can be seen at the output."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in network.parameters():
            if p.abs().sum() == 0:
                p.copy_(0.1 * torch.randn(p.shape, generator=generator))
    return network


def make(kind: str, conditioning: str, size: int = 16, channels: int = 3) -> torch.nn.Module:
    sizes = {"n_nodes": 3, "slot_dim": 1, "code_dim": 2, "conditioning": conditioning, "widths": (16, 32)}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "spatial":
            return awake(SpatialUNet(channels, size, fold=2, **sizes))
        pytest.importorskip("diffusers")
        return awake(UNet2DDenoiser(channels, size, blocks=1, **sizes))


KINDS = [("spatial", "maps"), ("spatial", "adagn"), ("unet2d", "maps"), ("unet2d", "adagn")]


@pytest.mark.parametrize(("kind", "conditioning"), KINDS)
def test_output_depends_on_time_slots_and_code(kind: str, conditioning: str) -> None:
    network = make(kind, conditioning)
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    t, c = torch.full((2,), 500.0), condition(2)

    def moved(t: Tensor, c: Condition) -> float:
        return float((network(x, t, c) - base).detach().abs().max())

    base = network(x, t, c)
    assert base.shape == x.shape
    assert moved(t + 300, c) > 1e-4
    assert moved(t, Condition(c.slots + 1, c.code, c.keep, c.code_keep)) > 1e-4
    assert moved(t, Condition(c.slots, c.code + 1, c.keep, c.code_keep)) > 1e-4


@pytest.mark.parametrize(("kind", "conditioning"), KINDS)
def test_a_withheld_slot_has_no_influence(kind: str, conditioning: str) -> None:
    network = make(kind, conditioning)
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    t, c = torch.full((2,), 500.0), condition(2)
    keep = c.keep.clone()
    keep[:, 1] = 0
    slots = c.slots.clone()
    slots[:, 1] += 2.0
    hidden = network(x, t, Condition(c.slots, c.code, keep, c.code_keep))
    assert torch.equal(hidden, network(x, t, Condition(slots, c.code, keep, c.code_keep)))
    assert not torch.equal(hidden, network(x, t, c))


@pytest.mark.parametrize(("kind", "conditioning"), KINDS)
def test_a_row_alone_equals_the_row_in_a_batch(kind: str, conditioning: str) -> None:
    network = make(kind, conditioning)
    x = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    t, c = torch.linspace(10, 900, 5), condition(5)
    one = Condition(c.slots[3:4], c.code[3:4], c.keep[3:4], c.code_keep[3:4])
    together = network(x, t, c)[3:4]
    torch.testing.assert_close(network(x[3:4], t[3:4], one), together, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [16, 28, 32, 64, 96])
@pytest.mark.parametrize("channels", [1, 3])
def test_encoder_takes_any_size(size: int, channels: int) -> None:
    # The released encoder crashes at 28, 32 and 64 pixels.
    encoder = ImageEncoder(channels, size, 5, width=8, hidden=16)
    assert encoder(torch.rand(2, channels, size, size)).shape == (2, 5)


def test_encoder_of_one_image_does_not_depend_on_the_batch() -> None:
    # The released encoder normalises over the batch.
    encoder = ImageEncoder(3, 16, 4).train()
    x = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder(x)[2:3], encoder(x[2:3]), atol=1e-6, rtol=1e-5)


def test_node_maps_depend_on_their_own_node_only() -> None:
    maps = SlotMaps(3, 1, fine=4, coarse=2, node_maps=(2, 3), joint_maps=(1, 1))
    c = condition(1)
    slots = c.slots.clone()
    slots[:, 1] += 1.0
    fine, coarse = maps(c)
    fine_moved, coarse_moved = maps(Condition(slots, c.code, c.keep, c.code_keep))
    per_node = (fine_moved - fine).abs().amax(dim=(0, 2, 3))
    assert (per_node[[0, 1, 4, 5]] == 0).all()  # nodes 0 and 2 have two maps each
    assert (per_node[[2, 3, 6]] > 0).all()  # node 1, and the joint map
    assert (coarse_moved - coarse)[:, :3].abs().max() == 0


def test_size_that_does_not_fold_is_refused() -> None:
    with pytest.raises(DataError, match="divisible by 4"):
        SpatialUNet(3, 30, n_nodes=2, slot_dim=1, code_dim=1)


def test_missing_diffusers_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    with pytest.raises(MissingDependencyError, match=r"causalrep\[images\]"):
        UNet2DDenoiser(3, 16, n_nodes=2, slot_dim=1, code_dim=1)


@pytest.mark.parametrize("conditioning", ["maps", "adagn"])
@pytest.mark.parametrize("kind", ["spatial", "unet2d"])
def test_a_prepared_condition_is_the_condition(kind: str, conditioning: str) -> None:
    """What is computed once for all steps, against one convolution over image and maps together."""
    if kind == "unet2d":
        pytest.importorskip("diffusers")
    shape = {"n_nodes": 2, "slot_dim": 1, "code_dim": 3, "conditioning": conditioning}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        cls = SpatialUNet if kind == "spatial" else UNet2DDenoiser
        network = cls(1, 16, **shape, widths=(16, 32))
        with torch.no_grad():
            for p in network.parameters():
                p.add_(0.02 * torch.randn(p.shape))
        condition = Condition.full(torch.randn(3, 2, 1), torch.randn(3, 3))
        x, t = torch.randn(3, 1, 16, 16), torch.tensor([1.0, 300.0, 990.0])
    with torch.no_grad():
        prepared = network.prepare(condition)
        assert torch.equal(network(x, t, condition), network.run(x, t, prepared))
        other = network.prepare(condition.showing((True, False)))
        assert not torch.equal(network(x, t, condition), network.run(x, t, other))
        if conditioning == "maps" and kind == "spatial":
            fine, _ = network.maps(condition)
            folded = torch.nn.functional.pixel_unshuffle(x, network.fold)
            whole = network.entry(torch.cat([folded, fine], dim=1))
            bare = torch.nn.functional.conv2d(
                folded, network.entry.weight[:, : folded.shape[1]], network.entry.bias, padding=1
            )
            torch.testing.assert_close(bare + prepared.fine, whole, rtol=1e-4, atol=1e-5)
