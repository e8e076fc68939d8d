"""Figures of a board, by matplotlib's object interface: nothing global is read or changed."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure

from bbo.leaderboard.scores import Board

#: Blue of Okabe and Ito's palette; readable on light and dark.
BLUE = "#0072B2"
#: Text and axes of page figures: this very value is replaced by `currentColor`, so that they follow light and dark.
INK = "#010203"


def scores(board: Board, percentile: int) -> Figure:
    """One panel a task: every seed's normalised score as a dot, the mean as a bar; methods by mean rank, best on top."""
    board = board.ordered(percentile)
    across = min(len(board.columns), 3)
    down = -(-len(board.columns) // across)
    figure = Figure(figsize=(2.2 + 3.2 * across, (0.7 + 0.26 * len(board.rows)) * down + 0.4), layout="constrained")
    axes = np.atleast_1d(figure.subplots(down, across, sharey=True, squeeze=False).ravel())
    for axis, column in zip(axes, board.columns, strict=False):
        for i, row in enumerate(board.rows):
            values = board.entry(row, column).scores(percentile)
            axis.plot(values, np.full(len(values), i), "o", color=BLUE, alpha=0.5, markersize=4, markeredgewidth=0)
            if len(values):
                axis.plot([values.mean()] * 2, [i - 0.35, i + 0.35], color=BLUE, linewidth=2)
        if column.facts.get("best_visible") is not None:
            axis.axvline(column.facts["best_visible"], color=INK, linewidth=0.8, linestyle=":")
        axis.set_title(column.label, fontsize=9, color=INK)
        axis.set_yticks(range(len(board.rows)), [row.label for row in board.rows])
        axis.set_ylim(len(board.rows) - 0.5, -0.5)
        _ink(axis)
    for axis in axes[len(board.columns) :]:
        axis.set_visible(False)
    figure.supxlabel(
        f"normalised score, {percentile}th percentile (dots: seeds, bars: means, dotted: best visible)", fontsize=8, color=INK
    )
    return figure


def _ink(axis: object) -> None:
    axis.tick_params(colors=INK, labelsize=8)  # type: ignore[attr-defined]
    for name, spine in axis.spines.items():  # type: ignore[attr-defined]
        spine.set_color(INK)
        spine.set_visible(name in ("left", "bottom"))


def svg(figure: Figure) -> str:
    """A figure as an SVG element for a page: transparent, its ink following the page's text colour, text kept as text."""
    file = io.StringIO()
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bbo"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")
