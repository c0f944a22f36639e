"""A world of a few pixels, in which every score is known by hand.

Labels x -> y and z, one pixel each, on a grey background that no label explains:

    x ~ U(0.1, 0.3)    y = x / 2 + U(0.1, 0.2)    z ~ U(0.1, 0.3)

Interventions add 0.5 to the value that the node had (plus jitter, if asked), so every change is far
above the threshold, and do(x) moves y by 0.25.
"""

import json
import math

import numpy as np
import pandas as pd
import pytest

from causalrep.graphs import DAG
from causalrep.metrics import CounterfactualReport, counterfactual_report
from causalrep.utils import CheckpointError, DataError, UnknownNameError

PIXEL = {"x": (0, 0), "y": (0, 1), "z": (1, 0)}
SIZE = 4
COPY = "copy the factual image"
READER = "reader, on the true image"


def draw(frame, grey):
    images = np.broadcast_to(np.asarray(grey)[:, None, None, None], (len(frame), 1, SIZE, SIZE)).copy()
    for node, (row, column) in PIXEL.items():
        images[:, 0, row, column] = frame[node]
    return images.astype(np.float32)


def act(frame, do):
    """The structural equations with their noise kept."""
    noise = frame["y"] - frame["x"] / 2
    new = frame.copy()
    for node in ("x", "z"):
        new[node] = do.get(node, frame[node])
    new["y"] = do.get("y", new["x"] / 2 + noise)
    return new


def look(images):
    return pd.DataFrame({node: images[:, 0, r, c].astype(float) for node, (r, c) in PIXEL.items()})


class Samples(dict):
    def __init__(self, frame, grey, image=True):
        super().__init__({"image": draw(frame, grey)} if image else {})
        self.frame, self.grey = frame, grey

    def take(self, rows):
        return Samples(self.frame.iloc[rows].reset_index(drop=True), self.grey[rows])


class World:
    graph_of_labels = DAG.from_string("x -> y; z")

    def __init__(self, jitter=0.0, draws=True, blind=()):
        self.jitter, self.draws, self.blind = jitter, draws, blind

    def sample(self, n, random_state=None):
        generator = np.random.default_rng(random_state)
        x, z = generator.uniform(0.1, 0.3, (2, n))
        e = generator.uniform(0.1, 0.2, n)
        return Samples(pd.DataFrame({"x": x, "y": x / 2 + e, "z": z}), generator.uniform(0.3, 0.7, n))

    def counterfactual(self, observed, do):
        return Samples(act(observed.frame, do), observed.grey, image=self.draws)

    def intervention_values(self, samples, node, random_state=None):
        shift = np.random.default_rng(random_state).uniform(0, self.jitter, len(samples.frame))
        return (
            samples.frame[node].to_numpy() + 0.4 + shift
            if self.jitter
            else samples.frame[node].to_numpy() + 0.5
        )

    def read(self, images):
        frame = look(images)
        frame.loc[frame["x"] > 0.9, "x"] = np.nan  # too bright to read
        return frame.drop(columns=list(self.blind))


class Perfect:
    """Abducts and predicts by the equations of the world, from pixels alone."""

    def abduct(self, images):
        return look(images), images[:, 0, -1, -1]

    def predict_images(self, abducted, do):
        frame, grey = abducted
        return draw(act(frame, do), grey)


class Offset(Perfect):
    """Perfect, but 0.1 too bright everywhere: 25.5 grey levels."""

    def predict_images(self, abducted, do):
        return super().predict_images(abducted, do) + np.float32(0.1)


class Leaky(Perfect):
    """Perfect, but do(x) also moves z by 0.1; and every image, intervened or not, has y 0.05 too high."""

    def predict_images(self, abducted, do):
        images = super().predict_images(abducted, do)
        images[:, 0, 0, 1] += np.float32(0.05)
        if "x" in do:
            images[:, 0, 1, 0] += np.float32(0.1)
        return images


