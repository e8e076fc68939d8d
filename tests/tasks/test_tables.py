"""The shipped tables: known figures of NAS-Bench-201 and HPOLib, and TFBind10's oddities."""

import itertools
import os
import re

import numpy as np
import pytest

from bbo import data
from bbo.catalogue import load_task
from bbo.tasks import hpo, nas_bench_201, tfbind10

pytestmark = pytest.mark.numerics

needs_data = pytest.mark.skipif("BBO_DATA_DIR" not in os.environ, reason="BBO_DATA_DIR is not set")


def everything(space):
    return space.from_key(np.arange(space.size))


@pytest.mark.parametrize(
    ("name", "quantiles"),
    [
        ("cifar10", [9.71, 86.37, 87.28, 89.67, 90.97, 91.68]),
        ("cifar100", [1.00, 63.72, 65.16, 69.38, 71.18, 73.64]),
        ("imagenet16", [0.83, 34.20, 36.50, 42.83, 45.23, 46.87]),
    ],
)
def test_nas_bench_201_landscape(name, quantiles):
    y = load_task(f"nas-bench-201-{name}").score(everything(nas_bench_201.SPACE))
    assert len(y) == 15625
    np.testing.assert_allclose(np.percentile(y, [0, 40, 50, 90, 99, 100]), quantiles, atol=0.006)


def test_nas_bench_201_operations_mean_what_they_say():
    # An architecture without any path from input to output guesses: 10 % of CIFAR-10.
    nothing = np.full((1, 6), nas_bench_201.OPERATIONS.index("none"))
    assert load_task("nas-bench-201-cifar10").score(nothing)[0] == pytest.approx(10.0, abs=0.5)
    convolutions = np.full((1, 6), nas_bench_201.OPERATIONS.index("nor_conv_3x3"))
    assert load_task("nas-bench-201-cifar10").score(convolutions)[0] > 89.0


def test_nas_bench_201_edges_join_the_nodes_they_name():
    """With convolutions on some edges and nothing on the others, a network learns if they lead from node 0 to node 3."""
    convolution = nas_bench_201.OPERATIONS.index("nor_conv_3x3")
    joined = [tuple(map(int, edge.removeprefix("edge ").split("-"))) for edge in nas_bench_201.EDGES]
    chosen = np.array(list(itertools.product([False, True], repeat=6)))
    accuracy = load_task("nas-bench-201-cifar10").score(np.where(chosen, convolution, 0))
    for row, reached in zip(chosen, accuracy, strict=True):
        nodes = {0}
        for a, b in sorted(edge for edge, there in zip(joined, row, strict=True) if there):
            nodes |= {b} if a in nodes else set()
        assert (reached > 15) == (3 in nodes), (row, reached)


def test_winning_designs_can_be_read():
    task = load_task("hpo-naval")
    best = everything(hpo.SPACE)[task.table().argmax()]
    text = task.spec.space.readable(best)
    assert re.fullmatch(r"activation_fn_1=(relu|tanh), .*batch_size=\d+, .*init_lr=0\.\d+, .*n_units_2=\d+", text)
    assert hpo.SPACE.readable(np.array([0, 0, 1, 0, 0, 1, 0, 0, 0])).startswith(
        "activation_fn_1=relu, activation_fn_2=relu, batch_size=16, dropout_1=0.0, dropout_2=0.0, init_lr=0.001, lr_schedule=cosine"
    )
    assert nas_bench_201.SPACE.readable(np.zeros(6, int)).startswith("edge 0-1=none, edge 0-2=none")


@pytest.mark.parametrize("name", ["protein", "slice", "naval", "parkinsons"])
def test_hpo_tables(name):
    task = load_task(f"hpo-{name}")
    assert hpo.SPACE.letters == (2, 2, 4, 3, 3, 6, 2, 6, 6)
    x = everything(hpo.SPACE)
    y = task.score(x)
    assert len(y) == 62208
    assert (y.min(), y.max()) == (task.spec.y_min, task.spec.y_max)
    table = task.dataset()
    assert len(np.unique(table.x, axis=0)) == 10_000
    assert (table.y <= np.percentile(y.astype(np.float32), 40)).all()
    # The largest learning rate without decay is a bad idea on every data set.
    rate, schedule = x[:, 5] == 5, x[:, 6] == hpo.CHOICES["lr_schedule"].index("const")
    assert np.median(y[rate & schedule]) < np.median(y)


@needs_data
def test_tfbind10_is_design_bench_to_the_row():
    keys, y = tfbind10.rows()
    assert len(keys) == 8321066
    assert (y <= np.float32(tfbind10.THRESHOLD)).sum() == 4161482
    assert y[y <= np.percentile(y, 50)].max() == np.float32(0.005328223)
    assert (y.min(), y.max()) == (np.float32(-1.8585268), np.float32(2.1287067))
    assert set(np.bincount(keys)) == {5, 6, 7, 8}


@needs_data
def test_tfbind10_last_row_wins():
    keys, y = tfbind10.rows()
    slow = dict(zip(keys[-300_000:].tolist(), y[-300_000:].tolist(), strict=True))
    table = tfbind10.last_row_wins()
    assert all(table[key] == value for key, value in slow.items())
    with np.load(f"{os.environ['BBO_DATA_DIR']}/tfbind10/tfbind10_pho4_tables.npz", allow_pickle=False) as npz:
        assert (table == npz["oracle_last"]).all()
        reference = npz["replicate34_mean"]
    known = ~np.isnan(reference)
    assert (~known).sum() == 1
    assert (tfbind10.replicates_mean()[known] == reference[known]).all()


@needs_data
def test_tfbind10_oracle_hardly_knows_the_visible_scores():
    table = load_task("tfbind10:50000-uniform").dataset()
    correlation = np.corrcoef(load_task("tfbind10").score(table.x), table.y)[0, 1]
    assert correlation == pytest.approx(0.08, abs=0.02)


@needs_data
def test_tfbind10_subsets():
    full = load_task("tfbind10:full").dataset()
    # The draw of Design-Bench, spelled out as its users write it.
    np.random.seed(0)  # noqa: NPY002
    p = np.ones(len(full.y), np.float32)
    drawn = np.random.choice(len(full.y), 10_000, replace=False, p=p / p.sum())  # noqa: NPY002
    mask = np.zeros(len(full.y), bool)
    mask[drawn] = True
    table = load_task("tfbind10").dataset()
    assert (table.x == full.x[mask]).all()
    assert (table.y == full.y[mask]).all()
    spaced = load_task("tfbind10:5000-quantile").dataset().y
    assert (spaced == np.sort(full.y)[np.arange(0, 4161482, 830)[:5000]]).all()


def test_variants_of_tfbind10_are_listed():
    assert set(tfbind10.TFBind10.variants()) == {"50000-uniform", "50000-quantile", "5000-quantile", "full"}
    assert "tfbind10/tfbind10_pho4_rows.npz" in data.manifest()
