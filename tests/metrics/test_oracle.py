"""The trained reader: it learns what is there, and says how well."""

import numpy as np
import pandas as pd
import pytest

from causalrep.metrics import LabelOracle
from causalrep.utils import DataError


@pytest.fixture(scope="module")
def bars():
    """A bright bar whose row is one label and whose grey is the other."""
    generator = np.random.default_rng(0)
    row, grey = generator.integers(0, 8, 600), generator.uniform(0.3, 1, 600)
    images = np.zeros((600, 1, 8, 8), dtype=np.float32)
    images[np.arange(600), 0, row] = grey[:, None]
    return images, pd.DataFrame({"row": row.astype(float), "grey": grey})


def test_it_reads_new_images_as_well_as_it_says(bars):
    images, labels = bars
    oracle = LabelOracle(steps=150, width=8).fit(images[:500], labels[:500])
    read = oracle.read(images[500:])
    error = np.abs(read - labels[500:].reset_index(drop=True)).mean()
    assert error["row"] < 0.5  # of a standard deviation of 2.3
    assert error["grey"] < 0.05  # of 0.2
    for node in ("row", "grey"):  # held out and new images: fifty and a hundred of the same law
        assert oracle.error_[node] == pytest.approx(error[node], rel=0.6)


def test_the_same_seed_gives_the_same_reader(bars):
    images, labels = bars
    first, again, other = (
        LabelOracle(steps=3, width=4, random_state=seed).fit(images, labels).read(images[:5])
        for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_bad_input_is_named(bars):
    images, labels = bars
    with pytest.raises(DataError, match="got 599 rows for 600 images"):
        LabelOracle(steps=1).fit(images, labels[1:])
    with pytest.raises(DataError, match="`labels` must be finite"):
        LabelOracle(steps=1).fit(images, labels.assign(row=np.nan))
