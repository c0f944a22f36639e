"""The log: columns over stages, and its file."""

from __future__ import annotations

import pytest

from causalrep.representation.trainer import TrainingLog
from causalrep.utils import DataError, UnknownNameError

ROWS = [
    {"stage": "a", "step": 50, "objective": 1.25, "fit": 1.25},
    {"stage": "b", "step": 10, "objective": 0.1 + 0.2, "other": 0.3},
]


def test_columns_fill_what_a_stage_lacks():
    log = TrainingLog(ROWS)
    assert list(log.columns) == ["stage", "step", "objective", "fit", "other"]
    assert log["fit"] == [1.25, None]
    assert log.stage("b")["other"] == [0.3]
    assert log.frame["step"].tolist() == [50, 10]


def test_unknown_column_is_named():
    with pytest.raises(UnknownNameError, match="did you mean 'objective'"):
        TrainingLog(ROWS)["objectiv"]


def test_file_gives_the_same_log(tmp_path):
    log = TrainingLog(ROWS, [{"stage": "a", "step": 40, "objective": 1 / 3}])
    log.save(tmp_path / "log.json")
    assert TrainingLog.load(tmp_path / "log.json") == log


@pytest.mark.parametrize(
    "values",
    [
        None,
        3,
        {},
        {"rows": []},
        {"rows": [1], "validations": []},
        {"rows": [{"stage": "", "step": 1}], "validations": []},
    ],
)
def test_other_values_are_refused(values):
    with pytest.raises(DataError, match="not a training log"):
        TrainingLog.from_dict(values)


def test_file_that_is_not_json_is_refused(tmp_path):
    (tmp_path / "log.json").write_text("{")
    with pytest.raises(DataError, match=r"log\.json"):
        TrainingLog.load(tmp_path / "log.json")
