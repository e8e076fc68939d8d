"""CPU time of two sides of a comparison, and the arithmetic of our matrix products. All on one thread: `make benchmarks` says so to them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Result = TypeVar("Result")


def seconds(work: Callable[[], Result]) -> tuple[float, Result]:
    """CPU seconds of the calling process for one call, which other programs on the machine change little; and what it returns."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


class _Products(TorchDispatchMode):
    """Counts operations by torch's own formulas; its `FlopCounterMode` also follows modules, which `autograd.grad` of a leaf breaks."""

    operations = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if formula := flop_registry.get(function.overloadpacket):
            self.operations += formula(*args, **(kwargs or {}), out_val=result)
        return result


def gflop(work: Callable[[], Any]) -> float:
    """10^9 operations of the matrix products and convolutions in one call, forward and backward; nothing else counts."""
    with _Products() as products:
        work()
    return products.operations / 1e9


def beside(
    authors: Callable[[], Result],
    ours: Callable[[], Result],
    what: str,
    times: float = 1.0,
    check: Callable[[Result, Result], Any] = lambda theirs, mine: None,
) -> dict[str, Any]:
    """The two sides of a comparison: seconds of both, and the arithmetic of ours, counted in a second call.

    Args:
        authors: the authors' order of work.
        ours: the same work as our code does it.
        what: what is done, for the table.
        times: how many times what `authors` does is the same work.
        check: raises if the two results are not the same.
    """
    theirs, their_result = seconds(authors)
    mine, our_result = seconds(ours)
    check(their_result, our_result)
    return {"authors_seconds": theirs * times, "our_seconds": mine, "our_gflop": gflop(ours), "what": what}
