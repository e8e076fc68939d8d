"""From a DataFrame of experiments to a DataFrame of the next ones: what `bbo propose` does, as one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bbo.errors import BBOError

if TYPE_CHECKING:
    import pandas as pd


def propose(
    frame: pd.DataFrame,
    target: str,
    budget: int = 128,
    *,
    method: str = "",
    preset: str = "fast",
    seed: int = 0,
    minimise: bool = False,
    space: str | Path | None = None,
    fix: Mapping[str, Any] | None = None,
    ignore: Sequence[str] = (),
    categories: Sequence[str] = (),
    require: Sequence[str] = (),
    forbid: Sequence[str] = (),
    allowed: Callable[[dict[str, Any]], bool] | None = None,
    pending: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The next experiments, given a table of those that were done.

    Args:
        frame: one row for each experiment: the design columns and the target.
        target: the column of scores; larger is better, unless `minimise`.
        budget: how many experiments are wanted.
        method: a method's id, "auto" for the one that does best in a backtest on this table, or empty for the default.
        preset: of the method.
        seed: the same seed gives the same proposals; from 0 to 2^63 - 1.
        minimise: smaller scores are better; True also where `space` says otherwise.
        space: a file written by `bbo propose --write-space`, which settles what the columns mean; otherwise it is guessed.
        fix: values at which columns are held, by column name.
        ignore: columns to leave out.
        categories: columns whose values are names or fixed settings, without an order; numbers too.
        require: linear constraints: "a + b + c = 100", "2*a - b <= 5".
        forbid: combinations that must not be proposed: "solvent=DMSO, temperature>60".
        allowed: a function that gets a design by column name and says whether it may be proposed.
        pending: experiments that are under way; the target is not needed.

    Returns:
        one row for each proposal, best predicted score first: the design columns, `predicted_TARGET`, `uncertainty` (standard
        deviation of one measurement), `nearest_row`, `nearest_TARGET`, `distance` to that row (0 to 1), `origin`, `warning`.
        `frame.attrs["notes"]` is a list of sentences: what was left out, merged, repaired, and how good the model is.

    Raises:
        BBOError: a table, column, constraint, method or seed that cannot be used; the message says what to do.
    """
    from bbo.proposals import backtest, batch, constraints, experiments, layout, reading

    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise BBOError(f"the seed is a whole number from 0 to 2^63 - 1; got {seed!r}")
    batch.check(method, preset)
    cells = reading.from_frame(frame)
    if space:
        found = layout.read(Path(space), cells, target, minimise or None, ignore, categories)
    else:
        found = layout.guess(cells, target, minimise, ignore, categories)
    found = layout.fix(replace(found, require=(*found.require, *require), forbid=(*found.forbid, *forbid)), fix or {})
    rules = constraints.rules(found, allowed)
    table = experiments.experiments(cells, found)
    rules.tried(table.x)
    under_way = experiments.designs(reading.from_frame(pending), found) if pending is not None else None
    notes: tuple[str, ...] = ()
    if method == "auto":
        method, notes = backtest.best(backtest.run(table, found, preset=preset, seed=int(seed)))
    made = batch.propose(table, rules, method or batch.methods()["default"], budget, preset, int(seed), under_way)
    result = made.frame.copy()
    result.attrs["notes"] = [*notes, *made.notes]
    return result
