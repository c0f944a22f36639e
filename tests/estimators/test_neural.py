"""Networks for both arms: losses by hand, distances by enumeration, effects by a known truth."""

from itertools import permutations

import numpy as np
import pytest
import torch
from joblib import parallel_config

from causalrep.estimators import AIPW, CFRNet, DragonNet, TARNet
from causalrep.estimators._neural_heads import Heads, linear_mmd, wasserstein
from causalrep.estimators._neural_training import TrainingOptions, train

QUICK = {"cv": 2, "max_epochs": 30, "hidden": 32, "learning_rate": 0.02, "random_state": 0}
OPTIONS = TrainingOptions(0.02, 0.01, 64, 30, 20, 0.2)


def design(n, seed):
    """Return covariates, treatment, outcome and effects that bend with the first covariate."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(n, 3))
    t = (rng.random(n) < 1 / (1 + np.exp(-W[:, 1]))).astype(int)
    effect = 1 + np.tanh(2 * W[:, 0])
    return W, t, effect * t + 2 * np.sin(W[:, 1]) + 0.3 * rng.normal(size=n), effect


@pytest.mark.parametrize("kind", [TARNet, CFRNet, DragonNet])
def test_networks_find_effects_and_their_average(kind):
    W, t, y, effect = design(1000, seed=0)
    net = kind(propensity_model="linear", **QUICK).fit(W, y, treatment=t)
    assert np.sqrt(np.mean((net.predict(W) - effect) ** 2)) < 0.4  # effects have standard deviation 0.8
    result = net.ate()
    assert abs(result.estimate - effect.mean()) < 4 * result.se
    assert result.se < 0.06
    np.testing.assert_allclose(
        net.predict_outcome(W, 1) - net.predict_outcome(W, 0), net.predict(W), atol=1e-6
    )


def test_average_effects_are_those_of_the_score_with_the_heads_out_of_fold():
    W, t, y, _ = design(300, seed=1)
    net = TARNet(propensity_model="linear", **QUICK).fit(W, y, treatment=t)
    mu0, mu1 = (net._repetitions[0][f"outcome of {arm}"].values for arm in ("controls", "treated"))
    e = AIPW(outcome_model="linear", propensity_model="linear", cv=2, random_state=0)
    e = e.fit(W, y, treatment=t)._propensities[0]
    psi = mu1 - mu0 + t * (y - mu1) / e - (1 - t) * (y - mu0) / (1 - e)
    assert net.ate().estimate == pytest.approx(psi.mean(), abs=1e-9)
    for train_rows, test_rows in net._splits[0]:
        assert len(np.intersect1d(train_rows, test_rows)) == 0
    model = net._repetitions[0]["outcome of treated"].models[0]
    np.testing.assert_allclose(model.predict(W[net._splits[0][0][1]]), mu1[net._splits[0][0][1]])


def test_the_propensity_may_be_that_of_the_third_head():
    W, t, y, _ = design(1000, seed=2)
    net = DragonNet(propensity_model="network", **QUICK).fit(W, y, treatment=t)
    truth = 1 / (1 + np.exp(-W[:, 1]))
    assert np.sqrt(np.mean((net._propensities[0] - truth) ** 2)) < 0.15  # they have standard deviation 0.21


# --- losses ----------------------------------------------------------------------------------------------


def loss_of(kind, strength, distance="mmd"):
    """Return the network, its loss on some rows, and what the loss is made of, written out in NumPy."""
    W, t, y, _ = design(60, seed=3)
    heads = Heads(kind, 8, strength, distance, OPTIONS, "cpu", "float64", 0)
    heads.fit(np.column_stack([W, t]), y)
    with torch.no_grad():
        heads.network_["targeted"].weight.fill_(0.3)
        parts = [heads._tensor(part) for part in ((W - heads.center_) / heads.spread_, t, y, 1.0 + t)]
        loss = float(heads._loss(heads.network_, *parts))
        inner = heads.network_["trunk"](parts[0]).numpy()
    control, treated, e = heads.heads(W).T
    mean = (np.where(t == 1, treated, control) - heads.shift_) / heads.scale_
    return loss, t, y, inner, mean, np.clip(e, 0.01, 0.99), np.mean((1 + t) * (y - mean) ** 2)


def test_the_loss_of_tarnet_is_the_weighted_squared_error():
    loss, *_, squared = loss_of("tarnet", 5.0)
    assert loss == pytest.approx(squared)


def test_the_loss_of_cfrnet_adds_the_distance_of_the_arms():
    loss, t, _, inner, _, _, squared = loss_of("cfrnet", 2.0)
    gap = inner[t == 1].mean(axis=0) - inner[t == 0].mean(axis=0)
    assert loss == pytest.approx(squared + 2 * gap @ gap)


def test_the_loss_of_dragonnet_adds_entropy_and_the_targeted_error():
    loss, t, y, _, mean, e, squared = loss_of("dragonnet", 2.0)
    entropy = -np.mean(t * np.log(e) + (1 - t) * np.log(1 - e))
    moved = mean + 0.3 * (t / e - (1 - t) / (1 - e))
    assert loss == pytest.approx(squared + entropy + 2 * np.mean((y - moved) ** 2), rel=1e-6)


def test_the_cost_of_moving_rows_is_that_of_the_best_assignment():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(5, 2)), 2 + rng.normal(size=(5, 2))
    best = min(
        np.mean([np.linalg.norm(a[i] - b[j]) for i, j in enumerate(p)]) for p in permutations(range(5))
    )
    cost = float(wasserstein(torch.tensor(a), torch.tensor(b), smoothing=0.005, n_steps=3000))
    assert cost == pytest.approx(best, rel=0.01)
    scaled = float(wasserstein(torch.tensor(10 * a), torch.tensor(10 * b)))
    assert scaled == pytest.approx(10 * float(wasserstein(torch.tensor(a), torch.tensor(b))))
    gap = a.mean(axis=0) - b.mean(axis=0)
    assert float(linear_mmd(torch.tensor(a), torch.tensor(b))) == pytest.approx(gap @ gap)


def test_a_strong_penalty_makes_the_arms_look_alike():
    W, t, y, _ = design(400, seed=5)
    gaps = []
    for strength in (0.0, 100.0):
        heads = Heads("cfrnet", 16, strength, "mmd", OPTIONS, "cpu", "float32", 0)
        heads.fit(np.column_stack([W, t]), y)
        inner = heads.network_["trunk"](heads._tensor((W - heads.center_) / heads.spread_)).detach().numpy()
        gaps.append(np.linalg.norm(inner[t == 1].mean(axis=0) - inner[t == 0].mean(axis=0)))
    assert gaps[1] < 0.2 * gaps[0]


# --- training --------------------------------------------------------------------------------------------


def test_training_ends_at_the_lowest_loss_of_the_rows_kept_aside():
    target = torch.cat([torch.zeros(80), torch.ones(20)])
    module = torch.nn.Linear(1, 1, bias=False)
    seen = []

    def loss(network, rows):
        if not network.training:
            seen.append((float(network.weight[0, 0]), sorted(rows.tolist())))
        return ((network.weight[0, 0] - 3 - target[rows]) ** 2).mean()

    n_passes = train(module, loss, target.numpy(), TrainingOptions(0.5, 0.0, 100, 200, 5, 0.2), 0)
    held = seen[0][1]
    assert (sum(row < 80 for row in held), len(held)) == (16, 20)  # a fifth of either stratum
    losses = [((weight - 3 - target[rows]) ** 2).mean() for weight, rows in seen]
    assert n_passes == len(seen) == int(np.argmin(losses)) + 1 + 5
    assert float(module.weight[0, 0].detach()) == pytest.approx(seen[int(np.argmin(losses))][0])


def test_results_repeat_and_leave_the_chance_of_others_alone():
    W, t, y, _ = design(200, seed=6)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    first = TARNet(**QUICK).fit(W, y, treatment=t).predict(W)
    assert torch.equal(torch.rand(3), expected)
    with parallel_config(backend="threading"):
        again = TARNet(**QUICK).fit(W, y, treatment=t).predict(W)
    np.testing.assert_array_equal(first, again)


def test_outcomes_of_any_scale_are_learned_alike():
    W, t, y, _ = design(300, seed=7)
    effects = [TARNet(**QUICK).fit(W, v, treatment=t).predict(W) for v in (y, 1e4 * y + 1e6)]
    np.testing.assert_allclose(effects[1], 1e4 * effects[0], rtol=0.02, atol=200)


def test_bars_are_shown_when_asked_for(capsys):
    W, t, y, _ = design(60, seed=8)
    DragonNet(**{**QUICK, "max_epochs": 2}).fit(W, y, treatment=t)
    assert capsys.readouterr().err == ""
    DragonNet(progress=True, **{**QUICK, "max_epochs": 2}).fit(W, y, treatment=t)
    assert "fit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        (TARNet, {"hidden": 1}, "`hidden` must be an integer of at least 2, got 1"),
        (TARNet, {"learning_rate": 0}, "`learning_rate` must be above 0"),
        (TARNet, {"validation": 1.0}, r"`validation` must be in \(0, 1\), got 1.0"),
        (TARNet, {"dtype": "half"}, "`dtype` must be 'float32' or 'float64', got 'half'"),
        (CFRNet, {"distance": "mmd2"}, "`distance` must be 'mmd' or 'wasserstein', got 'mmd2'"),
        (CFRNet, {"balance": -1}, "`balance` must be at least 0"),
        (DragonNet, {"targeting": -1}, "`targeting` must be at least 0"),
        (DragonNet, {"propensity_model": torch.nn.Linear}, "an estimator"),
    ],
)
def test_parameters_out_of_range_are_named(kind, options, match):
    W, t, y, _ = design(60, seed=9)
    with pytest.raises(ValueError, match=match):
        kind(**options).fit(W, y, treatment=t)


def test_a_dose_is_refused():
    W, _, y, _ = design(60, seed=9)
    with pytest.raises(ValueError, match="two arms were expected"):
        TARNet().fit(W, y, treatment=W[:, 0])


@pytest.mark.gpu
def test_a_device_gives_the_effects_of_the_cpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    W, t, y, effect = design(1000, seed=0)
    net = TARNet(device="cuda", propensity_model="linear", **QUICK).fit(W, y, treatment=t)
    assert np.sqrt(np.mean((net.predict(W) - effect) ** 2)) < 0.25
