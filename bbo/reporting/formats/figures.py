"""Figures of a board, by matplotlib's object interface. Each is named, titled and described in words."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import ticker
from matplotlib.figure import Figure
from scipy import ndimage

from bbo import files
from bbo.record import Trace
from bbo.reporting.board import statistics
from bbo.reporting.board.scores import Board, Column
from bbo.reporting.board.standings import grouping, runs
from bbo.reporting.documents.document import check_percentile, printable, slug
from bbo.reporting.formats.colours import GREY, Style, styles
from bbo.reporting.storage.sources import Results

#: Text and axes.
INK = "#000000"
FORMATS = ("pdf", "png", "svg")
#: Points of a curve or of the outline of a density.
GRID = 61
#: Line height of small text in inches; width of one of its letters in inches, at most and on average.
LINE, LETTER, NARROW = 0.19, 0.075, 0.064
#: Letters of a name that a figure shows.
LONGEST = 40


#: Styles by the labels of rows.
Looks = dict[str, Style]
#: Seconds, mean rank and label of a method.
Spot = tuple[float, float, str]


@dataclass(frozen=True)
class Picture:
    """A figure with its file name, its title and what it shows, in words."""

    name: str
    title: str
    alt: str
    figure: Figure


def overview(board: Board, percentiles: Sequence[int], test: str, generator: np.random.Generator) -> Iterator[Picture]:
    """The figures of a whole board at some percentiles; those of ranks once where two percentiles have the same ranks."""
    look = styles(board.ordered(percentiles[0]))
    drawn: list[np.ndarray] = []
    for percentile in percentiles:
        ranks = board.ranks(percentile)
        again = any(np.array_equal(ranks, other, equal_nan=True) for other in drawn)
        drawn.append(ranks)
        yield from _at(board.ordered(percentile), look, percentile, test, generator, again)


def _at(board: Board, look: Looks, percentile: int, test: str, generator: np.random.Generator, again: bool) -> Iterator[Picture]:
    at = f"{percentile}th percentile"
    yield Picture(
        f"scores-{percentile}",
        f"Scores of all seeds, {at}",
        f"One panel a task: the normalised score at the {at} of every seed and method as a marker, "
        "the mean as a bar, the best visible score as a dotted line.",
        scores(board, look, percentile),
    )
    if any(runs(board, row, percentile) for row in board.rows):
        yield Picture(
            f"profiles-{percentile}",
            f"Performance profiles, {at}",
            "For each method with a done seed on every task the share of runs, averaged over tasks, with a score above the value on the "
            "horizontal axis; bands are 95% intervals of a stratified bootstrap, widened for few seeds; below four seeds there is none.",
            profiles(board, look, percentile, generator),
        )
    if not again and grouping(board, percentile, test):
        yield Picture(
            f"ranks-{percentile}",
            f"Mean ranks and groups, {at}",
            "Methods run on every task on a line by mean rank among each other, best on the left; a bar joins methods that are not "
            "significantly different at 95%.",
            ranks(board, look, percentile, test),
        )
    if not again and any(len(entry.values("cost", "wall_seconds")) for entry in board.entries.values()):
        yield Picture(
            f"cost-{percentile}",
            f"Cost against score, {at}",
            "Every method as a point: median wall time of a cell on a logarithmic axis against its mean rank, rank 1 on top; the floors, "
            "which take no time, as dotted lines.",
            cost(board, look, percentile),
        )


def of_task(board: Board, column: Column, results: Results) -> Iterator[Picture]:
    """The figures of one task, methods in the board's order: the scores of their designs, and of intermediate designs."""
    look = styles(board)
    found = {row.label: _normalised(board.entry(row, column).done, results) for row in board.rows}
    if any(len(v) for v in found.values()):
        yield Picture(
            f"designs-{slug(column.label)}",
            f"All designs of all seeds, {column.label}",
            "For each method the density of the normalised scores of all its designs; "
            "the line marks their median, the marker their best.",
            designs(replace(board, rows=tuple(row for row in board.rows if len(found[row.label]))), column, found, look),
        )
    traces = {row.label: _traces(board.entry(row, column).done, results) for row in board.rows}
    if any(traces.values()):
        yield Picture(
            f"stability-{slug(column.label)}",
            f"Along the way, {column.label}",
            "For each traced method the best and the median score of its designs against the share of its steps, mean over seeds.",
            stability(traces, look),
        )


