"""What a method may see of a task: the visible table, the space, the budget, a generator and a device. Never the oracle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from bbo.encoding import Encoded
from bbo.errors import UnknownName
from bbo.space import Space

#: Called with (step, total, designs or None) as a method goes along.
ProgressListener = Callable[[int, int, Tensor | None], None]


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
    ) -> None:
        self.x, self.y, self.space, self.budget, self.generator = x, y, space, budget, generator
        self.device = x.device
        self._privileged = privileged or {}  # not copied: the harness answers, and writes down, each look-up
        self._listener = listener
        self.privileged_used: list[str] = []
        self.notes: dict[str, Any] = {}

    @cached_property
    def _encoded(self) -> Encoded:
        return Encoded.of(self.space, self.x, self.y)

    def encoded(self) -> Encoded:
        """The visible table as z-scored vectors in R^d, with `decode` for the way back."""
        return self._encoded

    def best(self, n: int) -> Tensor:
        """Row numbers (min(n, N),) of the n best visible designs, best first; ties in row order."""
        return torch.argsort(self.y, descending=True, stable=True)[:n]

    def progress(self, step: int, total: int, designs: Tensor | None = None) -> None:
        """Report that `step` of `total` steps are done; `designs` (n, *shape) are the proposals as they stand."""
        if self._listener:
            self._listener(step, total, designs)

    def note(self, **facts: Any) -> None:
        """Write facts of this run (numbers, strings, lists of these) into the cell's record.

        Raises:
            TypeError: a fact cannot be written as JSON.
        """
        json.dumps(facts)
        self.notes.update(facts)

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
