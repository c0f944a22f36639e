"""The objectives: each term against its formula, each withheld part without influence."""

import math

import pytest
import torch

from causalrep.representation._images import ImageShape
from causalrep.representation._network import Architecture, ImageNetwork, Topology
from causalrep.representation._objectives import (
    Dropout,
    ImageObjective,
    JointObjective,
    MechanismObjective,
    squared_correlation,
)
from causalrep.representation.modules import Condition
from causalrep.representation.solvers import RectifiedFlow, VariancePreserving
from causalrep.representation.trainer import Stage, Trainer


def network(**options: object) -> ImageNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ImageNetwork(ImageShape(1, 16), Topology(((), (0,)), (0, 1)), Architecture(**options))  # type: ignore[arg-type]


def batch(n: int = 6) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "images": torch.rand(n, 1, 16, 16, generator=generator),
        "labels": torch.randn(n, 2, generator=generator),
        "known": torch.ones(n, 2),
        "slots": torch.randn(n, 2, 1, generator=generator),
    }


def joint(net: ImageNetwork, **options: object) -> JointObjective:
    settings = {"align_weight": 1.0, "kl_weight": 1.0, "warmup_steps": 0, "known_rate": 1.0, **options}
    return JointObjective(net, VariancePreserving(), dropout=Dropout(), **settings)  # type: ignore[arg-type]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_alignment_and_divergence_are_those_of_gaussians() -> None:
    net = network(encodes="exogenous", stochastic=True, slot_dim=3)
    rows = batch()
    losses = joint(net)(rows, generator())
    mean, variance = net.encode(net.standardise(rows["images"]))
    assert variance is not None
    standard = torch.distributions.Normal(0.0, 1.0)
    kl = torch.distributions.kl_divergence(torch.distributions.Normal(mean, variance.sqrt()), standard)
    torch.testing.assert_close(losses["kl"], kl.mean())
    unit = torch.ones_like(mean)
    prior = torch.distributions.Normal(rows["labels"][..., None].expand_as(mean), unit)
    align = torch.distributions.kl_divergence(torch.distributions.Normal(net.layer(mean), unit), prior)
    torch.testing.assert_close(losses["align"], align.mean())


def test_weights_scale_their_own_term_only() -> None:
    net = network(encodes="exogenous", stochastic=True)
    one = joint(net)(batch(), generator())
    other = joint(net, align_weight=3.0, kl_weight=0.5)(batch(), generator())
    torch.testing.assert_close(other["align"], 3.0 * one["align"])
    torch.testing.assert_close(other["kl"], 0.5 * one["kl"])
    torch.testing.assert_close(other["denoising"], one["denoising"])


def test_weights_warm_up_with_the_steps_of_the_trainer() -> None:
    net = network(encodes="exogenous", stochastic=True)
    seen: list[tuple[float, float]] = []

    class Probe(JointObjective):
        def _weight_at(self, step: int | None) -> float:
            seen.append((-1 if step is None else step, super()._weight_at(step)))
            return seen[-1][1]

    settings = {"align_weight": 1.0, "kl_weight": 1.0, "warmup_steps": 4, "known_rate": 1.0}
    probe = Probe(net, VariancePreserving(), dropout=Dropout(), **settings)  # type: ignore[arg-type]
    Trainer(device="cpu").run([Stage("joint", probe, max_steps=6, batch_size=2)], batch())
    assert seen == [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.75), (4, 1.0), (5, 1.0)]


def test_unlabelled_rows_are_denoised_without_their_slots() -> None:
    net = network(encodes="exogenous", stochastic=True, conditioning="adagn")
    with torch.no_grad():
        for p in net.image.parameters():  # type: ignore[attr-defined]
            p.add_(0.01)  # wake the zero-initialised output, so that the condition can be seen
    rows = batch()
    rows["known"] = torch.zeros(6, 2)
    blind = joint(net)(rows, generator())
    with torch.no_grad():
        for p in net.encoder.parameters():
            p.mul_(1.5)
    assert torch.equal(blind["denoising"], joint(net)(rows, generator())["denoising"])
    rows["known"] = torch.ones(6, 2)
    assert not torch.equal(blind["denoising"], joint(net)(rows, generator())["denoising"])