def scores(board: Board, look: Looks, percentile: int) -> Figure:
    """One panel a task: every seed's score as a marker, the mean as a bar; methods in the board's order, first on top."""
    across = min(len(board.columns), 4)
    down = -(-len(board.columns) // across)
    figure = _figure(2.4 + 2.3 * across, (0.6 + 0.22 * len(board.rows)) * down + 0.5)
    axes = figure.subplots(down, across, sharey=True, squeeze=False).ravel()
    places = np.arange(len(board.rows))
    means = board.means(percentile)
    for j, (axis, column) in enumerate(zip(axes, board.columns, strict=False)):
        for i, row in enumerate(board.rows):
            values = board.entry(row, column).scores(percentile)
            colour, marker = look[row.label].colour, look[row.label].marker
            axis.plot(values, np.full(len(values), i), marker, color=colour, alpha=0.6, markersize=4, markeredgewidth=0)
        colours = [look[row.label].colour for row in board.rows]
        axis.vlines(means[:, j], places - 0.35, places + 0.35, colors=colours, linewidth=2)
        if column.facts.get("best_visible") is not None:
            axis.axvline(column.facts["best_visible"], color=INK, linewidth=0.8, linestyle=":")
        axis.set_title(name(column.label), fontsize=9, color=INK)
        axis.xaxis.set_major_locator(ticker.MaxNLocator(3))
        _ink(axis)
    _method_ticks(axes[0], board)
    for axis in axes[len(board.columns) :]:
        axis.set_visible(False)
    figure.supxlabel(f"normalised score, {percentile}th percentile", fontsize=9, color=INK)
    return figure


def profiles(board: Board, look: Looks, percentile: int, generator: np.random.Generator) -> Figure:
    """Performance profiles of the methods with a done seed on every task."""
    found = {row.label: own for row in board.rows if (own := runs(board, row, percentile))}
    values = np.concatenate([r for own in found.values() for r in own])
    thresholds = np.linspace(values.min(), values.max(), GRID)
    figure = _figure(7, max(4.2, 0.5 + LINE * sum(look[label].highlighted for label in found)))
    axis = figure.subplots()
    for label, own in found.items():
        low, high = statistics.profile_band(own, thresholds, generator)
        if look[label].highlighted:
            axis.fill_between(thresholds, low, high, color=look[label].colour, alpha=0.12, linewidth=0)
        _curve(axis, thresholds, statistics.performance_profile(own, thresholds), label, look[label])
    axis.set_xlabel("normalised score", fontsize=9, color=INK)
    axis.set_ylabel("share of runs above", fontsize=9, color=INK)
    _ink(axis)
    _legend(axis)
    return figure


def ranks(board: Board, look: Looks, percentile: int, test: str) -> Figure:
    """Critical-difference diagram (Demšar 2006): methods on an axis of mean ranks, bars over those not significantly different."""
    found = grouping(board, percentile, test)
    assert found
    place = dict(zip(found.methods, found.ranks, strict=True))
    order = sorted(found.methods, key=lambda i: place[i])
    figure = _figure(7, 1.1 + 0.22 * len(order) + 0.12 * len(found.groups))
    axis = figure.subplots()
    bars = len(found.groups)
    for level, group in enumerate(found.groups):
        spots = [place[i] for i in group]
        axis.plot([min(spots) - 0.04, max(spots) + 0.04], [-level * 0.5] * 2, color=INK, linewidth=3, solid_capstyle="round")
    for depth, i in enumerate(order):
        y, row = -(bars * 0.5 + 0.6 + depth), board.rows[i]
        axis.plot([place[i]] * 2, [0.6, y], color=look[row.label].colour, linewidth=0.8, alpha=0.6, zorder=1)
        axis.plot(place[i], y, look[row.label].marker, color=look[row.label].colour, markersize=6)
        # To the right of every stem that reaches this far down, so that none crosses the text.
        _words(axis, f"{name(row.label)}  {place[i]:.2f}", (max(place[k] for k in order[depth:]), y))
        axis.plot([place[i], max(place[k] for k in order[depth:])], [y, y], color=INK, linewidth=0.4, alpha=0.4, zorder=0)
    if test == "nemenyi":
        left = min(place.values())
        axis.plot([left, left + found.critical_difference], [1.3, 1.3], color=INK, linewidth=1, marker="|")
        axis.annotate(
            f"critical difference {found.critical_difference:.2f}",
            (left, 1.3),
            xytext=(0, 5),
            textcoords="offset points",
            va="bottom",
            fontsize=8,
            color=INK,
        )
    axis.set_ylim(-(bars * 0.5 + 1.2 + len(order)), 3.2)
    axis.set_xlim(0.8, len(order) + 0.2 + 0.35 * len(order))
    # The axis goes on beyond the last rank, for the names.
    axis.set_xticks([at for at in ticker.MaxNLocator(integer=True).tick_values(1, len(order)) if 1 <= at <= len(order)])
    axis.xaxis.set_ticks_position("top")
    axis.xaxis.set_label_position("top")
    axis.set_xlabel("mean rank", fontsize=9, color=INK)
    _ink(axis, sides=("top",))
    axis.set_yticks([])
    return figure


def cost(board: Board, look: Looks, percentile: int) -> Figure:
    """Median wall time of a method's cells against its mean rank.

    Floors take no time, and would press all others into a corner: each is a dotted line at its rank, unless there is nothing else.
    """
    mean = board.mean_ranks(percentile)
    figure = _figure(7, max(4, 0.8 + LINE * len(board.rows)))
    axis = figure.subplots()
    seconds = [[v for c in board.columns for v in board.entry(row, c).values("cost", "wall_seconds")] for row in board.rows]
    found = [(row, own, float(rank)) for row, own, rank in zip(board.rows, seconds, mean, strict=True) if own and np.isfinite(rank)]
    floors = [(rank, row.label) for row, _, rank in found if row.floor] if any(not row.floor for row, *_ in found) else []
    shown = [entry for entry in found if not (floors and entry[0].floor)]
    spots = [(max(float(np.median(own)), 1e-3), rank, row.label) for row, own, rank in shown]
    for x, y, label in spots:
        axis.plot(x, y, look[label].marker, color=look[label].colour, markersize=8, alpha=0.8)
    axis.set_xscale("log")
    decades = np.log10(max(x for x, _, _ in spots) / min(x for x, _, _ in spots)) if spots else 0
    axis.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5) if decades < 2 else (1,)))
    axis.xaxis.set_major_formatter(ticker.FuncFormatter(lambda seconds, _: f"{seconds:g}"))
    axis.xaxis.set_minor_locator(ticker.NullLocator())
    axis.margins(x=0.25)
    for rank, label in floors:
        axis.axhline(rank, color=look[label].colour, linewidth=1, linestyle=":")
    axis.invert_yaxis()
    axis.set_xlabel("median wall time of a cell, seconds", fontsize=9, color=INK)
    axis.set_ylabel("mean rank", fontsize=9, color=INK)
    named = [(axis.get_xlim()[0], rank, label) for rank, label in floors]
    axis.set_xlim(axis.get_xlim())
    for x, y, label in named:
        axis.annotate(name(label), (x, y), xytext=(7, 1), textcoords="offset points", va="bottom", fontsize=8, color=INK)
    for (x, y, label), (left, lines) in zip(spots, _apart(spots, named, axis), strict=True):
        _words(axis, name(label), (x, y), left, lines)
    _ink(axis)
    return figure


