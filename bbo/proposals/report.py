"""One page of HTML about a batch of proposals, with all figures inside: for the person who runs the experiments."""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib
import numpy as np
import torch
from jinja2 import Environment
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from bbo.proposals.backtest import Backtest, table_of
from bbo.proposals.batch import Batch
from bbo.space import Category, Letters, Number
from bbo.text import inert

#: Colours of the table's rows (a map), of proposals, and of grey lines.
SCORES, PROPOSED, GREY = "viridis", "#c8102e", "#b8bcc4"
#: Rows drawn in the figures, proposals in the table of the page.
MOST_ROWS = 1000
LISTED = 40
#: Columns drawn side by side.
MOST_AXES = 14

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Proposals for {{ target }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
figure { margin: 0 } figure svg { width: 100%; height: auto } figcaption, .small { color: #57606a; font-size: .9rem }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1.5rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .85rem; white-space: nowrap }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #d8dee4 } th { background: #f6f8fa }
td.word, th.word { text-align: left } .warning { color: #9a3412 }
</style></head><body>
<h1>{{ count }} proposed experiments for {{ target }}</h1>
<p>{{ rows }} measured designs; {{ 'smaller' if minimise else 'larger' }} {{ target }} is better. Best measured: {{ best }}.
Best predicted: {{ first }}. Method: {{ method }}.</p>
<ul>{% for note in notes %}<li>{{ note }}</li>{% endfor %}</ul>
<div class="two">
<figure><h2>Can the model be trusted?</h2>{{ accuracy }}<figcaption>Each measured row, predicted from all other rows. Points on the
line are predicted exactly; bars are one standard deviation.</figcaption></figure>
<figure><h2>Where do the proposals lie?</h2>{{ map }}<figcaption>The table flattened to the two directions in which its rows differ
most. Points close together are similar designs. Red: proposals; other colours: measured rows by score.</figcaption></figure>
</div>
<figure><h2>What are they made of?</h2>{{ parallel }}<figcaption>One line for each design, one axis for each column. Grey: measured
rows; red: proposals.{{ left_out }}</figcaption></figure>
<h2>The {{ 'best ' ~ listed ~ ' ' if listed < count else '' }}proposals</h2>
<div class="wide"><table><thead><tr>{% for name in columns %}<th>{{ name }}</th>{% endfor %}</tr></thead><tbody>
{% for row in table %}<tr>{% for cell in row %}<td{% if cell.word %} class="word"{% endif %}>{{ cell.text }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<p class="small">predicted_{{ target }}: what the model expects. uncertainty: one standard deviation of a single measurement.
nearest_row: the most similar measured row, its {{ target }} beside it. distance: how different they are, from 0 (the same) to 1.
origin: the method's own proposal, or from the search around these.</p>
{% if tested %}<h2>Which method suits this table?</h2>
<p>The best rows were hidden and the methods were trained on the rest. Reach: the rank, from 0 for the worst row to 1 for the best, of
the row nearest to each proposed design. Order: rank correlation of predicted and true scores of the hidden rows. Means with 95%
intervals.</p>
<div class="wide"><table><thead><tr>{% for name in tested[0] %}<th>{{ name }}</th>{% endfor %}</tr></thead><tbody>
{% for row in tested[1] %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody></table></div>{% endif %}
<h2>What the columns are taken to mean, and the constraints</h2>
<div class="wide"><table><tbody>{% for name, words in layout %}<tr><td class="word">{{ name }}</td><td class="word">{{ words }}</td></tr>
{% endfor %}</tbody></table></div>
</body></html>
"""


def page(batch: Batch, tested: Backtest | None = None) -> str:
    """The page, as one self-contained HTML text."""
    sign = -1 if batch.layout.minimise else 1
    best = float((sign * batch.table.y).max()) * sign
    skipped = [c.name for c in batch.table.space.columns if isinstance(c, Letters)]
    environment = Environment(autoescape=True, trim_blocks=True)
    return environment.from_string(PAGE).render(
        target=batch.layout.target,
        minimise=batch.layout.minimise,
        count=len(batch.frame),
        rows=len(batch.table.y),
        best=_number(best),
        first=_number(batch.predicted[0]),
        method=batch.method,
        notes=batch.notes,
        accuracy=_svg(6, 5, lambda figure: _accuracy(figure.add_subplot(), batch)),
        map=_svg(6, 5, lambda figure: _map(figure, batch)),
        parallel=_svg(12, 4.6, lambda figure: _parallel(figure.add_subplot(), batch)),
        left_out=f" Not drawn, as sequences: {', '.join(skipped)}." if skipped else "",
        listed=min(LISTED, len(batch.frame)),
        columns=list(map(inert, batch.frame.columns)),
        table=[[_cell(value) for value in row] for row in batch.frame.head(LISTED).itertuples(index=False)],
        tested=table_of(tested) if tested else None,
        layout=[(inert(name), inert(words)) for name, words in batch.layout.described()],
    )


def _cell(value: object) -> dict[str, object]:
    """A cell of the table of proposals, which users copy into spreadsheets."""
    return {"text": _number(value) if isinstance(value, float) else str(inert(value)), "word": isinstance(value, str)}


def _number(value: float) -> str:
    """A number with the digits that it has: the batch is rounded already, and scores may differ in their last digits only."""
    return f"{value:.12g}"


def _svg(width: float, height: float, draw: Callable[[Figure], None]) -> Markup:
    """A figure as SVG that can stand in a page; the same for the same batch."""
    figure = Figure(figsize=(width, height), layout="constrained")
    draw(figure)
    held = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "bbo", "svg.fonttype": "path"}):
        figure.savefig(held, format="svg", metadata={"Date": None})
    text = held.getvalue()
    return Markup(text[text.index("<svg") :])  # made by matplotlib, which escapes names


def _accuracy(axes: Axes, batch: Batch) -> None:
    sign = -1 if batch.layout.minimise else 1
    predicted, deviation = batch.model.left_out()
    measured, predicted = sign * batch.model.y, sign * predicted
    ends = [min(measured.min(), predicted.min()), max(measured.max(), predicted.max())]
    axes.errorbar(measured, predicted, deviation, fmt="none", ecolor=GREY, elinewidth=0.6, zorder=1)
    axes.scatter(measured, predicted, s=10, color="#31688e", zorder=2)
    axes.plot(ends, ends, color="black", linewidth=0.8, zorder=3)
    axes.set(xlabel=f"measured {batch.layout.target}", ylabel="predicted from the other rows")


def _map(figure: Figure, batch: Batch) -> None:
    """Principal components of the encoded designs, of the table's rows; the proposals are placed by the same two directions."""
    codec = batch.table.space.codec(torch.device("cpu"))
    rows = _some(len(batch.table.y))
    known, new = (codec.encode(torch.as_tensor(x)).double().numpy() for x in (batch.table.x, batch.x))
    mean = known.mean(axis=0)
    directions = np.linalg.svd(known - mean, full_matrices=False)[2][:2]
    if len(directions) < 2:
        directions = np.vstack([directions, np.zeros_like(directions)])
    place, proposed = (known[rows] - mean) @ directions.T, (new - mean) @ directions.T
    axes = figure.add_subplot()
    points = axes.scatter(place[:, 0], place[:, 1], c=batch.table.y[rows], cmap=SCORES, s=14, alpha=0.8)
    axes.scatter(proposed[:, 0], proposed[:, 1], s=26, facecolors="none", edgecolors=PROPOSED, linewidths=1.1)
    axes.set(xlabel="first direction", ylabel="second direction", xticks=[], yticks=[])
    figure.colorbar(points, label=f"measured {batch.layout.target}")


def _parallel(axes: Axes, batch: Batch) -> None:
    space = batch.table.space
    shown = [(place, column) for place, column in enumerate(space.columns) if not isinstance(column, Letters)][:MOST_AXES]
    if not shown:
        axes.text(0.5, 0.5, "there are only sequences", ha="center")
        return
    places = [int(np.flatnonzero(space.owner == place)[0]) for place, _ in shown]
    rows = _some(len(batch.table.y), 300)
    across = np.arange(len(shown))
    for x, colour, width, above in ((batch.table.x[rows], GREY, 0.5, 1), (batch.x, PROPOSED, 0.8, 2)):
        shares = space.to_unit(x)[:, places]
        lines = [np.column_stack([across, share]) for share in shares]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, alpha=0.6, zorder=above))
    for position, (_, column) in enumerate(shown):
        axes.axvline(position, color="black", linewidth=0.8, zorder=3)
        if isinstance(column, Category):
            marks = [(number / (len(column.options) - 1), name) for number, name in enumerate(column.options)]
        else:
            assert isinstance(column, Number)
            marks = [(0.0, f"{column.low:.4g}"), (1.0, f"{column.high:.4g}")]
        for height, words in marks[:12]:
            axes.text(
                position + 0.03,
                height,
                words[:16],
                fontsize=8,
                va="center",
                zorder=4,
                bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
            )
    names = [f"{column.name[:18]}{' (log)' if isinstance(column, Number) and column.log else ''}" for _, column in shown]
    axes.set(xlim=(-0.1, len(shown) - 0.6), ylim=(-0.06, 1.06), yticks=[], xticks=across)
    axes.set_xticklabels(names, fontsize=9)
    axes.spines[:].set_visible(False)


def _some(count: int, most: int = MOST_ROWS) -> np.ndarray:
    """All rows, or evenly spaced ones where there are more than can be drawn."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(int)
