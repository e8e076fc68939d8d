"""Proxies of ICT and Tri-mentoring: minus the correlation judges the epochs, and the one that ranks best is kept."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from bbo.surrogates.networks import spawn
from bbo.surrogates.proxies import ProxySettings, anticorrelation, train_proxies
from bbo.surrogates.sharpness import Unregularised
from bbo.surrogates.training import Batch

pytestmark = pytest.mark.numerics


def correlation(predicted, y):
    return torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(predicted, y, strict=True)])


def test_the_criterion_is_minus_the_correlation():
    predicted, y = torch.randn(2, 3, 20, generator=torch.Generator().manual_seed(0))
    found = anticorrelation(None, Batch(None, y, None))(predicted[..., None], None)
    assert_close(found, -correlation(predicted, y), rtol=1e-4, atol=1e-5)
    assert anticorrelation(None, Batch(None, torch.ones(1, 20), None))(predicted[:1, :, None], None) == 0


def test_the_epoch_that_ranks_best_is_kept():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=generator)
    y = torch.sin(x.sum(1)) + 0.5 * torch.randn(200, generator=generator)
    settings = ProxySettings(hidden=8, epochs=12, batch_size=32, learning_rate=0.1)
    fitted = train_proxies(settings, x, y, spawn(generator, 3), Unregularised(), lambda done, total: None)
    judged = torch.tensor(fitted.history.validation)
    assert (judged.argmin(0) != judged.argmax(0)).all()
    predicted = torch.stack([fitted.ensemble.mean(x)[k, rows] for k, rows in enumerate(fitted.held_out)])
    assert_close(correlation(predicted, y[fitted.held_out]), -judged.amin(0), rtol=1e-3, atol=1e-4)
