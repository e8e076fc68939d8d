"""Design-Bench's interface: the figures papers print, the calls its users make, and scripts in their style."""

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import bbo
from bbo.catalogue import expand_tasks, is_task, load_task, task_ids
from bbo.cli import main
from bbo.compat import design_bench
from bbo.compat.names import DESIGN_BENCH, elsewhere
from bbo.errors import BBOError, UnknownName

#: Name, visible rows, shape of a design, y_min, y_max, best visible score normalised, as ROOT (`BaseRunner.py` 508-510) and
#: Offline-RaM (`dic2y.npy`) have them, and as the registrations of Design-Bench give the sizes.
FIGURES = [
    ("TFBind8-Exact-v0", {}, 32898, (8,), 0.0, 1.0, 0.439296),
    ("TFBind10-Exact-v0", {"max_samples": 10000}, 10000, (10,), -1.8585268, 2.1287067, 0.467456),
    ("Superconductor-RandomForest-v0", {}, 17014, (86,), 0.00021, 185.0, 0.400),
    ("UTR-ResNet-v0", {}, 140000, (50,), 0.0, 12.0, 0.593595),
    ("GFP-Transformer-v0", {}, 5000, (237,), 1.28341925, 4.12310886, None),
]


@pytest.mark.parametrize(("name", "kwargs", "rows", "shape", "low", "high", "best"), FIGURES, ids=lambda value: str(value)[:16])
def test_figures_are_those_of_the_field(name, kwargs, rows, shape, low, high, best):
    if load_task(DESIGN_BENCH[name].task).unavailable():
        pytest.skip("its data file is not here")
    task = design_bench.make(name, dataset_kwargs=kwargs)
    assert task.x.shape == (rows, *shape) and task.y.shape == (rows, 1) and task.y.dtype == np.float32
    assert (task.input_shape, task.input_size, task.dataset_size) == (shape, np.prod(shape), rows)
    assert task.y_min == pytest.approx(low, rel=1e-6) and task.y_max == pytest.approx(high, rel=1e-6)
    if best is not None:
        assert (task.y.max() - low) / (high - low) == pytest.approx(best, abs=5e-5)
    y = task.predict(task.x[:5])
    assert y.shape == (5, 1) and y.dtype == np.float32
    assert task.is_discrete == (name != "Superconductor-RandomForest-v0")
    if name == "TFBind8-Exact-v0":
        assert (y == task.y[:5]).all()


@pytest.fixture
def task():
    return design_bench.make("TFBind8-Exact-v0")


@pytest.mark.numerics
def test_logits_are_those_of_the_codec_and_return_to_integers(task):
    x = task.x
    task.map_to_logits()
    assert task.is_logits and task.x.shape == (32898, 8, 3) and task.x.dtype == np.float32
    assert (task.input_shape, task.input_size) == ((8, 3), 24)
    ours = load_task("tfbind8").spec.space.codec(torch.device("cpu")).encode(torch.as_tensor(x.astype(np.int64)))
    assert np.allclose(task.x.reshape(-1, 24), ours, atol=1e-6)
    assert (task.to_integers(task.x) == x).all()
    task.map_to_integers()
    assert (task.x == x).all() and task.x.dtype == np.int32


@pytest.mark.numerics
def test_normalising_changes_x_y_and_what_predict_speaks(task):
    rows, raw = task.x[:100], task.y[:100]
    task.map_to_logits()
    task.map_normalize_x()
    task.map_normalize_y()
    assert task.is_normalized_x and task.is_normalized_y
    x = task.x.astype(np.float64)
    assert np.abs(x.mean(0)).max() < 1e-5 and np.abs(x.std(0) - 1).max() < 1e-5
    assert abs(task.y.mean()) < 1e-4 and abs(task.y.std() - 1) < 1e-4
    assert np.allclose(task.predict(task.x[:100]), task.y[:100], atol=1e-6)
    assert np.allclose(task.denormalize_y(task.predict(task.x[:100])), raw, atol=1e-6)
    task.map_to_integers()  # not normalised any more
    task.map_denormalize_y()
    assert (task.x[:100] == rows).all() and not task.is_normalized_x
    assert (task.predict(rows) == raw).all()


def test_calls_that_make_no_sense_are_refused_as_there(task):
    with pytest.raises(ValueError, match="map_to_logits first"):
        task.map_normalize_x()
    with pytest.raises(ValueError, match="floating type"):
        task.to_integers(task.x)
    continuous = design_bench.make("branin")
    with pytest.raises(ValueError, match="discrete"):
        continuous.map_to_logits()
    assert not hasattr(continuous, "num_classes")


