"""Tasks as the harness holds them: with their visible tables and the version that their cells record."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from bbo import catalogue, local
from bbo.errors import BBOError, Unavailable
from bbo.task import Dataset, Task
from bbo.text import line


@dataclass(frozen=True)
class LoadedTask:
    """A task with its visible table in memory."""

    reference: str
    task: Task
    dataset: Dataset
    version: str
    data_hash: str
    local: bool


def load(reference: str) -> LoadedTask:
    """Load a task and its table.

    Raises:
        BBOError: no such task, it is not available here, or a visible score is not finite.
    """
    task = catalogue.load_task(reference)
    version, is_local = task.spec.version, local.is_local(reference)
    try:
        dataset = task.visible()
        data_hash = dataset.sha256()
    except BBOError:
        raise
    except (Exception, SystemExit) as error:
        # A broken package counts as missing; a broken file is the user's own, and is not to be skipped.
        kind = BBOError if is_local else Unavailable
        raise kind(line(f"the visible table of {reference} cannot be made: {type(error).__name__}: {error}")) from error
    if not (finite := np.isfinite(dataset.y)).all():
        first = int(np.argmin(finite))
        kind = BBOError if is_local else Unavailable
        raise kind(
            f"the visible table of {reference} has the score {dataset.y[first]} in row {first}, counted from 0, which is not finite; "
            f"see: bbo check {reference}"
        )
    if is_local:  # the oracle is not covered by the data's hash, so the source of the class is part of the version
        version += "+" + local.version(reference)
    return LoadedTask(reference, task, dataset, version, data_hash, is_local)


@functools.lru_cache(maxsize=32)
def load_asked(reference: str, version: str, data_hash: str) -> LoadedTask:
    """`load`, once a process for each version that is asked for: a local file may change."""
    return load(reference)
