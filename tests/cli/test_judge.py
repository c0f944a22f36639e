import re

import pytest

from causalrep.cli import main
from causalrep.cli._main import _WORLDS
from causalrep.datasets import WORLDS

pytest.importorskip("PIL")
pytest.importorskip("matplotlib")


def test_the_command_knows_every_world():
    assert set(_WORLDS) == set(WORLDS)


def test_a_model_is_scored_on_one_page(model_folder, tmp_path, capsys):
    out = tmp_path / "page.html"
    arguments = ["report", str(model_folder), "--world", "pendulum", "--images", "4", "--device", "cpu"]
    assert main([*arguments, "--nuisance", "noise", "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    assert "RegressionDecoder on the world pendulum" in page
    assert "It is the causal graph of the world." in page
    assert not re.search(r"(src|href)=[\"'](?!data:|#)", page)
    printed = capsys.readouterr().out
    cell = re.search(r"RegressionDecoder\s+(\d+\.\d+ ± \d+\.\d+)", printed)[1]
    assert cell in page


def test_a_model_of_another_world_is_refused(model_folder, capsys):
    assert main(["report", str(model_folder), "--world", "flow", "--device", "cpu"]) == 2
    assert "the world 'flow' about ['ball', 'flow', 'hole', 'water']" in capsys.readouterr().err
