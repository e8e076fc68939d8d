"""ROOT as a whole: what it records, refuses and shares between seeds."""

import dataclasses
import warnings

import pytest
import torch

from bbo import catalogue
from bbo.encoding import Encoded
from bbo.errors import BBOError, NumericalError
from bbo.generative import brownian_bridge as bridge
from bbo.generative.synthetic_pairs import FACTORS, SyntheticFunctions
from bbo.problem import Problem
from bbo.space import Sequence
from bbo.surrogates.gp_family import VisibleTable
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

ROOT, CORRECTED = catalogue.load_method("root"), catalogue.load_method("root-corrected")


def method(**changes):
    return ROOT.cls(**{**ROOT.config("smoke", "", {}).config, **changes})


def test_what_is_recorded():
    problem = make_problem(SPACES["sequence"], 8)
    method().propose(problem)
    assert problem.privileged_used == ["y_max"]
    assert problem.notes["pairs_made"] == 2 * 2 * 64
    assert 0 < problem.notes["pairs_kept"] <= problem.notes["pairs_made"]
    assert problem.notes["mean_gain"] > 0.001
    assert len(problem.notes["epoch_losses"]) == 2


def test_no_surviving_pair_is_an_error_with_numbers():
    with pytest.raises(
        NumericalError, match=r"no pair of 128 gained more than 1e\+06 .*; use centre=likelihood or centre=validation,"
    ):
        method(min_gain=1e6).propose(make_problem(SPACES["box"], 8))
    with pytest.raises(NumericalError, match=r"; use centre=distance or centre=validation, or a larger step_size"):
        method(min_gain=1e6, centre="likelihood").propose(make_problem(SPACES["box"], 8))


def test_a_random_pool_is_the_whole_table_whatever_the_limits_of_starts():
    scores = torch.arange(50.0)
    sizes = {
        words: len(method(start_points=words, starts=20, start_numbers=30).pool(scores, 2))
        for words in ("highest", "lowest", "random")
    }
    assert sizes == {"highest": 15, "lowest": 15, "random": 50}


@pytest.mark.parametrize(("setting", "value"), [("centre", "here"), ("start_points", "best"), ("target", "vissible")])
def test_unknown_words_are_refused_when_planned_under_the_methods_own_name(setting, value):
    with pytest.raises(BBOError, match=f"unknown value of root-corrected.{setting} '{value}'"):
        CORRECTED.config("fast", "tfbind8", {setting: value})


def test_more_sampling_steps_than_noise_levels_are_refused_when_planned():
    with pytest.raises(BBOError, match="sampling_steps must be at most timesteps; got 51 and 50"):
        ROOT.config("smoke", "", {"timesteps": "50", "sampling_steps": "51"})


@pytest.mark.parametrize(
    ("total", "steps", "twice"), [(3, 3, 0), (10, 3, 0), (10, 10, 1), (200, 200, 1), (1000, 200, 0), (1000, 100, 0)]
)
def test_the_bridge_visits_as_many_steps_as_asked_for(total, steps, twice):
    visited = bridge.Schedule.linear(total, steps, 1.0, torch.device("cpu")).steps
    assert len(visited) == steps == len(set(visited)) + twice
    assert (visited[0], *visited[-2:]) == (total - 1, 1, 0)


def test_a_step_that_comes_twice_gives_no_nan():
    schedule, x = bridge.Schedule.linear(10, 10, 1.0, torch.device("cpu")), torch.ones(2, 3)

    def network(x, t, first, second):
        return 0.1 * x

    assert bridge.sample(network, schedule, x, x[:, 0], x[:, 0], 0.0, 1.0, lambda i: x).isfinite().all()


@pytest.mark.parametrize("start_points", ["highest", "lowest", "random"])
@pytest.mark.parametrize("centre", ["likelihood", "distance", "validation", "published"])
def test_every_family_and_pool_runs(centre, start_points):
    designs = method(centre=centre, start_points=start_points, step_size=0.2).propose(make_problem(SPACES["box"], 8))
    SPACES["box"].check(designs.numpy())


