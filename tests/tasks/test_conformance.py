"""Every task of the catalogue keeps the promises of `bbo.testing.tasks`, and its scores are what they were."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from bbo import catalogue, data, workers
from bbo.simulation import SimulatedTask
from bbo.space import Sequence
from bbo.task import Dataset, Task, TaskSpec
from bbo.testing import verdicts
from bbo.testing.tasks import checks, uniform_designs

pytestmark = pytest.mark.numerics

CHECKSUMS = json.loads((Path(__file__).parent / "checksums.json").read_text())
VARIANTS = [
    "tfbind8:PAX7_REF_R1",
    "tfbind8:NKX2-8_REF_R1",
    "tfbind10:50000-uniform",
    "tfbind10:50000-quantile",
    "tfbind10:5000-quantile",
]

#: Tasks whose table is the same everywhere, and not made by each user.
FROZEN = [name for name in catalogue.task_ids() if not any(data.entry(file).build for file in catalogue.load_task(name).spec.data)]
SIMULATED = [name for name in catalogue.task_ids() if isinstance(catalogue.load_task(name), SimulatedTask)]


def usable(name):
    task = catalogue.load_task(name)
    assert not task.lacking(), f"{name}: the dev extra brings all that tasks need, but {task.lacking()}"
    if reason := task.unavailable():
        made = any(data.entry(file).build for file in task.spec.data)
        assert made or "BBO_DATA_DIR" not in os.environ, f"{name} must be available where the data are: {reason}"
        pytest.skip(reason)
    return task


@pytest.mark.parametrize("name", catalogue.task_ids() + VARIANTS)
def test_conformance(name):
    failures = [f"{v.check}: {v.failure}" for v in verdicts(checks(usable(name))) if v.failure]
    assert not failures, "\n".join(failures)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIMULATED)
def test_a_whole_set_of_designs_scores_alike_in_one_and_two_workers(name):
    """128 designs, as a run returns: those of a second worker have other ones before them. Half are visible ones, where there is a table."""
    task = catalogue.load_task(name)
    assert not task.lacking()
    x = uniform_designs(task, 128)
    if not task.unavailable():
        visible = task.visible().x
        x[::2] = visible[np.linspace(0, len(visible) - 1, 64).astype(int)]
    simulator = workers.Simulator.of(task)
    (one, failed), (two, failed_too) = (workers.evaluate(simulator, task.spec.space.check(x), count) for count in (1, 2))
    assert not failed and not failed_too
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", FROZEN)
def test_scores_of_sixteen_designs(name):
    task, stored = usable(name), CHECKSUMS[name]
    assert stored["version"] == task.spec.version
    assert len(stored["designs"]) == 16
    # Look-up tables are exact; functions and models may differ in the last digits from one machine to the next.
    rtol = 0.0 if task.tolerance == 0.0 or name == "tfbind10" else 1e-6
    np.testing.assert_allclose(task.score(np.array(stored["designs"])), stored["scores"], rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", FROZEN)
def test_visible_table_is_frozen(name):
    assert usable(name).visible().sha256() == CHECKSUMS[name]["table"]


@pytest.mark.parametrize(
    ("name", "y_min", "y_max", "best"),
    [
        ("tfbind8", 0.0, 1.0, 0.43929616),
        ("tfbind10", -1.8585268, 2.1287067, 0.005328223),
        ("superconductor", 0.00021, 185.0, 74.0),
        ("gfp", 1.28341925, 4.12310886, None),
        ("utr", 0.0, 12.0, 7.1231365),
    ],
)
def test_published_normalisers(name, y_min, y_max, best):
    """Shared by Design-Bench and the papers built on it; GFP's best visible score belongs to a table that cannot be rebuilt."""
    spec = catalogue.load_task(name).spec
    assert np.float32(spec.y_min) == np.float32(y_min)
    assert np.float32(spec.y_max) == np.float32(y_max)
    assert best is None or np.float32(spec.best_visible) == np.float32(best)


class Careless(Task):
    spec = TaskSpec(
        id="Careless task",
        version="",
        title="",
        space=Sequence.uniform(3, 4),
        visible_rows=9,
        best_visible=0.5,
        y_min=0.4,
        y_max=0.45,
        oracle="guess",
        hidden="",
        source="",
        licence="",
    )

    def dataset(self):
        y = np.random.default_rng().random(20)
        return Dataset(np.full((10, 3), 7), y[:10])

    def oracle(self, x):
        return np.where(np.ptp(x, axis=1) == 0, np.nan, np.random.default_rng().random(len(x))).astype(np.float32)

    def score(self, x):
        return self.oracle(x)


def test_the_checks_can_fail():
    passed = {v.check for v in verdicts(checks(Careless())) if not v.failure}
    assert passed == {"can be used here", "variants can be made, others are refused"}
