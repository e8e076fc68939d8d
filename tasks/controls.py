"""Controls: classical test functions of botorch with known optima, negated so that larger is better.

They are cheap, smooth and well known. Each visible table is the lower half of 5000 uniform designs drawn from a fixed random stream.
The scores of these designs are stored; the designs are drawn again from the stream.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import numpy as np

from bbo import data
from bbo.space import Continuous, Space
from bbo.task import Dataset, Task, TaskSpec

FILE = "controls.npz"
POOL = 5000


def pool(space: Space) -> np.ndarray:
    """The 5000 uniform designs (5000, d), float32, of a space.

    From raw 64-bit words: NumPy promises that these stay the same, which it does not for distributions.
    """
    words = np.random.PCG64(space.dim).random_raw(POOL * space.dim)
    return space.from_unit((words >> np.uint64(11)).reshape(POOL, space.dim) * 2.0**-53)


@cache
def function(name: str, dim: int) -> Any:
    """The test function of botorch, negated (it minimises), in float64."""
    import torch  # slow to import, and only needed to score
    from botorch.test_functions import synthetic

    sizes = {} if name == "Branin" else {"dim": dim}
    return getattr(synthetic, name)(negate=True, dtype=torch.float64, **sizes)


def control_spec(
    name: str, space: Continuous, best_visible: float, y_min: float, optimum: float, note: str = "", saturated: bool = False
) -> TaskSpec:
    """The facts of one control; normalisers in the function's own unit, negated."""
    return TaskSpec(
        id=name,
        version="1",
        title=f"{name.partition('-')[0].capitalize()} function in {space.dim} dimensions (control)",
        space=space,
        visible_rows=POOL // 2,
        best_visible=best_visible,
        y_min=y_min,
        y_max=optimum,
        oracle="exact",
        family="synthetic",
        hidden="the upper half of 5000 uniform designs",
        source="botorch.test_functions.synthetic, negated",
        licence="MIT",
        optimum=optimum,
        saturated=saturated,
        note=note or "a control, not a benchmark: the function is known to everybody",
    )


class Control(Task):
    """A botorch function over the lower half of a uniform pool; base of the five controls."""

    #: Stored scores are rounded to float32.
    tolerance = 1e-6
    #: Name of the class in botorch.
    botorch: ClassVar[str]

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return (data.Source((FILE,), "MIT (this project)", "tools/build_controls.py"),)

    def dataset(self) -> Dataset:
        return Dataset.up_to(pool(self.spec.space), data.load(FILE)[self.spec.id], self.spec.best_visible)

    def oracle(self, x: np.ndarray) -> np.ndarray:
        import torch

        exact = function(self.botorch, x.shape[1])
        # A bound rounded to float32 may be beyond the float64 bound, and botorch refuses such designs.
        return exact(torch.as_tensor(x, dtype=torch.float64).clamp(*exact.bounds)).numpy()


class Branin(Control):
    """Branin, 2 dimensions, three optima."""

    botorch = "Branin"
    spec = control_spec(
        "branin",
        Continuous((-5.0, 0.0), (10.0, 15.0)),
        -36.498191833496094,
        -291.8436584472656,
        -0.39788735772973816,
        saturated=True,
    )


class Hartmann6(Control):
    """Hartmann, 6 dimensions."""

    botorch = "Hartmann"
    spec = control_spec("hartmann-6", Continuous.box(6, 0.0, 1.0), 0.10350785404443741, 6.722279408677423e-07, 3.322368011415515)


class Ackley20(Control):
    """Ackley, 20 dimensions."""

    botorch = "Ackley"
    spec = control_spec(
        "ackley-20",
        Continuous.box(20, -32.768, 32.768),
        -21.241455078125,
        -21.93083381652832,
        0.0,
        "a control; the optimum is the centre of the box",
    )


class Rosenbrock60(Control):
    """Rosenbrock, 60 dimensions."""

    botorch = "Rosenbrock"
    spec = control_spec("rosenbrock-60", Continuous.box(60, -5.0, 10.0), -7487398.0, -14215908.0, 0.0)


class Levy60(Control):
    """Levy, 60 dimensions."""

    botorch = "Levy"
    spec = control_spec("levy-60", Continuous.box(60, -10.0, 10.0), -762.350341796875, -1267.322265625, 0.0)