def _apart(spots: Sequence[Spot], named: Sequence[Spot], axis: Any) -> list[tuple[bool, float]]:
    """Where to put the label of each point so that no labels or points overlap: whether left of it, and how many lines above.

    Points that have the most others near them choose first. `named` are lines with their names at their left ends, just above. Estimated
    from the figure's size and the length of names, since measuring text would draw the figure twice.
    """
    (bottom, top), (left, right) = axis.get_ylim(), np.log10(axis.get_xlim())
    width, height = axis.figure.get_figwidth() - 0.8, axis.figure.get_figheight() - 0.8

    def place(x: float, y: float) -> tuple[float, float]:
        return (np.log10(x) - left) / (right - left) * width, (y - bottom) / (top - bottom) * height

    places = [place(x, y) for x, y, _ in spots]
    taken = [(x - 0.06, x + 0.06, y) for x, y in places]
    taken += [(0.0, 0.2 + NARROW * len(name(label)), place(x, y)[1] + LINE / 2) for x, y, label in named]
    near = [sum(abs(x - a) < 1.5 and abs(y - b) < 1.5 * LINE for a, b in places) for x, y in places]
    found: dict[int, tuple[bool, float]] = {}
    for i in sorted(range(len(spots)), key=lambda i: -near[i]):
        (x, y), long = places[i], 0.08 + NARROW * len(name(spots[i][2]))
        for halves, to_left in product(sorted(range(-40, 41), key=abs), (False, True)):
            low, high = (x - 0.1 - long, x - 0.1) if to_left else (x + 0.1, x + 0.1 + long)
            at, inside = y + halves / 2 * LINE, low > 0 and high < width
            if inside and not any(abs(at - other) < 0.95 * LINE and low < b and high > a for a, b, other in taken):
                break
        taken.append((low, high, at))
        found[i] = (to_left, halves / 2)
    return [found[i] for i in range(len(spots))]


