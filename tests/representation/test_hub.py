"""Models on the Hub, whose client keeps repositories in a folder here: the mixin's way, and no pickle."""

import pickle
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from causalrep.representation import CausalDiffAE, RegressionDecoder
from causalrep.utils import CheckpointError, MissingDependencyError

FILES = ["README.md", "config.json", "model.json", "model.safetensors"]


@pytest.fixture(scope="module")
def images() -> Any:
    return np.random.default_rng(0).random((24, 1, 8, 8), dtype=np.float32)


@pytest.fixture(scope="module")
def fitted(images: Any) -> CausalDiffAE:
    labels = {"a": images[:, 0, 0, 0], "b": images[:, 0, 4, 4]}
    return CausalDiffAE("a -> b", max_steps=2, solver_steps=3, device="cpu", random_state=0).fit(
        images, labels
    )


@pytest.fixture
def repositories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the client's calls act on a folder; everything between them is the client's own."""
    hub = pytest.importorskip("huggingface_hub")

    def create_repo(_self: Any, repo_id: str, *, private: bool | None, exist_ok: bool) -> SimpleNamespace:
        assert private is None  # as the account says
        (tmp_path / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(_self: Any, *, repo_id: str, folder_path: Path, commit_message: str, **_: Any) -> str:
        assert commit_message == "Upload a counterfactual image model"
        shutil.copytree(folder_path, tmp_path / repo_id, dirs_exist_ok=True)
        return f"https://hub/{repo_id}"

    def snapshot_download(repo_id: str, *, allow_patterns: list[str], **_: Any) -> str:
        assert allow_patterns == ["model.json", "model.safetensors"]
        return str(tmp_path / repo_id)

    def hf_hub_download(*, repo_id: str, filename: str, **_: Any) -> str:
        assert filename == "config.json"
        return str(tmp_path / repo_id / filename)

    monkeypatch.setattr(hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(hub.HfApi, "upload_folder", upload_folder)
    monkeypatch.setattr("causalrep.representation._hub_module.snapshot_download", snapshot_download)
    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", hf_hub_download)
    return tmp_path


def same_answers(one: Any, other: Any, images: Any) -> None:
    first, second = (model.counterfactual(images[:2], do={"a": 0.7}).images for model in (one, other))
    np.testing.assert_array_equal(first, second)


def test_a_model_goes_to_the_hub_and_back(fitted: CausalDiffAE, images: Any, repositories: Path) -> None:
    assert fitted.push_to_hub("me/model") == "https://hub/me/model"
    assert sorted(path.name for path in (repositories / "me" / "model").iterdir()) == FILES
    for source in ("me/model", repositories / "me" / "model"):
        same_answers(CausalDiffAE.from_pretrained(source, device="cpu"), fitted, images)
    with pytest.raises(CheckpointError, match="holds a CausalDiffAE, not a RegressionDecoder"):
        RegressionDecoder.from_pretrained("me/model", device="cpu")


def test_the_module_is_one_of_the_mixin(fitted: CausalDiffAE, images: Any, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    module = fitted.hub_module()
    assert isinstance(module, hub.PyTorchModelHubMixin)
    assert isinstance(module, torch.nn.Module)
    assert {id(p) for p in module.parameters()} == {id(p) for p in fitted.network_.parameters()}
    for _ in range(2):  # also over itself
        module.save_pretrained(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == FILES
    assert (tmp_path / "saved" / "README.md").read_text().count("CausalDiffAE") > 0  # the model's own card
    back = type(module).from_pretrained(tmp_path / "saved", map_location="cpu")
    same_answers(back.model, fitted, images)
    first, second = (m(images[:2], do={"a": 0.7}).images for m in (module, back))
    np.testing.assert_array_equal(first, second)


def test_a_pickle_is_never_fallen_back_to(fitted: CausalDiffAE, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    module = fitted.hub_module()
    module.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "model.safetensors").unlink()
    (tmp_path / "saved" / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        type(module).from_pretrained(tmp_path / "saved", map_location="cpu")


@pytest.mark.parametrize("name", ["push_to_hub", "hub_module"])
def test_without_the_client_the_extra_is_named(
    fitted: CausalDiffAE, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    arguments = ("me/model",) if name == "push_to_hub" else ()
    with pytest.raises(MissingDependencyError, match="hub"):
        getattr(fitted, name)(*arguments)
