"""The temporal U-Net: shapes, what a step sees, and the hidden condition."""

import pytest
import torch

from bbo.generative.temporal_unet import COARSEST, TemporalUNet

pytestmark = pytest.mark.numerics


@pytest.fixture
def network():
    torch.set_num_threads(1)
    return TemporalUNet(3, 8, torch.Generator().manual_seed(0))


def inputs(length=16):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, length, 3, generator=generator), torch.tensor([0, 7]), torch.tensor([0.3, 0.8])


def test_trajectories_keep_their_shape(network):
    for length in (COARSEST, 16):
        x, level, condition = inputs(length)
        assert network(x, level, condition, torch.tensor([True, False])).shape == x.shape


def test_late_steps_reach_early_ones_and_trajectories_do_not_mix(network):
    x, level, condition = inputs()
    shown = torch.ones(2, dtype=torch.bool)
    changed = x.clone()
    changed[0, -1] += 1
    difference = (network(x, level, condition, shown) - network(changed, level, condition, shown)).abs().amax(2)
    assert difference[0, 0] > 1e-6
    assert difference[1].max() == 0


def test_a_hidden_condition_is_not_seen_and_a_shown_one_is(network):
    x, level, condition = inputs()
    shown = torch.tensor([True, False])
    difference = (network(x, level, condition, shown) - network(x, level, condition + 1, shown)).abs().amax((1, 2))
    assert difference[0] > 1e-6
    assert difference[1] == 0


def test_the_level_is_seen(network):
    x, level, condition = inputs()
    shown = torch.ones(2, dtype=torch.bool)
    assert (network(x, level, condition, shown) - network(x, level + 3, condition, shown)).abs().amax((1, 2)).min() > 1e-6
