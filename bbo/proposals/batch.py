"""The next batch of experiments: a method's proposals made to obey the rules, spread out, judged by a model, in the user's own terms."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bbo import catalogue
from bbo.errors import BBOError
from bbo.proposals import adapted, search
from bbo.proposals import model as models
from bbo.proposals.constraints import Rules
from bbo.proposals.experiments import Experiments
from bbo.proposals.layout import Layout, said
from bbo.proposals.model import Model
from bbo.settings import refuse_typo
from bbo.space import Number

#: A method is asked for this many times the budget, so that some can be dropped.
ASKED = 2
#: Columns at the end of their range that a warning names.
ENDS = 5
#: Predictions are rounded to a thousandth of what their uncertainty is counted in.
DIGITS = 3


@cache
def methods() -> dict[str, Any]:
    """The default method, and the methods of `auto`, from `methods.toml`."""
    return tomllib.loads((Path(__file__).parent / "methods.toml").read_text(encoding="utf-8"))


def check(method: str, preset: str) -> None:
    """Raise where a method (by id, "auto", or empty for the default) cannot be loaded or has no such preset, before any work is done.

    Raises:
        UnknownName: no such method or preset. Unavailable: a package is missing.
    """
    loaded = [catalogue.load_method(name) for name in (methods()["auto"] if method == "auto" else [method or methods()["default"]])]
    for one in loaded:
        one.config(preset, "", {})
    refuse_typo(preset, (name for one in loaded for name in one.presets()))


@dataclass(frozen=True)
class Batch:
    """Proposed experiments.

    Attributes:
        frame: one row for each, best predicted score first: the design columns, then what is said of them.
        x: the same as designs (k, D). predicted: their predicted scores (k,), in the target's unit, rounded as in `frame`.
        model: what predicted them. table: what is known.
        layout: the table's columns. method: whose proposals they are.
        notes: what the user should know, one sentence each.
        facts: counts by name.
    """

    frame: pd.DataFrame
    x: np.ndarray
    predicted: np.ndarray
    model: Model
    table: Experiments
    layout: Layout
    method: str
    notes: tuple[str, ...]
    facts: Mapping[str, float] = field(default_factory=dict)


def propose(
    table: Experiments,
    rules: Rules,
    method: str,
    budget: int = 128,
    preset: str = "fast",
    seed: int = 0,
    pending: np.ndarray | None = None,
) -> Batch:
    """A batch of different designs that obey the rules, none of them measured or pending already.

    The method's own proposals come first, repaired where a linear constraint or a fixed column asks for it. Where fewer than
    `budget` of them obey the rules and keep their distance, a search on the model around them makes up the number.

    Diversity: greedy by predicted score; a design is taken if it is at least `apart` from all others of the batch, from every
    measured and every pending design. `apart` starts as a quarter of the median distance between a measured design and its nearest
    one, and is halved, up to five times, until the batch is full.

    Args:
        table: measured designs, scores in the target's unit.
        rules: what proposals must obey.
        method: a method's id, or `FILE.py:Class`.
        budget: how many designs are wanted.
        preset: of the method. seed: of everything that is random.
        pending: designs (m, D) under way. They count as measured at their predicted score.

    Raises:
        BBOError: a method that does not fit, or no design that obeys the rules.
    """
    if budget < 1:
        raise BBOError(f"the budget is the number of experiments, at least 1; got {budget}")
    layout, space = rules.layout, table.space
    sign = -1.0 if layout.minimise else 1.0
    generator = np.random.default_rng(seed)
    pending = np.empty((0, *space.shape)) if pending is None else pending
    loaded = catalogue.load_method(method)
    seen = adapted.view(loaded, space, len(table.x))
    notes = [f"{method}: {seen.words}"] if seen.words else []

    model = models.fit(space, table.x, sign * table.y, generator)
    widening = models.widening(space, table.x, sign * table.y, generator)
    notes += _of_model(model, table, widening)
    known = np.concatenate([table.x, pending])
    found, warned = adapted.designs(loaded, preset, space, table.x, sign * table.y, ASKED * budget, seed)
    notes += [f"{method}: {words}" for words in warned]
    own = rules.tidy(rules.repaired(found))
    obeyed, fits = rules.obeyed(found), rules.obeyed(own)
    facts: dict[str, float] = {
        "asked": len(found),
        "obeying": int((obeyed & fits).sum()),
        "repaired": int((~obeyed & fits).sum()),
        "refused": int((~fits).sum()),
    }
    median, largest = search.spacing(space, table.x, generator)
    # What the search starts from: the method's proposals and the best rows.
    start = np.concatenate([found, table.x[np.argsort(-sign * table.y, kind="stable")[:budget]]])
    chosen, origin, apart = _chosen(rules, model, own[fits], start, known, budget, search.NEAR * median, generator)
    if not len(chosen):
        raise BBOError(f"no design that obeys the constraints was found; {_why(rules, found)}")
    notes += _of_choice(rules, facts, found, len(chosen), budget, origin, apart)
    order = np.argsort(-model.value(chosen), kind="stable")
    chosen, origin = chosen[order], [origin[place] for place in order]
    facts |= {"apart": apart, "from the method": origin.count("method"), "proposed": len(chosen)}
    mean, deviation = model.with_designs(pending).predict(chosen)
    uncertainty = widening * deviation
    predicted = sign * _rounded(mean, uncertainty)
    frame = _frame(rules, table, chosen, predicted, uncertainty, origin, largest)
    return Batch(frame, chosen, predicted, model, table, layout, method, (*table.notes, *notes), facts)


def _chosen(
    rules: Rules,
    model: Model,
    own: np.ndarray,
    start: np.ndarray,
    known: np.ndarray,
    budget: int,
    apart: float,
    generator: np.random.Generator,
) -> tuple[np.ndarray, list[str], float]:
    """At most `budget` designs, where each comes from, and the distance that they keep: the method's `own` first, then the search's."""
    space = rules.layout.space
    values, gap = model.value(own), search.gaps(space, own, known)
    more: np.ndarray | None = None
    for halving in range(search.HALVINGS + 1):
        first = search.choose(space, own, values, gap, budget, apart)
        chosen, origin = own[first], ["method"] * len(first)
        if len(chosen) < budget:
            if more is None:
                more = search.widen(space, start, rules, model.value, known, budget, apart, generator)
                more_values, more_gap = model.value(more), search.gaps(space, more, known)
            away = np.minimum(more_gap, search.gaps(space, more, chosen))
            rest = search.choose(space, more, more_values, away, budget - len(chosen), apart)
            chosen, origin = np.concatenate([chosen, more[rest]]), origin + ["search"] * len(rest)
        if len(chosen) == budget or halving == search.HALVINGS:
            break
        apart /= 2
    return chosen, origin, apart


def _rounded(mean: np.ndarray, uncertainty: np.ndarray) -> np.ndarray:
    """Predictions (k,) to `DIGITS` decimal places beyond the first digit of the smallest uncertainty (k,), however large they are."""
    least = float(uncertainty.min())
    return np.array([round(value, DIGITS - math.floor(math.log10(least))) for value in mean.tolist()]) if least > 0 else mean


def _frame(
    rules: Rules,
    table: Experiments,
    x: np.ndarray,
    predicted: np.ndarray,
    uncertainty: np.ndarray,
    origin: list[str],
    largest: float,
) -> pd.DataFrame:
    """The batch in the user's names and units, with what is said of each design."""
    layout, space = rules.layout, table.space
    constants = {name: _plain(value) for name, value in layout.constants.items()}
    values = [constants | space.values(design) for design in x]
    columns: dict[str, Any] = {name: [value[name] for value in values] for name in layout.order}
    distances = space.distances(x, table.x)
    nearest = distances.argmin(axis=1)
    far = distances.min(axis=1)
    names = said(layout.target)
    for key, column in {
        "predicted": predicted,
        "uncertainty": _short(uncertainty),
        "nearest_row": [table.rows[row] for row in nearest],
        "nearest": table.y[nearest],
        "distance": _short(far),
        "origin": origin,
        "warning": [_warning(rules, design, gap > largest) for design, gap in zip(x, far, strict=True)],
    }.items():
        name = names[key]
        while name in columns:
            name += "_"
        columns[name] = column
    return pd.DataFrame(columns)


