"""The tasks of results/reproductions/."""

from pathlib import Path

import numpy as np
import pytest

from bbo import catalogue

FILE = Path(__file__).parents[2] / "results" / "reproductions" / "tfbind10_subsets.py"


def test_subsets_of_tfbind10_differ_in_their_rows_only():
    usual = catalogue.load_task("tfbind10")
    if reason := usual.unavailable():
        pytest.skip(reason)
    tasks = [catalogue.load_task(f"{FILE}:Subset{i}") for i in (1, 2)]
    datasets = [task.dataset() for task in (usual, *tasks)]
    assert {len(data.y) for data in datasets} == {10_000}
    assert len({data.sha256() for data in datasets}) == 3
    assert all(data.y.max() <= usual.spec.best_visible for data in datasets)
    assert [task.spec.id for task in tasks] == ["tfbind10-subset-1", "tfbind10-subset-2"]
    x = datasets[0].x[:100]
    assert all(np.array_equal(task.oracle(x), usual.oracle(x)) for task in tasks)
