"""Laws of the noise processes: schedules, predictions, coordinates and grids."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from causalrep.representation.solvers import RectifiedFlow, VariancePreserving
from causalrep.utils import UnknownNameError


def draws(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2)]


def tensor(value):
    return torch.tensor(value, dtype=torch.float64)


processes = st.one_of(
    st.builds(
        RectifiedFlow,
        end=st.floats(0.5, 0.99),
        coordinates=st.sampled_from(["time", "ratio"]),
    ),
    st.builds(
        VariancePreserving,
        n_steps=st.integers(21, 3000),
        prediction=st.sampled_from(["epsilon", "v", "sample"]),
    ),
)


@st.composite
def processes_and_times(draw, size):
    """A process with `size` different times on its grid, after the data."""
    process = draw(processes)
    times = process.grid(20)[1:].tolist()
    return process, tensor(draw(st.lists(st.sampled_from(times), min_size=size, max_size=size, unique=True)))


@pytest.mark.parametrize("n_steps", [21, 1000, 2000])
def test_alpha_bar_is_the_product_over_linear_betas(n_steps):
    first, last = 1e-4 * 1000 / n_steps, 2e-2 * 1000 / n_steps
    product, expected = 1.0, [1.0]
    for i in range(n_steps):
        product *= 1 - (first + (last - first) * i / (n_steps - 1))
        expected.append(product)
    process, t = VariancePreserving(n_steps), torch.arange(n_steps + 1, dtype=torch.float64)
    torch.testing.assert_close(process.alpha(t) ** 2, tensor(expected), rtol=1e-10, atol=0)
    torch.testing.assert_close(process.alpha(t) ** 2 + process.sigma(t) ** 2, torch.ones_like(t))


def test_little_of_the_image_is_left_at_the_end_of_the_published_schedule():
    # 0.64 % of the amplitude, alpha-bar 4.04e-5: the known figure for 1000 linear betas.
    assert float(VariancePreserving().alpha(tensor(1000.0))) == pytest.approx(math.sqrt(4.04e-5), rel=1e-3)


def test_flow_mixes_image_and_noise_linearly():
    x0, noise = draws(0, 2, 3)
    noised = RectifiedFlow().add_noise(x0, noise, tensor([0.0, 0.75]))
    torch.testing.assert_close(noised, torch.stack([x0[0], 0.25 * x0[1] + 0.75 * noise[1]]))


@given(processes_and_times(size=3), st.integers(0, 99))
def test_the_target_tells_noise_and_image(process_and_times, seed):
    process, t = process_and_times
    x0, noise = draws(seed, 3, 2, 4)
    x, target = process.add_noise(x0, noise, t), process.target(x0, noise, t)
    # The worst division is by alpha or sigma, at least 6e-3: rounding of 1e-15 grows to 1e-12 at most.
    torch.testing.assert_close(process.epsilon(x, t, target), noise, rtol=0, atol=1e-11)
    torch.testing.assert_close(process.clean(x, t, target), x0, rtol=0, atol=1e-11)


@given(processes_and_times(size=2), st.integers(0, 99))
def test_one_image_and_one_noise_are_joined_by_a_straight_line_of_the_ode(process_and_times, seed):
    """Noising one pair is y(s) = y(0) + s * slope in any coordinates that are worth their name."""
    process, (early, late) = process_and_times
    x0, noise = draws(seed, 3, 4)
    x = {float(t): process.add_noise(x0, noise, t) for t in (early, late)}
    rise = process.to_state(x[float(late)], late) - process.to_state(x[float(early)], early)
    slope = process.derivative(x[float(early)], early, process.target(x0, noise, early))
    run = process.position(late) - process.position(early)
    # Relative to the larger state: y = x / alpha grows to 160.
    size = (
        process.to_state(x[float(late)], late).abs().max()
        + process.to_state(x[float(early)], early).abs().max()
    )
    torch.testing.assert_close(rise / size, slope * run / size, rtol=0, atol=1e-11)


@given(processes_and_times(size=3), st.integers(0, 99))
def test_coordinates_can_be_undone(process_and_times, seed):
    process, t = process_and_times
    x, _ = draws(seed, 3, 2, 2, 2)
    torch.testing.assert_close(process.from_state(process.to_state(x, t), t), x)


@given(processes_and_times(size=3), st.integers(0, 99))
def test_a_time_per_row_is_as_good_as_one_for_all(process_and_times, seed):
    process, t = process_and_times
    x0, noise = draws(seed, 3, 5)
    one_by_one = [process.add_noise(x0[i], noise[i], t[i]) for i in range(3)]
    torch.testing.assert_close(process.add_noise(x0, noise, t), torch.stack(one_by_one))


@given(processes, st.integers(1, 21))
def test_grid_runs_from_the_data_to_the_noise(process, steps):
    grid = process.grid(steps)
    assert grid.dtype == torch.float64
    assert grid.shape == (steps + 1,)
    assert grid[0] == 0
    assert grid[-1] == process.last_time
    assert (grid.diff() > 0).all()
    position = process.position(grid)
    assert position[0] == 0
    assert (position.diff() > 0).all()


@given(st.integers(21, 3000), st.integers(1, 21))
def test_grid_of_the_discrete_process_is_whole_and_even(n_steps, steps):
    grid = VariancePreserving(n_steps).grid(steps)
    assert (grid == grid.round()).all()
    assert grid.diff().max() - grid.diff().min() <= 1  # rounding of an even grid moves each end by a half


def test_grid_can_start_below_the_end():
    torch.testing.assert_close(RectifiedFlow().grid(2, 0.5), tensor([0.0, 0.25, 0.5]))
    torch.testing.assert_close(VariancePreserving().grid(2, 400), tensor([0.0, 200.0, 400.0]))


@pytest.mark.parametrize(
    ("process", "arguments", "message"),
    [
        (RectifiedFlow(), (0,), "`steps` must be at least 1, got 0"),
        (RectifiedFlow(), (5, 0.99), r"`start` must be in \(0, 0.98\], got 0.99"),
        (RectifiedFlow(), (5, 0.0), r"`start` must be in \(0, 0.98\], got 0.0"),
        (VariancePreserving(50), (51,), "`steps` must be at most 50, the number of noise levels, got 51"),
        (VariancePreserving(), (30, 20), "`steps` must be at most 20"),
        (VariancePreserving(), (5, 1001), r"`start` must be in \(0, 1000\], got 1001"),
    ],
)
def test_grid_refuses(process, arguments, message):
    with pytest.raises(ValueError, match=message):
        process.grid(*arguments)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RectifiedFlow(end=1.0), r"`end` must be in \(0, 1\), got 1.0"),
        (lambda: RectifiedFlow(end=0.0), r"`end` must be in \(0, 1\), got 0.0"),
        (lambda: VariancePreserving(20), "`n_steps` must be at least 21, got 20"),
    ],
)
def test_processes_refuse_numbers(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RectifiedFlow(coordinates="times"), "did you mean 'time'"),
        (lambda: VariancePreserving(prediction="epsilom"), "did you mean 'epsilon'"),
    ],
)
def test_processes_suggest_names(make, message):
    with pytest.raises(UnknownNameError, match=message):
        make()


def test_network_times_span_the_range_that_embeddings_are_made_for():
    assert RectifiedFlow().network_time(tensor([0.0, 0.5])).tolist() == [0, 500]
    assert VariancePreserving().network_time(tensor([1.0, 1000.0])).tolist() == [0, 999]


def test_training_times_of_the_discrete_process_are_its_noise_levels():
    # 2000 draws miss a given one of 21 levels with probability (20/21)^2000 = 4e-43.
    times = VariancePreserving(21).draw_times(2000, generator=torch.Generator().manual_seed(0))
    assert sorted(set(times.tolist())) == list(range(1, 22))


def test_training_times_of_the_flow_are_uniform():
    times = RectifiedFlow(end=0.5).draw_times(4000, generator=torch.Generator().manual_seed(0))
    # Of [0, 1), whatever `end` is. Kolmogorov-Smirnov distance: 1.95 / sqrt(n) is exceeded once in 1000.
    distance = (times.sort().values - torch.arange(4000) / 4000).abs().max()
    assert distance < 1.95 / math.sqrt(4000)


def test_training_times_come_from_the_generator_only(process):
    state = torch.random.get_rng_state()
    first, second = (process.draw_times(5, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.dtype == torch.float32
    assert torch.equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_last_state_has_the_spread_of_noised_standard_data(process):
    """Against noising: the variance of alpha x0 + sigma e for x0 and e of variance 1."""
    t = tensor(process.last_time)
    ones = torch.ones(1, 1, dtype=torch.float64)
    zeros = torch.zeros_like(ones)
    variance = process.add_noise(ones, zeros, t) ** 2 + process.add_noise(zeros, ones, t) ** 2
    torch.testing.assert_close(process.last_state(ones) ** 2, variance)


def test_a_schedule_first_used_in_inference_mode_serves_training():
    process, t = VariancePreserving(n_steps=977), torch.tensor([5.0])  # a number that no other test uses
    with torch.inference_mode():
        process.alpha(t)
    x0 = torch.ones(1, 2, requires_grad=True)
    process.add_noise(x0, torch.zeros(1, 2), t).sum().backward()
    assert torch.equal(x0.grad, process.alpha(t).expand(1, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_schedules_keep_the_type_of_the_times(process, dtype):
    assert process.alpha(torch.ones(2, dtype=dtype)).dtype == dtype
    assert process.sigma(torch.ones(2, dtype=dtype)).dtype == dtype


def test_noising_and_targets_agree_with_diffusers():
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDPMScheduler(1000, beta_start=1e-4, beta_end=2e-2, beta_schedule="linear")
    process, t = VariancePreserving(prediction="v"), torch.tensor([1.0, 300.0, 1000.0])
    x0, noise = (draw.float() for draw in draws(0, 3, 2, 4, 4))
    index = process.network_time(t).long()
    # Theirs holds alpha-bar in float32: 1e-7 in 1 - alpha-bar is 5e-6 in its root, where that is 0.01.
    expected = scheduler.add_noise(x0, noise, index)
    torch.testing.assert_close(process.add_noise(x0, noise, t), expected, rtol=0, atol=2e-5)
    velocity = scheduler.get_velocity(x0, noise, index)
    torch.testing.assert_close(process.target(x0, noise, t), velocity, rtol=0, atol=2e-5)