class Fresh(Perfect):
    """Forgets the individual: the background is drawn anew (missing abduction)."""

    def predict_images(self, abducted, do):
        frame, grey = abducted
        return draw(act(frame, do), np.full_like(grey, 0.5))


def report(models, world=None, **options):
    return counterfactual_report(models, world or World(), **{"n_images": 20, "parts": (), **options})


NODES = ("x", "y", "z")


@pytest.mark.parametrize("node", [*NODES, "mean of roots", "mean of leaves", "mean of all"])
def test_a_perfect_model_has_no_error(node):
    result = report({"perfect": Perfect()})
    for metric, region in [("error", "whole"), ("error", "unchanged"), ("ratio to copying", "changed")]:
        score = result.score("perfect", node, metric, region=region)
        # one float32 rounding of values below 1 in each image: 2**-24 * 255 < 2e-5 grey levels
        assert score.estimate == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("node", [*NODES, "mean of roots", "mean of leaves", "mean of all"])
@pytest.mark.parametrize("region", ["whole", "changed"])
def test_copying_has_a_ratio_of_exactly_one(node, region):
    score = report({"perfect": Perfect()}).score(COPY, node, "ratio to copying", region=region)
    assert score.estimate == 1.0
    assert score.low <= 1.0 <= score.high


def test_the_error_of_copying_is_known_by_hand():
    result = report({"perfect": Perfect()})
    pixels = SIZE * SIZE
    for node, moved in {"x": [0.5, 0.25], "y": [0.5], "z": [0.5]}.items():
        whole = result.score(COPY, node, "error", region="whole").estimate
        changed = result.score(COPY, node, "error", region="changed").estimate
        assert whole == pytest.approx(255 * sum(moved) / pixels, rel=1e-5)
        assert changed == pytest.approx(255 * np.mean(moved), rel=1e-5)


@pytest.mark.parametrize("region", ["whole", "changed", "unchanged"])
def test_a_constant_offset_shows_in_every_region_and_in_the_reconstruction(region):
    result = report({"offset": Offset()})
    assert result.score("offset", "x", "error", region=region).estimate == pytest.approx(25.5, rel=1e-5)
    assert result.score("offset", "", "reconstruction", region="whole").estimate == pytest.approx(
        25.5, rel=1e-5
    )
    ratio = result.score("offset", "z", "ratio to copying", region="changed")
    assert ratio.estimate == pytest.approx(0.1 / 0.5, rel=1e-5)


def test_missing_abduction_shows_on_pixels_that_must_not_change():
    result = report({"fresh": Fresh()})
    assert result.score("fresh", "x", "error", region="changed").estimate == pytest.approx(0.0, abs=1e-4)
    assert result.score("fresh", "x", "error", region="unchanged").estimate > 10


def test_repeated_null_interventions_add_up():
    result = report({"leaky": Leaky()}, compositions=(3, 1))
    once = result.score("leaky", "", "reconstruction", region="whole").estimate
    thrice = result.score("leaky", "", "reconstruction x3", region="whole").estimate
    # one of 16 pixels, 0.05 higher each time
    assert once == pytest.approx(255 * 0.05 / 16, rel=1e-5)
    assert thrice == pytest.approx(3 * once, rel=1e-5)


def test_effectiveness_compares_every_label_with_its_counterfactual_value():
    result = report({"leaky": Leaky()})
    errors = {"x": 0.0, "y": 0.05, "z": 0.1}
    for label, error in errors.items():
        found = result.score("leaky", "x", "effectiveness", label=label, unit="label").estimate
        assert found == pytest.approx(error, abs=1e-6)
    frame = World().sample(20, random_state=0).frame  # same law, other draws: only the order of magnitude
    in_sd = result.score("leaky", "x", "effectiveness", label="z", unit="sd").estimate
    assert in_sd == pytest.approx(0.1 / frame["z"].std(), rel=0.5)


def test_effectiveness_in_sd_uses_the_factual_labels_of_the_report():
    world = World()
    samples = world.sample(20, random_state=3)
    result = report({"leaky": Leaky()}, world, samples=samples)
    sd = samples.frame["z"].to_numpy().std()
    score = result.score("leaky", "x", "effectiveness", label="z", unit="sd")
    assert score.estimate == pytest.approx(0.1 / sd, rel=1e-5)


