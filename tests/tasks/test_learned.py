"""Learned oracles: files with the stated hash, the stated quality, and our evaluation equal to the library's."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from bbo import data
from bbo.catalogue import load_task
from bbo.tasks.parts import convolution, forest, quality
from bbo.tasks.parts.quality import report

PATH = Path(__file__).parents[2] / "tools" / "train_oracle.py"
spec = importlib.util.spec_from_file_location("train_oracle", PATH)
train_oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(train_oracle)

pytestmark = pytest.mark.numerics

NAMES = ["superconductor", "utr", "gfp"]
needs_data = pytest.mark.skipif("BBO_DATA_DIR" not in os.environ, reason="BBO_DATA_DIR is not set")


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_those_of_the_report(name):
    assert data.content_hash(data.load(f"{name}_oracle.npz")) == report(name)["content"]
    assert f"{report(name)['held_out']['spearman']:.3f}" in quality.note(name)
    assert load_task(name).spec.oracle == "learned"


def test_weights_are_small():
    assert sum((data.package_dir() / f"{name}_oracle.npz").stat().st_size for name in NAMES) < 20e6


def test_held_out_quality_reaches_the_goals():
    assert report("superconductor")["held_out"]["r2"] >= 0.9
    assert report("utr")["held_out"]["spearman"] >= 0.85
    assert report("gfp")["held_out"]["spearman"] >= 0.8


@needs_data
@pytest.mark.parametrize("name", ["superconductor", "gfp"])
def test_stated_gap_to_the_visible_labels(name):
    table = load_task(name).dataset()
    rows = np.linspace(0, len(table.y) - 1, 1500).astype(int)
    error = load_task(name).score(table.x[rows]) - table.y[rows]
    assert np.sqrt((error**2).mean()) == pytest.approx(report(name)["visible"]["rmse"], rel=0.2)


def test_bounded_oracle_stays_in_the_measured_range():
    task = load_task("gfp")
    x = task.spec.space.from_unit(np.random.default_rng(0).random((256, *task.spec.space.shape)))
    scores = task.normalise(task.oracle(x))
    assert scores.min() >= -1e-6  # the published normalisers have eight digits
    assert scores.max() <= 1.0 + 1e-6


def test_forest_equals_scikit_learn():
    ensemble = pytest.importorskip("sklearn.ensemble")
    rng = np.random.default_rng(0)
    x = rng.random((500, 6)).astype(np.float32)
    y = np.sin(5 * x[:, 0]) + x[:, 1] * x[:, 2]
    fitted = ensemble.RandomForestRegressor(7, random_state=0).fit(x, y)
    arrays = train_oracle.to_arrays(fitted)
    fresh = rng.random((300, 6)).astype(np.float32)
    # Thresholds are kept in float32 here and in float64 there; they part only where a design lies within rounding of one.
    np.testing.assert_allclose(forest.predict(arrays, fresh), fitted.predict(fresh), rtol=1e-6, atol=1e-7)


def test_convolution_by_hand():
    # One filter that sees letter 1, summed over three positions: 0, 1, 2 or 3 of them.
    weights = {
        "conv0.weight": np.array([[[0.0], [1.0]]]), "conv0.bias": np.array([0.0]),
        "dense.weight": np.ones((1, 3)), "dense.bias": np.array([-1.0]),
        "head.weight": np.array([[2.0]]), "head.bias": np.array([0.5]),
        "y_low": np.array(-1.0), "y_high": np.array(3.0),
    }  # fmt: skip
    x = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
    z = 2.0 * np.maximum(x.sum(axis=1) - 1.0, 0.0) + 0.5
    linear = {key: value for key, value in weights.items() if not key.startswith("y_")}
    linear |= {"y_mean": np.array(10.0), "y_std": np.array(2.0)}
    np.testing.assert_allclose(convolution.predict(linear, x), 10.0 + 2.0 * z, rtol=1e-12)
    np.testing.assert_allclose(convolution.predict(weights, x, batch=3), -1 + 4 / (1 + np.exp(-z)), rtol=1e-12)


@needs_data
@pytest.mark.slow
def test_utr_oracle_ranks_the_labels():
    arrays = data.load("utr/utr.npz")
    rows = np.random.default_rng(0).choice(280_000, 3000, replace=False)
    predicted = convolution.predict(data.load("utr_oracle.npz"), arrays["x"][rows])
    assert spearmanr(predicted, arrays["y"][rows]).statistic == pytest.approx(report("utr")["all_rows"]["spearman"], abs=0.02)
