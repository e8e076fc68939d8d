"""BootGen: a score-conditioned LSTM that trains on its own best designs, as a proxy labels them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from bbo.generative.diffusion_training import loss_facts
from bbo.generative.letters import LetterTable, gumbel
from bbo.generative.score_networks import linear
from bbo.generative.score_weights import drawn, rank_weights
from bbo.method import Method, MethodSpec, setting
from bbo.problem import Problem
from bbo.space import Sequence
from bbo.surrogates import losses
from bbo.surrogates.networks import MLP, spawn
from bbo.surrogates.training import Fitted, TrainingSettings, fit, validation_rows


@dataclass(frozen=True)
class BootGen(TrainingSettings, Method):
    """An LSTM writes sequences for a score asked for, and is trained on its own best ones too, labelled by a proxy.

    "Bootstrapped Training of Score-Conditioned Generator for Offline Design of Biological Sequences" (arXiv 2306.03111, NeurIPS 2023);
    kaist-silab/bootgen @2cbe5ee, `train.py` and `model/condlstm.py`.

    - Generator: two LSTM layers; every step reads the letter before and an affine map of the score. Batches of 256 rows are drawn with
      replacement with weights 1 / (0.01 N + rank), rank 0 for the best; cross entropy, gradients clipped at 0.5.
    - Bootstrapping: in the last sixth of the training, every fifth of its stages of ten batches, 1000 sequences are drawn for the score
      1, and the 2 that the proxy likes best join the rows with the proxy's score, unless they are there already.
    - Designs: each generator draws 1280 sequences for the score 1; of the 128 different ones that the proxy likes best, it gives its
      share of the designs, at random ("diverse aggregation" over eight generators). That is the paper's; the released `train.py` does
      so with `--DA` only, and otherwise has one generator, as `generators=1`.

    Knowledge of the optimum: the authors scale y by the worst and best score of all data, the hidden part too, and ask for 1, which is
    the best of all (for the RNA tasks y is raw, and 1 the best conceivable). By default here 1 is an upper bound, as far above the best
    visible score (times `headroom`) as that is above the worst; our choice, not tuned. `optimum=y_max` is theirs.

    Deviations: there are 50 rounds of bootstrapping; theirs starts one round later. The proxy is this project's perceptron on z-scored
    logits, so that sharpness regularisers apply, with the epoch of least validation loss kept; theirs has dropout and weight decay, and
    keeps its last weights. Rows are drawn again for each batch. Positions may have different numbers of letters. If a generator knows
    fewer different sequences than its share, they repeat.
    """

    spec = MethodSpec(
        id="bootgen",
        version=2,
        kind="generative",
        title="BootGen: bootstrapped generator",
        paper="arXiv 2306.03111",
        code="kaist-silab/bootgen @2cbe5ee",
        year=2023,
        spaces=("sequence",),
        privileged=("y_max",),
        composable=True,
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "paper:utr": {"generator_rate": 5e-5},
        "paper:gfp": {"generator_rate": 5e-5, "stages": 300},
        # One generator of an eighth of the width, 16 stages, larger steps to make up for it; a proxy of at most 200 batches.
        "fast": {
            "hidden": 128,
            "learning_rate": 1e-3,
            "max_updates": 200,
            "generators": 1,
            "lstm_width": 64,
            "code": 32,
            "stages": 16,
            "rows": 64,
            "generator_rate": 3e-3,
            "candidates": 128,
            "drawn": 512,
        },
        "smoke": {
            "hidden": 16,
            "learning_rate": 3e-3,
            "max_updates": 10,
            "epochs": 5,
            "generators": 2,
            "lstm_width": 8,
            "code": 4,
            "stages": 2,
            "rows": 16,
            "generator_rate": 1e-2,
            "candidates": 16,
            "drawn": 64,
        },
    }

    epochs: int = 200
    batch_size: int = 256
    learning_rate: float = 1e-4
    optimum: str = setting("visible", "what the score asked for stands for; see the docstring", choices=("visible", "y_max"))
    headroom: float = setting(1.0, "the upper bound's distance above the best", unit="ranges of the visible scores", low=0)
    generators: int = setting(8, "generators that share the designs", low=1)
    lstm_width: int = setting(512, "width of the two LSTM layers", low=1)
    code: int = setting(256, "width of the score's code", low=1)
    stages: int = setting(1500, "stages of ten batches", low=1)
    rows: int = setting(256, "rows in a generator's batch", low=1)
    generator_rate: float = setting(1e-5, "step size of the generators' Adam", above=0)
    rank_share: float = setting(0.01, "share of the rows that is added to the rank in a row's weight", above=0)
    candidates: int = setting(1000, "sequences drawn in a round of bootstrapping", low=2)
    added: int = setting(2, "of these, how many may join the rows", low=0)
    drawn: int = setting(1280, "sequences drawn by a generator at the end", low=1)

    def propose(self, problem: Problem) -> Tensor:
        """Return `budget` designs, the generators' own that the proxy likes."""
        proxy, generator = self.proxy(problem), problem.generator
        problem.note(**proxy.history.facts())
        traces, designs = [], []
        for number in range(self.generators):
            share = len(range(number, problem.budget, self.generators))
            writer, trace = self.trained(problem, proxy, number)
            traces.append(trace)
            found = torch.unique(writer.write(1.0, max(self.drawn, share), generator), dim=0)
            best = found[self.value(problem, proxy, found).argsort(descending=True, stable=True)[: max(128, share)]]
            order = torch.randperm(len(best), generator=generator, device=problem.device)
            designs.append(best[order[torch.arange(share, device=problem.device) % len(best)]])
        problem.note(generator_loss=loss_facts(torch.stack(traces).mean(0)))
        return torch.cat(designs)

    def proxy(self, problem: Problem) -> Fitted:
        """The proxy, trained on the visible table."""
        data = problem.encoded()
        keep = "best" if validation_rows(len(data.x), self.validation) else "last"
        return fit(
            lambda generator: MLP(data.dim, self.widths, generator, activation="relu"),
            data.x,
            data.y,
            self.plan(keep=keep),
            losses.mse,
            spawn(problem.generator, 1),
            self.regulariser(1, problem.device),
            progress=problem.progress,
        )

    @torch.no_grad()
    def value(self, problem: Problem, proxy: Fitted, x: Tensor) -> Tensor:
        """The proxy's z-scored means (n,) of sequences (n, L)."""
        return proxy.ensemble.mean(problem.encoded().encode(x))[0]

    def scaled(self, problem: Problem, y: Tensor) -> Tensor:
        """Z-scored scores (n,) on the generators' scale: 0 for the worst visible one, 1 for the one asked for."""
        data = problem.encoded()
        low, high = data.y.min(), data.y.max()
        top = high + self.headroom * (high - low)
        if self.optimum == "y_max":
            top = high.clamp(min=float(data.standardise(problem.privileged("y_max"))))
        return (y - low) / torch.where(top > low, top - low, torch.ones_like(low))

    def trained(self, problem: Problem, proxy: Fitted, number: int) -> tuple[Writer, Tensor]:
        """One generator and the mean losses (stages,) of its stages."""
        generator, letters = problem.generator, problem.space
        assert isinstance(letters, Sequence)
        writer = Writer(LetterTable.of(letters.letters, problem.device), self.lstm_width, self.code, generator)
        optimiser = torch.optim.Adam(writer.parameters(), self.generator_rate, fused=True)
        x, y, means = problem.x, self.scaled(problem, problem.encoded().y), []
        for stage in range(self.stages):
            if self.bootstraps(stage):
                found = writer.write(1.0, self.candidates, generator)
                value = self.value(problem, proxy, found)
                chosen = value.argsort(descending=True, stable=True)[: self.added]
                fresh = new_rows(found[chosen], x)
                x, y = torch.cat([x, found[chosen][fresh]]), torch.cat([y, self.scaled(problem, value[chosen][fresh])])
            weight, trace = rank_weights(y, self.rank_share), []
            for rows in drawn(weight, 10 * self.rows, generator).split(self.rows):
                loss = writer.loss(x[rows], y[rows])
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(writer.parameters(), 0.5)
                optimiser.step()
                trace.append(loss.detach())
            means.append(torch.stack(trace).mean())
            problem.progress(number * self.stages + stage + 1, self.generators * self.stages)
        return writer, torch.stack(means)

    def bootstraps(self, stage: int) -> bool:
        """Whether a stage starts with a round of bootstrapping: in the last sixth, every fifth, or every one where there are few."""
        return stage >= self.stages * 5 // 6 and stage % (5 if self.stages >= 60 else 1) == 0