def test_copying_fails_to_be_effective_by_the_size_of_the_intervention():
    result = report({"perfect": Perfect()})
    score = result.score(COPY, "x", "effectiveness", label="y", unit="label")
    assert score.estimate == pytest.approx(0.25, rel=1e-5)


def test_amplification_shows_what_leaks_and_only_that():
    """The shift of y that is there without any intervention is no amplification."""
    result = report({"leaky": Leaky(), "perfect": Perfect()})
    leak = result.score("leaky", "x", "amplification", label="z", unit="label")
    assert leak.estimate == pytest.approx(0.1, abs=1e-6)
    assert result.score("leaky", "z", "amplification", label="y", unit="label").estimate == pytest.approx(
        0, abs=1e-6
    )
    assert result.score("perfect", "x", "amplification", label="mean", unit="sd").estimate == pytest.approx(
        0, abs=1e-5
    )


def test_descendants_are_not_asked_to_stay():
    table = report({"perfect": Perfect()}).table()
    asked = table[(table.metric == "amplification") & (table.model == "perfect") & (table.unit == "label")]
    assert set(zip(asked.node, asked.label, strict=True)) == {
        ("x", "z"), ("y", "x"), ("y", "z"), ("z", "x"), ("z", "y"),
    }  # fmt: skip


def test_the_error_of_the_reader_stands_beside_the_models():
    result = report({"perfect": Perfect()})
    score = result.score(READER, "x", "effectiveness", label="y", unit="label")
    assert score.estimate == pytest.approx(0.0, abs=1e-6)


def test_labels_that_a_model_makes_unreadable_are_counted():
    class Bright(Perfect):
        def predict_images(self, abducted, do):
            images = super().predict_images(abducted, do)
            images[::4, 0, 0, 0] = 0.95
            return images

    result = report({"bright": Bright()})
    assert result.score("bright", "y", "unreadable", label="x").estimate == pytest.approx(0.25)
    assert result.score("bright", "y", "effectiveness", label="x", unit="label").n == 15


def test_labels_that_nobody_can_read_are_not_held_against_a_model():
    world = World()
    frame = world.sample(20, random_state=0).frame
    frame["x"] = np.where(np.arange(20) < 5, 0.45, 0.2)  # do(x) makes the first five too bright to read
    frame["y"] = 0.4
    result = report({"perfect": Perfect()}, world, samples=Samples(frame, np.full(20, 0.5)))
    score = result.score("perfect", "x", "unreadable", label="x")
    assert (score.estimate, score.n) == (0.0, 15)


def test_averages_give_every_node_the_same_weight():
    result = report({"leaky": Leaky()})
    ratio = {v: result.score("leaky", v, "ratio to copying", region="whole").estimate for v in NODES}
    expected = {"mean of roots": ("x", "z"), "mean of leaves": ("y", "z"), "mean of all": NODES}
    for group, members in expected.items():
        average = result.score("leaky", group, "ratio to copying", region="whole").estimate
        assert average == pytest.approx(np.mean([ratio[v] for v in members]))


def test_models_see_the_same_images_and_the_order_of_models_does_not_matter():
    world = World(jitter=0.2)
    models = {"leaky": Leaky(), "fresh": Fresh()}
    forward = report(models, world).table()
    backward = report(dict(reversed(models.items())), world).table()
    alone = report({"fresh": Fresh()}, world).table()
    key = ["model", "node", "metric", "region", "label", "unit"]
    pd.testing.assert_frame_equal(
        forward.sort_values(key, ignore_index=True), backward.sort_values(key, ignore_index=True)
    )
    fresh = forward[forward.model == "fresh"].reset_index(drop=True)
    pd.testing.assert_frame_equal(fresh, alone[alone.model == "fresh"].reset_index(drop=True))


