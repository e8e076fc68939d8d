"""`bbo.run`: what `bbo run` does, with the results as a DataFrame."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbo.errors import BBOError
from bbo.face.results import read_results
from bbo.harness import run as harness
from bbo.harness.options import EngineOptions, RunOptions
from bbo.harness.plan import make
from bbo.harness.request import Request, parse_seeds, read_suite
from bbo.settings import as_text

if TYPE_CHECKING:
    from pandas import DataFrame


def run(
    tasks: str | Sequence[str] = (),
    methods: str | Sequence[str] = (),
    *,
    out: str | os.PathLike[str],
    suite: str | None = None,
    seeds: int | str | Iterable[int] | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    budget: int | None = None,
    skip_missing: bool | None = None,
    retry_failed: bool = False,
    jobs: int = 1,
    options: RunOptions | None = None,
) -> DataFrame:
    """Run every cell (task x method x seed) that `out` does not hold yet; return all of them, one row a cell.

    The same call again resumes. A cell that fails is a row with the status "failed", not an exception.

    Args:
        tasks: task ids, patterns such as "rna-*", or "./file.py:Class".
        methods: method ids, patterns, or "./file.py:Class".
        out: results folder.
        suite: a suite of `bbo list suites`; the other arguments replace its values.
        seeds: seed numbers from 0 to 2^63 - 1, one of them, or text like "0-7" (the default).
        preset: "fast" (the default), "paper" or "smoke".
        settings: changes from the preset: `{"coms.steps": 10}`.
        budget: designs in each cell, 128 by default.
        skip_missing: leave out tasks and methods whose data or packages are missing, instead of an error; as the suite says by default,
            else False.
        retry_failed: run failed cells again.
        jobs: cells run at the same time.
        options: device, threads, and limits of time and memory (`bbo.harness.options.RunOptions`).

    Raises:
        BBOError: the request cannot be planned, `jobs` is below 1, or the folder cannot be written.
    """
    how, where = options or RunOptions(), EngineOptions(_whole(jobs))
    given = {
        "tasks": _names(tasks) or None,
        "methods": _names(methods) or None,
        "seeds": None if seeds is None else _seeds(seeds),
        "preset": preset,
        "budget": _whole(budget),
        "skip_missing": skip_missing,
    }
    base: dict[str, Any] = read_suite(suite) if suite else {}
    changed = {**base.pop("overrides", {}), **{name: as_text(value) for name, value in (settings or {}).items()}}
    chosen = {name: value for name, value in given.items() if value is not None}
    plan = make(Request(**{**base, **chosen, "overrides": changed}))
    folder = Path(out)
    cells = harness.begin(plan, folder)
    status = harness.run_cells(cells, folder, how, engine_options=where, retry_failed=retry_failed)
    if status.missing:
        raise BBOError(f"{len(status.missing)} of {len(cells)} cells were not run; the same call runs them")
    found = read_results(folder)
    wanted = {cell.spec.hash for cell in cells}
    return found[found["cell"].isin(wanted)].reset_index(drop=True)


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _seeds(given: int | str | Iterable[int]) -> tuple[int, ...]:
    if isinstance(given, str):
        return parse_seeds(given)
    return tuple(map(_whole, given if isinstance(given, Iterable) else (given,)))


def _whole(value: Any) -> Any:
    """A NumPy integer as a Python one; anything that is no integer as it is, for the plan to refuse."""
    try:
        return operator.index(value)
    except TypeError:
        return value