def _plain(value: float | str) -> float | int | str:
    """A constant as it was written: whole numbers without a point."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def _warning(rules: Rules, design: np.ndarray, far: bool) -> str:
    """Why a prediction may be worth little: the design is far from all rows, or at the end of a column's range."""
    space = rules.layout.space
    ends = [
        column.name
        for place, column in enumerate(space.columns)
        if isinstance(column, Number)
        and column.name not in rules.layout.fixed
        and float(design[space.owner == place][0]) in (column.low, column.high)
    ]
    words = ["far from every row of the table"] if far else []
    more = f" and {len(ends) - ENDS} more" if len(ends) > ENDS else ""
    return "; ".join(words + ([f"at the end of the range: {', '.join(ends[:ENDS])}{more}"] if ends else []))


def _of_model(model: Model, table: Experiments, widening: float) -> list[str]:
    """What predicting each row from all others says of the model."""
    predicted, _ = model.left_out()
    scale = np.abs(model.y - model.y.mean()).max() or 1.0  # so that squares of scores near 1e200 are finite
    error, spread = float(np.mean(((predicted - model.y) / scale) ** 2)), float(np.var((model.y - model.y.mean()) / scale))
    explained = 1 - error / spread if spread else 0.0
    notes = []
    if len(model.rows) < len(table.x):
        notes.append(f"the model is fitted to {len(model.rows)} of {len(table.x)} rows: half of them the best, half random")
    if explained <= 0.05:
        notes.append(
            "the model predicts rows that it has not seen no better than the mean of all scores does: "
            "its predictions, and the order of the proposals, are worth little"
        )
    else:
        notes.append(f"predicting each row from all others, the model explains {_share(explained)} of the variance of the scores")
    if widening > 1:
        factor = f"{widening:.2g}"
        notes.append(
            f"a model without the best {models.HIDDEN:.0%} of the rows is off on these by {factor} times its own standard deviation"
            + ("; uncertainties are widened by that factor" if factor != "1" else "")
        )
    return notes


