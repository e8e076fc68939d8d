"""Tasks whose oracle is a simulator: designs are evaluated in worker processes, and one that fails costs its design only."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from bbo import workers
from bbo.errors import Unavailable
from bbo.task import Task


class SimulatedTask(Task):
    """Base of tasks that evaluate one design at a time: a subclass writes `simulate` and `dataset`.

    A design on which the simulator crashes (in two processes, one after the other), hangs (see `bbo.workers`), raises or returns no finite
    number scores `spec.y_min`, and the record warns of it. That is the lowest score of the pool, not of all designs: one that works may score
    lower.
    """

    @abstractmethod
    def simulate(self, design: np.ndarray) -> float:
        """Raw score of one checked design (*shape), larger is better. Depends on nothing else; called in a worker process."""

    def prepare(self) -> None:
        """Called once in each worker process before it scores.

        Raises:
            Unavailable: Python imports another version of an engine there than the one that is installed for this task.
        """
        if reason := self.shadowed():
            raise Unavailable(f"task '{self.spec.id}' is not available: {reason}")

    def oracle(self, x: np.ndarray) -> np.ndarray:
        """Scores (n,), float64, of designs (n, *shape), one after another in this process, without any protection."""
        return np.array([self.simulate(design) for design in x], np.float64)

    def score(self, x: np.ndarray, warn: Callable[[str], None] = lambda text: None) -> np.ndarray:
        """Check designs (n, *shape), then return their true raw scores (n,), float64, evaluated in worker processes.

        Raises:
            Unavailable: a data file or package is missing (`unavailable` says which).
            DesignError: `x` is not a set of designs of this task's space.
            BBOError: a worker process could not be started, or imports another version of an engine.
        """
        self.require()
        x = self.spec.space.check(x)
        simulator = workers.Simulator.of(self, self.spec.id.partition(":")[2])
        seconds = self.spec.seconds * len(x) / 128
        count = min(workers.cores(), 1 + int(seconds / 2 / workers.WORTHWHILE))
        scores, reasons = workers.evaluate(simulator, x, count, self.spec.seconds / 128)
        failed = ~np.isfinite(scores)
        if failed.any():
            first = int(np.flatnonzero(failed)[0])
            reason = reasons.get(first, f"it returned {scores[first]}")
            warn(
                f"the simulator failed on {failed.sum()} of {len(x)} designs, which score the task's y_min, {self.spec.y_min:g} (one that "
                f"works may score lower); the first is design {first}: {reason}"
            )
        return np.where(failed, self.spec.y_min, scores)
