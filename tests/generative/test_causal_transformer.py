"""The causal transformer: what a token sees, and where its random numbers come from."""

import pytest
import torch

from bbo.generative.causal_transformer import CausalTransformer, adamw, causal, dropped

pytestmark = pytest.mark.numerics


def made(dropout=0.1):
    torch.set_num_threads(1)
    return CausalTransformer(16, 2, 4, dropout, torch.Generator().manual_seed(0))


def tokens(seed=1):
    return torch.randn(3, 6, 16, generator=torch.Generator().manual_seed(seed))


def test_a_token_does_not_see_the_ones_after_it():
    network, x = made(), tokens()
    changed = x.clone()
    changed[:, 4:] = tokens(2)[:, 4:]  # not a constant more, which the layer norms take away
    before, after = network(x), network(changed)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert (before[:, 4:] - after[:, 4:]).abs().amax((0, 2)).gt(1e-3).all()


def test_a_token_sees_the_first_one():
    network, x = made(), tokens()
    changed = x.clone()
    changed[:, 0] = tokens(2)[:, 0]
    assert (network(x) - network(changed))[:, -1].abs().max() > 1e-5


def test_another_mask_is_obeyed():
    """With a mask that shows a token only itself, tokens do not mix."""
    network, x = made(), tokens()
    changed = x.clone()
    changed[:, 0] = tokens(2)[:, 0]
    alone = torch.eye(6, dtype=torch.bool)
    torch.testing.assert_close(network(x, alone)[:, 1:], network(changed, alone)[:, 1:])


def test_dropout_draws_from_the_generator_handed_in():
    network, x, state = made(), tokens(), torch.get_rng_state()
    first, again = (network(x, noise=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, network(x))
    assert torch.equal(state, torch.get_rng_state())


def test_both_ways_of_attention_agree():
    """Without dropout's rate, the path with a generator computes what the fused one does."""
    network, x = made(dropout=0.0), tokens()
    torch.testing.assert_close(network(x), network(x, noise=torch.Generator()))


def test_dropout_keeps_the_mean():
    values = dropped(torch.ones(20_000), 0.25, torch.Generator().manual_seed(0))
    assert abs(values.mean() - 1) < 0.02
    torch.testing.assert_close(values.unique(), torch.tensor([0.0, 1 / 0.75]))


def test_only_matrices_decay():
    groups = adamw(made(), 1e-3).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(p.ndim == 2 for p in groups[0]["params"])
    assert all(p.ndim == 1 for p in groups[1]["params"])


def test_causal_mask():
    assert causal(3, torch.device("cpu")).tolist() == [[True, False, False], [True, True, False], [True, True, True]]
