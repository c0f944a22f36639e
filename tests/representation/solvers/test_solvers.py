"""What the solvers promise: order, inversion, and manners; closed forms and diffusers as oracles."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from causalrep.representation.solvers import (
    DDIM,
    OBELM,
    ExactDenoiser,
    Heun,
    RectifiedFlow,
    VariancePreserving,
    get_solver,
)
from causalrep.utils import DataError, UnknownNameError, torch_rng

SOLVERS = [DDIM(6), Heun(6), OBELM(6)]


@pytest.fixture(params=SOLVERS, ids=["ddim", "heun", "obelm"])
def solver(request):
    return request.param


def gaussian(process, deviation):
    """The exact denoiser of independent pixels N(0, deviation^2)."""

    def denoise(x, t):
        alpha, sigma = (f(t).view(-1, *[1] * (x.ndim - 1)) for f in (process.alpha, process.sigma))
        variance = (alpha * deviation) ** 2 + sigma**2
        return process.target(alpha * deviation**2 / variance * x, sigma / variance * x, t)

    return denoise


def gaussian_flow(process, deviation):
    """By how much the exact flow scales N(0, deviation^2) on its way to the last time."""
    t = torch.tensor(process.last_time, dtype=torch.float64)
    return torch.hypot(process.alpha(t) * deviation, process.sigma(t)) / deviation


def waves(x, t):
    """A smooth nonlinear network without parameters, one that couples no rows."""
    t = t.view(-1, *[1] * (x.ndim - 1))
    return torch.sin(2 * x + 0.01 * t) + 0.3 * torch.roll(x, 1, dims=-1)


def narrow(x, t):
    return x[:, :1]


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(2, 8, 3, padding=1), nn.Conv2d(8, 2, 3, padding=1)
        self.time = nn.Linear(2, 8)

    def forward(self, x, index):
        angle = index.to(x.dtype) / 200
        time = self.time(torch.stack([angle.sin(), angle.cos()], dim=-1))
        return self.last(torch.tanh(self.first(x) + time.view(-1, 8, 1, 1)))


@pytest.fixture
def network():
    with torch_rng(0):
        return Network()


@pytest.fixture
def images():
    return torch.rand(3, 2, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1


# Accuracy: closed forms


@pytest.mark.parametrize("deviation", [0.5, 2.0])
@pytest.mark.parametrize(
    ("kind", "process", "factor"),
    [
        (DDIM, RectifiedFlow(), 2),
        (DDIM, RectifiedFlow(coordinates="ratio"), 2),
        (DDIM, VariancePreserving(100_000), 2),
        (Heun, RectifiedFlow(), 4),
        (Heun, RectifiedFlow(coordinates="ratio"), 4),
        (OBELM, RectifiedFlow(), 4),
        (OBELM, RectifiedFlow(coordinates="ratio"), 4),
        (OBELM, VariancePreserving(100_000), 4),
    ],
)
def test_decode_converges_to_the_gaussian_flow_with_its_order(kind, process, factor, deviation):
    x = torch.tensor([[1.0, -0.3]], dtype=torch.float64)
    denoise, end = gaussian(process, deviation), gaussian_flow(process, deviation) * x
    errors = []
    for steps in (100, 200):
        solver = kind(steps)
        decoded = solver.decode(process, denoise, solver.start(process, denoise, end))
        errors.append(float((decoded - x).abs().max()))
    # Half the step, `factor` times less error; the next term of the expansion is of relative size 1 / steps,
    # times constants that the longest case (ratio coordinates, s up to 49) brings to 5 %.
    assert errors[0] / errors[1] == pytest.approx(factor, rel=0.06)


@pytest.mark.parametrize(("kind", "factor"), [(DDIM, 2), (Heun, 4), (OBELM, 4)])
def test_encode_converges_to_the_gaussian_flow_with_its_order(kind, factor):
    process, x = RectifiedFlow(), torch.tensor([[1.0, -0.3]], dtype=torch.float64)
    end = gaussian_flow(process, 0.5) * x
    errors = [
        float((kind(steps).encode(process, gaussian(process, 0.5), x)[:, -1] - end).abs().max())
        for steps in (100, 200)
    ]
    assert errors[0] / errors[1] == pytest.approx(factor, rel=0.05)


def test_noise_of_standard_normal_data_is_standard_normal(process):
    """Sampling without an image: with data N(0, 1) the exact flow only rescales the draw back to itself."""
    draw = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    denoise, solver = gaussian(process, 1.0), OBELM(100)
    noise = solver.start(process, denoise, process.last_state(draw))
    # Second order: (longest step)^2 of the smooth part, 1e-3 where the even grid is coarsest (s up to 158).
    torch.testing.assert_close(solver.decode(process, denoise, noise), draw, rtol=0, atol=2e-3)


@pytest.mark.parametrize(("steps", "level"), [(20, 6.80), (50, 2.95), (100, 1.45), (250, 0.58)])
def test_ddim_round_trip_on_bimodal_pixels_has_the_known_level(steps, level):
    """Levels, in grey levels, of an independent implementation (its mixture: +-1, deviation about 0.2)."""
    process, generator = VariancePreserving(), torch.Generator().manual_seed(0)
    exact = ExactDenoiser(
        torch.tensor([[-1.0], [1.0]], dtype=torch.float64), torch.zeros(2, 1), bandwidth=1.0, width=0.2
    )
    x = exact.images[torch.randint(2, (1000,), generator=generator)]
    x = x + 0.2 * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    denoise, solver = exact.given(process, torch.zeros(1000, 1)), DDIM(steps)
    error = solver.decode(process, denoise, solver.encode(process, denoise, x)) - x
    # Halving the step halves the error: the four levels together say so. 20 % as in the acceptance test.
    assert float(error.abs().mean() * 127.5) == pytest.approx(level, rel=0.2)


# Accuracy: pictures, with the best denoiser there is


@pytest.mark.parametrize(
    ("solver", "round_trip", "counterfactual", "fresh"),
    [
        (DDIM(20), 6.0, 9.6, 14.5),
        (Heun(20), 4.9, 8.95, None),
        (OBELM(20), 0.0, 5.0, None),
        (DDIM(50), None, 6.9, 15.95),
        (Heun(50), None, 5.6, None),
        (OBELM(50), 0.0, 5.3, None),
    ],
    ids=repr,
)
def test_errors_on_pictures_have_the_known_levels(scene, solver, round_trip, counterfactual, fresh):
    """Within 20 % of an independent measurement on 12-pixel Pendulum pictures (middle of its two runs)."""
    error = scene.measure(VariancePreserving(), solver)
    assert error.counterfactual == pytest.approx(counterfactual, rel=0.2)
    if round_trip is not None:
        assert error.round_trip == pytest.approx(round_trip, rel=0.2, abs=1e-6)
    if fresh is not None:
        error = scene.measure(VariancePreserving(), solver, fresh=True)
        assert error.counterfactual == pytest.approx(fresh, rel=0.2)


@pytest.mark.parametrize("solver", [DDIM(20), Heun(20), OBELM(20)], ids=repr)
def test_abducted_noise_beats_fresh_noise(scene, path, solver):
    abducted, fresh = (scene.measure(path, solver, fresh=fresh) for fresh in (False, True))
    assert abducted.counterfactual < 0.8 * fresh.counterfactual


def test_an_exact_inverse_in_20_steps_beats_ddim_in_50(scene):
    process = VariancePreserving()
    exact, first_order = scene.measure(process, OBELM(20)), scene.measure(process, DDIM(50))
    assert exact.counterfactual < first_order.counterfactual


def test_heun_returns_closer_to_the_image_than_ddim(scene, path):
    assert scene.measure(path, Heun(20)).round_trip < scene.measure(path, DDIM(20)).round_trip


@pytest.mark.parametrize("steps", [10, 20, 50])
def test_obelm_round_trip_in_single_precision(scene, path, steps):
    assert scene.to(torch.float32).measure(path, OBELM(steps)).round_trip <= 1e-3  # grey levels


@pytest.mark.parametrize("solver", [DDIM(20), Heun(20), OBELM(20)], ids=repr)
def test_single_precision_is_enough(scene, path, solver):
    double, single = scene.measure(path, solver), scene.to(torch.float32).measure(path, solver)
    # Rounding of 1e-7 at s = 158 is 2e-3 grey levels; mixtures amplify it a few times where modes meet.
    assert single.counterfactual == pytest.approx(double.counterfactual, abs=0.02)


# Exact inversion


@given(
    st.one_of(
        st.builds(RectifiedFlow, end=st.floats(0.3, 0.98), coordinates=st.sampled_from(["time", "ratio"])),
        st.builds(VariancePreserving, prediction=st.sampled_from(["epsilon", "v"])),
    ),
    st.integers(2, 30),
    st.integers(0, 99),
)
def test_obelm_undoes_itself_for_any_network(process, steps, seed):
    x = 5 * torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    solver = OBELM(steps)
    noise = solver.encode(process, waves, x)
    # Exact up to rounding, which is relative to the largest state on the way (also in y = x / alpha).
    scale = float(noise.abs().max()) / float(
        process.alpha(torch.tensor(process.last_time, dtype=torch.float64))
    )
    assert float((solver.decode(process, waves, noise) - x).abs().max()) < 1e-12 * max(scale, 1)


# The formulas, written out


def test_ddim_is_the_textbook_formula(images):
    """Decode and encode in terms of the predicted image, as in the paper, without the ODE's coordinates."""
    process, x = VariancePreserving(), images.double()
    times = process.grid(5)
    a = process.alpha(times) ** 2

    def move(x, level, to, told):
        e = waves(x, times[told].expand(len(x)))
        x0 = (x - (1 - a[level]).sqrt() * e) / a[level].sqrt()
        return a[to].sqrt() * x0 + (1 - a[to]).sqrt() * e

    encoded = x
    for i in range(1, 6):
        encoded = move(encoded, i - 1, i, told=i)
    decoded = encoded
    for i in range(5, 0, -1):
        decoded = move(decoded, i, i - 1, told=i)
    noise = DDIM(5).encode(process, waves, x)
    torch.testing.assert_close(noise[:, 0], encoded)
    torch.testing.assert_close(DDIM(5).decode(process, waves, noise), decoded)


