"""The README's quick starts run as they are written, and are as short as it says."""

import pytest

TITLES = ["graph", "identification", "discovery", "scm", "learned scm", "effect", "images"]


def lines_of_code(block):
    return [line for line in block.splitlines() if line.strip() and not line.startswith(("import", "from"))]


def test_the_quick_starts_have_at_most_five_lines(readme_blocks):
    assert len(readme_blocks) == len(TITLES)
    assert max(len(lines_of_code(block)) for block in readme_blocks) <= 5


@pytest.mark.parametrize("number", range(6), ids=TITLES[:6])
def test_quick_start_runs(number, readme_blocks, capsys):
    exec(compile(readme_blocks[number], f"README.md[{number}]", "exec"), {})
    assert capsys.readouterr().out.strip()


@pytest.mark.slow
def test_image_quick_start_runs_when_small(small_image_block, capsys):
    exec(compile(small_image_block, "README.md[6]", "exec"), {})
    assert capsys.readouterr().out.strip()
