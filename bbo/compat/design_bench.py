"""Design-Bench's interface (`design_bench.make`, Trabucco et al. 2022) on our tasks, so that code written for it runs unchanged.

    from bbo.compat import design_bench
    task = design_bench.make("TFBind8-Exact-v0")

x is int32 letters or float32 numbers, y is float32 (N, 1); the `map_` methods change what `x`, `y` and `predict` speak, as there.
`bbo.compat.names` says which tasks there are and how their oracles compare. Facts follow `design_bench/task.py`,
`datasets/discrete_dataset.py` and `oracles/oracle_builder.py`; docs/migration.md lists every call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bbo import catalogue, task
from bbo.compat.names import DESIGN_BENCH, elsewhere
from bbo.errors import BBOError, unknown
from bbo.space import Sequence

#: Design-Bench's `soft_interpolation`: how much of a letter's probability is its own, the rest being uniform.
OWN = 0.6
#: Our variant of TFBind10 for each `max_samples`.
TFBIND10 = {None: "tfbind10:full", 10_000: "tfbind10", 50_000: "tfbind10:50000-uniform"}


def make(
    name: str,
    dataset_kwargs: Mapping[str, Any] | None = None,
    oracle_kwargs: Mapping[str, Any] | None = None,
    relabel: bool = False,
) -> Task:
    """The task of a Design-Bench name, such as "TFBind8-Exact-v0", or of one of our ids.

    Args:
        name: the name.
        dataset_kwargs: only `max_samples` of TFBind10 (10000 or 50000; without it, all 4161482 rows).
        oracle_kwargs: must be empty, since oracles are fixed.
        relabel: y becomes the oracle's score of every visible row.

    Raises:
        UnknownName: no such task, or one that is not in this suite.
        Unavailable: its data file or package is missing.
        BBOError: other `dataset_kwargs` or `oracle_kwargs`.
    """
    samples = dict(dataset_kwargs or {})
    ours = DESIGN_BENCH[name].task if name in DESIGN_BENCH else name
    if ours == "tfbind10" and name != ours:
        wanted = samples.pop("max_samples", None)
        if wanted not in TFBIND10:
            allowed = ", ".join(map(str, TFBIND10))
            raise BBOError(f"max_samples of {name} is one of {allowed}, as papers use it; got {wanted!r}")
        ours = TFBIND10[wanted]
    if samples or oracle_kwargs:
        named = ", ".join([*samples, *(oracle_kwargs or {})])
        raise BBOError(f"the visible rows and the oracle of {name} are fixed; leave out {named}")
    if not ours:
        raise unknown("task", name, [key for key, found in DESIGN_BENCH.items() if found.task], elsewhere(name))
    return Task(catalogue.load_task(ours), relabel)


class Task:
    """A task with Design-Bench's attributes and methods. `dataset` is the same object, since nothing else distinguishes the two.

    Attributes:
        task: our own task (`task.spec` has its facts).
        y_min, y_max: normalisers, raw; scores of papers are (y - y_min) / (y_max - y_min).
        is_discrete, is_logits, is_normalized_x, is_normalized_y: what `x`, `y` and `predict` speak.
        x_mean, x_standard_dev, y_mean, y_standard_dev: statistics of the visible rows; x as numbers or logits.
    """

    def __init__(self, task: task.Task, relabel: bool = False) -> None:
        self.task, space = task, task.spec.space
        self.y_min, self.y_max = task.spec.y_min, task.spec.y_max
        self.is_discrete = isinstance(space, Sequence)
        if isinstance(space, Sequence) and len(set(space.letters)) > 1:
            raise BBOError(f"{task.spec.id} has positions with unequal numbers of letters, which Design-Bench's interface lacks")
        self._classes = space.letters[0] if isinstance(space, Sequence) else 0
        visible = task.visible()
        self._x = visible.x.astype(np.int32 if self.is_discrete else np.float32)
        self._y = visible.y.astype(np.float32)[:, None]
        if relabel:
            self._y = task.score(visible.x).astype(np.float32)[:, None]
        self.is_logits = self.is_normalized_x = self.is_normalized_y = False
        self.y_mean, self.y_standard_dev = _moments(self._y)
        self._moments_x: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def dataset(self) -> Task:
        """This object, whose `x`, `y` and methods are also those of Design-Bench's data set."""
        return self

    @property
    def x(self) -> np.ndarray:
        """Visible designs: letters (N, L) int32, logits (N, L, num_classes - 1) or numbers (N, d) float32; normalised if asked for."""
        x = self.to_logits(self._x) if self.is_logits else self._x
        return self.normalize_x(x) if self.is_normalized_x else x.copy()

    @property
    def y(self) -> np.ndarray:
        """Visible scores (N, 1), float32, larger is better; z-scored after `map_normalize_y`."""
        return self.normalize_y(self._y) if self.is_normalized_y else self._y.copy()

    @property
    def num_classes(self) -> int:
        """Letters of a position.

        Raises:
            AttributeError: the task is continuous.
        """
        if not self.is_discrete:
            raise AttributeError(f"{self.task.spec.id} is continuous and has no classes")
        return self._classes

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one design, as `x` has it."""
        shape = self.task.spec.space.shape
        return (*shape, self._classes - 1) if self.is_logits else shape

    @property
    def input_size(self) -> int:
        """How many numbers that is."""
        return int(np.prod(self.input_shape))

    @property
    def input_dtype(self) -> np.dtype:
        """Type of `x`."""
        return np.dtype(np.int32 if self.is_discrete and not self.is_logits else np.float32)

    output_shape = (1,)
    output_size = 1
    output_dtype = np.dtype(np.float32)

    @property
    def dataset_size(self) -> int:
        """Number of visible rows."""
        return len(self._y)

    @property
    def dataset_name(self) -> str:
        """Our id."""
        return self.task.spec.id

    @property
    def oracle_name(self) -> str:
        """Kind of oracle: "exact" or "learned"."""
        return self.task.spec.oracle

    @property
    def x_mean(self) -> np.ndarray:
        """Mean of the visible designs (1, *shape)."""
        return self._statistics()[0]

    @property
    def x_standard_dev(self) -> np.ndarray:
        """Standard deviation of the visible designs (1, *shape); 1 where they are constant."""
        return self._statistics()[1]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """True scores (n, 1), float32, of designs as `x` has them; z-scored after `map_normalize_y`.

        Raises:
            DesignError: these are not designs of the task; numbers outside the box are clipped to it.
        """
        x = np.asarray(x)
        if self.is_normalized_x:
            x = self.denormalize_x(x)
        space = self.task.spec.space
        if self.is_logits:
            x = self.to_integers(x)
        elif not self.is_discrete:
            x = np.clip(x, np.asarray(space.low, np.float32), np.asarray(space.high, np.float32))  # type: ignore[attr-defined]
        y = self.task.score(x).astype(np.float32)[:, None]
        return self.normalize_y(y) if self.is_normalized_y else y

    def map_to_logits(self) -> None:
        """From now on `x` is logits."""
        self._need_letters()
        if not self.is_logits:
            self.is_logits, self._moments_x = True, None

    def map_to_integers(self) -> None:
        """From now on `x` is letters, not normalised."""
        self._need_letters()
        if self.is_logits:
            self.is_logits, self.is_normalized_x, self._moments_x = False, False, None

    def map_normalize_x(self) -> None:
        """From now on `x` is z-scored."""
        self._need_numbers()
        self.is_normalized_x = True

    def map_denormalize_x(self) -> None:
        """From now on `x` is not z-scored."""
        self._need_numbers()
        self.is_normalized_x = False

    def map_normalize_y(self) -> None:
        """From now on `y` is z-scored."""
        self.is_normalized_y = True

    def map_denormalize_y(self) -> None:
        """From now on `y` is raw."""
        self.is_normalized_y = False

    def normalize_x(self, x: np.ndarray) -> np.ndarray:
        """Numbers or logits (n, *shape), z-scored by the visible rows."""
        return ((_floats(x) - self.x_mean) / self.x_standard_dev).astype(np.float32)

    def denormalize_x(self, x: np.ndarray) -> np.ndarray:
        """The inverse of `normalize_x`."""
        return (_floats(x) * self.x_standard_dev + self.x_mean).astype(np.float32)

    def normalize_y(self, y: np.ndarray) -> np.ndarray:
        """Scores (n, 1), z-scored by the visible rows."""
        return ((np.asarray(y) - self.y_mean) / self.y_standard_dev).astype(np.float32)

    def denormalize_y(self, y: np.ndarray) -> np.ndarray:
        """The inverse of `normalize_y`."""
        return (np.asarray(y) * self.y_standard_dev + self.y_mean).astype(np.float32)

    def to_logits(self, x: np.ndarray) -> np.ndarray:
        """Letters (n, L) to logits (n, L, num_classes - 1), float32: log p_c - log p_0, p = 0.6 onehot + 0.4 / num_classes."""
        self._need_letters()
        if x.dtype.kind not in "iu":
            raise ValueError(f"letters are whole numbers; got {x.dtype}")
        p = OWN * np.eye(self._classes) + (1 - OWN) / self._classes
        table = (np.log(p[:, 1:]) - np.log(p[:, :1])).astype(np.float32)
        return table[x]

    def to_integers(self, x: np.ndarray) -> np.ndarray:
        """Logits (n, L, num_classes - 1) to the likeliest letters (n, L), int32; ties go to the lower letter."""
        self._need_letters()
        return np.argmax(np.pad(_floats(x), [(0, 0), (0, 0), (1, 0)]), axis=-1).astype(np.int32)

    def iterate_batches(
        self, batch_size: int, return_x: bool = True, return_y: bool = True, drop_remainder: bool = False
    ) -> Iterator[Any]:
        """Batches of (x, y), of x or of y, in the order of the rows."""
        x, y = self.x, self.y
        last = len(y) - batch_size + 1 if drop_remainder else len(y)
        for first in range(0, last, batch_size):
            rows = slice(first, first + batch_size)
            yield (x[rows], y[rows]) if return_x and return_y else x[rows] if return_x else y[rows]

    def iterate_samples(self, return_x: bool = True, return_y: bool = True) -> Iterator[Any]:
        """Single rows, as `iterate_batches` gives batches."""
        x, y = self.x, self.y
        for i in range(len(y)):
            yield (x[i], y[i]) if return_x and return_y else x[i] if return_x else y[i]

    def __iter__(self) -> Iterator[Any]:
        return self.iterate_samples()

    def _statistics(self) -> tuple[np.ndarray, np.ndarray]:
        if self._moments_x is None:
            self._need_numbers()
            self._moments_x = _moments(self.to_logits(self._x) if self.is_logits else self._x)
        return self._moments_x

    def _need_letters(self) -> None:
        if not self.is_discrete:
            raise ValueError("only supported on discrete datasets")

    def _need_numbers(self) -> None:
        if self.is_discrete and not self.is_logits:
            raise ValueError("cannot normalize discrete design values; call map_to_logits first")


def _floats(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise ValueError(f"these are numbers or logits, of a floating type; got {x.dtype}")
    return x


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (1, ...) of rows; the latter 1 where all rows agree. In float64, since tables have millions of rows."""
    mean = values.mean(axis=0, keepdims=True, dtype=np.float64)
    deviation = values.std(axis=0, keepdims=True, dtype=np.float64)
    return mean.astype(np.float32), np.where(deviation > 0, deviation, 1).astype(np.float32)
