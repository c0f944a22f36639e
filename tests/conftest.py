"""Shared set-up: one thread, so that tests are quick and repeatable on busy machines."""

import os
import re
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ[_name] = "1"
# Without it Matplotlib settles on a backend at the first figure, whichever test draws that one.
os.environ["MPLBACKEND"] = "agg"

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("causalrep", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("causalrep")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def readme_blocks() -> list[str]:
    """The Python code of the README's quick starts, in order."""
    readme = Path(__file__).resolve().parent.parent / "README.md"
    return re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(scope="session")
def small_image_block(readme_blocks: list[str]) -> str:
    """The README's image quick start at 16 px and a few steps: the same code path, no useful answers."""
    (block,) = (block for block in readme_blocks if "CausalDiffAE" in block)
    smaller = {"size=32": "size=16", "4096": "96", "graph_of_labels,": "graph_of_labels, max_steps=4,"}
    for full, small in smaller.items():
        assert full in block
        block = block.replace(full, small)
    return block
