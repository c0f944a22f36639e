import pytest

from causalrep.datasets import pendulum
from causalrep.representation import RegressionDecoder


@pytest.fixture(scope="session")
def samples():
    return pendulum(size=16).sample(24, random_state=0)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, samples):
    """A model that has hardly been trained: files and answers are what is tested, not their quality."""
    folder = tmp_path_factory.mktemp("cli") / "model"
    model = RegressionDecoder(
        graph=pendulum(size=16).graph_of_labels, max_steps=2, device="cpu", random_state=0
    )
    model.fit(samples["image"], samples.frame).save(folder)
    return folder
