"""Runs cells one after another: hands each to a method process, checks and scores what comes back, writes the record.

The host holds the oracle; the method process does not. A method process that crashes costs its cell, not the run.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from bbo import catalogue, protocol, record
from bbo.errors import DesignError
from bbo.harness import method_process, provenance
from bbo.harness.plan import PlannedCell
from bbo.harness.seeds import cell_seed
from bbo.record import Outcome, Record

_START = threading.Lock()


@dataclass(frozen=True)
class Limits:
    """What one cell may use.

    Args:
        device: "auto", "cpu" or "cuda".
        threads: BLAS and torch threads of the method process.
        timeout: seconds of wall time, 0 for no limit.
    """

    device: str = "auto"
    threads: int = 1
    timeout: float = 0.0


@dataclass
class Host:
    """One method process, started when first needed and again after a crash.

    `stop` may be set from another thread; the running cell is then given up without a record.
    """

    out: Path
    limits: Limits
    stop: threading.Event
    on_progress: Callable[[PlannedCell, int, int], None] = lambda cell, step, total: None
    replace_failed: bool = False
    _process: BaseProcess | None = None
    _pipe: Connection | None = None
    _held: str = field(default="")

    def run(self, cell: PlannedCell) -> Record | None:
        """Run one cell and store it; None if it was given up because `stop` was set."""
        answer = self._ask(cell)
        if answer is None:
            return None
        result, outcome = _judge(cell, answer)
        record.write(self.out, result, outcome, replace_failed=self.replace_failed)
        return result

    def close(self) -> None:
        """End the method process."""
        if self._pipe:
            self._pipe.close()
        if self._process:
            self._process.join(0.5)
            self._kill()

    def _ask(self, cell: PlannedCell) -> dict[str, Any] | None:
        if self._process is None or not self._process.is_alive():
            self._start()
        assert self._process and self._pipe
        data = cell.task.dataset
        fresh = self._held != cell.task.data_hash
        job = method_process.Job(
            data_hash=cell.task.data_hash,
            x=data.x if fresh else None,
            y=data.y if fresh else None,
            space=cell.task.task.spec.space,
            budget=cell.spec.budget,
            seed=cell_seed(cell.spec),
            privileged={"y_max": cell.task.task.spec.y_max},
            reference=_absolute(cell.baseline.reference),
            config=cell.spec.config,
            device=self.limits.device,
        )
        started = time.monotonic()
        begun = False  # the clock of the method itself: starting a process and importing torch are not the method's time
        try:
            self._pipe.send(job)
            self._held = cell.task.data_hash
            while True:
                if self._pipe.poll(0.1):
                    message = self._pipe.recv()
                    if message[0] == "answer":
                        return message[1]
                    if message[0] == "begin":
                        started, begun = time.monotonic(), True
                    else:
                        self.on_progress(cell, message[1], message[2])
                elif self.stop.is_set():
                    self._kill()
                    return None
                elif begun and self.limits.timeout and time.monotonic() - started > self.limits.timeout:
                    self._kill()
                    return _lost("timeout", f"took longer than {self.limits.timeout:g} s", time.monotonic() - started)
        except (EOFError, ConnectionError, OSError):
            if self.stop.is_set():
                return None
            self._process.join(5)
            code = self._process.exitcode
            self._kill()
            how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
            return _lost("crash", f"the method's process ended without an answer ({how})", time.monotonic() - started)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        # BLAS reads its thread count from the environment when it is loaded, cuBLAS its workspace when CUDA starts.
        wanted = {name: str(self.limits.threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        wanted["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
        with _START:
            before = {name: os.environ.get(name) for name in wanted}
            os.environ.update(wanted)
            try:
                self._process = context.Process(target=method_process.main, args=(theirs, self.limits.threads), daemon=True)
                self._process.start()
            finally:
                for name, value in before.items():
                    os.environ.pop(name) if value is None else os.environ.update({name: value})
        theirs.close()
        self._held = ""

    def _kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.join()
            self._process = None


def _absolute(reference: str) -> str:
    """A local file's reference with its whole path: the method process works in another folder."""
    if not catalogue.is_local(reference):
        return reference
    path, _, cls = reference.rpartition(":")
    return f"{Path(path).resolve()}:{cls}"


def _lost(reason: str, message: str, seconds: float) -> dict[str, Any]:
    error = {"reason": reason, "type": reason, "message": message, "traceback": ""}
    return {"designs": None, "error": error, "cost": {"wall_seconds": seconds}}


def _judge(cell: PlannedCell, answer: dict[str, Any]) -> tuple[Record, Outcome | None]:
    """Check and score a method's answer."""
    task, spec = cell.task.task, cell.task.task.spec
    error, outcome = answer["error"], None
    if error is None:
        try:
            outcome = _score(cell, np.asarray(answer["designs"]))
        except DesignError as problem:
            error = {"reason": "invalid designs", "type": "DesignError", "message": str(problem), "traceback": ""}
    known = {
        "title": spec.title,
        "kind": spec.space.kind,
        "oracle": spec.oracle,
        "y_min": spec.y_min,
        "y_max": spec.y_max,
        "best_visible": float(task.normalise(np.asarray(spec.best_visible))),
        "visible_rows": len(cell.task.dataset.y),
        "optimum": spec.optimum,
        "local": cell.task.local,
    }
    method = {
        "summary": cell.baseline.summary,
        "kind": getattr(cell.baseline.cls, "kind", ""),
        "preset": cell.preset,
        "privileged": answer.get("privileged", []),
        "local": cell.baseline.local,
    }
    result = Record(
        spec=cell.spec,
        status="failed" if error else "done",
        percentiles=protocol.percentiles(outcome.normalised) if outcome else {},
        task=known,
        method=method,
        notes=answer.get("notes", {}),
        error=error,
        provenance={**provenance.host(), **answer.get("stack", {})},
        cost=answer.get("cost", {}),
        warnings=answer.get("warnings", []),
    )
    return result, outcome


def _score(cell: PlannedCell, designs: np.ndarray) -> Outcome:
    if designs.ndim == 0 or len(designs) != cell.spec.budget:
        came = len(designs) if designs.ndim else 0
        raise DesignError(f"{cell.baseline.id} must return exactly {cell.spec.budget} designs (the budget); got {came}")
    designs = cell.task.task.spec.space.check(designs)
    scores = cell.task.task.score(designs)
    return Outcome(designs, scores, cell.task.task.normalise(scores))
