"""Which method suits a table? Hide its best rows, train on the rest, and look at what the methods make of the hidden ones. No oracle.

For each share of the table that is hidden, the best by score, and for each repeat, which leaves out a random tenth of the others:

- reach: the method proposes designs; each is worth the score of the row of the whole table that is nearest to it, hidden or not, as
  its rank among all scores (0 the worst, 1 the best). The mean over the proposals is the method's reach.
- order: Spearman's rank correlation of predicted and true scores of the hidden rows, for methods that have a surrogate.

Beside them stand a linear model (ridge regression on the encoded columns, whose best of many random designs are proposed) and the
mean, which prefers no design: random ones.

All methods go through the first repeat. Those whose reach is then far below that of the best method (`BEHIND`) are not repeated, since
the repeats of hopeless methods would take most of the time; the two simple models are always repeated.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats

from bbo import catalogue
from bbo.errors import BBOError, Unavailable
from bbo.proposals import adapted
from bbo.proposals.batch import methods
from bbo.proposals.experiments import Experiments
from bbo.proposals.layout import Layout

#: Shares of the table that are hidden, the best by score.
HIDDEN = (0.2, 0.5)
REPEATS = 3
BUDGET = 32
#: A method whose mean reach over the first repeat is this much below the best method's is not repeated.
BEHIND = 0.1
#: Share of the visible rows that a repeat keeps.
KEPT = 0.9
#: Random designs of which the linear model proposes the best.
DRAWN = 4096
LINEAR, MEAN = "linear model", "mean (random designs)"
#: Visible designs and scores, hidden designs and a seed to proposed designs, and predictions of the hidden ones if there are any.
Maker = Callable[[np.ndarray, np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray | None]]
#: Fewest rows that can be split.
FEWEST = 20


@dataclass(frozen=True)
class Row:
    """What one method did: reach and order (shares, repeats), and why it failed.

    NaN in both: it failed, or the repeat was left out. NaN in order alone: it has no surrogate.
    """

    name: str
    reach: np.ndarray
    order: np.ndarray
    failure: str = ""

    @property
    def mean(self) -> float:
        """Mean reach over what was run; -inf where it failed."""
        return -math.inf if self.failure else float(np.nanmean(self.reach))

    @property
    def left_out(self) -> bool:
        """Only the first repeat was run, since the reach was far below that of the best method."""
        return not self.failure and bool(np.isnan(self.reach).any())


@dataclass(frozen=True)
class Backtest:
    """Rows of all methods and of the two simple models, best reach first."""

    rows: tuple[Row, ...]
    count: int

    def row(self, name: str) -> Row:
        """The row of one method."""
        return next(row for row in self.rows if row.name == name)


def run(
    table: Experiments,
    layout: Layout,
    names: Sequence[str] = (),
    preset: str = "fast",
    seed: int = 0,
    repeats: int = REPEATS,
    report: Callable[[str], None] = lambda words: None,
) -> Backtest:
    """The backtest of some methods, by default those of `auto`.

    Raises:
        BBOError: too few rows, or an unknown method.
    """
    if len(table.x) < FEWEST:
        raise BBOError(f"a backtest hides half of the rows, so it needs at least {FEWEST} different designs; got {len(table.x)}")
    y = -table.y if layout.minimise else table.y
    if len(np.unique(y)) < 3:
        raise BBOError("a backtest needs at least three different scores")
    loaded = [catalogue.load_method(name) for name in names or methods()["auto"]]
    makers: dict[str, Maker] = {
        LINEAR: lambda x, y, hidden, seed: _linear(table, x, y, hidden, seed),
        MEAN: lambda x, y, hidden, seed: (_drawn(table, seed, BUDGET), None),
    }
    for method in loaded:
        makers[method.id] = _maker(method, preset, table)
    empty = np.full((len(HIDDEN), repeats), np.nan)
    rows = {name: Row(name, empty.copy(), empty.copy()) for name in makers}
    going = list(makers)
    for repeat in range(repeats):
        for name in going:
            report(f"{name}, repeat {repeat + 1} of {repeats}")
            rows[name] = _repeated(rows[name], repeat, makers[name], table, y, seed)
        best = max((rows[method.id].mean for method in loaded), default=-math.inf)
        hopeful = {name for name, row in rows.items() if name in (LINEAR, MEAN) or row.mean > best - BEHIND}
        going = [name for name in going if not rows[name].failure and (repeat > 0 or name in hopeful)]
    return Backtest(tuple(sorted(rows.values(), key=lambda row: -row.mean)), len(y))


def every() -> tuple[list[str], list[str]]:
    """Ids of all methods that can be loaded here, and of those that need a package that is not installed."""
    able, unable = [], []
    for name in catalogue.method_ids():
        try:
            catalogue.load_method(name)
        except Unavailable:
            unable.append(name)
        else:
            able.append(name)
    return able, unable


def _maker(method: catalogue.LoadedMethod, preset: str, table: Experiments) -> Maker:
    def make(x: np.ndarray, y: np.ndarray, hidden: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
        proposed, _ = adapted.designs(method, preset, table.space, x, y, BUDGET, seed)
        return proposed, _predicted(method, preset, table, x, y, hidden, seed)

    return make


def _repeated(row: Row, repeat: int, make: Maker, table: Experiments, y: np.ndarray, seed: int) -> Row:
    """The row with one more repeat."""
    worth = (stats.rankdata(y) - 1) / (len(y) - 1)
    reach, order = row.reach.copy(), row.order.copy()
    best_last = np.argsort(y, kind="stable")
    for i, share in enumerate(HIDDEN):
        visible, hidden = np.split(best_last, [len(y) - round(share * len(y))])
        rng = np.random.default_rng([seed, i, repeat])
        rows = np.sort(rng.choice(visible, max(2, round(KEPT * len(visible))), replace=False))
        try:
            proposed, predicted = make(table.x[rows], y[rows], table.x[hidden], seed + repeat)
        except Exception as error:  # one method must not end the comparison of the others
            said = str(error) if isinstance(error, BBOError) else f"{type(error).__name__}: {error}"
            return Row(row.name, np.full_like(reach, np.nan), np.full_like(order, np.nan), said)
        reach[i, repeat] = worth[table.space.distances(proposed, table.x).argmin(axis=1)].mean()
        if predicted is not None and len(np.unique(predicted)) > 1:
            order[i, repeat] = stats.spearmanr(predicted, y[hidden]).statistic
    return Row(row.name, reach, order)


def _drawn(table: Experiments, seed: int, count: int) -> np.ndarray:
    return table.space.from_unit(np.random.default_rng(seed).random((count, *table.space.shape)))


def _linear(table: Experiments, x: np.ndarray, y: np.ndarray, hidden: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression with penalty 1 on z-scored y: the best of random designs, and predictions of hidden rows."""
    codec = table.space.codec(torch.device("cpu"))

    def encoded(designs: np.ndarray) -> np.ndarray:
        return codec.encode(torch.as_tensor(designs)).double().numpy()

    features = encoded(x)
    centre = features.mean(axis=0)
    slopes = np.linalg.solve(
        (features - centre).T @ (features - centre) + np.eye(features.shape[1]), (features - centre).T @ (y - y.mean())
    )
    drawn = _drawn(table, seed, DRAWN)
    return drawn[np.argsort(-(encoded(drawn) @ slopes), kind="stable")[:BUDGET]], encoded(hidden) @ slopes


