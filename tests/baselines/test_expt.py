"""ExPT: random functions, what the transformer sees, and designs that follow the score asked for."""

import pytest
import torch

from bbo.baselines.expt import ExPT, InferenceModel, random_functions
from bbo.problem import Problem
from bbo.space import Continuous
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SMALL = ExPT.presets["smoke"]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_random_functions_have_the_kernels_moments():
    """Over many functions: variance about the mean of [1, 10]; near designs agree, far ones do not."""
    x = torch.tensor([[0.0], [0.5], [100.0]]).expand(4000, 3, 1)
    y = random_functions(x, 5.0, 10.0, torch.Generator().manual_seed(0))
    covariance = y.T @ y / len(y)
    torch.testing.assert_close(covariance.diagonal(), torch.full((3,), 5.5), atol=0.4, rtol=0)
    assert covariance[0, 1] / covariance[0, 0] > 0.98
    assert covariance[0, 2].abs() < 0.4


def test_equal_designs_are_no_trouble():
    y = random_functions(torch.zeros(2, 50, 3), 5.0, 10.0, torch.Generator().manual_seed(0))
    assert y.isfinite().all()
    assert y.std(1).max() < 0.1


def model(dim=3):
    return InferenceModel(ExPT(**SMALL), dim, torch.Generator().manual_seed(0))


def test_scores_see_the_examples_but_not_each_other():
    network, generator = model(), torch.Generator().manual_seed(1)
    x, y, wanted = torch.randn(2, 5, 3, generator=generator), torch.randn(2, 5, generator=generator), torch.zeros(2, 4)
    before = network.context(x, y, wanted)
    other = wanted.clone()
    other[:, 1] = 1
    difference = (network.context(x, y, other) - before).abs().amax((0, 2))
    assert difference[1] > 1e-5
    assert difference[[0, 2, 3]].max() < 1e-6
    changed = y.clone()
    changed[:, 0] += 1
    assert (network.context(x, changed, wanted) - before).abs().amax(2).min() > 1e-7
    # The order of the examples does not matter.
    torch.testing.assert_close(network.context(x.flip(1), y.flip(1), wanted), before)


def test_which_rows_are_labelled():
    problem = make_problem(SPACES["box"], 8)
    random = ExPT(examples=10, labelled=0.1).labelled_of(problem)
    assert len(random) == len(random.unique()) == 27
    poorest = ExPT(examples=30, labelled=0.1, labelled_rows="poorest").labelled_of(problem)
    assert len(poorest) == 30
    assert problem.y[poorest].max() <= problem.y.sort().values[29]


def test_what_it_asks_for():
    problem = make_problem(SPACES["box"], 8)
    y = problem.encoded().y
    assert ExPT(headroom=0.0).asked(problem) == y.max()
    assert ExPT(headroom=1.0).asked(problem) == pytest.approx(float(2 * y.max() - y.min()))
    assert problem.privileged_used == []
    assert y.max() < ExPT(optimum="y_max").asked(problem)
    assert problem.privileged_used == ["y_max"]


@pytest.mark.parametrize("changes", [{}, {"headroom": 0.0}, {"optimum": "y_max"}])
def test_designs_are_made_for_that_score_from_labelled_rows(monkeypatch, changes):
    calls = []

    def designs(self, x, y, wanted, count, generator):
        calls.append((x, y, wanted, count))
        return x[:count]

    monkeypatch.setattr(InferenceModel, "designs", designs)
    problem = make_problem(SPACES["box"], 8)
    method = ExPT(**SMALL | changes)
    method.propose(problem)
    ((x, y, wanted, count),) = calls
    assert wanted == method.asked(problem) and count == 8
    data = problem.encoded()
    assert len(x) == len(y) == 8  # as many as the examples that a function shows
    assert all(((data.x == row).all(1) & (data.y == score)).any() for row, score in zip(x, y, strict=True))


def test_the_step_size_rises_and_falls():
    method = ExPT()
    assert method.step_share(500) == pytest.approx(0.5)
    assert method.step_share(1000) == 1
    assert method.step_share(8000) == pytest.approx(0.5)
    assert method.step_share(15_000) == pytest.approx(0)


def test_pretraining_alone_lets_it_follow_a_real_score():
    """A line: pretrained on other functions, it makes better designs for a higher score. No label was trained on."""
    x = torch.rand(300, 1, generator=torch.Generator().manual_seed(0))
    settings = SMALL | {"updates": 150, "functions": 16, "width": 32, "lengthscale": 1.0, "examples": 16, "cosine": 200}
    problem = Problem(x, x[:, 0], Continuous.box(1, 0.0, 1.0), 64, torch.Generator().manual_seed(0))
    method, data = ExPT(**settings), problem.encoded()
    network = InferenceModel(method, 1, problem.generator)
    method.pretrain(problem, network)
    high, low = (
        network.designs(data.x[:40], data.y[:40], torch.tensor(asked), 64, problem.generator).mean() for asked in (1.5, -1.5)
    )
    assert high > low + 1


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="multiple of heads"):
        ExPT(width=10)


def test_published_settings():
    paper = ExPT()
    assert (paper.functions, paper.examples, paper.targets, paper.width, paper.layers) == (128, 100, 128, 128, 4)
    assert (paper.code, paper.hidden, paper.updates, paper.learning_rate, paper.labelled) == (32, 512, 10_000, 5e-4, 0.01)