class Writer(nn.Module):
    """Two LSTM layers that write sequences letter by letter for a score.

    Args:
        table: letters of the positions. width: of the layers. code: of the score's code.
        generator: source of the weights.
    """

    def __init__(self, table: LetterTable, width: int, code: int, generator: Generator) -> None:
        super().__init__()
        self.table = table
        most = table.absent.shape[1]
        self.letters = nn.Parameter(torch.randn(most + 1, width, generator=generator, device=generator.device))
        self.score = nn.Sequential(linear(1, code, generator), linear(code, width, generator))
        # Made without weights first, which would come from the global generator.
        lstm = nn.LSTM(width, width, num_layers=2, batch_first=True, device="meta")
        self.lstm = lstm.to_empty(device=generator.device)
        for parameter in self.lstm.parameters():
            nn.init.uniform_(parameter, -(width**-0.5), width**-0.5, generator=generator)
        self.head = linear(width, most, generator)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Mean cross entropy () of the letters x (n, L), given those before and scaled scores (n,)."""
        start = torch.full_like(x[:, :1], len(self.letters) - 1)
        inputs = self.letters[torch.cat([start, x[:, :-1]], 1)] + self.score(y[:, None])[:, None]
        table = self.table.log_probabilities(self.head(self.lstm(inputs)[0]).flatten(1))
        return -table.gather(2, x[..., None]).mean()

    @torch.no_grad()
    def write(self, y: float, count: int, generator: Generator) -> Tensor:
        """Sequences (count, L), int64, drawn for a scaled score."""
        device = generator.device
        code = self.score(torch.full((1, 1), y, device=device))
        letter = torch.full((count,), len(self.letters) - 1, device=device)
        state, written = None, []
        for absent in self.table.absent:
            output, state = self.lstm((self.letters[letter] + code)[:, None], state)
            logits = self.head(output[:, 0])
            letter = (logits + gumbel(logits, generator)).masked_fill(absent, -torch.inf).argmax(1)
            written.append(letter)
        return torch.stack(written, 1)


def new_rows(found: Tensor, known: Tensor) -> Tensor:
    """Which of some sequences (n, L) are neither among the known (N, L) nor equal to an earlier one, (n,) true or false."""
    seen = (found[:, None] == known).all(2).any(1)
    return ~seen & ~(found[:, None] == found).all(2).tril(-1).any(1)
