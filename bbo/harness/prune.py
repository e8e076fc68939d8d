"""Takes cells out of a results folder, and out of the plans saved there, so that `status` does not miss them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from bbo import files, record
from bbo.errors import BBOError
from bbo.harness.plan import name_of, orders, saved
from bbo.record import Record

#: Suffix of a folder that is being removed.
PRUNED = "-pruned"


def prune(out: Path, gone: Collection[Record]) -> None:
    """Remove cells, and from every plan the pairs of task and method they belong to.

    Plans are changed first: an interrupted call leaves cells without a plan, which the next call removes.

    Raises:
        BBOError: a plan cannot be read, or something cannot be removed; what was removed before stays removed.
    """
    names = {one.spec.hash for one in gone}
    try:
        for path in sorted((out / "plans").glob("*.json")):
            _prune_plan(path, names)
        for left in (out / "cells").glob(f".tmp-*{PRUNED}"):
            shutil.rmtree(left)
        for name in sorted(names):
            folder = record.cell_folder(out, name)
            hidden = folder.with_name(f".tmp-{name}{PRUNED}")
            os.rename(folder, hidden)
            shutil.rmtree(hidden)
    except OSError as error:
        raise BBOError(f"{error.filename} cannot be removed: {error.strerror}; run the same command again to go on") from None


def _prune_plan(path: Path, names: Collection[str]) -> None:
    """Rewrite a plan without the pairs that have a cell among `names`; remove it if nothing is left of it."""
    plan = saved(path)
    pairs = {(order.spec.task, order.spec.method) for order in orders(plan) if order.spec.hash in names}
    if not pairs:
        return
    plan["methods"] = [_without(method, {task for task, name in pairs if name == method["id"]}) for method in plan["methods"]]
    used = {task for method in plan["methods"] for task in method["presets"]}
    plan["methods"] = [method for method in plan["methods"] if method["presets"]]
    plan["tasks"] = [task for task in plan["tasks"] if task["id"] in used]
    if plan["methods"] or plan.get("unsuitable"):
        text = json.dumps(plan, indent=1, sort_keys=True, allow_nan=False) + "\n"
        files.write(path.with_name(f"{name_of(text)}.json"), text)
    path.unlink()


def _without(method: Mapping[str, Any], tasks: Collection[str]) -> dict[str, Any]:
    facts = {
        key: {task: value for task, value in method[key].items() if task not in tasks}
        for key in ("presets", "configs")
        if key in method
    }
    return {**method, **facts}
