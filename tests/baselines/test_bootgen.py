"""BootGen: rank weights, the score that a generator is asked for, and rows it adds itself."""

import pytest
import torch

from bbo.baselines.bootgen import BootGen, Writer, new_rows
from bbo.generative.letters import LetterTable
from bbo.generative.score_weights import rank_weights
from bbo.testing.methods import SPACES, make_problem

pytestmark = pytest.mark.numerics

SMALL = BootGen.presets["smoke"]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_rows_that_are_there_do_not_join():
    known = torch.tensor([[0, 1], [1, 1]])
    found = torch.tensor([[1, 1], [2, 0], [2, 0], [0, 0]])
    assert new_rows(found, known).tolist() == [False, True, False, True]


def test_a_writer_obeys_the_score():
    """Taught that a high score means the last letter and a low one the first."""
    table = LetterTable.of((3, 2), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    writer = Writer(table, 8, 4, generator)
    optimiser = torch.optim.Adam(writer.parameters(), 0.03)
    x, y = torch.tensor([[0, 0], [2, 1]]), torch.tensor([0.0, 1.0])
    for _ in range(60):
        optimiser.zero_grad()
        writer.loss(x, y).backward()
        optimiser.step()
    high, low = writer.write(1.0, 50, generator), writer.write(0.0, 50, generator)
    assert (high == x[1]).float().mean() > 0.8
    assert (low == x[0]).float().mean() > 0.8
    assert (high[:, 1] < 2).all()


def test_what_it_asks_for():
    problem = make_problem(SPACES["sequence"], 8)
    y = problem.encoded().y
    own = BootGen(**SMALL).scaled(problem, y)
    assert (own.min(), own.max()) == (0, pytest.approx(0.5))
    assert problem.privileged_used == []
    told = BootGen(**SMALL, optimum="y_max").scaled(problem, y)
    assert problem.privileged_used == ["y_max"]
    assert 0.5 < told.max() < 1


def test_it_trains_on_its_own_designs(monkeypatch):
    """Rows the proxy labelled join those of the table, and none without bootstrapping."""
    sizes = []

    def counted(y, share):
        sizes.append(len(y))
        return rank_weights(y, share)

    monkeypatch.setattr("bbo.baselines.bootgen.rank_weights", counted)
    for added in (0, 2):
        sizes.clear()
        BootGen(**SMALL | {"added": added, "generators": 1}).propose(make_problem(SPACES["sequence"], 8))
        assert sizes[0] == 270
        assert (sizes[-1] > 270) == (added > 0)


def test_batches_are_drawn_by_the_weights_of_the_ranks(monkeypatch):
    """With all weight on the best row a generator sees nothing else."""
    asked, seen, loss = [], [], Writer.loss

    def weights(y, share):
        asked.append((y, share))
        return torch.zeros_like(y).index_fill_(0, y.argmax(), 1.0)

    def watched(self, x, y):
        seen.append((x, y))
        return loss(self, x, y)

    monkeypatch.setattr("bbo.baselines.bootgen.rank_weights", weights)
    monkeypatch.setattr(Writer, "loss", watched)
    problem = make_problem(SPACES["sequence"], 8)
    method = BootGen(**SMALL | {"generators": 1, "added": 0, "rank_share": 0.02})
    method.propose(problem)
    scaled = method.scaled(problem, problem.encoded().y)
    assert all(torch.equal(y, scaled) and share == 0.02 for y, share in asked)
    assert len(seen) == 10 * method.stages
    assert all((x == problem.x[problem.y.argmax()]).all() and (y == scaled.max()).all() for x, y in seen)


def test_the_value_follows_the_scores():
    problem, method = make_problem(SPACES["sequence"], 8), BootGen(**SMALL | {"max_updates": 100, "epochs": 100})
    value = method.value(problem, method.proxy(problem), problem.x)
    assert torch.corrcoef(torch.stack([value, problem.y]))[0, 1] > 0.5


def test_the_proxy_chooses_what_joins_and_what_is_returned(monkeypatch):
    problem = make_problem(SPACES["sequence"], 8)

    def value(x):
        return (x * 5 ** torch.arange(x.shape[1])).sum(1).float()

    def kept(*arguments):
        written.append(write(*arguments))
        return written[-1]

    def told(found, known):
        joined.append(found)
        return new_rows(found, known)

    written, joined, write = [], [], Writer.write
    monkeypatch.setattr(BootGen, "value", lambda self, problem, proxy, x: value(x))
    monkeypatch.setattr(Writer, "write", kept)
    monkeypatch.setattr("bbo.baselines.bootgen.new_rows", told)
    designs = BootGen(**SMALL | {"generators": 1, "drawn": 600, "added": 3}).propose(problem)
    *rounds, final = (value(x).sort(descending=True).values for x in written)
    assert len(joined) == len(rounds) > 0
    assert all(torch.equal(value(rows), best[:3]) for rows, best in zip(joined, rounds, strict=True))
    pool = final.unique().flip(0)
    assert len(pool) > 200
    assert torch.isin(value(designs), pool[:128]).all()


def test_published_rounds_of_bootstrapping():
    paper = BootGen(**BootGen.presets["paper"])
    rounds = [stage for stage in range(paper.stages) if paper.bootstraps(stage)]
    assert (rounds[0], rounds[-1], len(rounds)) == (1250, 1495, 50)
    assert (paper.lstm_width, paper.generators, paper.rows, paper.generator_rate) == (512, 8, 256, 1e-5)
