"""What a method may see of a task: the visible table, the space, the budget, a generator and a device. Never the oracle."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from bbo.encoding import Encoded
from bbo.errors import UnknownName
from bbo.space import Space

#: Called with (step, total, designs or None) as a method goes along.
ProgressListener = Callable[[int, int, Tensor | None], None]


class Shelf(Protocol):
    """Where tensors that seeds share are kept; `Problem.shared` says what may lie there."""

    def fetch(self, key: str, make: Callable[[], np.ndarray]) -> tuple[np.ndarray, bool]:
        """The array of this key, from `make` where there is none yet; and whether it was there."""
        ...


class Problem:
    """One offline optimisation problem, as handed to `propose`.

    Attributes:
        x: visible designs (N, *shape): float32 for a box, int64 letters for sequences; on `device`.
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
    ) -> None:
        self.x, self.y, self.space, self.budget, self.generator = x, y, space, budget, generator
        self.device = x.device
        self._privileged = privileged or {}  # not copied: the harness answers, and writes down, each look-up
        self._listener = listener
        self._shelf = shelf
        self.privileged_used: list[str] = []
        self.notes: dict[str, Any] = {}

    @cached_property
    def _encoded(self) -> Encoded:
        return Encoded.of(self.space, self.x, self.y)

    def encoded(self) -> Encoded:
        """The visible table as z-scored vectors in R^d, with `decode` for the way back."""
        return self._encoded

    def limited_to(self, rows: Tensor) -> Problem:
        """The same problem with only some rows (n,) of the visible table; notes and uses of privileged knowledge stay common.

        Nothing is shared with other seeds from there on, since their rows may be others.
        """
        part = Problem(self.x[rows], self.y[rows], self.space, self.budget, self.generator, self._privileged, self._listener)
        part.notes, part.privileged_used = self.notes, self.privileged_used
        return part

    def best(self, n: int) -> Tensor:
        """Row numbers (min(n, N),) of the n best visible designs, best first; ties in row order."""
        return torch.argsort(self.y, descending=True, stable=True)[:n]

    def progress(self, step: int, total: int, designs: Tensor | None = None) -> None:
        """Report that `step` of `total` steps are done; `designs` (n, *shape) are the proposals as they stand.

        Raises:
            ValueError: `step` or `total` is not a whole number from 0 to 2^63 - 1.
            TypeError: `designs` are not a tensor.
        """
        steps = _whole(step), _whole(total)
        if None in steps:
            raise ValueError(
                f"problem.progress(step, total) takes two whole numbers from 0 on; got step={step!r:.100}, total={total!r:.100}"
            )
        if designs is not None and not isinstance(designs, Tensor):
            raise TypeError(f"problem.progress takes designs as a tensor; got {type(designs).__name__}")
        if self._listener:
            self._listener(*steps, designs)  # type: ignore[arg-type]

    def note(self, **facts: Any) -> None:
        """Write facts of this run (numbers, strings, lists of these) into the cell's record.

        Raises:
            TypeError: a fact cannot be written as JSON.
            ValueError: a number is not finite, which JSON cannot hold.
        """
        for name, fact in facts.items():
            try:
                json.dumps(fact, allow_nan=False)
            except (TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"problem.note({name}=...) takes finite numbers, strings, and lists of these: {error}") from None
        self.notes.update(facts)

    def shared(self, name: str, settings: Mapping[str, Any], make: Callable[[], Tensor]) -> Tensor:
        """A tensor that hangs on the visible table and `settings` alone: made by `make` once, then shared by the seeds of a run.

        For what is dear and the same for every seed, such as a surrogate's solves. Where no shelf is there (a problem made by hand)
        it is made anew. The record's notes say what was found and what was made.

        Args:
            name: what it is, with a version that changes when `make` does.
            settings: everything but the visible table that `make` depends on, as JSON can write it.
            make: called without arguments; must draw nothing from `generator`.

        Raises:
            RuntimeError: `make` drew from the generator, so that what it made belongs to this seed.
        """

        def guarded() -> np.ndarray:
            before = self.generator.get_state()
            made = make().cpu().numpy()
            if not torch.equal(before, self.generator.get_state()):
                raise RuntimeError(f"'{name}' is to be shared by all seeds, but its making drew from problem.generator")
            return made

        key = json.dumps([name, settings], sort_keys=True)
        array, found = self._shelf.fetch(key, guarded) if self._shelf else (guarded(), False)
        self.notes.setdefault("shared", {})[name] = "found" if found else "made"
        return torch.tensor(array, device=self.device)

    def privileged(self, name: str) -> float:
        """Knowledge beyond the visible table, such as "y_max", the best score of the full data.

        Every use is written into the record and marked in every table.

        Raises:
            UnknownName: this problem has no such knowledge.
        """
        if name not in self._privileged:
            known = ", ".join(sorted(self._privileged)) or "nothing"
            raise UnknownName(f"no privileged knowledge '{name}' here; available: {known}")
        if name not in self.privileged_used:
            self.privileged_used.append(name)
        return self._privileged[name]


def _whole(number: Any) -> int | None:
    """A whole number below 2^63 of any integer type (NumPy's and tensors of one too), or None."""
    try:
        whole = int(number) if isinstance(number, float) and number.is_integer() else operator.index(number)
    except (TypeError, ValueError, RuntimeError):
        return None
    return whole if 0 <= whole < 2**63 else None
