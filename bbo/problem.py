"""What a method may see of a task: the visible table, the space, the budget, a generator and a device. Never the oracle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from bbo.device import array_on_host
from bbo.encoding import Encoded
from bbo.errors import UnknownName
from bbo.space import Space

__all__ = ["Problem", "ProgressListener", "Shelf"]

#: Current designs, or a function that returns them, which is called only if a trace is recorded.
Designs = Tensor | Callable[[], Tensor] | None
#: Called with (step, total, designs) as a method makes progress.
ProgressListener = Callable[[int, int, Designs], None]


class Shelf(Protocol):
    """Storage for tensors that seeds share; see `Problem.shared`."""

    def fetch(self, key: str, make: Callable[[], np.ndarray]) -> tuple[np.ndarray, bool]:
        """The array of this key, computed by `make` if it is not stored yet; and whether it was stored."""
        ...


class Problem:
    """One offline optimization problem, as handed to `propose`.

    Attributes:
        x: visible designs (N, *shape): float32 for a box, int64 letters for sequences, float64 for mixed tables; on `device`.
        y: visible scores (N,), float32, larger is better.
        space: the design space.
        budget: how many designs `propose` must return.
        generator: the only source of randomness, seeded, on `device`.
        device: where tensors live.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        space: Space,
        budget: int,
        generator: torch.Generator,
        privileged: Mapping[str, float] | None = None,
        listener: ProgressListener | None = None,
        shelf: Shelf | None = None,
        origin: tuple[str, int] | None = None,
    ) -> None:
        self.x, self.y, self.space, self.budget, self.generator = x, y, space, budget, generator
        self.device = x.device
        self._privileged = privileged or {}  # not copied: the harness answers and records every look-up
        self._listener = listener
        self._shelf = shelf
        #: Id of its task and seed number, for whoever runs a method on it (`bbo.load_method`); None in the harness's processes.
        self.origin = origin
        self.privileged_used: list[str] = []
        self.notes: dict[str, Any] = {}
        self._encoded: dict[bool, Encoded] = {}

    def encoded(self, standardise: bool = True) -> Encoded:
        """The visible table as vectors in R^d, with `decode` for the way back; y is z-scored.

        Args:
            standardise: z-score x too; otherwise x keeps its own units (for sequences, the logits).
        """
        if standardise not in self._encoded:
            self._encoded[standardise] = Encoded.of(self.space, self.x, self.y, standardise)
        return self._encoded[standardise]

    def limited_to(self, rows: Tensor) -> Problem:
        """The same problem with only some rows (n,) of the visible table; notes and uses of privileged knowledge stay common.

        The result shares nothing with other seeds, since their rows may differ.
        """
        part = Problem(self.x[rows], self.y[rows], self.space, self.budget, self.generator, self._privileged, self._listener)
        part.notes, part.privileged_used = self.notes, self.privileged_used
        return part

    def seeded(self, seed: int) -> Problem:
        """The same problem with a fresh generator; notes and uses of privileged knowledge stay common."""
        generator = torch.Generator(self.device).manual_seed(seed)
        fresh = Problem(
            self.x, self.y, self.space, self.budget, generator, self._privileged, self._listener, self._shelf, self.origin
        )
        fresh.notes, fresh.privileged_used, fresh._encoded = self.notes, self.privileged_used, self._encoded
        return fresh

    def best(self, n: int) -> Tensor:
        """Row numbers (min(n, N),) of the n best visible designs, best first; ties in row order."""
        return torch.argsort(self.y, descending=True, stable=True)[:n]

    def starts(self) -> Tensor:
        """Row numbers (budget,) of the best visible designs, best first; if there are fewer rows, they repeat in order."""
        return self.repeated(self.best(self.budget))

    def repeated(self, rows: Tensor) -> Tensor:
        """The first `budget` of rows (n, ...); if there are fewer, they repeat in order."""
        return rows[torch.arange(self.budget, device=self.device) % len(rows)]

    def progress(self, step: int, total: int, designs: Designs = None) -> None:
        """Report that `step` of `total` steps are done.

        Args:
            step: steps done, from 0.
            total: steps in all.
            designs: the current proposals (n, *shape), or a function that returns them, which is called only if they are traced.

        Raises:
            ValueError: `step` or `total` is not a whole number from 0 to 2^63 - 1.
            TypeError: `designs` are neither a tensor nor a function.
        """
        for name, value in (("step", step), ("total", total)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < 2**63:
                raise ValueError(f"problem.progress takes {name} as a whole number from 0; got {value!r:.100}")
        if not (designs is None or isinstance(designs, Tensor) or callable(designs)):
            raise TypeError(
                f"problem.progress takes designs as a tensor, or a function that makes one; got {type(designs).__name__}"
            )
        if self._listener:
            self._listener(int(step), int(total), designs)

    def note(self, **facts: Any) -> None:
        """Write facts of this run (numbers, strings, lists of these) into the cell's record.

        Raises:
            TypeError: a fact cannot be written as JSON.
            ValueError: a number is not finite.
        """
        try:
            json.dumps(facts, allow_nan=False)
        except TypeError as error:
            raise TypeError(f"problem.note takes numbers, text and lists of these: {error}") from None
        except ValueError:
            raise ValueError(f"problem.note takes finite numbers; got {facts}") from None
        self.notes.update(facts)

    def shared(self, name: str, settings: Mapping[str, Any], make: Callable[[], Tensor]) -> Tensor:
        """A tensor that depends only on the visible table and `settings`: `make` computes it once, and the seeds of a run share it.

        For expensive results that are the same for every seed, such as a surrogate's solves. Without a shelf (a problem built by
        hand) it is computed again. The record's notes say what was reused and what was computed.

        Args:
            name: what it is, with a version that changes when `make` does.
            settings: everything but the visible table that `make` depends on, as JSON can write it.
            make: called without arguments; must not draw from `generator`.

        Raises:
            RuntimeError: `make` drew from the generator, so its result depends on this seed.
        """

        def guarded() -> np.ndarray:
            before = self.generator.get_state()
            made = array_on_host(make(), "the host stores what seeds share, once")
            if not torch.equal(before, self.generator.get_state()):
                raise RuntimeError(f"'{name}' is shared by all seeds, so computing it must not draw from problem.generator")
            return made

        key = json.dumps([name, settings], sort_keys=True)
        array, found = self._shelf.fetch(key, guarded) if self._shelf else (guarded(), False)
        self.notes.setdefault("shared", {})[name] = "found" if found else "made"
        return torch.tensor(array, device=self.device)

    def privileged(self, name: str) -> float:
        """Knowledge beyond the visible table, such as "y_max", the best score of the full data.

        Every use is written into the record and marked in every table.

        Raises:
            UnknownName: this problem has no such knowledge, or, in a run, the spec of the method does not declare it.
        """
        if name not in self._privileged:
            known = ", ".join(sorted(self._privileged)) or "nothing"
            raise UnknownName(
                f"no privileged knowledge '{name}' here; available: {known}. A run on a task has it for methods whose spec declares it, such as "
                'privileged=("y_max",); a table of your own has none, so choose a setting that does without'
            )
        if name not in self.privileged_used:
            self.privileged_used.append(name)
        return self._privileged[name]