def designs(board: Board, column: Column, found: dict[str, np.ndarray], look: Looks) -> Figure:
    """Densities of the normalised scores of all designs, one for each row of the board, all of which have some."""
    # Margins follow the length of the labels: there is one such figure per task, and measuring text is slow.
    height, left = 0.8 + 0.3 * len(board.rows), 0.3 + LETTER * max(len(name(row.label)) for row in board.rows)
    figure = Figure(figsize=(7, height))
    axis = figure.add_axes((left / 7, 0.55 / height, 1 - (left + 0.1) / 7, 1 - 0.65 / height))
    for i, row in enumerate(board.rows):
        values = found[row.label]
        colour = look[row.label].colour
        grid, density = _density(values)
        axis.fill_between(grid, i - 0.42 * density, i + 0.42 * density, color=colour, alpha=0.5, linewidth=0)
        axis.plot([np.median(values)] * 2, [i - 0.3, i + 0.3], color=colour, linewidth=2)
        axis.plot(values.max(), i, look[row.label].marker, color=colour, markersize=5)
    if column.facts.get("best_visible") is not None:
        axis.axvline(column.facts["best_visible"], color=INK, linewidth=0.8, linestyle=":")
    axis.set_xlabel("normalised score (dotted: best visible)", fontsize=9, color=INK)
    _method_ticks(axis, board)
    return figure


def stability(traces: dict[str, list[Trace]], look: Looks) -> Figure:
    """Best (left) and median (right) of the proposals along the way, mean over seeds."""
    figure = _figure(8, max(3.4, 0.5 + LINE * sum(bool(found) and look[label].highlighted for label, found in traces.items())))
    axes = figure.subplots(1, 2)
    share = np.linspace(0, 1, GRID)
    for axis, q, title in zip(axes, (1.0, 0.5), ("best of the designs", "median of the designs"), strict=True):
        for label, found in traces.items():
            curves = [np.interp(share, t.steps / t.steps[-1], np.quantile(t.normalised, q, axis=1, method="higher")) for t in found]
            if curves:
                _curve(axis, share, np.mean(curves, axis=0), label, look[label])
        axis.set_title(title, fontsize=9, color=INK)
        axis.set_xlabel("share of the method's steps", fontsize=9, color=INK)
        _ink(axis)
    axes[0].set_ylabel("normalised score", fontsize=9, color=INK)
    _legend(axes[1])
    return figure