def test_obelm_is_the_published_recursion(images):
    process, x = VariancePreserving(), images.double()
    times = process.grid(4)
    s, alpha = process.sigma(times) / process.alpha(times), process.alpha(times)
    h = s.diff(prepend=s[:1])

    def slope(y, i):
        return waves(alpha[i] * y, times[i].expand(len(y)))

    noise = OBELM(4).start(process, waves, x)
    y = {4: x / alpha[4]}
    y[3] = y[4] - h[4] * slope(y[4], 4)
    torch.testing.assert_close(noise[:, 0], alpha[3] * y[3])
    for i in (3, 2, 1):
        ratio = h[i] / h[i + 1]
        y[i - 1] = (
            ratio**2 * y[i + 1] + (1 - ratio**2) * y[i] - h[i] * (h[i] + h[i + 1]) / h[i + 1] * slope(y[i], i)
        )
    torch.testing.assert_close(OBELM(4).decode(process, waves, noise), y[0])


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
@pytest.mark.parametrize("steps", [10, 50])
def test_ddim_decodes_as_diffusers_does(network, images, prediction, steps):
    diffusers = pytest.importorskip("diffusers")
    process = VariancePreserving(prediction=prediction)
    kind = {"epsilon": "epsilon", "v": "v_prediction"}[prediction]
    scheduler = diffusers.DDIMScheduler(**_theirs(), prediction_type=kind)
    scheduler.set_timesteps(steps)
    with torch.no_grad():
        expected = images
        for t in scheduler.timesteps:
            expected = scheduler.step(network(expected, t.expand(3)), t, expected).prev_sample
    denoise = _told(process, network)
    torch.testing.assert_close(
        DDIM(steps).decode(process, denoise, images.unsqueeze(1)) / expected.abs().max(),
        expected / expected.abs().max(),
        rtol=0,
        atol=1e-5,
    )