def _predicted(
    method: catalogue.LoadedMethod, preset: str, table: Experiments, x: np.ndarray, y: np.ndarray, hidden: np.ndarray, seed: int
) -> np.ndarray | None:
    """What a method's surrogate says of hidden rows, z-scored; None where it has none."""
    seen, problem = adapted.posed(method, table.space, x, y, BUDGET, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how good it is, the table says
        predicted = method.predict(method.config(preset, "", {}).config, problem, [seen.there(hidden)])
    return None if predicted is None else predicted[0][0][0].detach().numpy()


def interval(values: np.ndarray) -> tuple[float, float]:
    """Mean and half-width of its 95% interval by Student's t over all splits and repeats; infinite for a single one."""
    flat = values[np.isfinite(values)]
    if len(flat) < 2:
        return (float(flat.mean()) if len(flat) else math.nan), math.inf
    half = stats.t.ppf(0.975, len(flat) - 1) * flat.std(ddof=1) / math.sqrt(len(flat))
    return float(flat.mean()), float(half)


def best(found: Backtest) -> tuple[str, tuple[str, ...]]:
    """The method with the best reach, and what is to be said of it.

    It is compared with the linear model and the mean, split by split and repeat by repeat.

    Raises:
        BBOError: every method failed.
    """
    able = [row for row in found.rows if row.name not in (LINEAR, MEAN) and not row.failure and not row.left_out]
    if not able:
        raise BBOError(f"every method of the backtest failed; the first: {next(row.failure for row in found.rows if row.failure)}")
    first = able[0]
    notes = [f"backtest: {first.name} has the best reach, {first.mean:.2f}"]
    for name in (LINEAR, MEAN):
        middle, half = interval(first.reach - found.row(name).reach)
        if not middle - half > 0:
            notes.append(
                f"no method beats the {name} in the backtest: {first.name} reaches {middle:+.2f} more, 95% interval "
                f"{middle - half:+.2f} to {middle + half:+.2f}, which includes no difference"
            )
    if once := [row.name for row in found.rows if row.left_out]:
        notes.append(f"not repeated, since their reach was more than {BEHIND:g} below that of the best method: {', '.join(once)}")
    return first.name, tuple(notes)


def table_of(found: Backtest) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the table that is printed: means and 95% intervals over the repeats of each share."""
    columns = [
        "method",
        *(f"reach, best {share:.0%} hidden" for share in HIDDEN),
        *(f"order, best {share:.0%} hidden" for share in HIDDEN),
    ]
    rows = []
    for row in found.rows:
        if row.failure:
            rows.append([row.name, f"failed: {row.failure}", *[""] * (len(columns) - 2)])
        else:
            rows.append([row.name, *map(_written, row.reach), *map(_written, row.order)])
    return columns, rows


def _written(values: np.ndarray) -> str:
    middle, half = interval(values)
    if math.isnan(middle):
        return "-"
    return f"{middle:.2f} +- {half:.2f}" if math.isfinite(half) else f"{middle:.2f}"
