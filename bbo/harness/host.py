"""Runs cells one after another: sends each to a method process, has the answer judged, and writes the record.

The host holds the oracle; the method process does not. A method process that crashes costs its cell, not the run.
"""

from __future__ import annotations

import json
import math
import secrets
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bbo import local, numerics, record, versions
from bbo.errors import BBOError
from bbo.harness import provenance
from bbo.harness.judge import Answer, judge
from bbo.harness.options import RunOptions
from bbo.harness.plan import PlannedCell
from bbo.harness.sandbox import confinement, wire
from bbo.harness.sandbox.boot import FORKS
from bbo.harness.sandbox.child import TRACE_POINTS, Job
from bbo.harness.sandbox.hidden import list_hidden
from bbo.harness.sandbox.parent import Bounds, Lost, MethodProcess, Stale, Stopped
from bbo.harness.seeds import cell_seed
from bbo.harness.shelf import SharedArrays
from bbo.record import Outcome, Record, Trace

#: Points of a trace that a host keeps, each no larger than the cell's designs as numbers of eight bytes; a method that sends more
#: is not told.
MOST_POINTS = 4 * TRACE_POINTS
#: The package of our own methods, which carry nothing from one cell to another.
OURS = "bbo"
#: Arrays that one cell may store for others.
MOST_SHARED = 100


class Changed(BBOError):
    """The file of a method was edited after the plan was made: its designs would be stored under a version that did not make them."""


@dataclass
class Host:
    """Runs cells in one method process at a time.

    The process is started when it is first needed, and replaced after a failure, after a cell that left it changed, and after
    `cells_per_process` cells; where that is cheap, after each cell of a method that is not ours. `stop` may be set from another thread;
    the running cell is then given up without a record. Without `share` every cell computes for itself what seeds could share.
    """

    out: Path
    options: RunOptions
    stop: threading.Event = field(default_factory=threading.Event)
    on_progress: Callable[[PlannedCell, int, int], None] = lambda cell, step, total: None
    replace_failed: bool = False
    share: bool = True
    _process: MethodProcess | None = None
    _hidden_tasks: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Settle what holds for all cells of this process: how its oracles compute, and which checkout it runs from."""
        if "torch" not in sys.modules:  # whoever has loaded it has chosen its kernels, too
            numerics.choose()
        provenance.host()  # before the first cell, during which the checkout may change

    def run(self, cell: PlannedCell) -> Record | None:
        """Run one cell and store it; None if it was abandoned because `stop` was set.

        A cell that another runner has finished in the meantime is not run again. What was judged while `stop` was set is not stored:
        the signal that stops a run may have ended the processes that score its designs.

        Raises:
            Changed: as `evaluate`.
            BBOError: the cell cannot be stored.
            OSError: no method process could be started.
        """
        folder = record.cell_folder(self.out, cell.spec.hash)
        if folder.exists():
            there = record.read_cell(folder)
            if there.done or not self.replace_failed:
                return there
        judged = self.evaluate(cell)
        if judged is None or self.stop.is_set():
            return None
        try:
            record.write(self.out, *judged, replace_failed=self.replace_failed)
        except OSError as error:
            raise BBOError(
                f"cannot write results into {self.out}: {error.strerror or error}; make room, then run the same command again"
            ) from error
        return judged[0]

    def evaluate(self, cell: PlannedCell) -> tuple[Record, Outcome | None, Trace | None] | None:
        """Run one cell and judge it, without storing; None if `stop` was set.

        Raises:
            Changed: the method's file is not that of the plan any more.
        """
        _refuse_another_version(cell)
        while True:
            try:
                return self._try(cell)
            except Stale:  # not this cell's fault: run it again in a fresh process
                self.close()

    def _try(self, cell: PlannedCell) -> tuple[Record, Outcome | None, Trace | None] | None:
        answer, known, shelf = Answer(), _privileged(cell), SharedArrays(self.out)
        largest = 8 * cell.spec.budget * math.prod(cell.task.dataset.x.shape[1:])
        asked: set[str] = set()
        promised: dict[str, str] = {}  # keys under which this cell is to store an array, by the keys that it asked with

        def on_message(message: wire.Progress | wire.Ask | wire.Fetch | wire.Keep) -> Any:
            match message:
                case wire.Ask(name):
                    value = known[name]
                    if name not in answer.privileged:
                        answer.privileged.append(name)
                    return value
                case wire.Fetch(key):
                    whole = _shared_key(cell, key, {name: known[name] for name in answer.privileged})
                    found = shelf.fetch(whole) if self.share else "make"
                    if isinstance(found, str) and found == "make":
                        asked.add(key)
                        if len(asked) > MOST_SHARED:
                            raise ValueError(f"a cell shares at most {MOST_SHARED} arrays")
                        promised[key] = whole
                    return found
                case wire.Keep(key, array):
                    whole = promised.pop(key)
                    # What was made after a request for privileged knowledge may hold it.
                    told = _shared_key(cell, key, {name: known[name] for name in answer.privileged}) != whole
                    if self.share and not told and array is not None:
                        shelf.keep(whole, array)
                    else:
                        shelf.release(whole)  # other cells that need it need not wait for the end of this one
                case wire.Progress(step, total, designs):
                    if designs is not None and self.options.trace and len(answer.points) < MOST_POINTS:
                        # Copied, since an array is a view of its whole message.
                        answer.points.append((step, designs.copy() if designs.nbytes <= largest else None))
                    self.on_progress(cell, step, total)
            return None

        bounds = Bounds(self.options.timeout, self.options.memory, self.options.disk)
        try:
            process = self._ready(cell)
            said = process.ask(self._job(cell, process.data_hash), bounds, self.stop, on_message)
            answer.designs, answer.error, answer.notes = said.array, said.error, said.notes
            answer.stack, answer.cost, answer.warnings = said.stack, said.cost, said.warnings
        except Stopped:
            self.close()
            return None
        except Lost as lost:
            answer.error = {"reason": lost.reason, "type": lost.reason, "message": str(lost), "traceback": ""}
            answer.cost = {"wall_seconds": lost.seconds}
        finally:
            shelf.let_go()
        answer.output = process.output()
        answer.stack = answer.stack | {"sandbox": process.confinement}
        # What was told to one cell must not reach another unasked; what a user's or another package's method keeps of a cell neither.
        most = 1 if process.owner != OURS and FORKS else self.options.cells_per_process
        if answer.error or answer.privileged or not process.clean or process.cells >= most:
            self.close()  # what failed may have left its process in any state
        return judge(cell, answer)

    @property
    def confinement(self) -> str:
        """How methods are confined, as records say it.

        Raises:
            BBOError: the kernel has no sandbox, and the options require one.
        """
        found = confinement.NONE if self.options.sandbox == "none" else confinement.name()
        if found == confinement.NONE and self.options.sandbox == "required":
            raise BBOError(
                "--sandbox required: this system offers no Landlock (Linux 5.13 or newer); run elsewhere, or without the option"
            )
        return found

    def close(self) -> None:
        """End the method process."""
        if self._process:
            self._process.close()
            self._process = None

    def _ready(self, cell: PlannedCell) -> MethodProcess:
        """A living process from which this cell's task is hidden."""
        if cell.task.local and (file := local.file_of(cell.task.reference)) not in self._hidden_tasks:
            self._hidden_tasks |= {file}
            self.close()
        owner = _owner(cell)
        if self._process and owner != OURS and self._process.data_hash not in ("", cell.task.data_hash):
            self.close()  # what one task shows may be hidden in another
        if self._process is None or not self._process.alive or self._process.owner != owner:
            self.close()
            hidden = list_hidden(self.out, self._hidden_tasks)
            self._process = MethodProcess(self.options, hidden, owner, self.confinement, self.stop)
        return self._process

    def _job(self, cell: PlannedCell, held: str) -> Job:
        data, fresh = cell.task.dataset, held != cell.task.data_hash
        return Job(
            ticket=f"{cell.spec.hash}-{secrets.token_hex(16)}",
            # Numbers of eight bytes, and room for a wrong shape, which is then told as such.
            longest=2**20 + 4 * 8 * cell.spec.budget * math.prod(data.x.shape[1:]),
            data_hash=cell.task.data_hash,
            x=data.x if fresh else None,
            y=data.y if fresh else None,
            space=cell.task.task.spec.space,
            budget=cell.spec.budget,
            seed=cell_seed(cell.spec),
            privileged=tuple(_privileged(cell)),
            reference=cell.method.reference,
            config=cell.spec.config,
            device=self.options.device,
            threads=self.options.threads,
            trace=self.options.trace,
            tf32=self.options.tf32,
        )