@pytest.mark.parametrize("steps", [10, 50])
def test_ddim_encodes_as_diffusers_does(network, images, steps):
    diffusers = pytest.importorskip("diffusers")
    process = VariancePreserving()
    scheduler = diffusers.DDIMInverseScheduler(**_theirs())
    scheduler.set_timesteps(steps)
    with torch.no_grad():
        expected = images
        for t in scheduler.timesteps:
            expected = scheduler.step(network(expected, t.expand(3)), t, expected).prev_sample
    noise = DDIM(steps).encode(process, _told(process, network), images)
    torch.testing.assert_close(noise[:, 0], expected, rtol=0, atol=1e-5)


def _theirs():
    return {
        "num_train_timesteps": 1000,
        "beta_start": 1e-4,
        "beta_end": 2e-2,
        "beta_schedule": "linear",
        "clip_sample": False,
        "timestep_spacing": "trailing",
    }


def _told(process, network):
    return lambda x, t: network(x, process.network_time(t))


def test_predictions_that_agree_give_the_same_paths(scene, solver):
    """Noise, velocity and image say the same; in the first step too, at the data."""
    noise = {
        name: solver.encode(p, scene.exact.given(p, scene.factual), scene.images)
        for name in ("epsilon", "v", "sample")
        for p in [VariancePreserving(prediction=name)]
    }
    torch.testing.assert_close(noise["v"], noise["epsilon"], rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(noise["sample"], noise["epsilon"], rtol=1e-8, atol=1e-8)


# What the network is asked


@pytest.mark.parametrize(
    ("solver", "encode", "decode"),
    [
        (DDIM(4), [1, 2, 3, 4], [4, 3, 2, 1]),
        (Heun(4), [1, 1, 1, 2, 2, 3, 3, 4], [4, 3, 3, 2, 2, 1, 1]),
        (OBELM(4), [1, 1, 2, 3], [3, 2, 1]),
    ],
    ids=repr,
)
def test_network_is_asked_about_these_levels_and_never_about_the_data(
    process, images, solver, encode, decode
):
    asked = []

    def denoise(x, t):
        assert t.shape == (3,)
        assert t.dtype == x.dtype == torch.float32
        asked.append(t[0])
        return waves(x, t)

    times = process.grid(4).float()
    noise = solver.encode(process, denoise, images)
    assert asked == [times[i] for i in encode]
    asked.clear()
    solver.decode(process, denoise, noise)
    assert asked == [times[i] for i in decode]


def test_start_time_leaves_part_of_the_image_in_the_noise(process, images):
    asked = []
    half = process.last_time / 2
    solver = OBELM(10, start_time=half)

    def denoise(x, t):
        asked.append(float(t[0]))
        return waves(x, t)

    noise = solver.encode(process, denoise, images.double())
    torch.testing.assert_close(solver.decode(process, denoise, noise), images.double())
    assert max(asked) < half
    torch.testing.assert_close(solver.start(process, denoise, noise[:, 1])[:, 1], noise[:, 1])
    assert max(asked) == pytest.approx(half)


# Manners


def test_noise_has_a_row_per_image(process, solver, images):
    noise = solver.encode(process, waves, images)
    assert noise.shape == (3, solver.n_states, 2, 4, 4)
    decoded = solver.decode(process, waves, noise)
    assert torch.equal(solver.decode(process, waves, noise[[2, 0]]), decoded[[2, 0]])


def test_an_image_alone_has_the_noise_that_it_has_in_a_batch(process, solver, images):
    together = solver.encode(process, waves, images)
    alone = torch.cat([solver.encode(process, waves, image[None]) for image in images])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_raised(process, solver, images, dtype):
    low = images.to(dtype)
    noise = solver.encode(process, lambda x, t: waves(x, t).to(dtype), low)
    assert noise.dtype == torch.float32
    assert torch.equal(noise, solver.encode(process, lambda x, t: waves(x, t).to(dtype).float(), low))
    assert torch.equal(solver.encode(process, waves, low), solver.encode(process, waves, low.float()))
    assert solver.decode(process, waves, noise.to(dtype)).dtype == torch.float32


def test_double_precision_is_kept(process, solver, images):
    noise = solver.encode(process, waves, images.double())
    assert noise.dtype == torch.float64
    assert solver.decode(process, waves, noise).dtype == torch.float64


def test_no_gradient_is_tracked_and_none_forbidden_later(solver, network, images):
    process = VariancePreserving()
    noise = solver.encode(process, _told(process, network), images.requires_grad_())
    assert not noise.requires_grad
    weight = torch.ones(1, requires_grad=True)
    (noise * weight).sum().backward()  # fails for tensors made in inference mode
    assert weight.grad is not None
    assert torch.is_grad_enabled()


def test_inference_mode_changes_nothing(process, solver, images):
    plain = solver.decode(process, waves, solver.encode(process, waves, images))
    with torch.inference_mode():
        assert torch.equal(solver.decode(process, waves, solver.encode(process, waves, images)), plain)


def test_no_random_number_is_drawn_and_the_input_is_left_alone(process, solver, images):
    state, before = torch.random.get_rng_state(), images.clone()
    noise = solver.encode(process, waves, images)
    kept = noise.clone()
    solver.decode(process, waves, noise)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(images, before)
    assert torch.equal(noise, kept)


def test_progress_is_told_after_each_step(process, solver, images):
    told = []
    noise = solver.encode(process, waves, images, on_step=lambda done, total: told.append((done, total)))
    assert told == [(i, 6) for i in range(1, 7)]
    told.clear()
    solver.decode(process, waves, noise, on_step=lambda done, total: told.append((done, total)))
    assert told == [(i, 6) for i in range(1, 7)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_an_accelerator_agrees(process, solver, images):
    noise = solver.encode(process, waves, images)
    there = solver.encode(process, waves, images.cuda())
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), noise, rtol=1e-4, atol=1e-4)  # another sine, a few steps


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda s, p: s.encode(p, waves, torch.zeros(4)),
            r"`x` must be a floating-point batch .* shape \(4,\)",
        ),
        (lambda s, p: s.encode(p, waves, torch.zeros(4, 2, dtype=torch.uint8)), "got torch.uint8 of shape"),
        (lambda s, p: s.start(p, waves, torch.zeros(4)), r"`x` must be a floating-point batch"),
        (
            lambda s, p: s.decode(p, waves, torch.zeros(4, 7, 2)),
            r"`noise` must have shape \(B, [12], \.\.\.\) for .*, got \(4, 7, 2\)",
        ),
        (
            lambda s, p: s.encode(p, narrow, torch.zeros(4, 2)),
            r"`denoise` must return the shape that it was given, \(4, 2\), got \(4, 1\)",
        ),
    ],
)
def test_bad_tensors_are_refused(solver, call, message):
    with pytest.raises(DataError, match=message):
        call(solver, RectifiedFlow())


@pytest.mark.parametrize(("kind", "least"), [(DDIM, 1), (Heun, 1), (OBELM, 2)])
def test_too_few_steps_are_refused(kind, least):
    assert kind(least).steps == least
    with pytest.raises(
        ValueError, match=rf"`steps` of {kind.__name__} must be at least {least}, got {least - 1}"
    ):
        kind(least - 1)


@pytest.mark.parametrize(("name", "kind"), [("ddim", DDIM), ("heun", Heun), ("obelm", OBELM)])
def test_solvers_have_names(name, kind):
    assert get_solver(name, steps=7) == kind(7)


def test_a_solver_is_its_own_name():
    solver = Heun(9, start_time=0.5)
    assert get_solver(solver, steps=3) is solver


def test_an_unknown_solver_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match=r"'o-belm'.*did you mean 'obelm'.*'ddim', 'heun', 'obelm'"):
        get_solver("o-belm")