def test_the_same_seed_gives_the_same_report_and_another_seed_another():
    world = World(jitter=0.2)
    assert report(Leaky(), world) == report(Leaky(), world)
    assert report(Leaky(), world).scores != report(Leaky(), world, random_state=1).scores


def test_the_size_of_batches_does_not_matter():
    whole, parts = report(Leaky(), batch_size=100).table(), report(Leaky(), batch_size=7).table()
    pd.testing.assert_frame_equal(whole, parts)


def test_every_batch_is_abducted_once_for_all_nodes():
    class Counting(Perfect):
        calls = 0

        def abduct(self, images):
            Counting.calls += 1
            return super().abduct(images)

    report(Counting(), batch_size=10)
    assert Counting.calls == 2


def test_images_are_read_once_and_factual_ones_never_again():
    """Readers may be slow: factual, truth and answer of each of three nodes, and the reconstruction."""
    asked = []

    class Slow(World):
        def read(self, images):
            asked.append(len(images))
            return super().read(images)

    world = Slow()
    report({"offset": Offset()}, world, n_images=7)
    assert asked == [7] * (1 + 3 + 1 + 3)  # none for the row that copies


def test_the_order_of_images_does_not_matter():
    world = World()
    samples = world.sample(20, random_state=1)
    order = np.random.default_rng(0).permutation(20)
    plain = report(Leaky(), world, samples=samples).table()
    shuffled = report(Leaky(), world, samples=samples.take(order)).table()
    pd.testing.assert_frame_equal(plain, shuffled, rtol=1e-9, atol=1e-9)


def test_only_the_nodes_asked_for_are_scored():
    result = report(Perfect(), nodes=["z"])
    assert result.nodes == ("z",)
    assert set(result.table().node) == {"", "z", "mean of roots", "mean of leaves", "mean of all"}


def test_a_world_that_cannot_draw_counterfactuals_still_scores_labels_and_reconstruction():
    result = report({"leaky": Leaky()}, World(draws=False))
    assert result.score("leaky", "x", "effectiveness", label="z", unit="label").estimate == pytest.approx(0.1)
    assert result.score(READER, "x", "effectiveness", label="z", unit="label").estimate == pytest.approx(
        0, abs=1e-6
    )
    assert "error" not in set(result.table().metric)
    assert result.examples[0].truth is None


def test_labels_without_a_reader_are_left_out():
    table = report({"leaky": Leaky()}, World(blind=("z",))).table()
    assert set(table.label) == {"", "x", "y", "mean"}


def test_examples_hold_the_pictures_of_every_model():
    world = World()
    samples = world.sample(20, random_state=1)
    result = report({"offset": Offset()}, world, samples=samples, n_examples=2, batch_size=1)
    assert [(e.node, round(e.target - samples.frame[e.node][i], 6)) for e, i in zip(
        result.examples, [0, 0, 0, 1, 1, 1], strict=True
    )] == [("x", 0.5), ("y", 0.5), ("z", 0.5)] * 2  # fmt: skip
    last = result.examples[-1]
    np.testing.assert_array_equal(last.factual, samples["image"][1])
    np.testing.assert_allclose(last.predictions["offset"], last.truth + 0.1, atol=1e-6)
    np.testing.assert_allclose(last.reconstructions["offset"], last.factual + 0.1, atol=1e-6)
    np.testing.assert_array_equal(last.predictions[COPY], last.factual)


def test_the_text_shows_estimates_with_their_intervals():
    result = report({"offset": Offset()})
    score = result.score("offset", "x", "ratio to copying", region="whole")
    cell = f"{score.estimate:.3f} ± {(score.high - score.low) / 2:.3f}"
    assert cell in str(result)
    assert cell in result.to_markdown()
    assert result.summary().loc[("error / error of copying, whole image", "offset"), "x"] == cell
    lines = str(result).splitlines()
    head = next(line for line in lines if "mean of roots" in line)
    row = lines[lines.index(head) + 1]
    assert head.index("mean of roots") + len("mean of roots") <= len(row) <= len(head)


