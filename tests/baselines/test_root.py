"""ROOT as a whole: what it records, refuses and shares between seeds."""

import dataclasses

import pytest
import torch

from bbo import catalogue
from bbo.errors import BBOError, NumericalError
from bbo.testing.baselines import SPACES, make_problem

ROOT = catalogue.load_baseline("root")


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
    with pytest.raises(NumericalError, match=r"no pair of 128 gained more than 1e\+06 .*centre=likelihood"):
        method(min_gain=1e6).propose(make_problem(SPACES["box"], 8))


@pytest.mark.parametrize(("setting", "value"), [("centre", "here"), ("start_points", "best")])
def test_unknown_choices(setting, value):
    with pytest.raises(BBOError, match=f"root.{setting} is .* got '{value}'"):
        method(**{setting: value}).propose(make_problem(SPACES["box"], 8))


@pytest.mark.parametrize("start_points", ["highest", "lowest", "random"])
@pytest.mark.parametrize("centre", ["likelihood", "distance", "published"])
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


def test_published_settings_are_the_papers():
    """methods' published configs (cuong-dm/ROOT @d23f14f, configs/*.yaml)."""
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
