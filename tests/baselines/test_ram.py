"""RaM: its output adaptation, and what its settings switch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from bbo import catalogue
from bbo.baselines.ram import RaM
from bbo.errors import BBOError
from bbo.surrogates.ranking import LOSSES
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

METHOD = RaM(**RaM.presets["smoke"])


def test_adapted_predictions_have_mean_0_and_deviation_1_on_the_table():
    problem = make_problem(SPACES["box"], 8)
    mean, std = METHOD.surrogate(problem).predict(problem.encoded().x)
    assert std is None
    assert_close(mean.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
    assert_close(mean.std(), torch.tensor(1.0))


def test_a_model_of_the_scores_keeps_its_unit():
    problem = make_problem(SPACES["box"], 8)
    method = replace(METHOD, loss="mse", max_updates=400, epochs=200)
    mean, _ = method.surrogate(problem).predict(problem.encoded().x)
    assert (mean - problem.encoded().y).square().mean() < 0.5


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_of_the_table_proposes(loss):
    problem = make_problem(SPACES["sequence"], 8)
    SPACES["sequence"].check(replace(METHOD, loss=loss).propose(problem).numpy())


def test_lists_that_are_all_held_out_are_refused_when_planned():
    with pytest.raises(BBOError, match="ram needs more lists than it holds out; got lists 10 and validation 10"):
        catalogue.load_method("ram").config("fast", "branin", {"lists": "10", "validation": "10"})


def test_faithful_keeps_the_last_epoch_and_pairs_between_lists():
    def trained(**settings):
        return replace(METHOD, **settings).train(make_problem(SPACES["box"], 8))

    assert trained().history.validation and not trained(faithful=True).history.validation
    ours, theirs = (trained(loss="ranknet", faithful=faithful).history.train[0][0] for faithful in (False, True))
    assert ours != theirs
