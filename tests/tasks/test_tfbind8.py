"""TFBind8 against Design-Bench's own table."""

import os
from pathlib import Path

import numpy as np
import pytest

from bbo.errors import UnknownName
from bbo.tasks.tfbind8 import SPACE, TFBind8, table_keys

pytestmark = pytest.mark.numerics

needs_data = pytest.mark.skipif("BBO_DATA_DIR" not in os.environ, reason="BBO_DATA_DIR is not set")


def test_layout_of_the_table():
    keys = table_keys()
    assert len(keys) == 65792
    assert len(set(keys.tolist())) == 65536
    half = len(keys) // 2
    assert (SPACE.from_key(keys[half:]) == 3 - SPACE.from_key(keys[:half])[:, ::-1]).all()


def test_published_figures():
    task = TFBind8()
    table = task.dataset()
    assert table.x.shape == (32898, 8)
    assert table.x.dtype == np.int64
    assert table.y.dtype == np.float32
    assert table.y.max() == np.float32(0.43929616) == np.float32(task.spec.best_visible)
    everything = task.score(SPACE.from_key(np.arange(4**8)))
    assert everything.min() == 0.0
    assert everything.max() == 1.0
    best = [SPACE.readable(row) for row in SPACE.from_key(np.flatnonzero(everything == 1.0))]
    assert best == ["AGGTATCA", "TGATACCT"]


@needs_data
def test_equals_design_bench_row_by_row():
    with np.load(Path(os.environ["BBO_DATA_DIR"]) / "tfbind8" / "tfbind8_six6_ref_r1.npz", allow_pickle=False) as npz:
        x, y = npz["x"], npz["y"]
    task, visible = TFBind8(), y <= np.percentile(y, 50)
    assert (task.dataset().x == x[visible]).all()
    assert (task.dataset().y == y[visible]).all()
    assert (task.score(x) == y).all()


@needs_data
@pytest.mark.parametrize("name", ["PAX7_REF_R1", "NKX2-8_REF_R1"])
def test_further_landscapes(name):
    task = TFBind8(name)
    table = task.dataset()
    assert task.spec.id == f"tfbind8:{name}"
    assert len(table.x) == task.spec.visible_rows
    assert table.y.max() == np.float32(task.spec.best_visible)
    assert (task.score(table.x) == table.y).all()


def test_variants():
    assert len(TFBind8.variants()) == 199
    with pytest.raises(UnknownName, match="PAX7_REF_R1"):
        TFBind8("PAX7_REF_R9")
