"""One HTML page with everything in it: graphs, losses, pictures and scores.

The page needs no network and no other file. Drawings are SVG in the colour of the text, pictures are small
PNGs inside the page, so it is readable in light and dark colours and on a phone.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from causalrep.cli._pictures import png_bytes
from causalrep.plotting import counterfactual_panels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from causalrep.metrics import CounterfactualExample, CounterfactualReport

__all__ = ["Figure", "Page", "render_page"]


@dataclass(frozen=True)
class Figure:
    """A drawing with a line of text under it.

    Attributes
    ----------
    svg : str
        What :func:`causalrep.plotting.to_svg` returned.
    caption : str
        Plain text.
    """

    svg: str
    caption: str


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Attributes
    ----------
    title, lead : str
        Heading, and a paragraph that says what this is.
    highlights : mapping of str to str
        The few numbers to see first: a label and a value.
    graphs, losses : sequence of Figure
        Drawings side by side.
    graph_note : str
        What the comparison of the graphs says.
    report : CounterfactualReport
        The scores; its examples are the pictures.
    shown : sequence of str
        The models whose pictures are shown; reconstruction and difference are those of the first.
    facts : mapping of str to str
        How it was made: a term and its description.
    notes : sequence of str
        How to read it, and its limits; paragraphs.
    """

    title: str
    lead: str
    report: CounterfactualReport
    shown: Sequence[str]
    highlights: Mapping[str, str] = field(default_factory=dict)
    graphs: Sequence[Figure] = ()
    graph_note: str = ""
    losses: Sequence[Figure] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def render_page(page: Page) -> str:
    """Return the page as the text of one self-contained HTML file."""
    sections = [
        _section("The graph", _paragraph(page.graph_note) + _figures(page.graphs)) if page.graphs else "",
        _section("Pictures", _grid(page.report.examples, page.shown)) if page.report.examples else "",
        _section("Scores", _scores(page.report)),
        _section("Training", _figures(page.losses)) if page.losses else "",
        _section("How to read this", "".join(_paragraph(note) for note in page.notes)) if page.notes else "",
        _section("How it was made", _facts(page.facts)) if page.facts else "",
    ]
    body = "\n".join(
        [
            f"<h1>{_text(page.title)}</h1>",
            f'<p class="lead">{_text(page.lead)}</p>',
            _highlights(page.highlights),
            *sections,
        ]
    )
    return _TEMPLATE.format(title=_text(page.title), style=_STYLE, body=body)


def _text(value: object) -> str:
    return html.escape(str(value))


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{_text(title)}</h2>\n{content}\n</section>"


def _paragraph(text: str) -> str:
    return f"<p>{_text(text)}</p>" if text else ""


def _highlights(values: Mapping[str, str]) -> str:
    tiles = "".join(
        f"<div><strong>{_text(value)}</strong><span>{_text(label)}</span></div>"
        for label, value in values.items()
    )
    return f'<div class="tiles">{tiles}</div>' if tiles else ""


def _figures(figures: Iterable[Figure]) -> str:
    drawn = "".join(
        f"<figure>{figure.svg}<figcaption>{_text(figure.caption)}</figcaption></figure>" for figure in figures
    )
    return f'<div class="figures">{drawn}</div>'


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{_text(term)}</dt><dd>{_text(fact)}</dd>" for term, fact in facts.items())
    return f"<dl>{rows}</dl>"


def _grid(examples: Sequence[CounterfactualExample], shown: Sequence[str]) -> str:
    """Return a table of pictures, a row per intervention."""
    rows = [counterfactual_panels(example, shown) for example in examples]
    head = "".join(f"<th>{_text(title)}</th>" for title in rows[0])
    body = ""
    for example, panels in zip(examples, rows, strict=True):
        name = f"do({example.node} = {example.target:.3g})"
        cells = "".join(
            f'<td><img src="{_data_uri(panel)}" alt="{_text(f"{title}, {name}")}"></td>'
            for title, panel in panels.items()
        )
        body += f"<tr><th>{_text(name)}</th>{cells}</tr>\n"
    note = (
        "Every row starts from the factual image and asks for one intervention. "
        "Difference: prediction of the first model against the truth, four times amplified; "
        "white is agreement."
    )
    table = f'<table class="pictures"><thead><tr><th></th>{head}</tr></thead><tbody>\n{body}</tbody></table>'
    return f'{_paragraph(note)}<div class="scroll">{table}</div>'


