"""ROOT's parts, the authors' way and ours, on the same data in one run: `python -m benchmarks.root [--only NAME] [--json]`.

"Theirs" is written from the method's description (settings and order of work as in cuong-dm/ROOT @d23f14f): one float32 Cholesky factor a
function, autograd through the kernel at every step, pairs kept one by one in Python, a DataLoader that collates single samples, plain
Adam. "Ours" is what `bbo.baselines.root` calls.

- function-N: one synthetic function on N of TFBind8's visible rows, 1024 starts, 100 steps down and up, pairs kept. Ours is an eighth of
  an epoch of eight, since one preconditioner serves the eight.
- training: 1000 batches of 64 pairs, on a network of the published width.
- whole-seed: `paper:tfbind8` from the table to 128 designs. Ours is run; theirs is extrapolated: 800 times its function-15000 plus 11.6 times
  its training.

Times are CPU times on one thread.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from functools import cache
from typing import Any

import click
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from bbo import catalogue
from bbo.generative import brownian_bridge as bridge
from bbo.generative.bridge_training import BridgeTraining, train
from bbo.generative.synthetic_pairs import Pairs, walk
from bbo.problem import Problem
from bbo.surrogates.gaussian_process import RBF
from bbo.surrogates.gp_family import VisibleTable
from benchmarks._timing import gflop, seconds

CENTRE = RBF(6.25, 6.25, 0.01)
STARTS, STEPS, STEP_SIZE, MIN_GAIN, FUNCTIONS = 1024, 100, 0.05, 0.001, 8
BATCH, BATCHES, HIDDEN = 64, 1000, 1024


def problem(seed: int = 0) -> Problem:
    """TFBind8 as a method sees it."""
    task = catalogue.load_task("tfbind8")
    data = task.visible()
    x, y = torch.tensor(data.x), torch.tensor(data.y)
    return Problem(x, y, task.spec.space, 128, torch.Generator().manual_seed(seed), {"y_max": task.spec.y_max})


# Theirs -----------------------------------------------------------------------------------------------------------------------------


def their_kernel(a: Tensor, b: Tensor, kernel: RBF) -> Tensor:
    scaled_a, scaled_b = a / kernel.lengthscale, b / kernel.lengthscale
    squares = scaled_a.square().sum(1, keepdim=True) + scaled_b.square().sum(1) - 2 * scaled_a @ scaled_b.T
    return kernel.variance * torch.exp(-0.5 * squares.clamp_min(0))


def their_function(x: Tensor, y: Tensor, starts: Tensor, kernel: RBF) -> list[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
    matrix = their_kernel(x, x, kernel)
    matrix.diagonal().add_(kernel.noise)
    coef = torch.cholesky_solve(y[:, None], torch.linalg.cholesky(matrix))[:, 0]
    points = torch.cat([starts, starts]).requires_grad_(True)
    signed = torch.cat([-STEP_SIZE * torch.ones_like(starts), STEP_SIZE * torch.ones_like(starts)])
    for _ in range(STEPS):
        mean = their_kernel(x, points, kernel).T @ coef
        (gradient,) = torch.autograd.grad(mean.sum(), points)
        points = (points + signed * gradient).detach().requires_grad_(True)
    with torch.no_grad():
        values = their_kernel(x, points, kernel).T @ coef
        low, high = points.detach().chunk(2)
        y_low, y_high = values.chunk(2)
        kept = []
        for i in range(len(starts)):
            if y_high[i] - y_low[i] <= MIN_GAIN:
                continue
            kept.append(((high[i], y_high[i]), (low[i], y_low[i])))
    return kept


def their_training(samples: list[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]], network: nn.Module) -> None:
    schedule = bridge.Schedule.linear(1000, 200, 1.0, torch.device("cpu"))
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, betas=(0.9, 0.999), foreach=False, fused=False)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, factor=0.5, patience=200, cooldown=200, min_lr=5e-7)
    shadow = {name: p.detach().clone() for name, p in network.named_parameters()}
    for step, ((x_high, y_high), (x_low, y_low)) in enumerate(DataLoader(samples, batch_size=BATCH, shuffle=True), start=1):
        torch.manual_seed(step)
        hide = torch.rand(len(y_high)) <= 0.15
        t, noise = torch.randint(0, 1000, (len(y_high),)), torch.randn_like(x_high)
        loss = bridge.errors(network, schedule, Pairs(x_low, y_low, x_high, y_high), t, noise, hide).mean()
        loss.backward()
        if step % 2 == 0:
            optimiser.step()
            optimiser.zero_grad()
            plateau.step(loss.item())
        if step % 16 == 0:
            for name, p in network.named_parameters():
                shadow[name] = (0.005 * p.detach() + 0.995 * shadow[name]).clone()


# Measurements -----------------------------------------------------------------------------------------------------------------------


def network(dim: int) -> nn.Module:
    return bridge.BridgeNetwork(dim, HIDDEN, 1.0, torch.Generator().manual_seed(0))


@cache
def function(rows: int) -> dict[str, Any]:
    given = problem()
    data, generator = given.encoded(), torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(data.x), generator=generator)[:rows]
    starts = data.x[given.best(STARTS)]
    draws = 0.25 * (2 * torch.rand(FUNCTIONS, 2, generator=generator) - 1)
    kernels = [RBF(6.25 + a, 6.25 + b, 0.01) for a, b in draws.tolist()]

    def ours() -> list[Pairs]:
        fit = VisibleTable.of(data, given.x).fitter(chosen, CENTRE)
        return [Pairs.gaining(walk(f, starts, STEPS, STEP_SIZE), MIN_GAIN) for f in fit(kernels)]

    taken, pairs = seconds(ours)
    their_seconds, kept = seconds(lambda: their_function(data.x[chosen], data.y[chosen], starts, kernels[0]))
    off = (torch.stack([low[0] for _, low in kept]) - pairs[0].x_low).abs().max().item()
    result = entry(f"function-{rows}", taken / FUNCTIONS, their_seconds)
    return result | {"largest_difference_of_low_ends": off, "ascent_share_of_sgemm": sgemm_share(data.x, given, starts)}


def sgemm_share(x: Tensor, given: Problem, starts: Tensor) -> float:
    """The ascent's matrix products a second, as a share of what sgemm alone reaches on the same shapes."""
    table = VisibleTable.of(given.encoded(), given.x)
    assert table.grid
    (posterior,) = table.fitter(torch.arange(2048), CENTRE)([CENTRE])
    points = torch.cat([starts, starts])
    a, b = table.grid.shape
    left, weights = torch.randn(len(points), a), torch.randn(a, b)
    ascent, _ = seconds(lambda: [posterior.mean_and_gradient(points) for _ in range(50)])
    plain, _ = seconds(lambda: [left @ weights for _ in range(100)])
    return plain / ascent