def test_reference_seeding_shares_the_pairs_between_seeds():
    def gains(seed, shared):
        problem = make_problem(SPACES["sequence"], 8)
        problem.generator.manual_seed(seed)
        method(centre="published", reference_seeding=shared, gp_points=0).propose(problem)
        return problem.notes["mean_gain"]

    assert gains(1, True) == gains(2, True)
    assert gains(1, False) != gains(2, False)


def test_interpolated_walks_are_the_walks():
    """Enough functions for interpolation to pay; the same random numbers either way."""

    def pairs(tolerance):
        problem = make_problem(SPACES["sequence"], 8, rows=200)
        root = method(walk_tolerance=tolerance, gp_points=0, functions=16, points=128, step_size=0.05, steps=50)
        table = VisibleTable.of(problem.encoded(), problem.x)
        functions = SyntheticFunctions(root, table, problem.y, problem.shared, problem.generator)
        return list(functions.epochs()), problem.notes

    direct, notes = pairs(0.0)
    assert "shared" not in notes
    interpolated, notes = pairs(1e-3)
    assert notes["shared"] == {"root-walks-2": "made"}
    length = torch.cat([p.x_high - p.x_low for p in direct]).norm(dim=1).median()
    for a, b in zip(direct, interpolated, strict=True):
        assert (a.x_high - b.x_high).norm(dim=1).max() < 2e-3 * length
        assert (a.y_low - b.y_low).abs().max() < 1e-2


def test_walks_from_another_pool_are_not_shared():
    """A run with more starts, in a folder that holds the walks of one with fewer, makes its own."""
    problem, store = make_problem(SPACES["sequence"], 8, rows=200), {}
    table = VisibleTable.of(problem.encoded(), problem.x)

    def share(name, key, make):
        place = (name, repr(sorted(key.items())))
        return store[place] if place in store else store.setdefault(place, make())

    def pairs(**limits):
        root = method(gp_points=0, functions=16, points=128, step_size=0.05, steps=50, **limits)
        return list(SyntheticFunctions(root, table, problem.y, share, torch.Generator().manual_seed(0)).epochs())

    pairs(start_numbers=50 * table.x.shape[1])
    more = pairs()
    store.clear()
    assert all(torch.equal(a.x_high, b.x_high) for a, b in zip(more, pairs(), strict=True))


def test_few_shot_looks_at_few_rows():
    problem = make_problem(SPACES["sequence"], 8, rows=400)
    before = problem.generator.get_state()
    known = torch.randperm(360, generator=problem.generator)[:36]
    problem.generator.set_state(before)
    first = method(labelled=0.1).propose(problem)
    again = make_problem(SPACES["sequence"], 8, rows=400)
    unknown = torch.ones(360, dtype=torch.bool)
    unknown[known] = False
    again.y[unknown] = -1e6  # what is not labelled may be anything
    assert torch.equal(method(labelled=0.1).propose(again), first)


@pytest.mark.parametrize("target", ["y_max", "visible", "synthetic"])
def test_targets(target):
    problem = make_problem(SPACES["sequence"], 8)
    method(target=target, alpha=0.5).propose(problem)
    assert problem.privileged_used == (["y_max"] if target == "y_max" else [])
    assert CORRECTED.spec.privileged == ROOT.spec.privileged == ("y_max",)  # what they may ask for must be declared
    if target == "visible":
        assert problem.notes["target"] == pytest.approx(0.5 * problem.encoded().y.max().item())


def test_a_target_far_beyond_the_data_is_warned_of():
    """Skewed scores: most of the table near 0, the best of the full data far above all that is visible."""
    problem = make_problem(SPACES["sequence"], 8)
    skewed = Problem(problem.x, problem.y, problem.space, 8, problem.generator, {"y_max": 100.0 * problem.y.abs().max().item()})
    with pytest.warns(UserWarning, match=r"the target of sampling is \d+ standard deviations .* target=visible"):
        method().propose(skewed)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        method().propose(problem)
        method(target="visible", alpha=1.0).propose(skewed)