def _data_uri(image: NDArray[np.float64]) -> str:
    return "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode("ascii")


def _scores(report: CounterfactualReport) -> str:
    """Return one table per quantity; the best model of a column is bold."""
    summary = report.summary()
    parts = [
        _paragraph(
            f"{report.n_images} images that no model was trained on, the same for every model. "
            "Estimate ± half a 95 % interval over images. Grey levels are of 255; a pixel counts as changed "
            f"if the intervention truly moves it by more than {255 * report.threshold:.1f} of them."
        )
    ]
    for quantity, block in summary.groupby(level=0, sort=False):
        table = block.droplevel(0)
        cells = {
            str(model): [str(cell) for cell in row]
            for model, row in zip(table.index, table.to_numpy(), strict=True)
        }
        columns = [str(column) for column in table.columns]
        used = [j for j in range(len(columns)) if any(row[j] for row in cells.values())]
        parts.append(
            _score_table(
                str(quantity),
                [columns[j] for j in used],
                {model: [row[j] for j in used] for model, row in cells.items()},
                compete=set(report.models[:-1]),
            )
        )
    return "\n".join(parts)


def _score_table(
    title: str, columns: Sequence[str], cells: Mapping[str, Sequence[str]], compete: set[str]
) -> str:
    best = [_best(cells, j, compete) for j in range(len(columns))]
    head = "".join(f"<th>{_text(column)}</th>" for column in columns)
    rows = ""
    for model, row in cells.items():
        marked = "".join(
            f'<td class="best">{_text(cell)}</td>' if model in best[j] else f"<td>{_text(cell)}</td>"
            for j, cell in enumerate(row)
        )
        rows += f"<tr><th>{_text(model)}</th>{marked}</tr>\n"
    return (
        f'<h3>{_text(title)}</h3><div class="scroll"><table class="scores">'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>"
    )


def _best(cells: Mapping[str, Sequence[str]], column: int, compete: set[str]) -> set[str]:
    """Return the models whose printed estimate is the smallest, if there is anything to compare."""
    values: dict[str, float] = {}
    for model in compete & set(cells):
        number = cells[model][column].split(" ")[0]
        if number not in ("", "–"):
            values[model] = abs(float(number))
    smallest = min(values.values(), default=0.0)
    return {model for model, value in values.items() if value == smallest} if len(values) > 1 else set()


_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5d6675; --line: #d9dee6;
  --page: #fff; --tile: #f4f6f9; --accent: #0b6b53; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa5b5; --line: #353d4a;
  --page: #14181f; --tile: #1d232d; --accent: #5fd0ae; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: clamp(1.5rem, 5vw, 2.2rem); line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.3rem; margin: 2.8rem 0 .6rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; color: var(--soft); font-weight: 600; }
p { max-width: 46rem; }
.lead { font-size: 1.1rem; color: var(--soft); }
.tiles { display: grid; gap: .8rem; margin: 1.5rem 0;
  grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); }
.tiles div { background: var(--tile); border-radius: .6rem; padding: .8rem 1rem; }
.tiles strong { display: block; font-size: 1.5rem; color: var(--accent); font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: .9rem; }
.figures { display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); }
figure { margin: 0; max-width: 40rem; }
figure svg { width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th { font-weight: 600; text-align: left; }
.scores { font-size: .9rem; font-variant-numeric: tabular-nums; min-width: 100%; }
.scores th, .scores td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
.scores td, .scores thead th { text-align: right; }
.scores tbody th, .pictures tbody th { position: sticky; left: 0; background: var(--page); font-weight: 500; }
.best { font-weight: 700; color: var(--accent); }
.pictures { font-size: .85rem; }
.pictures th { padding: .2rem .5rem .2rem 0; white-space: nowrap; }
.pictures td { padding: .15rem; }
.pictures img { display: block; width: clamp(60px, 13vw, 128px); image-rendering: pixelated;
  border-radius: 3px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 32rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .6rem; } }
"""
