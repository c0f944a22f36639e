"""What the report asks beside errors, in the world of a few pixels where every score is known by hand."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from causalrep.metrics import CounterfactualReport, counterfactual_report
from causalrep.utils import DataError, UnknownNameError

_spec = importlib.util.spec_from_file_location("pixels", Path(__file__).with_name("test_counterfactual.py"))
pixels = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pixels)
Perfect, World, draw, look = pixels.Perfect, pixels.World, pixels.draw, pixels.look
COPY, READER = pixels.COPY, pixels.READER


class GreyWorld(World):
    """Also reads the background, as a factor on a circle of length 0.2."""

    periods = {"grey": 0.2}  # noqa: RUF012 - as a world has it

    def read(self, images):
        return super().read(images).assign(grey=images[:, 0, -1, -1].astype(float))


class Coded(Perfect):
    """Perfect, with a code: the three labels, and a nuisance that repeats x."""

    def transform(self, images):
        frame = look(images)
        return np.column_stack([frame["x"], frame["y"], frame["z"], frame["x"]])

    def get_feature_names_out(self):
        return np.array(["x", "y", "z", "nuisance[0]"], dtype=object)

    def predict(self, images):
        return look(images)

    def counterfactual(self, images, do):
        answer = type("Answer", (), {})()
        answer.labels = pixels.act(look(images), do)
        return answer


class Half(Perfect):
    """Moves the node half of the way that was asked for, and never back."""

    def predict_images(self, abducted, do):
        frame, grey = abducted
        return draw(pixels.act(frame, {v: (frame[v] + c) / 2 for v, c in do.items()}), grey)


def report(models, world=None, **options):
    return counterfactual_report(models, world or World(jitter=0.2), **{"n_images": 60, **options})


def score(result, node, metric, **where):
    return result.score(result.models[0], node, metric, **where).estimate


def test_a_perfect_model_is_reversible_and_half_a_step_is_not():
    assert score(report(Perfect()), "x", "reversibility", region="whole") == pytest.approx(0, abs=1e-4)
    # do(z = z + d) moves z by d / 2, and going back leaves d / 4, in one pixel of 16; d in U(0.4, 0.6)
    left = score(report(Half()), "z", "reversibility", region="whole")
    assert left == pytest.approx(255 * 0.5 / 4 / 16, rel=0.05)


def test_axes_of_a_perfect_model_have_slope_one_and_of_half_a_step_one_half():
    for model, slope in ((Perfect(), 1.0), (Half(), 0.5)):
        result = report(model)
        assert score(result, "z", "monotonicity") == pytest.approx(1)
        assert score(result, "z", "calibration") == pytest.approx(slope, abs=1e-5)
        copy = result.score(COPY, "z", "calibration")
        assert copy.estimate == pytest.approx(0, abs=1e-9)


def test_axes_run_on_the_images_that_are_followed_only():
    assert report(Perfect(), n_followed=10).score("Perfect", "z", "calibration").n == 10


def test_an_axis_that_runs_backwards_shows():
    class Backwards(Perfect):
        def predict_images(self, abducted, do):
            return super().predict_images(abducted, {v: 1.0 - c for v, c in do.items()})

    result = report(Backwards())
    assert score(result, "z", "monotonicity") == pytest.approx(-1)
    assert score(result, "z", "calibration") == pytest.approx(-1, abs=1e-5)


def test_the_truth_has_no_distance_to_itself_and_copying_has():
    result = report(Perfect(), extractor=lambda images: images.reshape(len(images), -1))
    assert score(result, "z", "Fréchet distance") == pytest.approx(0, abs=1e-6)
    # copying: z lower by about 0.5 in one pixel, and its spread without that of the jitter
    assert result.score(COPY, "z", "Fréchet distance").estimate == pytest.approx(0.25, rel=0.1)


def test_the_hash_of_the_extractor_is_in_the_text():
    result = report(Perfect())
    assert result.extractor
    assert result.extractor in str(result)
    assert report(Perfect(), parts=()).extractor == ""


def test_minimality_by_hand():
    """One feature, z itself; targets are 0.4 to 0.6 above, so no image has the new value and the bins of the
    counterfactual are empty, except where we say what the images are."""
    frame = pd.DataFrame({"x": 0.2, "y": 0.2, "z": np.tile([0.1, 0.6], 10)})
    samples = pixels.Samples(frame, np.full(20, 0.5))

    class Fixed(World):
        def intervention_values(self, samples, node, random_state=None):  # noqa: ARG002
            return 0.7 - samples.frame[node].to_numpy() if node == "z" else np.full(20, 0.5)

    result = report(
        Perfect(), Fixed(), samples=samples, nodes=["z"], extractor=lambda images: images[:, 0, 1, :1]
    )
    # images of the new value are as near as the answer: P(S_cf <= d) = 1 for all but rounding;
    # of the old value all are nearer: P(S_f >= d) = 0
    assert score(result, "z", "minimality") == pytest.approx(np.log(0.8 * np.e + 0.2), abs=1e-6)
    assert result.score(READER, "z", "minimality").estimate == pytest.approx(
        np.log(0.8 * np.e + 0.2), abs=1e-6
    )
    # copying does not move: P(S_cf <= 0) = 0, and P(S_f >= 0) = 1
    assert result.score(COPY, "z", "minimality").estimate == pytest.approx(np.log(0.8 + 0.2 * np.e), abs=1e-6)


class Brighter(Perfect):
    def __init__(self, by):
        self.by = by

    def predict_images(self, abducted, do):
        frame, grey = abducted
        return draw(pixels.act(frame, do), grey + self.by)


def test_nuisance_is_recovered_on_the_circle():
    """Off by a whole turn is right, by half a turn is worse than always saying the mean."""
    found = [
        score(report(Brighter(by), GreyWorld()), "x", "nuisance recovery", label="grey")
        for by in (0, 0.2, 0.1)
    ]
    assert found[:2] == pytest.approx([1, 1], abs=1e-6)
    assert found[2] < -1


def test_labels_meant_are_compared_with_truth_and_encoder():
    result = report(Coded())
    assert score(result, "x", "latent error", label="y") == pytest.approx(0, abs=1e-5)
    assert score(result, "x", "latent R2", label="y") == pytest.approx(1)
    with pytest.raises(KeyError):
        score(result, "x", "latent R2", label="x")  # it was set


def test_the_code_is_scored_per_number_and_per_slot():
    result = report(Coded(), n_images=80, parts=["code"])
    names = score(result, "", "DCI", region="numbers", label="informativeness")
    assert names > 0.8  # trees on 60 rows
    slots = score(result, "", "DCI", region="slots", label="disentanglement")
    assert 0.5 < slots <= 1
    assert score(result, "", "leak", label="x") == pytest.approx(1)
    assert score(result, "", "leak", label="z") < 0.2


def test_the_oracle_stands_beside_the_reader_with_its_own_error():
    class Oracle:
        def read(self, images):
            return look(images).drop(columns="y") + 0.03

    result = report(Perfect(), oracle=Oracle())
    for row in ("Perfect", READER):
        found = result.score(row, "x", "effectiveness (oracle)", label="z", unit="label").estimate
        assert found == pytest.approx(0.03, abs=1e-6)


def test_without_parts_only_the_basics_are_there():
    metrics = set(report(Coded(), parts=()).table().metric)
    assert metrics == {
        "error", "ratio to copying", "effectiveness", "unreadable", "amplification", "reconstruction",
    }  # fmt: skip


def test_an_unknown_part_is_named():
    with pytest.raises(UnknownNameError, match="`parts` names 'axis', which does not exist"):
        report(Perfect(), parts=["axis"])


def test_seeds_widen_the_interval():
    class Off(Perfect):
        def __init__(self, by):
            self.by = np.float32(by)

        def predict_images(self, abducted, do):
            return super().predict_images(abducted, do) + self.by

    reports = [report({"off": Off(by)}, parts=()) for by in (0.0, 0.01, 0.02)]
    pooled = CounterfactualReport.over_seeds(reports).score("off", "z", "error", region="whole")
    assert pooled.estimate == pytest.approx(255 * 0.01, rel=1e-4)
    # constant errors have no spread over images; t of 2 degrees of freedom is 4.3027
    assert (pooled.high - pooled.low) / 2 == pytest.approx(4.3027 * 2.55 / np.sqrt(3), rel=1e-3)
    alone = CounterfactualReport.over_seeds(reports[:1]).score("off", "z", "error", region="whole")
    assert alone == reports[0].score("off", "z", "error", region="whole")


def test_reports_of_other_models_are_not_pooled():
    with pytest.raises(DataError, match="same questions and models"):
        CounterfactualReport.over_seeds([report(Perfect(), parts=()), report({"b": Perfect()}, parts=())])