def test_order_of_conditions(monkeypatch):
    """What the network's two inputs get in sampling, beside (high, low) in training."""
    given = []
    sample = bridge.sample
    monkeypatch.setattr(bridge, "sample", lambda *arguments: given.append(arguments[3:5]) or sample(*arguments))
    for cls in (ROOT.cls, CORRECTED.cls):
        problem = make_problem(SPACES["sequence"], 8)
        cls(**{**ROOT.config("smoke", "", {}).config, "target": "visible", "swap_conditions": cls is ROOT.cls}).propose(problem)
        best = problem.encoded().y[problem.best(8)]
        assert torch.equal(given[-1][0 if cls is ROOT.cls else 1], best)
        assert given[-1][1 if cls is ROOT.cls else 0].unique().numel() == 1


def test_corrected_uses_no_privilege():
    config = CORRECTED.config("smoke", "", {}).config
    assert (config["swap_conditions"], config["target"]) == (False, "visible")
    assert config["guidance"] > 0
    assert config["time_scale"] < 1
    problem = make_problem(SPACES["box"], 8)
    CORRECTED.cls(**config).propose(problem)
    assert problem.privileged_used == []


def test_published_settings_are_the_papers():
    """The published configs (cuong-dm/ROOT @d23f14f, configs/*.yaml)."""
    wanted = {
        "paper:tfbind8": (6.25, 6.25, 0.05, 15000),
        "paper:tfbind10": (6.25, 6.25, 0.05, 0),
        "paper:ant": (1.0, 1.0, 0.001, 0),
        "paper:dkitty": (1.0, 1.0, 0.001, 0),
    }
    for preset, numbers in wanted.items():
        c = ROOT.cls(**ROOT.config(preset, "", {}).config)
        assert (c.lengthscale, c.variance, c.step_size, c.gp_points) == numbers
        assert (c.centre, c.dense_points) == ("published", 0)
        shared = dataclasses.asdict(c)
        assert {k: shared[k] for k in ("spread", "noise", "functions", "epochs", "passes", "steps", "starts", "points")} == {
            "spread": 0.25,
            "noise": 0.01,
            "functions": 8,
            "epochs": 100,
            "passes": 1,
            "steps": 100,
            "starts": 1024,
            "points": 1024,
        }
        assert (c.hidden, c.timesteps, c.sampling_steps, c.max_variance, c.guidance, c.eta, c.alpha) == (
            1024,
            1000,
            200,
            1.0,
            -1.5,
            0.2,
            0.8,
        )
        assert (c.learning_rate, c.batch, c.accumulate, c.hide) == (1e-3, 64, 2, 0.15)
        assert (c.ema_decay, c.ema_every, c.ema_start, c.min_gain, c.validation) == (0.995, 16, 4000, 0.001, 0.1)
    assert ROOT.config("paper", "tfbind8", {}).name == "paper:tfbind8"


def test_repeats_starts_where_the_table_is_small():
    problem = make_problem(SPACES["sequence"], 60, rows=40)
    assert method(points=20, starts=20).propose(problem).shape == (60, 6)
    assert torch.isfinite(problem.encoded().x).all()


FAST = ROOT.config("fast", "", {}).config


def table_of(space, rows=64):
    generator = torch.Generator().manual_seed(0)
    designs = torch.as_tensor(space.from_unit(torch.rand(rows, *space.shape, generator=generator).numpy()))
    scores = torch.rand(rows, generator=generator)
    return VisibleTable.of(Encoded.of(space, designs, scores, True), designs, FAST["largest_grid"])


def test_fast_takes_only_grids_for_small_whose_solves_are_quick():
    """On 4^10 designs conjugate gradients did not converge within 500 iterations, and one took seconds."""
    assert table_of(Sequence.uniform(8, 4)).grid
    assert table_of(Sequence((6, 6, 4, 2, 2, 3, 3, 6, 2))).grid
    assert table_of(Sequence.uniform(10, 4)).grid is None
    assert table_of(Sequence.uniform(4, 20)).grid is None