@pytest.mark.parametrize("mechanism", ["additive", "affine"])
def test_mechanisms_are_fitted_by_likelihood(mechanism: str) -> None:
    net = network(mechanism=mechanism)
    rows = batch()
    losses = MechanismObjective(net)(rows, generator())
    assert list(losses) == ["node1"]
    x, y = rows["labels"][:, 0, None, None], rows["labels"][:, 1, None]
    location, log_scale = net.layer.location_scale(1, x)
    if log_scale is None:
        expected = ((y - location) ** 2).mean()
    else:
        normal = torch.distributions.Normal(location, log_scale.exp())
        expected = -normal.log_prob(y).mean() - 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(losses["node1"], expected)


def test_a_row_without_a_parent_label_does_not_teach_the_mechanism() -> None:
    net = network()
    rows = batch()
    rows["known"][2, 0] = 0
    base = MechanismObjective(net)(rows, generator())["node1"]
    rows["labels"][2] += 50.0
    assert torch.equal(base, MechanismObjective(net)(rows, generator())["node1"])


def test_the_denoising_loss_of_a_blind_network_is_the_power_of_the_target() -> None:
    # At the start the output is zero, so the loss is the mean square of noise - x: 1 + E[x^2].
    net = network()
    rows = batch(512)
    losses = ImageObjective(net, RectifiedFlow(), dropout=Dropout())(rows, generator())
    power = float((net.standardise(rows["images"]) ** 2).mean())
    # 512 * 256 terms of variance 2 + 4 E[x^2], about 3.3, have a standard error of 0.005.
    assert float(losses["denoising"].detach()) == pytest.approx(1 + power, abs=0.02)


def test_dropout_withholds_the_share_that_was_asked_for() -> None:
    condition = Condition.full(torch.zeros(4000, 5, 1), torch.zeros(4000, 2))
    dropped = Dropout(slot=0.2, all_slots=0.3, code=0.4).apply(condition, generator())
    # Standard errors: slots sqrt(.56 * .44 / 4000) (rows are dropped together), code sqrt(.6 * .4 / 4000).
    assert float(dropped.keep.mean()) == pytest.approx(0.8 * 0.7, abs=4 * 0.008)
    assert float(dropped.code_keep.mean()) == pytest.approx(0.6, abs=4 * 0.008)
    whole_rows = (dropped.keep.sum(1) == 0).double().mean()
    assert float(whole_rows) == pytest.approx(0.3 + 0.7 * 0.2**5, abs=4 * 0.0073)


