"""What every method must do, tested on small made-up problems: a box, sequences with unequal numbers of letters, a mixed table."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bbo.catalogue import LoadedMethod
from bbo.designs import digest as designs_digest
from bbo.problem import Problem
from bbo.space import Category, Continuous, Letters, Mixed, Number, Sequence, Space
from bbo.testing import Checks

SPACES: dict[str, Space] = {
    "box": Continuous((-1.0, 0.0, -2.0, 0.0), (1.0, 5.0, 2.0, 1.0)),
    "sequence": Sequence((4, 2, 3, 4, 4, 5)),
    "mixed": Mixed(
        (
            Number("temperature", 20, 80, step=2.5),
            Category("solvent", ("water", "ethanol", "none")),
            Number("acid", 0.001, 1, log=True),
            Letters("tag", 2, "ACGT"),
            Number("cycles", 1, 9, integer=True),
        )
    ),
}
#: For methods that need the same letters in every position.
EVEN: dict[str, Space] = {"even sequence": Sequence.uniform(6, 4, "ACGT")}
#: Visible rows of a made-up problem, nine tenths of those drawn.
ROWS = 270


def make_problem(space: Space, budget: int, rows: int = 300, seed: int = 0) -> Problem:
    """A problem with `rows` uniform designs and a smooth score, the best tenth hidden."""
    numbers = np.random.default_rng(seed).random((rows, *space.shape), dtype=np.float32)
    scores = -np.square(numbers - 0.6).sum(1) + 0.1 * np.sin(9 * numbers).sum(1)
    shown = scores <= np.quantile(scores, 0.9)
    return Problem(
        torch.as_tensor(space.from_unit(numbers[shown])),
        torch.as_tensor(scores[shown].astype(np.float32)),
        space,
        budget,
        torch.Generator().manual_seed(seed),
        {"y_max": float(scores.max())},
    )


def spaces(method: LoadedMethod) -> dict[str, Space]:
    """The made-up spaces that a method fits; the even sequences only if it refuses the uneven ones."""
    found = {name: space for name, space in SPACES.items() if not method.unsuitable(space, ROWS)}
    return found | ({} if "sequence" in found else {n: s for n, s in EVEN.items() if not method.unsuitable(s, ROWS)})


def smoke(method: LoadedMethod) -> Any:
    """The method under its `smoke` preset, or its first, or none."""
    preset = "smoke" if "smoke" in method.presets() else next(iter(method.presets()), "default")
    return method.cls(**method.config(preset, "", {}).config)


@dataclass(frozen=True)
class Run:
    """One call of `propose`: the problem with its notes, a copy of its table from before, the designs, and the global generators used."""

    problem: Problem
    x: Tensor
    y: Tensor
    designs: Tensor
    touched: tuple[str, ...]


class Runs:
    """Runs of one method on a space, made when a check first asks for them, so that one run serves many checks."""

    def __init__(self, method: LoadedMethod, space: Space) -> None:
        self.method, self.space = method, space
        self._made: dict[tuple[int, int], Run] = {}

    def __call__(self, budget: int = 8, repeat: int = 0) -> Run:
        """The run with this budget; another `repeat` is a second run with the same inputs."""
        if (budget, repeat) not in self._made:
            problem = make_problem(self.space, budget)
            x, y = problem.x.clone(), problem.y.clone()
            with _watched() as touched:
                found = smoke(self.method).propose(problem)
                assert found is not None, "propose returned None; it must return the designs"
                designs = torch.as_tensor(found)
            self._made[budget, repeat] = Run(problem, x, y, designs, tuple(touched))
        return self._made[budget, repeat]


def digest(designs: Tensor) -> str:
    """12 hex digits that change with any bit of the designs, their type or shape."""
    return designs_digest(designs.detach().cpu().numpy())[:12]


def checks(method: LoadedMethod, made: Mapping[str, Runs] | None = None) -> Checks:
    """All checks of one method, under its `smoke` preset where it has one.

    Args:
        method: a loaded method.
        made: its runs by space, if other checks share them.
    """
    found: Checks = {
        "has a docstring": lambda: _docstring(method),
        "has settings that can be written down": lambda: _settings(method),
        "has presets that resolve": lambda: _presets(method),
        "fits some space, and says why it does not fit others": lambda: _fits(method),
    }
    for name, runs in (made or {name: Runs(method, space) for name, space in spaces(method).items()}).items():
        for budget in (8, 400):
            found[f"{name}: returns {budget} valid designs for a budget of {budget}"] = _bind(_valid, runs, budget)
        found[f"{name}: the same seed gives the same designs, bit for bit"] = _bind(_repeatable, runs)
        found[f"{name}: leaves the visible table as it was"] = _bind(_leaves_data, runs)
        found[f"{name}: draws from problem.generator only"] = _bind(_own_randomness, runs)
        found[f"{name}: asks for no privileged knowledge that it does not declare"] = _bind(_privileged, runs)
    return found


def _bind(check: Callable[..., None], *arguments: Any) -> Callable[[], None]:
    return lambda: check(*arguments)


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Names of the global generators used inside the `with` block."""
    touched: list[str] = []
    states = (torch.get_rng_state(), str(np.random.get_state()), random.getstate())  # noqa: NPY002
    yield touched
    if not torch.equal(states[0], torch.get_rng_state()):
        touched.append("torch's global generator was used; pass generator=problem.generator")
    if states[1] != str(np.random.get_state()):  # noqa: NPY002
        touched.append("NumPy's global generator was used")
    if states[2] != random.getstate():
        touched.append("the generator of the random module was used")


