"""GABO: codes and designs of sequences, the autoencoder's loss, and a search that finds what the critic allows."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from bbo.baselines import gabo
from bbo.baselines.gabo import Gabo
from bbo.generative.joint_vae import DIVERGENCE, JointLoss, JointVAE
from bbo.search.source_critic import Critic, widths
from bbo.surrogates.networks import Ensemble
from bbo.surrogates.training import Batch, objective
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics


def test_the_autoencoders_loss_by_hand():
    generator = torch.Generator().manual_seed(0)
    network = JointVAE(5, (3, 2, 4), 2, 8, (8,), generator)
    x, letters = torch.randn(1, 6, 5, generator=generator), torch.tensor([[0, 1, 2]]).expand(1, 6, 3)
    y = torch.randn(1, 6, generator=generator)
    ensemble = Ensemble.of([network])
    loss = JointLoss(network, 2, generator)
    target = objective(ensemble, ensemble.params, Batch(x, torch.cat([y[..., None], letters.float()], 2), torch.ones_like(y)), loss)
    found, _ = target.loss_and_level(ensemble.params)
    mean, log_variance = network.encoder(x[0]).chunk(2, 1)
    z = mean + torch.exp(0.5 * log_variance) * network.noise
    logits = network.decoder(z).view(6, 3, 4)
    entropy = sum(F.cross_entropy(logits[:, p, :c], letters[0, :, p]) for p, c in enumerate((3, 2, 4))) / 3
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
    wanted = entropy + DIVERGENCE * divergence + F.mse_loss(network.value(z)[:, 0], y[0])
    assert_close(found[0], wanted.detach())
    assert (network.decode(50 * torch.randn(100, 2, generator=generator)).amax(0) < torch.tensor([3, 2, 4])).all()


def test_an_autoencoder_gives_sequences_back():
    problem = make_problem(SPACES["sequence"], 8)
    settings = {"hidden": 32, "autoencoder": 64, "latent": 8, "epochs": 150, "learning_rate": 3e-3, "validation": 0}
    _, latent = Gabo(**settings).train(problem)
    assert (latent.decode(latent.known) == problem.x).float().mean() > 0.9
    assert torch.corrcoef(torch.stack([latent.value(latent.known), problem.y]))[0, 1] > 0.7


def test_the_search_beats_its_sobol_points_on_the_regularised_prediction(monkeypatch):
    problem = make_problem(SPACES["box"], 4)
    method = Gabo(
        **Gabo.presets["smoke"] | {"initial": 8, "round": 4, "codes": 32, "acquisition_steps": 10, "epochs": 30, "max_updates": 0}
    )
    proposed = []
    improve = Gabo._improve

    def spy(self, z, values, box, seed):
        proposed.append((z, values, improve(self, z, values, box, seed)))
        return proposed[-1][2]

    monkeypatch.setattr(Gabo, "_improve", spy)
    method.propose(problem)
    assert [len(z) for z, _, _ in proposed] == [8, 12, 16, 20, 24, 28]
    _, values, _ = proposed[-1]
    assert values[8:].max() > values[:8].max()
    weights = problem.notes["critic_weight"]
    assert len(weights) == 7
    assert all(0 <= a <= 1 for a in weights)


def test_a_trained_critic_likes_the_data_better_than_the_proposals():
    generator = torch.Generator().manual_seed(0)
    data, proposed = torch.randn(200, 3, generator=generator), torch.randn(200, 3, generator=generator) + 2
    critic = Critic(3, 0.05, 1e-2, generator)
    critic.fit(data, proposed, 500)
    assert (critic.distance(data, proposed) > 0).float().mean() > 0.8
    assert critic.distance(data, proposed).mean() > 10 * critic.distance(data, data).mean().abs()
    assert all(p.abs().max() <= 0.05 for p in critic.network.parameters())


def test_new_codes_are_judged_before_the_critic_is_trained_on_them(monkeypatch):
    seen = []
    fit, weighed = Critic.fit, gabo.Weighed
    monkeypatch.setattr(Critic, "fit", lambda self, data, new, steps: seen.append(("train", new)) or fit(self, data, new, steps))

    def judge(*arguments):
        objective = weighed(*arguments)
        return lambda z: seen.append(("judge", z)) or objective(z)

    monkeypatch.setattr(gabo, "Weighed", judge)
    settings = Gabo.presets["smoke"] | {"initial": 8, "round": 4, "codes": 32, "critic_every": 2}
    Gabo(**settings).propose(make_problem(SPACES["box"], 4))
    order = ["train", "judge", "judge", "train", "judge", "judge", "train", "judge", "judge", "train", "judge"]
    assert [what for what, _ in seen] == order
    for (what, codes), (_, before) in zip(seen[3:], seen[2:], strict=False):
        assert what == "judge" or codes is before


def test_the_critic_of_long_codes_is_narrower():
    assert [widths(dim) for dim in (1, 16, 518, 1024)] == [(4, 1), (64, 16), (2072, 518), (4096, 1024)]
    assert [widths(dim) for dim in (2048, 5126)] == [(2048, 512), (818, 204)]


def test_predictions_are_regularised_by_the_weight_that_the_dual_problem_gives(monkeypatch):
    given, used, weighed = [], [], gabo.Weighed

    def dual(*arguments):
        given.append(torch.tensor(0.1 * (len(given) + 1)))
        return given[-1]

    def watched(value, critic, data, weight):
        used.append(weight)
        return weighed(value, critic, data, weight)

    monkeypatch.setattr(gabo, "dual_weight", dual)
    monkeypatch.setattr(gabo, "Weighed", watched)
    problem = make_problem(SPACES["box"], 4)
    Gabo(**Gabo.presets["smoke"] | {"initial": 8, "round": 4, "codes": 16}).propose(problem)
    assert len(given) == 3 and used == given
    assert problem.notes["critic_weight"] == pytest.approx([0.1, 0.2, 0.3])