def _share(share: float) -> str:
    return "more than 99.9%" if share > 0.999 else f"{share:.1%}"


def _of_choice(
    rules: Rules, facts: Mapping[str, float], found: np.ndarray, count: int, budget: int, origin: list[str], apart: float
) -> list[str]:
    notes = []
    if rules.any:
        notes.append(
            f"of {facts['asked']:.0f} proposals of the method, {facts['obeying']:.0f} obeyed all constraints, {facts['repaired']:.0f} "
            f"do after repair, {facts['refused']:.0f} could not be repaired and are dropped"
            + (f" ({_why(rules, found)})" if facts["refused"] else "")
        )
    if added := origin.count("search"):
        notes.append(
            f"{added} of {count} proposals come from a search on the model around the method's own, since the others repeat one "
            "another, repeat the table, or break a constraint"
        )
    notes.append(
        f"proposals differ from each other and from all rows by at least {apart:.3g} (root mean square difference; each "
        "column as a share of its range)"
    )
    if count < budget:
        notes.append(f"only {count} of {budget} different new designs that obey all constraints were found")
    return notes


def _why(rules: Rules, found: np.ndarray) -> str:
    """Which rules the method's proposals break even when repaired."""
    broken = rules.broken(rules.tidy(rules.repaired(found)))
    words = [f"{some.sum()} break '{name}'" for name, some in broken.items() if some.any()]
    return ", ".join(words) or "none of the method's proposals broke one"