@cache
def training() -> dict[str, Any]:
    given = problem()
    generator = torch.Generator().manual_seed(0)
    x = given.encoded().x[torch.randint(len(given.y), (BATCH * BATCHES,), generator=generator)]
    y = torch.randn(len(x), generator=generator)
    pairs = Pairs(x, y - 1, x + 0.1 * torch.randn(x.shape, generator=generator), y + 1)
    schedule = bridge.Schedule.linear(1000, 200, 1.0, x.device)
    ours, _ = seconds(lambda: train(network(x.shape[1]), schedule, [pairs], BridgeTraining(), generator))
    samples = [((pairs.x_high[i], pairs.y_high[i]), (pairs.x_low[i], pairs.y_low[i])) for i in range(len(x))]
    theirs, _ = seconds(lambda: their_training(samples, network(x.shape[1])))
    few = Pairs(*(part[: 2 * BATCH] for part in (pairs.x_low, pairs.y_low, pairs.x_high, pairs.y_high)))  # those of one update
    work = gflop(lambda: train(network(x.shape[1]), schedule, [few], BridgeTraining(), generator)) * BATCHES / 2
    return entry("training", ours, theirs) | {"our_gflop": work}


def _one_seed(pipe: Any) -> None:
    torch.set_num_threads(1)
    given = problem()
    root = catalogue.load_method("root")
    method = root.cls(**root.config("paper:tfbind8", "tfbind8", {}).config)
    taken, _ = seconds(lambda: method.propose(given))
    pipe.send((taken, peak_memory_gb()))


def peak_memory_gb() -> float:
    """Of this process; not `ru_maxrss`, which on Linux starts with the memory of the process that started this one."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 2**20


def whole_seed() -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")  # a process of its own, so that its peak memory is its own
    here, there = context.Pipe()
    process = context.Process(target=_one_seed, args=(there,), daemon=True)
    process.start()
    ours, peak = here.recv()
    process.join()
    parts = function(15000)["authors_seconds"], training()["authors_seconds"]
    theirs = 800 * parts[0] + 11.6 * parts[1]
    return entry("whole-seed", ours, theirs) | {"theirs": "extrapolated from function-15000 and training", "peak_memory_gb": peak}


def entry(name: str, ours: float, theirs: float) -> dict[str, Any]:
    return {"name": name, "our_seconds": ours, "authors_seconds": theirs, "ratio": theirs / ours}


MEASUREMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "function-2048": lambda: function(2048),
    "function-4096": lambda: function(4096),
    "function-15000": lambda: function(15000),
    "training": training,
    "whole-seed": whole_seed,
}


@click.command()
@click.option("--only", type=click.Choice(list(MEASUREMENTS)), multiple=True, help="Measure this alone; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
def main(only: tuple[str, ...], as_json: bool) -> None:
    """Print seconds and ratios."""
    torch.set_num_threads(1)
    results = []
    for name in only or MEASUREMENTS:
        results.append(MEASUREMENTS[name]())
        if not as_json:
            r = results[-1]
            rest = ", ".join(f"{k} {v if isinstance(v, str) else f'{v:.3g}'}" for k, v in list(r.items())[4:])
            click.echo(
                f"{name}: ours {r['our_seconds']:.3g} s, theirs {r['authors_seconds']:.4g} s, ratio {r['ratio']:.3g}"
                + f"; {rest}" * bool(rest)
            )
    if as_json:
        click.echo(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
