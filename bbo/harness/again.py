"""Checks finished work by repeating it: runs cells again, or scores stored designs again."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bbo import local, protocol, record
from bbo.errors import BBOError
from bbo.harness.host import Host
from bbo.harness.options import RunOptions
from bbo.harness.plan import Order, look_up, planned
from bbo.record import Record
from bbo.text import line


@dataclass(frozen=True)
class Repeated:
    """The result of rerunning or rescoring one cell.

    Args:
        record: the stored cell.
        equal: whether the result is the same: bit for bit when run again, within the task's tolerance when scored again.
        text: what differs and how far, or why it could not be done again; empty if equal.
        stack: what differs in the stack, name to (then, now).
    """

    record: Record
    equal: bool
    text: str = ""
    stack: dict[str, tuple[Any, Any]] = field(default_factory=dict)


def rerun(out: Path, sample: int, seed: int = 0, run_files: bool = True) -> Iterator[Repeated]:
    """Run `sample` random done cells again, each on its own device type and number of threads, and compare; stores nothing.

    Args:
        out: the results folder.
        sample: how many cells.
        seed: of their choice.
        run_files: whether tasks in files, which this process would run, are allowed (`refuse_files`).

    Raises:
        BBOError: no done cell there, or a task in a file that is not allowed.
    """
    done, plans = _done(out), _plans(out)
    chosen = random.Random(seed).sample(done, min(sample, len(done)))
    if not run_files:
        refuse_files(out, [_order(plans, then) for then in chosen])
    hosts: dict[RunOptions, Host] = {}
    try:
        for then in chosen:
            stack = then.provenance
            options = RunOptions(
                stack.get("device", "cpu"),
                stack.get("threads", 1),
                tf32=stack.get("tf32", False),
                numerics=stack.get("numerics", "native"),  # records of earlier versions do not say it, and had no other mode
            )
            try:
                cell = look_up(_order(plans, then))
                judged = hosts.setdefault(options, Host(out, options, share=False)).evaluate(cell)
            except BBOError as error:
                yield Repeated(then, False, str(error))
                continue
            assert judged
            now, outcome, _ = judged
            stack = differences(then.provenance, now.provenance)
            if outcome is None:
                assert now.error
                yield Repeated(then, False, f"failed now ({now.error['reason']}): {now.error['message']}", stack)
                continue
            before = record.read_outcome(record.cell_folder(out, then.spec.hash), then)
            yield Repeated(then, *_compare(before.designs, outcome.designs, then.percentiles, now.percentiles), stack)
    finally:
        for host in hosts.values():
            host.close()


def rescore(out: Path, run_files: bool = True) -> Iterator[Repeated]:
    """Score the stored designs of every done cell again and compare with the stored scores and percentiles.

    Args:
        out: the results folder.
        run_files: as for `rerun`.

    Raises:
        BBOError: no done cell there, or a task in a file that is not allowed.
    """
    plans, done = _plans(out), _done(out)
    if not run_files:
        refuse_files(out, [_order(plans, then) for then in done])
    for then in done:
        try:
            cell = look_up(_order(plans, then))
            before = record.read_outcome(record.cell_folder(out, then.spec.hash), then)
            scores = cell.task.task.score(before.designs)
        except BBOError as error:
            yield Repeated(then, False, str(error))
            continue
        except Exception as error:  # an oracle's; it costs this cell alone
            yield Repeated(then, False, f"the oracle failed: {line(f'{type(error).__name__}: {error}')}")
            continue
        task, tolerance = cell.task.task, cell.task.task.tolerance
        same = np.allclose(scores, before.scores, rtol=tolerance, atol=tolerance)
        # Means and quantiles of one and the same numbers: only a record that was altered differs here.
        consistent = (
            np.array_equal(task.normalise(before.scores), before.normalised)
            and protocol.percentiles(before.normalised) == then.percentiles
        )
        if not same:
            far = float(np.abs(scores - before.scores).max())
            yield Repeated(then, False, f"scores differ by up to {far:g} (allowed {tolerance:g})")
        elif not consistent:
            yield Repeated(then, False, "stored percentiles or normalised scores do not follow from the stored scores")
        else:
            yield Repeated(then, True)


def refuse_files(out: Path, orders: Iterable[Order]) -> None:
    """Refuse cells whose tasks are files: whoever wrote the folder chose them, and an oracle runs in this very process.

    Raises:
        BBOError: there are such cells; the message names the files.
    """
    if files := sorted({local.file_of(order.task) for order in orders if local.is_local(order.task)}):
        shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        raise BBOError(
            line(
                f"{out} names tasks in files, which would be run here with all your rights: {shown}. If they are yours, or you have read "
                "them, add --run-files",
                2000,
            )
        )


def differences(then: dict[str, Any], now: dict[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """What differs between two stacks, by dotted name; neither the time of day nor the sandbox is one."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in sorted({*then, *now} - {"finished", "sandbox"}):
        a, b = then.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found |= differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found[prefix + key] = (a, b)
    return found


def _compare(a: np.ndarray, b: np.ndarray, then: dict[str, float], now: dict[str, float]) -> tuple[bool, str]:
    if a.dtype == b.dtype and np.array_equal(a, b):
        return True, ""
    rows = int((a != b).any(axis=tuple(range(1, a.ndim))).sum())
    far = float(np.abs(a.astype(np.float64) - b).max())
    scores = ", ".join(f"{p}th percentile {then[p]:.6g} then, {now[p]:.6g} now" for p in then)
    return False, f"{rows} of {len(a)} designs differ, a coordinate by up to {far:g}; {scores}"


def _done(out: Path) -> list[Record]:
    done = [found for found in record.read_all(out) if found.done]
    if not done:
        raise BBOError(f"{out} holds no finished cell; see: bbo status {out}")
    return done


def _plans(out: Path) -> dict[str, Order]:
    return {order.spec.hash: order for order in planned(out)} if (out / "plans").is_dir() else {}


def _order(plans: dict[str, Order], stored: Record) -> Order:
    """The order of a stored cell; cells that came without their plan are found by their ids."""
    spec = stored.spec
    facts = stored.method
    return plans.get(spec.hash) or Order(spec, spec.task, spec.method, facts.get("preset", ""), facts.get("overrides", {}))
