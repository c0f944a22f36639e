"""A wheel, installed alone into an empty environment, runs the README's quick starts."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


def run(*command, cwd=None):
    """Run a command and show its output only when it fails."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    # built from a copy: setuptools leaves a build/ behind, whose stale files would enter the next wheel
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "causalrep", source / "causalrep", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = (python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt")
    run(*install, "torch")
    run(*install, wheel)
    return python


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"causalrep"}
    assert "causalrep/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "causalrep").rglob("*.py")}
    assert sources == {name for name in names if name.endswith(".py")}


@pytest.mark.parametrize(
    "number", range(6), ids=["graph", "identification", "discovery", "scm", "learned", "effect"]
)
def test_the_quick_start_runs_from_the_wheel_alone(number, python, readme_blocks, tmp_path):
    assert run(python, "-W", "error", "-c", readme_blocks[number], cwd=tmp_path).strip()


def test_the_command_line_runs_from_the_wheel_alone(python, tmp_path):
    out = run(python.parent / "causalrep", "--help", cwd=tmp_path)
    assert "demo" in out
    assert "counterfactual" in out


def test_the_image_quick_start_runs_small_from_the_wheel_alone(python, small_image_block, tmp_path):
    assert run(python, "-c", small_image_block, cwd=tmp_path).strip()


def test_what_needs_an_extra_names_it(python, tmp_path):
    code = (
        "from causalrep.datasets import pendulum\n"
        "from causalrep.representation import CausalDiffAE\n"
        "world = pendulum(size=16)\n"
        "s = world.sample(32, random_state=0)\n"
        "model = CausalDiffAE(graph=world.graph_of_labels, denoiser='unet2d', max_steps=1)\n"
        "try:\n"
        "    model.fit(s['image'], s.frame)\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    assert "pip install 'causalrep[images]'" in run(python, "-c", code, cwd=tmp_path)