@pytest.mark.parametrize("dim", [24, 60, 150, 518, 992, 2432, 4503, 20000])
def test_fast_bounds_the_work_of_a_walk_and_of_training_whatever_the_length_of_designs(dim):
    root, scores = ROOT.cls(**FAST), torch.arange(140_000.0)
    table = VisibleTable(torch.empty(len(scores), 1).expand(-1, dim), scores)
    rows, starts = len(root.rows(table, scores)), len(root.pool(scores, dim))
    assert rows * min(rows, dim) <= 2**18
    assert starts * dim <= 2**20
    assert rows >= 512
    assert starts >= 50
    if dim <= 256:
        assert (rows, starts) == (1024, 1024)
    paper = ROOT.cls(**ROOT.config("paper", "", {}).config)
    assert (len(paper.rows(table, scores)), len(paper.pool(scores, dim))) == (10000, 1024)


def polished(space, **changes):
    """Designs of the bridge alone and polished, and the mean that both are judged by."""
    found = []
    for rounds in (0, 15):
        problem = make_problem(SPACES[space], 24)
        found.append(method(polish=rounds, **changes).propose(problem))
        SPACES[space].check(found[-1].numpy())
        assert len(found[-1]) == 24
    data, root = problem.encoded(), method(polish=15, **changes)
    table = VisibleTable.of(data, problem.x, root.largest_grid)
    surface = SyntheticFunctions(root, table, problem.y, problem.shared, torch.Generator().manual_seed(0)).central()
    return *found, lambda x: surface.mean(data.encode(x))


@pytest.mark.parametrize("grid", [True, False])
def test_polished_sequences_are_no_worse_by_the_mean_of_the_central_process(grid):
    """A small grid, fitted through its Kronecker structure, and the same rows fitted by Cholesky."""
    bridge_alone, found, mean = polished("sequence", largest_grid=2**17 if grid else 0)
    before, after = (mean(torch.unique(x, dim=0)).sort(descending=True).values for x in (bridge_alone, found))
    count = min(len(before), len(after))
    assert len(after) >= len(before)
    assert (after[:count] >= before[:count] - 1e-2).all()  # float32: coefficients of size 10^3 cancel
    assert after[0] > before[0] or torch.equal(after[0], before[0])


def test_every_polished_design_of_a_box_is_no_worse_by_the_mean_of_the_central_process():
    bridge_alone, found, mean = polished("box")
    assert (mean(found) >= mean(bridge_alone) - 1e-2).all()
    assert mean(found).median() > mean(bridge_alone).median() + 0.1


@pytest.mark.parametrize("space", ["box", "sequence"])
def test_polishing_and_validation_are_repeatable_and_said_in_the_record(space):
    problems = [make_problem(SPACES[space], 10) for _ in range(2)]
    first, again = (method(polish=5, centre="validation").propose(problem) for problem in problems)
    assert torch.equal(first, again)
    assert problems[0].notes == problems[1].notes
    assert len(problems[0].notes["polished"]) == 2
    usual = make_problem(SPACES[space], 10)
    method().propose(usual)
    assert "polished" not in usual.notes


def test_validation_centres_the_family_by_what_carries_beyond_the_data():
    """A straight slope goes on beyond the scores that were fitted: long lengthscales see that, short ones do not."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 8, generator=generator)
    slope = VisibleTable(x, x.sum(1) / 8**0.5)

    def lengthscale(centre):
        box = method(centre=centre).box(slope, slope.y, lambda name, key, make: make(), torch.Generator().manual_seed(1))
        return box.centre.lengthscale

    middle = lengthscale("distance")
    tried = [middle * factor for factor in FACTORS]
    assert lengthscale("validation") in tried[len(tried) // 2 + 1 :]
    assert lengthscale("validation") == lengthscale("validation")