def test_code_independence_is_the_mean_squared_correlation() -> None:
    rows = torch.randn(50, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    code, slots = rows[:, :1] + 0.5 * rows[:, 1:2], rows[:, 1:, None]
    told = torch.cat([slots.flatten(1), slots.flatten(1) ** 2], dim=1)
    correlations = torch.corrcoef(torch.cat([code, told], dim=1).T)[0, 1:]
    expected = (correlations**2).mean()
    torch.testing.assert_close(squared_correlation(code, slots), expected, rtol=1e-5, atol=1e-6)


def test_code_independence_does_not_depend_on_scale_and_sees_even_functions() -> None:
    slots = torch.linspace(-1, 1, 101)[:, None, None]
    noise = torch.randn(101, 1, generator=torch.Generator().manual_seed(0))
    even = slots.flatten(1) ** 2
    assert float(squared_correlation(even, slots)) == pytest.approx(0.5, abs=0.01)  # of two, one is told
    assert float(squared_correlation(noise, slots)) < 0.1
    torch.testing.assert_close(squared_correlation(1000 * even, slots), squared_correlation(even, slots))


def test_code_independence_is_a_term_of_the_image_stage() -> None:
    net = network()
    plain = ImageObjective(net, RectifiedFlow(), dropout=Dropout())(batch(), generator())
    held = ImageObjective(net, RectifiedFlow(), dropout=Dropout(), independence_weight=2.0)
    losses = held(batch(), generator())
    assert set(losses) - set(plain) == {"leak"}
    code = net.code(net.standardise(batch()["images"]))
    torch.testing.assert_close(losses["leak"], 2.0 * squared_correlation(code, batch()["slots"]))


# -- the law of the nuisance code, and rows without labels


def test_the_rate_of_a_gaussian_code_is_its_divergence() -> None:
    net = network(nuisance_stochastic=True, nuisance_dim=3)
    x = net.standardise(batch()["images"])
    mean, variance = net.code_law(x)
    assert variance is not None
    law = torch.distributions.Normal(mean, variance.sqrt())
    expected = torch.distributions.kl_divergence(law, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(net.code_rate(x), expected)
    for limit, over in ((0.0, float(expected.mean().detach())), (1e3, 0.0)):
        objective = ImageObjective(net, RectifiedFlow(), dropout=Dropout(), rate_limit=limit, rate_weight=2.0)
        losses = objective(batch(), generator())
        assert float(losses["rate"].detach()) == pytest.approx(2.0 * over, rel=1e-4)
        assert "code" not in losses


def test_the_rate_is_held_in_training() -> None:
    """A code that is paid for, and would like to tell all, tells what it may and no more."""
    net = network(nuisance_stochastic=True, nuisance_dim=4, use_time=False, widths=(8, 16), nuisance_width=8)
    rows = batch(64)
    rows["images"] = rows["images"].mean(dim=(2, 3), keepdim=True).expand(-1, -1, 16, 16).contiguous() * 3 - 1
    objective = ImageObjective(net, None, dropout=Dropout(), rate_limit=1.0, rate_weight=1.0)
    stage = Stage("images", objective, max_steps=60, batch_size=16, learning_rate=5e-3, warmup_steps=5)
    log = Trainer(device="cpu", log_every=20).run([stage], rows)
    assert log["reconstruction"][-1] < 0.7 * log["reconstruction"][0]
    # The limit is on the mean over a batch; a hinge of weight 1 is worth more than the error a nat can save.
    with torch.no_grad():
        rate = float(net.code_rate(net.standardise(rows["images"])).mean())
    assert 0.2 < rate < 1.3


@pytest.mark.parametrize("kind", ["image", "joint"])
def test_withheld_rows_do_not_see_slots_and_shown_ones_do(kind: str) -> None:
    net = network(encodes="exogenous", stochastic=True)
    with torch.no_grad():
        for p in net.image.parameters():  # type: ignore[attr-defined]
            p.add_(0.01)
    rows = batch()
    rows["known"][:3] = 0.0  # half of the rows without labels
    moved = {**rows, "slots": rows["slots"].clone()}
    moved["slots"][:3] += 5.0

    def loss(unlabelled: str, data: dict[str, torch.Tensor]) -> torch.Tensor:
        if kind == "image":
            objective = ImageObjective(net, RectifiedFlow(), dropout=Dropout(), unlabelled=unlabelled)  # type: ignore[arg-type]
            return objective(data, generator())["denoising"]
        slot = data["slots"][:3].mean()
        with torch.no_grad():
            net.encoder.head[-1].bias.fill_(float(slot))
        only = {k: v[:3] for k, v in data.items()}
        return joint(net, unlabelled=unlabelled)(only, generator())["denoising"]

    assert torch.equal(loss("withhold", rows), loss("withhold", moved))
    assert not torch.equal(loss("show", rows), loss("show", moved))


def test_published_weak_supervision_averages_over_rows_that_are_shown() -> None:
    net = network(encodes="exogenous", stochastic=True)
    rows = batch(8)
    rows["known"][:4] = 0.0
    weak = joint(net, known_rate=0.5, labelled_rate=0.5)(rows, generator())
    labelled = joint(net)({k: v[4:] for k, v in rows.items()}, generator())
    torch.testing.assert_close(weak["align"], labelled["align"])
    torch.testing.assert_close(weak["kl"], labelled["kl"])
    # With the slots shown, the divergence is that of all rows and only the alignment needs labels.
    shown = joint(net, known_rate=0.5, unlabelled="show")(rows, generator())
    everything = joint(net)({**rows, "known": torch.ones(8, 2)}, generator())
    torch.testing.assert_close(shown["kl"], everything["kl"])
    torch.testing.assert_close(shown["align"], labelled["align"])


def test_rows_withheld_by_chance_have_no_part_in_the_representation_loss() -> None:
    net = network(encodes="exogenous", stochastic=True)
    rows, dropout = batch(400), Dropout(all_slots=0.5)
    settings = {"align_weight": 1.0, "kl_weight": 1.0, "warmup_steps": 0, "known_rate": 1.0}
    weak = JointObjective(net, VariancePreserving(), dropout=dropout, **settings)(rows, generator())  # type: ignore[arg-type]
    mean = joint(net)(rows, generator())
    # Divided by the expected share; the share of 400 rows is off by 0.025 (one standard error), 5 % of it.
    torch.testing.assert_close(weak["align"], mean["align"], rtol=0.2, atol=0.0)
    assert not torch.equal(weak["align"], mean["align"])
