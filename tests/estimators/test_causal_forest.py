"""The causal forest against brute force: splits, weights, little bags, and the truth it should cover."""

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.dummy import DummyRegressor

from causalrep.estimators import CausalForest
from causalrep.estimators._causal_forest_bags import LittleBags, effect_of
from causalrep.estimators._causal_forest_trees import Binning, Draw, GrowthOptions, grow

LINEAR = {"outcome_model": "linear", "propensity_model": "linear"}


def forest_design(n, seed, n_covariates=4):
    """Return covariates, treatment, outcome and effects, which follow the first covariate in a curve."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(n, n_covariates))
    t = (rng.random(n) < 1 / (1 + np.exp(-0.5 * W[:, 1]))).astype(int)
    effect = 2 / (1 + np.exp(-3 * W[:, 0]))
    return W, t, effect * t + W[:, 1] + 0.5 * rng.normal(size=n), effect


@pytest.fixture(scope="module")
def fitted():
    W, t, y, _ = forest_design(300, seed=0)
    options = {"n_estimators": 24, "cv": 3, "random_state": 0}
    return W, CausalForest(**options, **LINEAR).fit(W, y, treatment=t)


# --- trees ---------------------------------------------------------------------------------------------


@pytest.fixture
def one_tree():
    W, level, y, _ = forest_design(120, seed=1, n_covariates=3)
    t = level - 0.4
    binning = Binning(W, 16)
    order = np.random.default_rng(2).permutation(120)[:100]
    draw = Draw(np.zeros(100, dtype=int), order, np.arange(100) >= 50, 1)

    def grown(**limits):
        options = GrowthOptions(**{"min_samples_leaf": 4, "max_depth": 9, "max_features": 3, **limits})
        chance, one = np.random.default_rng(0), np.ones(120)
        return grow(binning.codes(W), binning.n_bins, t, y, level.astype(float), one, draw, options, chance)

    return W, t, y, level, binning, draw, grown


def criterion(t, y, left):
    """Return the paper's objective, the effects of the children being one gradient step from the parent's."""
    T, Y = t - t.mean(), y - y.mean()
    rho = T * (Y - (T @ Y) / (T @ T) * T) / np.mean(T**2)
    n_left = left.sum()
    gap = rho[left].mean() - rho[~left].mean()
    return n_left * (len(t) - n_left) / len(t) ** 2 * gap**2


def test_the_root_is_split_where_the_criterion_is_largest(one_tree):
    W, t, y, level, binning, draw, grown = one_tree
    split_rows, honest_rows = draw.row[~draw.honest], draw.row[draw.honest]
    best, chosen = -1.0, None
    for j in range(3):
        for code, edge in enumerate(binning.edges[j]):
            left = W[split_rows, j] <= edge
            sides = [(rows, W[rows, j] <= edge) for rows in (split_rows, honest_rows)]
            counts = [np.sum((level[rows] == arm) & (side == into)) for rows, side in sides for arm in (0, 1)
                      for into in (True, False)]  # fmt: skip
            if min(counts) < 4 or not 0.05 <= left.mean() <= 0.95:
                continue
            value = criterion(t[split_rows], y[split_rows], left)
            if value > best:
                best, chosen = value, (j, code)
    tree = grown(max_depth=1)
    assert (tree.feature[0], tree.split[0]) == chosen
    assert tree.gain[0] == pytest.approx(best)
    assert len(tree.feature) == 3


def test_leaves_keep_both_arms_in_both_halves_and_estimate_on_honest_rows_alone(one_tree):
    W, t, y, level, binning, draw, grown = one_tree
    tree = grown(min_samples_leaf=2)
    leaf = tree.leaves(binning.codes(W))[draw.row, 0]
    assert len(np.unique(leaf)) > 3
    for node in np.unique(leaf):
        for half in (draw.honest, ~draw.honest):
            rows = draw.row[half & (leaf == node)]
            assert min(np.sum(level[rows] == 0), np.sum(level[rows] == 1)) >= 2
        rows = draw.row[draw.honest & (leaf == node)]
        expected = [t[rows].mean(), y[rows].mean(), (t[rows] ** 2).mean(), (t[rows] * y[rows]).mean()]
        np.testing.assert_allclose(tree.moments[node], expected, atol=1e-12)
        assert tree.left[node] == node


def test_fewer_choices_of_a_split_are_worse_splits(one_tree):
    *_, grown = one_tree
    assert grown(max_depth=1, max_features=1).gain[0] < grown(max_depth=1).gain[0]


def test_bins_are_quantiles_or_single_values():
    values = np.array([3.0, 1.0, 1.0, 2.0, np.nan])
    binning = Binning(values[:, None], 8)
    np.testing.assert_array_equal(binning.codes(values[:, None])[:, 0], [2, 0, 0, 1, 2])
    many = np.arange(1000.0)[:, None]
    assert np.bincount(Binning(many, 10).codes(many)[:, 0]).tolist() == [100] * 10


# --- forest --------------------------------------------------------------------------------------------


def weights_by_hand(forest, W, rows):
    """Return the weight of each row of fit in the estimate at other rows, tree by tree."""
    codes = forest._binning.codes(W)
    weight, n_trees = np.zeros((len(rows), len(W))), 0
    for g, trees in enumerate(forest._groups):
        draw, leaves = forest._draw(g), trees.leaves(codes)
        for tree in range(trees.n_trees):
            n_trees += 1
            honest = draw.row[draw.honest & (draw.tree == tree)]
            for i, row in enumerate(rows):
                beside = honest[leaves[honest, tree] == leaves[row, tree]]
                weight[i, beside] += 1 / len(beside)
    return weight / n_trees


def test_effects_are_local_regressions_with_the_weights_of_the_forest(fitted):
    W, forest = fitted
    t, y = forest._residuals
    rows = [0, 17, 203]
    weight = weights_by_hand(forest, W, rows)
    result = forest.interval(W[rows])
    np.testing.assert_allclose(result.estimate, forest.predict(W[rows]))
    for i, w in enumerate(weight):
        assert w.sum() == pytest.approx(1)
        T, Y = t - w @ t, y - w @ y
        effect = w @ (T * Y) / (w @ T**2)
        assert result.estimate[i] == pytest.approx(effect, abs=1e-10)
        influence = 300 * w * T * (Y - effect * T) / (w @ T**2)
        np.testing.assert_allclose(result.influence[:, i], influence, atol=1e-9)


def test_standard_errors_compare_little_bags(fitted):
    """Written as loops: the variance of the gradients of groups, less what the trees in a group explain."""
    W, forest = fitted
    bags = LittleBags.at(forest._groups, forest._binning.codes(W[:5]))
    (effect, intercept), moments = effect_of(bags.moments), bags.moments
    for i in range(5):
        T = moments[i, 0]
        by_tree = []
        for trees in forest._groups:
            found = trees.moments[trees.leaves(forest._binning.codes(W[i : i + 1]))[0]]
            score = found[:, 3] - intercept[i] * found[:, 0] - effect[i] * found[:, 2]
            score -= T * (found[:, 1] - intercept[i] - effect[i] * found[:, 0])
            by_tree.append(score / (moments[i, 2] - T**2))
        by_tree = np.array(by_tree)
        between = np.mean(by_tree.mean(axis=1) ** 2)
        noise = by_tree.var(axis=1, ddof=1).mean() / 4
        spread = max(between, noise) * np.sqrt(2 / len(by_tree))
        draws = np.random.default_rng(0).normal(between - noise, spread, 200_000)
        kept = draws[draws > 0].mean()  # the mean of the cut normal law, to Monte Carlo error
        assert bags.standard_error()[i] == pytest.approx(np.sqrt(kept), rel=0.02)


def test_average_effects_are_doubly_robust_with_out_of_bag_effects(fitted):
    W, forest = fitted
    t, y = forest._residuals
    e, tau = forest._propensities[0], forest._effect_out_of_bag
    psi = tau + t / (e * (1 - e)) * (y - t * tau)
    assert forest.ate().estimate == pytest.approx(psi.mean(), abs=1e-10)
    assert forest.ate().se == pytest.approx(psi.std(ddof=1) / np.sqrt(300))
    assert np.corrcoef(tau, forest.predict(W))[0, 1] > 0.9


def test_out_of_bag_effects_do_not_know_the_outcome_of_their_row():
    """Trees that did not draw a row do not change with its outcome, whatever the others do."""
    W, t, y, _ = forest_design(200, seed=4)
    moved = y + 100 * (np.arange(200) == 3)
    nothing = DummyRegressor(strategy="constant", constant=0)  # residuals are the outcomes themselves
    forest = CausalForest(n_estimators=24, outcome_model=nothing, propensity_model="linear", random_state=0)
    before, after = (forest.fit(W, v, treatment=t)._effect_out_of_bag for v in (y, moved))
    assert after[3] == pytest.approx(before[3], abs=1e-12)
    assert np.abs(after - before).max() > 1


def test_clusters_are_drawn_whole():
    W, t, y, _ = forest_design(240, seed=5)
    cluster = np.repeat(np.arange(40), 6)
    forest = CausalForest(n_estimators=16, random_state=0, **LINEAR).fit(W, y, treatment=t, cluster=cluster)
    draw = forest._draw(0)
    for tree in range(4):
        rows = draw.tree == tree
        part = np.zeros(240)
        part[draw.row[rows]] = 1 + draw.honest[rows]
        assert all(len(np.unique(part[cluster == c])) == 1 for c in range(40))
        assert np.sum(part > 0) == 6 * 18  # 45 % of the clusters


def test_it_covers_effects_row_by_row_and_ranks_covariates():
    W, t, y, effect = forest_design(2000, seed=6)
    forest = CausalForest(n_estimators=200, random_state=0, **LINEAR).fit(W, y, treatment=t)
    result = forest.interval(W)
    # rows share the forest, so their errors are no independent draws: over twenty seeds the share of covered
    # rows had mean 0.89 and standard deviation 0.05
    assert np.mean((result.ci[:, 0] < effect) & (effect < result.ci[:, 1])) > 0.89 - 3 * 0.05
    assert np.sqrt(np.mean((result.estimate - effect) ** 2)) < 0.25  # effects have standard deviation 0.7
    assert forest.feature_importances_.argmax() == 0
    assert forest.feature_importances_.sum() == pytest.approx(1)
    assert forest.feature_importances_[0] > 0.5


def test_a_dose_has_effects_of_one_unit_more():
    rng = np.random.default_rng(7)
    W = rng.normal(size=(1500, 3))
    t = W[:, 1] + rng.normal(size=1500)
    y = (W[:, 0] > 0) * t + W[:, 1] + 0.3 * rng.normal(size=1500)
    forest = CausalForest(n_estimators=100, treatment_type="continuous", random_state=0, **LINEAR)
    forest.fit(W, y, treatment=t)
    np.testing.assert_allclose(forest.predict([[-1.0, 0, 0], [1.0, 0, 0]]), [0, 1], atol=0.1)


@pytest.mark.parametrize("factor", [-3.0, 100.0])
def test_effects_scale_with_the_outcome(fitted, factor):
    W, t, y, _ = forest_design(300, seed=0)
    _, forest = fitted
    other = CausalForest(n_estimators=24, cv=3, random_state=0, **LINEAR)
    other.fit(W, factor * y + 7, treatment=t)
    np.testing.assert_allclose(other.predict(W), factor * forest.predict(W), rtol=1e-6)
    np.testing.assert_allclose(other.interval(W[:9]).se, abs(factor) * forest.interval(W[:9]).se, rtol=1e-6)


def test_weights_of_rows_count_in_the_leaves():
    W, t, y, _ = forest_design(300, seed=8)
    weight = np.where(np.arange(300) % 2, 1e-9, 1.0)  # all but without a voice
    forest = CausalForest(n_estimators=24, min_samples_leaf=8, random_state=0, **LINEAR)
    loud = np.where(np.arange(300) % 2, y + 50, y)
    plain, shouted = (
        forest.fit(W, outcome, treatment=t, sample_weight=weight).predict(W) for outcome in (y, loud)
    )
    np.testing.assert_allclose(plain, shouted, atol=1e-4)


def test_the_number_of_jobs_does_not_matter(fitted):
    W, t, y, _ = forest_design(300, seed=0)
    _, forest = fitted
    parallel = CausalForest(n_estimators=24, cv=3, random_state=0, n_jobs=2, **LINEAR)
    with parallel_config(backend="threading"):
        parallel.fit(W, y, treatment=t)
    np.testing.assert_array_equal(parallel.predict(W), forest.predict(W))


def test_without_covariates_there_is_one_effect():
    t = np.tile([0, 1], 60)
    y = t + 0.1 * np.random.default_rng(0).normal(size=120)
    forest = CausalForest(0, n_estimators=40, random_state=0, **LINEAR).fit(t[:, None], y)
    assert np.ptp(forest.predict(t[:, None])) == 0
    assert forest.predict(t[:1, None])[0] == pytest.approx(y[1::2].mean() - y[::2].mean(), abs=0.05)
    assert forest.feature_importances_.shape == (0,)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_estimators": 7}, "`n_estimators` must make two groups of 4"),
        ({"min_samples_leaf": 0}, "`min_samples_leaf` must be an integer of at least 1, got 0"),
        ({"max_samples": 0.6}, r"`max_samples` must be in \(0, 0.5\], got 0.6"),
        ({"max_depth": 0}, "`max_depth` must be None or"),
        ({"max_features": 1.5}, "`max_features` must be None or"),
        ({"group_size": 1}, "`group_size` must be"),
        ({"n_estimators": 8}, "`n_estimators` of 8 is too small"),
    ],
)
def test_parameters_out_of_range_are_named(options, match):
    W, t, y, _ = forest_design(300, seed=0)
    with pytest.raises(ValueError, match=match):
        CausalForest(**options).fit(W, y, treatment=t)