def _refuse_another_version(cell: PlannedCell) -> None:
    method = cell.method
    if not method.local:
        return
    reference = method.reference.partition("+")[0]
    try:
        now = local.version(reference)
    except BBOError as error:
        raise Changed(f"{cell.spec.label()} was not run: {error}") from None
    if now != method.version.partition(".")[0]:
        raise Changed(
            f"{cell.spec.label()} was not run: {local.file_of(reference)} was edited after the plan was made; the same command plans again"
        )


def _owner(cell: PlannedCell) -> str:
    """Whose method it is: its file, or its package. A process runs the methods of one owner, so that none can disturb another's."""
    method = cell.method
    return local.file_of(method.reference.partition("+")[0]) if method.local else method.package


def _shared_key(cell: PlannedCell, key: str, told: dict[str, float]) -> str:
    """Under which key a cell's process finds and stores an array that it calls `key`; the process itself decides only that part.

    Arrays are shared within an installed package, at one state of the shared modules, or within one version of a class in a user's file;
    within one table; and, where the cell was told privileged knowledge, only with cells that were told the same.
    """
    method = cell.method
    owner = [local.whole(method.reference), method.version] if method.local else [method.package, versions.of_all()]
    return json.dumps([owner, cell.task.data_hash, sorted(told.items()), key])


def _privileged(cell: PlannedCell) -> dict[str, float]:
    """What a cell may ask for: what the method's spec declares; everything where its class has no spec to declare it in."""
    spec, known = cell.method.described.spec, {"y_max": cell.task.task.spec.y_max}
    return {name: value for name, value in known.items() if spec is None or name in spec.privileged}
