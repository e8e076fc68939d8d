"""What every method must do, tried on two small made-up problems: a box and sequences with unequal letters."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bbo import catalogue, settings
from bbo.catalogue import Method
from bbo.problem import Problem
from bbo.space import Continuous, Sequence, Space
from bbo.testing import Checks

SPACES: dict[str, Space] = {
    "box": Continuous((-1.0, 0.0, -2.0, 0.0), (1.0, 5.0, 2.0, 1.0)),
    "sequence": Sequence((4, 2, 3, 4, 4, 5)),
}


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


def checks(method: Method) -> Checks:
    """All checks of one method, under its `smoke` preset where it has one."""
    found: Checks = {
        "has a docstring": lambda: _docstring(method),
        "has settings that can be written down": lambda: _settings(method),
        "has presets that resolve": lambda: _presets(method),
    }
    for name, space in SPACES.items():
        for budget in (8, 400):
            found[f"{name}: returns {budget} valid designs for a budget of {budget}"] = _bind(_valid, method, space, budget)
        found[f"{name}: the same seed gives the same designs, bit for bit"] = _bind(_repeatable, method, space)
        found[f"{name}: leaves the visible table as it was"] = _bind(_leaves_data, method, space)
        found[f"{name}: draws from problem.generator only"] = _bind(_own_randomness, method, space)
        found[f"{name}: notes can be written as JSON"] = _bind(_notes, method, space)
    return found


def _bind(check: Callable[..., None], *arguments: Any) -> Callable[[], None]:
    return lambda: check(*arguments)


def _propose(method: Method, problem: Problem) -> Tensor:
    preset = "smoke" if "smoke" in method.presets() else next(iter(method.presets()), "default")
    return torch.as_tensor(method.cls(**method.config(preset, "", {}).config).propose(problem))


def _docstring(method: Method) -> None:
    own = (method.cls.__doc__ or "").strip()
    # A dataclass without a docstring gets its signature as one.
    assert own and not own.startswith(f"{method.cls.__name__}("), "write a docstring: its first line is shown in every list"


def _settings(method: Method) -> None:
    if dataclasses.is_dataclass(method.cls):
        parameters = getattr(method.cls, "__dataclass_params__", None)
        assert parameters is not None and parameters.frozen, "the settings must not change: use @dataclass(frozen=True)"
    for key, value in catalogue.defaults(method.cls).items():
        assert isinstance(value, bool | int | float | str), (
            f"setting {key} is {type(value).__name__}; allowed: bool, int, float, str"
        )


def _presets(method: Method) -> None:
    for name, changes in method.presets().items():
        text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in changes.items()}
        settings.resolve(method.cls, method.id, name, "", text)


def _valid(method: Method, space: Space, budget: int) -> None:
    designs = _propose(method, make_problem(space, budget))
    assert len(designs) == budget, f"must return exactly problem.budget = {budget} designs; got {len(designs)}"
    space.check(designs.detach().cpu().numpy())


def _repeatable(method: Method, space: Space) -> None:
    first, second = (_propose(method, make_problem(space, 8)) for _ in range(2))
    assert torch.equal(first, second), "two runs from the same seed differ; draw random numbers from problem.generator only"


def _leaves_data(method: Method, space: Space) -> None:
    problem = make_problem(space, 8)
    x, y = problem.x.clone(), problem.y.clone()
    _propose(method, problem)
    assert torch.equal(x, problem.x), "problem.x was changed in place"
    assert torch.equal(y, problem.y), "problem.y was changed in place"


def _own_randomness(method: Method, space: Space) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    _propose(method, make_problem(space, 8))
    assert torch.equal(before[0], torch.get_rng_state()), "torch's global generator was used; pass generator=problem.generator"
    assert before[1] == np.random.get_state()[1].tolist(), "NumPy's global generator was used"  # type: ignore[index]  # noqa: NPY002
    assert before[2] == random.getstate(), "the generator of the random module was used"


def _notes(method: Method, space: Space) -> None:
    problem = make_problem(space, 8)
    _propose(method, problem)
    json.dumps(problem.notes)
