"""Checks finished work by repeating it: runs cells again, or scores stored designs again."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bbo import catalogue, local, protocol, record
from bbo.designs import digest
from bbo.errors import BBOError
from bbo.harness.host import Host
from bbo.harness.loaded import load_asked
from bbo.harness.options import RunOptions
from bbo.harness.plan import Order, look_up, other_here, planned
from bbo.record import Outcome, Record
from bbo.text import line

#: Facts of a stack that decide whether equal bits can be asked for; the rest, such as the commit, may differ.
DECISIVE = ("numerics", "fingerprint", "device", "device_name", "threads", "tf32", "packages")
State = Literal["equal", "moved", "not comparable", "failed", "not run"]


@dataclass(frozen=True)
class Repeated:
    """The result of rerunning or rescoring one cell.

    Args:
        record: the stored cell.
        state: "equal": bit for bit when run again, within the task's tolerance when scored again. "moved": it differs. "not comparable":
            it differs, and so does what decides the bits, such as the fingerprint of the numerics. "failed": it fails now. "not run": it
            cannot be done again here, mostly since its method or task has another version now.
        text: what differs and how far, or why it could not be done again; empty if equal.
        stack: what differs in the stack, name to (then, now).
    """

    record: Record
    state: State
    text: str = ""
    stack: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether the result is the same."""
        return self.state == "equal"


@dataclass(frozen=True)
class Stored:
    """Finished cells that can be repeated.

    Args:
        name: of the results folder or table, for messages.
        records: the cells.
        orders: by hash, those of the cells whose plan is known; the others are found by their ids.
        outcome: returns the arrays of a cell; None of a table, which holds none.
        out: the results folder; None of a table.
    """

    name: Path
    records: Sequence[Record]
    orders: dict[str, Order] = field(default_factory=dict)
    outcome: Callable[[Record], Outcome | None] = lambda stored: None
    out: Path | None = None

    def order(self, stored: Record) -> Order:
        """The order of one of the cells."""
        spec, facts = stored.spec, stored.method
        return self.orders.get(spec.hash) or Order(
            spec, spec.task, spec.method, facts.get("preset", ""), facts.get("overrides", {})
        )


def in_folder(out: Path) -> Stored:
    """The finished cells of a results folder.

    Raises:
        BBOError: there are none.
    """
    return Stored(out, _done(out), _plans(out), lambda r: record.read_outcome(record.cell_folder(out, r.spec.hash), r), out)


def rerun(stored: Stored, sample: int | None = None, seed: int = 0, run_files: bool = True) -> Iterator[Repeated]:
    """Run some cells again, each on its own device type, threads and numerics mode, and compare; stores nothing.

    Cells that cannot be run here come first; the sample is drawn from the others.

    Args:
        stored: the cells.
        sample: how many, chosen at random; None for all.
        seed: of their choice.
        run_files: whether tasks in files, which this process would run, are allowed (`refuse_files`).

    Raises:
        BBOError: a task in a file that is not allowed.
    """
    here, standing = _Here(), []
    for then in stored.records:
        if reason := here.why_not(stored, then):
            yield Repeated(then, "not run", reason)
        else:
            standing.append(then)
    chosen = standing if sample is None else random.Random(seed).sample(standing, min(sample, len(standing)))
    if not run_files:
        refuse_files(stored.name, map(stored.order, chosen))
    hosts: dict[RunOptions, Host] = {}
    with tempfile.TemporaryDirectory() as empty:
        try:
            for then in chosen:
                try:
                    options = _options(then)
                except BBOError as error:  # of a version that knows other modes, or altered
                    yield Repeated(then, "not run", f"it cannot be run as it was: {error}")
                    continue
                host = hosts.setdefault(options, Host(stored.out or Path(empty), options, share=False))
                yield _again(stored, then, host)
        finally:
            for host in hosts.values():
                host.close()