def test_the_report_survives_json():
    result = report({"offset": Offset()}, n_images=1)  # one image: no intervals, so NaN everywhere
    text = json.dumps(result.to_dict(), allow_nan=False)
    back = CounterfactualReport.from_dict(json.loads(text))
    pd.testing.assert_frame_equal(back.table(), result.table())
    assert math.isnan(back.scores[0].low)
    assert str(back) == str(result)


def test_models_scored_one_by_one_make_the_report_of_all(tmp_path):
    world = World(jitter=0.2)
    report(Leaky(), world).save(tmp_path / "leaky")
    report({"fresh": Fresh()}, world).save(tmp_path / "fresh")
    combined = CounterfactualReport.combine(
        CounterfactualReport.load(tmp_path / name) for name in ("leaky", "fresh")
    )
    together = report({"Leaky": Leaky(), "fresh": Fresh()}, world)
    assert combined == together
    for found, wanted in zip(combined.examples, together.examples, strict=True):
        assert (found.node, found.target) == (wanted.node, wanted.target)
        np.testing.assert_array_equal(found.truth, wanted.truth)
        assert list(found.predictions) == list(wanted.predictions)
        for name in together.models:
            np.testing.assert_array_equal(found.predictions[name], wanted.predictions[name])
            np.testing.assert_array_equal(found.reconstructions[name], wanted.reconstructions[name])


def test_reports_about_other_questions_are_not_combined():
    with pytest.raises(DataError, match="same questions"):
        CounterfactualReport.combine([report(Leaky()), report(Fresh(), random_state=1)])


def test_a_folder_without_a_report_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="does not hold a report"):
        CounterfactualReport.load(tmp_path)
    report(Leaky()).save(tmp_path / "report")
    (tmp_path / "report" / "report.json").write_text("{")
    with pytest.raises(CheckpointError, match="does not hold a report"):
        CounterfactualReport.load(tmp_path / "report")


class TestBadInput:
    def test_unknown_node(self):
        with pytest.raises(UnknownNameError, match="`nodes` names 'w'"):
            report(Perfect(), nodes=["x", "w"])

    def test_a_score_that_is_not_there(self):
        with pytest.raises(KeyError, match="0 scores"):
            report(Perfect()).score("Perfect", "x", "error", region="middle")

    def test_samples_out_of_range(self):
        samples = World().sample(5, random_state=0)
        samples["image"] = samples["image"] * 255
        with pytest.raises(DataError, match=r"`samples\['image'\]` must be in \[0, 1\]"):
            report(Perfect(), samples=samples)

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda images: images * np.nan, "must be finite, got NaN or infinity in image 0"),
            (lambda images: images * 2 - 1, r"must be in \[0, 1\], got values from -0"),
            (lambda images: images[:, :, 1:], r"must have the shape \(20, 1, 4, 4\)"),
        ],
    )
    def test_bad_predictions_are_blamed_on_their_model(self, spoil, message):
        class Bad(Perfect):
            def predict_images(self, abducted, do):
                images = super().predict_images(abducted, do)
                return spoil(images) if "y" in do else images

        with pytest.raises(DataError, match=r"the images of 'bad' under do\(y\) " + message):
            report({"perfect": Perfect(), "bad": Bad()})

    def test_a_reserved_name(self):
        with pytest.raises(DataError, match="must not use the name 'copy the factual image'"):
            report({COPY: Perfect()})

    def test_something_that_is_no_model(self):
        with pytest.raises(TypeError, match="'one' is a int"):
            report({"one": 1})

    def test_targets_that_are_not_numbers(self):
        class Broken(World):
            def intervention_values(self, samples, node, random_state=None):
                return np.nan * super().intervention_values(samples, node, random_state)

        with pytest.raises(DataError, match="intervention values of 'x' must be 20 finite numbers"):
            report(Perfect(), Broken())

    @pytest.mark.parametrize("options", [{"n_images": 0}, {"batch_size": 0}, {"compositions": ()}])
    def test_numbers_out_of_range(self, options):
        with pytest.raises(ValueError, match="must be"):
            report(Perfect(), **options)
