"""A method that does not take mixed spaces sees the table through a space that it takes: a box of encoded numbers, or sequences."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from bbo.catalogue import LoadedMethod
from bbo.errors import BBOError
from bbo.problem import Problem
from bbo.proposals.model import moments
from bbo.space import Continuous, Mixed, Sequence, Space

CPU = torch.device("cpu")


@dataclass(frozen=True)
class View:
    """A space that a method takes, with the way to it and back: designs (n, D) to its designs (n, *shape) and the other way."""

    space: Space
    there: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]
    words: str = ""


def view(method: LoadedMethod, space: Mixed, rows: int) -> View:
    """The first of these that the method takes: the mixed space itself, sequences where nothing else is there, a box.

    Raises:
        BBOError: it takes none; the message gives its reason.
    """
    for make in (_itself, _sequence, _box):
        found = make(space)
        if found and not (reason := method.unsuitable(found.space, rows)):
            return found
    raise BBOError(f"method '{method.id}' does not fit this table: {reason}; see: bbo list methods")


def _itself(space: Mixed) -> View:
    return View(space, lambda x: x, space.settle)


def _sequence(space: Mixed) -> View | None:
    if (space.counts == 0).any():
        return None
    return View(Sequence(tuple(space.counts.tolist())), lambda x: x.astype(np.int64), lambda x: x.astype(np.float64))


def _box(space: Mixed) -> View:
    codec = space.codec(CPU)
    low, high = codec.encode(torch.as_tensor(space.corners(2))).numpy()
    one_hot = torch.ones(space.dim, dtype=torch.bool).index_fill(0, codec.number_columns, False).numpy()  # type: ignore[attr-defined]
    low, high = np.where(one_hot, 0.0, low), np.where(one_hot, 1.0, high)
    words = " and options and letters one-hot" if one_hot.any() else ""
    return View(
        Continuous(tuple(low.tolist()), tuple(high.tolist())),
        lambda x: codec.encode(torch.as_tensor(x)).numpy(),
        lambda z: codec.decode(torch.as_tensor(z)).numpy(),
        f"it works on boxes, so it sees numbers scaled{words}; its proposals are rounded to the table's values",
    )


def posed(method: LoadedMethod, space: Mixed, x: np.ndarray, y: np.ndarray, budget: int, seed: int) -> tuple[View, Problem]:
    """Designs x (N, D) with scores y (N,), larger is better, as a problem of the method, and the view that it is seen through.

    Problems hold float32, in which scores of -15234.101 and -15234.102 are one number, so y is z-scored here, in float64.

    Raises:
        BBOError: the method does not fit the table.
    """
    seen = view(method, space, len(x))
    mean, scale = moments(y)
    scores = (y - mean) / scale
    return seen, Problem(
        torch.as_tensor(seen.there(x)),
        torch.as_tensor(scores, dtype=torch.float32),
        seen.space,
        budget,
        torch.Generator().manual_seed(seed),
    )


def designs(
    method: LoadedMethod, preset: str, space: Mixed, x: np.ndarray, y: np.ndarray, budget: int, seed: int
) -> tuple[np.ndarray, list[str]]:
    """What a method proposes for designs x (N, D) with scores y (N,), larger is better: (budget, D), and its own warnings.

    The designs are settled on the space. The method sees z-scored y.

    Raises:
        BBOError: the method does not fit the table, or failed on it.
    """
    seen, problem = posed(method, space, x, y, budget, seed)
    config = method.config(preset, "", {}).config
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = method.propose(config, problem)
        except BBOError:
            raise
        except Exception as error:
            raise BBOError(f"method '{method.id}' failed on this table: {type(error).__name__}: {error}; try another") from error
    # Warnings of other libraries are about their insides.
    own = dict.fromkeys(str(one.message) for one in told if type(one.message) is UserWarning)
    return space.settle(seen.back(torch.as_tensor(found).detach().cpu().numpy())), list(own)