def _density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A density over the values' range, its peak at 1; a thin block where all values are the same.

    A histogram smoothed by a Gaussian of Scott's width: to the eye the kernel estimate, without its sum over all values.
    """
    if np.ptp(values) < 1e-9:
        return values[:1] + np.array([-1e-3, 1e-3]), np.ones(2)
    counts, edges = np.histogram(values, bins=GRID)
    width = values.std() * len(values) ** -0.2 / (edges[1] - edges[0])
    density = ndimage.gaussian_filter1d(counts.astype(np.float64), width, mode="constant")
    return (edges[1:] + edges[:-1]) / 2, density / density.max()


def _normalised(records: Any, results: Results) -> np.ndarray:
    outcomes = [results.outcome(record) for record in records]
    return np.concatenate([o.normalised for o in outcomes if o] or [np.empty(0)])


def _traces(records: Any, results: Results) -> list[Trace]:
    return [trace for record in records if (trace := results.trace(record))]


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def name(label: str) -> str:
    """A label as a figure prints it: in one line, not too long, and with dollars that do not begin a formula."""
    text = printable(label)
    text = text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}...{text[-(LONGEST // 2 - 3) :]}"
    return text.replace("$", r"\$")


def _curve(axis: Any, x: np.ndarray, y: np.ndarray, label: str, look: Style) -> None:
    """A method's curve; one that is not highlighted is a thin grey line without a name."""
    if look.highlighted:
        axis.plot(x, y, color=look.colour, marker=look.marker, markevery=10, markersize=5, label=name(label))
    else:
        axis.plot(x, y, color=look.colour, linewidth=0.7, alpha=0.6, zorder=0)


def _words(axis: Any, text: str, spot: tuple[float, float], left: bool = False, lines: float = 0) -> None:
    """Small text beside a point, some lines above it; a thin line leads to text that is not next to its point."""
    axis.annotate(
        text,
        spot,
        xytext=(-7 if left else 7, 72 * LINE * lines),
        textcoords="offset points",
        ha="right" if left else "left",
        va="center",
        fontsize=8,
        color=INK,
        arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.4, "alpha": 0.5} if lines else None,
    )


def _method_ticks(axis: Any, board: Board) -> None:
    axis.set_yticks(range(len(board.rows)), [name(row.label) for row in board.rows])
    axis.set_ylim(len(board.rows) - 0.5, -0.5)
    _ink(axis)


def _ink(axis: Any, sides: tuple[str, ...] = ("left", "bottom")) -> None:
    axis.tick_params(colors=INK, labelsize=8)
    for name, spine in axis.spines.items():
        spine.set_color(INK)
        spine.set_visible(name in sides)


def _legend(axis: Any) -> None:
    handles, labels = axis.get_legend_handles_labels()
    grey = [line for line in axis.get_lines() if line.get_color() == GREY]
    if grey:
        handles, labels = [*handles, grey[0]], [*labels, f"{len(grey)} other{'s' if len(grey) > 1 else ''}"]
    axis.legend(
        handles,
        labels,
        fontsize=8,
        frameon=False,
        labelcolor=INK,
        loc="upper left",
        bbox_to_anchor=(1, 1),
    )


def save_all(
    board: Board, results: Results, percentile: int | None, test: str, folder: Path, generator: np.random.Generator
) -> list[Path]:
    """Write every figure of a board into a folder, as PDF, PNG and SVG.

    Raises:
        BBOError: the folder cannot be written, or a cell is damaged.
    """
    percentiles = check_percentile(percentile)
    pictures = chain(
        overview(board, percentiles, test, generator),
        *(of_task(board.ordered(percentiles[0]), column, results) for column in board.columns),
    )
    written = []
    for picture in pictures:
        for form in FORMATS:
            file = io.BytesIO()
            with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": picture.name, "pdf.fonttype": 42}):
                picture.figure.savefig(file, format=form, dpi=200)
            path = folder / f"{picture.name}.{form}"
            files.write(path, file.getvalue())
            written.append(path)

    return written