def _docstring(method: LoadedMethod) -> None:
    own = (method.cls.__doc__ or "").strip()
    # A dataclass without a docstring gets its signature as one.
    assert own and not own.startswith(f"{method.cls.__name__}("), "write a docstring: its first line is shown in every list"


def _settings(method: LoadedMethod) -> None:
    method.settings()
    if dataclasses.is_dataclass(method.cls):
        parameters = getattr(method.cls, "__dataclass_params__", None)
        assert parameters is not None and parameters.frozen, "the settings must not change: use @dataclass(frozen=True)"


def _presets(method: LoadedMethod) -> None:
    for name in method.presets():
        method.config(name, "", {})


def _fits(method: LoadedMethod) -> None:
    for space in (*SPACES.values(), *EVEN.values()):
        reason = method.unsuitable(space, ROWS)
        assert isinstance(reason, str), f"unsuitable must return a reason, or an empty text where it fits; got {reason!r}"
    assert spaces(method), (
        "unsuitable refuses every space that was tried: a box, sequences with uneven and with even letters, a mixed table"
    )


def _valid(runs: Runs, budget: int) -> None:
    designs = runs(budget).designs
    assert len(designs) == budget, f"must return exactly problem.budget = {budget} designs; got {len(designs)}"
    runs.space.check(designs.detach().cpu().numpy())


def _repeatable(runs: Runs) -> None:
    first, second = (runs(repeat=repeat).designs.detach().cpu().numpy() for repeat in (0, 1))
    if first.dtype.kind == "f":
        assert np.isfinite(first).all(), "the designs are not finite"
    assert np.array_equal(first, second), "two runs from the same seed differ; draw random numbers from problem.generator only"


def _leaves_data(runs: Runs) -> None:
    run = runs()
    assert torch.equal(run.x, run.problem.x), "problem.x was changed in place"
    assert torch.equal(run.y, run.problem.y), "problem.y was changed in place"


def _own_randomness(runs: Runs) -> None:
    assert not runs().touched, "; ".join(runs().touched)


def _privileged(runs: Runs) -> None:
    undeclared = set(runs().problem.privileged_used) - set(runs.method.spec.privileged)
    assert not undeclared, f"it asked for {', '.join(undeclared)}; write privileged=(...) into its MethodSpec"