class _Here:
    """Versions of the tasks and methods that are installed here, each looked up once, or why there is none."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[str, str]] = {}

    def why_not(self, stored: Stored, then: Record) -> str:
        """Why a cell cannot be run here, as far as is known without loading its data; empty if nothing is known against it."""
        spec, order = then.spec, stored.order(then)
        if spec.hash not in stored.orders and (then.task.get("local") or then.method.get("local")):
            return "its task or method is a file, and there is no plan that names it"
        # Of a task in a file, the part of the version that its source decides is known without running the file.
        task_version = spec.task_version.partition("+")[2] if local.is_local(order.task) else spec.task_version
        asked = (("method", order.method, spec.method_version), ("task", order.task, task_version))
        for what, reference, version in asked:
            now, missing = self._version(what, reference)
            if now and now != version:
                return f"{reference}: the version of the {what} is {now}, the cell is of {version}"
            if missing:
                return missing
        if spec.protocol != protocol.VERSION:
            return f"the version of the protocol is {protocol.VERSION}, the cell is of {spec.protocol}"
        return ""

    def _version(self, what: str, reference: str) -> tuple[str, str]:
        """The version here, if it is known, and what is missing for a run."""
        if (what, reference) not in self._found:
            try:
                if what == "method":
                    found = (catalogue.load_method(reference).version, "")
                elif local.is_local(reference):
                    found = (local.version(reference), "")
                else:
                    task = catalogue.load_task(reference)
                    missing = task.unavailable()
                    found = (task.spec.version, f"task '{reference}' is not available: {missing}" if missing else "")
            except BBOError as error:
                found = ("", str(error))
            self._found[what, reference] = found
        return self._found[what, reference]


def _options(then: Record) -> RunOptions:
    """How a stored cell was run; records of earlier versions say no numerics mode, and had no other than native."""
    stack = then.provenance
    return RunOptions(
        stack.get("device", "cpu"),
        stack.get("threads", 1),
        tf32=stack.get("tf32", False),
        numerics=stack.get("numerics", "native"),
    )


def _again(stored: Stored, then: Record, host: Host) -> Repeated:
    try:
        judged = host.evaluate(look_up(stored.order(then)))
    except BBOError as error:
        return Repeated(then, "not run", str(error))
    assert judged
    now, outcome, _ = judged
    # A table does not hold all facts of a stack; what it lacks is told only where it decides.
    told = {name: fact for name, fact in now.provenance.items() if stored.out or name in then.provenance or name in DECISIVE}
    stack = differences(then.provenance, told)
    if outcome is None:
        assert now.error
        return Repeated(then, "failed", f"failed now ({now.error['reason']}): {now.error['message']}", stack)
    before = stored.outcome(then)
    text = _compare(before.designs, outcome.designs) if before else _compare_rows(then, now, digest(outcome.designs))
    if not text:
        return Repeated(then, "equal", "", stack)
    scores = ", ".join(f"{p}th percentile {then.percentiles[p]:.6g} then, {now.percentiles[p]:.6g} now" for p in then.percentiles)
    decisive = any(name.split(".")[0] in DECISIVE and name != "packages.offline-bbo" for name in stack)
    return Repeated(then, "not comparable" if decisive else "moved", f"{text}; {scores}", stack)


def rescore(out: Path, run_files: bool = True) -> Iterator[Repeated]:
    """Score the stored designs of every done cell again and compare with the stored scores and percentiles.

    The method may have another version now, or be missing: its designs are stored. "not run" are cells of another task version.

    Args:
        out: the results folder.
        run_files: as for `rerun`.

    Raises:
        BBOError: no done cell there, or a task in a file that is not allowed.
    """
    stored = in_folder(out)
    if not run_files:
        refuse_files(out, map(stored.order, stored.records))
    for then in stored.records:
        spec = then.spec
        try:
            loaded = load_asked(stored.order(then).task, spec.task_version, spec.data_hash)
            reason = other_here(spec, loaded)
        except BBOError as error:
            reason = str(error)
        if reason:
            yield Repeated(then, "not run", reason)
            continue
        task, tolerance = loaded.task, loaded.task.tolerance
        try:
            before = record.read_outcome(record.cell_folder(out, spec.hash), then)
            scores = task.score(before.designs)
        except BBOError as error:
            yield Repeated(then, "failed", str(error))
            continue
        except (Exception, SystemExit) as error:  # an oracle's; it costs this cell alone
            yield Repeated(then, "failed", f"the oracle failed: {line(f'{type(error).__name__}: {error}')}")
            continue
        same = np.allclose(scores, before.scores, rtol=tolerance, atol=tolerance)
        # Means and quantiles of one and the same numbers: only a record that was altered differs here.
        consistent = (
            np.array_equal(task.normalise(before.scores), before.normalised)
            and protocol.percentiles(before.normalised) == then.percentiles
        )
        if not same:
            far = float(np.abs(scores - before.scores).max())
            yield Repeated(then, "moved", f"scores differ by up to {far:g} (allowed {tolerance:g})")
        elif not consistent:
            yield Repeated(then, "moved", "stored percentiles or normalised scores do not follow from the stored scores")
        else:
            yield Repeated(then, "equal")


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
    """What differs between two stacks, by dotted name; the time of day, the sandbox and the command are none."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in sorted({*then, *now} - {"finished", "sandbox", "command"}):
        a, b = then.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found |= differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found[prefix + key] = (a, b)
    return found


def _compare(a: np.ndarray, b: np.ndarray) -> str:
    """How far two arrays of designs are apart; empty if they are equal."""
    if a.dtype == b.dtype and np.array_equal(a, b):
        return ""
    rows = int((a != b).any(axis=tuple(range(1, a.ndim))).sum())
    far = float(np.abs(a.astype(np.float64) - b).max())
    return f"{rows} of {len(a)} designs differ, a coordinate by up to {far:g}"


def _compare_rows(then: Record, now: Record, now_hash: str) -> str:
    """What differs between a row of a table and its cell run again; empty if nothing does.

    Rows of earlier versions hold no hash of the designs. Their scores, and the figures of how the designs are spread, have all digits
    and follow from every design, so designs that moved show in them, too.
    """
    found = [name for name in then.designs if then.designs[name] != now.designs.get(name)]
    if then.percentiles != now.percentiles:
        found.insert(0, "scores")
    if then.design_hash:
        if then.design_hash != now_hash:
            return "the designs differ"
        return f"the designs are equal, but not {', '.join(found)}" if found else ""
    return f"{', '.join(found)} differ" if found else ""


def _done(out: Path) -> list[Record]:
    done = [found for found in record.read_all(out) if found.done]
    if not done:
        raise BBOError(f"{out} holds no finished cell; see: bbo status {out}")
    return done


def _plans(out: Path) -> dict[str, Order]:
    return {order.spec.hash: order for order in planned(out)} if (out / "plans").is_dir() else {}