@pytest.mark.numerics
def test_a_box_is_normalised_and_predictions_outside_are_clipped():
    task = design_bench.make("hartmann-6")
    raw = task.predict(task.x[:4])
    task.map_normalize_x()
    assert np.allclose(task.predict(task.x[:4]), raw, atol=1e-5)
    assert np.isfinite(task.predict(100 * np.ones((2, 6), np.float32))).all()


def test_batches_cover_the_rows(task):
    batches = list(task.iterate_batches(10000))
    assert [len(y) for _, y in batches] == [10000, 10000, 10000, 2898]
    assert len(list(task.iterate_batches(10000, drop_remainder=True))) == 3
    assert task.dataset.x.shape == task.x.shape


def test_every_name_leads_to_a_task_or_says_why_not():
    for name, found in DESIGN_BENCH.items():
        if found.task:
            assert found.task in task_ids() and load_task(name).spec.id == found.task
            assert expand_tasks(name) == [found.task] and is_task(name)
            continue
        for ask in (load_task, is_task):
            with pytest.raises(UnknownName, match=f"{name} of Design-Bench is not in this suite"):
                ask(name)
    with pytest.raises(UnknownName, match="not in this suite"):
        design_bench.make("HopperController-Exact-v0")


def test_the_command_line_knows_the_names_and_says_ours(tmp_path):
    done = CliRunner().invoke(
        main,
        [
            "run",
            "-t",
            "TFBind8-Exact-v0",
            "-t",
            "tfbind8",
            "-b",
            "random",
            "--seeds",
            "0",
            "--out",
            str(tmp_path / "r"),
            "--jobs",
            "1",
        ],
    )
    assert done.exit_code == 0, done.output
    assert "TFBind8-Exact-v0 of Design-Bench is 'tfbind8' here" in done.output
    (record,) = bbo.read_results(tmp_path / "r").itertuples()
    assert record.task == "tfbind8"
    np.save(tmp_path / "d.npy", np.zeros((3, 8), int))
    done = CliRunner().invoke(main, ["score", "TFBind8-Exact-v0", str(tmp_path / "d.npy")])
    assert done.exit_code == 0 and "is 'tfbind8' here" in done.stderr


@pytest.mark.parametrize(("name", "numbers"), [("AntMorphology-Exact-v0", 60), ("DKittyMorphology-Exact-v0", 52)])
def test_the_walking_robots_are_ours_and_say_that_scores_do_not_compare(name, numbers):
    task = design_bench.make(name)
    assert task.x.shape[1] == numbers and not task.is_discrete
    assert (np.abs(task.predict(task.x[:2]) - task.y[:2]) < 1e-5).all()
    assert f"scores do not compare with those of {name.removesuffix('-Exact-v0')}" in elsewhere(name)
    assert load_task(name).spec.id == DESIGN_BENCH[name].task


def test_other_rows_are_refused():
    with pytest.raises(BBOError, match="are fixed; leave out max_samples"):
        design_bench.make("TFBind8-Exact-v0", dataset_kwargs={"max_samples": 100})
    with pytest.raises(BBOError, match="max_samples of TFBind10-Exact-v0 is one of None, 10000, 50000"):
        design_bench.make("TFBind10-Exact-v0", dataset_kwargs={"max_samples": 100})


def test_relabelling_asks_the_oracle(task):
    assert (design_bench.make("TFBind8-Exact-v0", relabel=True).y == task.y).all()


@pytest.mark.numerics
def test_gradient_ascent_on_normalised_logits_runs_as_papers_write_it(task):
    """A script in the style of the field: a small network on normalised logits, Adam, 128 starts, normalised by y_min and y_max."""
    torch.manual_seed(0)
    if task.is_discrete:
        task.map_to_logits()
    task.map_normalize_x()
    task.map_normalize_y()
    x = torch.tensor(task.x).reshape(task.x.shape[0], -1)
    y = torch.tensor(task.y)
    model = torch.nn.Sequential(torch.nn.Linear(task.input_size, 128), torch.nn.ReLU(), torch.nn.Linear(128, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(200):
        rows = torch.randint(len(x), (256,))
        loss = torch.nn.functional.mse_loss(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    designs = x[torch.topk(y[:, 0], 128).indices].clone().requires_grad_()
    ascent = torch.optim.Adam([designs], lr=0.05)
    for _ in range(100):
        ascent.zero_grad()
        (-model(designs).sum()).backward()
        ascent.step()
    scores = task.denormalize_y(task.predict(designs.detach().numpy().reshape(128, *task.input_shape)))
    normalised = (scores - task.y_min) / (task.y_max - task.y_min)
    # Design-Bench prints 0.94 for gradient ascent and the best visible design has 0.439: the script climbs, and stays in range.
    assert 0.6 < np.max(normalised) <= 1.0
    assert np.median(normalised) > 0.45
