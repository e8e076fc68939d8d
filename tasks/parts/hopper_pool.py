"""The pools of the hopper tasks: snapshots of policies that are trained by PPO, scored, cut and stored.

    python -m bbo.tasks.parts.hopper_pool FOLDER

makes the data file of `hopper`; `bbo data build hopper` runs this with kernels that depend little on the processor. tools/build_hopper.py
makes that of `hopper-small`.

Plain PPO (Schulman et al. 2017): 2048 steps an update, 10 epochs, minibatches of 128, learning rate 3e-4, discount 0.99, lambda 0.95,
clipping 0.2, no scaling of observations; a 64-64 network for the value. A snapshot of the policy is kept four times an update.
FOLDER keeps one file a seed, so an interrupted command goes on where it stopped. Then all snapshots are rounded to float16 and
scored.

Other processors and versions of torch train other policies.
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bbo import data
from bbo.tasks.hopper import ACTIONS, BOUND, OBSERVATIONS, STEPS, Hopper, Robot, episode, layers, torques

#: Runs of hopper's pool, and updates of each.
SEEDS, UPDATES = 5, 100
BATCH, EPOCHS, MINIBATCH, RATE = 2048, 10, 128, 3e-4
DISCOUNT, LAMBDA, CLIP, FIRST_LOG_STD, NOISE = 0.99, 0.95, 0.2, -0.5, 5e-3
#: A snapshot is kept after these epochs of every update.
KEPT = (2, 5, 7, 9)
VISIBLE = 60


def network(sizes: tuple[int, ...], last: float, generator: torch.Generator) -> nn.Sequential:
    """Tanh layers with orthogonal weights; the last layer's are scaled by `last`."""
    parts: list[nn.Module] = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        layer = nn.Linear(inputs, outputs)
        nn.init.orthogonal_(layer.weight, last if i == len(sizes) - 2 else 2**0.5, generator=generator)
        nn.init.zeros_(layer.bias)
        parts += [layer, nn.Tanh()]
    return nn.Sequential(*parts[:-1])


def vector(policy: nn.Sequential, log_std: Tensor) -> np.ndarray:
    """The design (d,) of a policy."""
    return torch.cat([*(p.detach().flatten() for p in policy.parameters()), log_std.detach()]).numpy()


class Sampler:
    """The robot with its exploration: goes on across updates in the middle of an episode."""

    def __init__(self, rng: np.random.Generator, hidden: int) -> None:
        self.robot, self.rng, self.hidden = Robot(), rng, hidden
        self._begin()

    def _begin(self) -> None:
        self.observation = self.robot.reset(self.rng.uniform(-NOISE, NOISE, 12))
        self.age = 0

    def collect(self, design: np.ndarray) -> tuple[np.ndarray, ...]:
        """Observations (B, 11), actions (B, 3), rewards, falls, ends (B,) and what followed each step (B, 11)."""
        policy, std = layers(design, self.hidden), np.exp(design[-ACTIONS:])
        steps: list[tuple[object, ...]] = []
        for noise in self.rng.standard_normal((BATCH, ACTIONS)):
            seen, action = self.observation, torques(policy, self.observation) + std * noise
            self.observation, reward, fallen = self.robot.step(np.clip(action, -1.0, 1.0))
            self.age += 1
            over = fallen or self.age == STEPS
            steps.append((seen, action, reward, fallen, over, self.observation))
            if over:
                self._begin()
        return tuple(np.array(column, np.float32) for column in zip(*steps, strict=True))


def advantages(rewards: np.ndarray, falls: np.ndarray, ends: np.ndarray, values: np.ndarray, following: np.ndarray) -> np.ndarray:
    """Generalised advantages (B,) (Schulman et al. 2016, eq. 16); an episode that ran out of time is valued by what followed it."""
    surprise = rewards + DISCOUNT * following * (1 - falls) - values
    found, last = np.zeros_like(surprise), 0.0
    for t in reversed(range(len(surprise))):
        found[t] = last = surprise[t] + DISCOUNT * LAMBDA * (1 - ends[t]) * last
    return found


def train(seed: int, updates: int, hidden: int) -> np.ndarray:
    """Snapshots (4 * updates, d), float16, of one run of policies with two layers of `hidden` units; weights beyond `BOUND` are cut."""
    generator, rng = torch.Generator().manual_seed(seed), np.random.Generator(np.random.PCG64(seed))
    policy = network((OBSERVATIONS, hidden, hidden, ACTIONS), 0.01, generator)
    value = network((OBSERVATIONS, 64, 64, 1), 1.0, generator)
    log_std = nn.Parameter(torch.full((ACTIONS,), FIRST_LOG_STD))
    optimizer = torch.optim.Adam([*policy.parameters(), log_std, *value.parameters()], RATE, eps=1e-5, foreach=True)
    sampler, kept = Sampler(rng, hidden), []
    for update in range(updates):
        seen, actions, rewards, falls, ends, after = sampler.collect(vector(policy, log_std))
        with torch.no_grad():
            values, following = (value(torch.as_tensor(x))[:, 0].numpy() for x in (seen, after))
        gain = advantages(rewards, falls, ends, values, following)
        x, a, wanted = (torch.as_tensor(array) for array in (seen, actions, gain + values))
        better = torch.as_tensor((gain - gain.mean()) / (gain.std() + 1e-8))

        def log_chance(rows: Tensor, x: Tensor = x, a: Tensor = a) -> Tensor:
            return (-0.5 * ((a[rows] - policy(x[rows])) / log_std.exp()).square() - log_std).sum(1)

        with torch.no_grad():
            before = log_chance(torch.arange(BATCH))
        for epoch in range(EPOCHS):
            for rows in torch.randperm(BATCH, generator=generator).split(MINIBATCH):
                ratio = (log_chance(rows) - before[rows]).exp()
                gained = torch.minimum(ratio * better[rows], ratio.clamp(1 - CLIP, 1 + CLIP) * better[rows]).mean()
                loss = 0.5 * (value(x[rows])[:, 0] - wanted[rows]).square().mean() - gained
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_([*policy.parameters(), log_std, *value.parameters()], 0.5)
                optimizer.step()
            if epoch in KEPT:
                kept.append(vector(policy, log_std))
        if update % 10 == 9:
            print(f"seed {seed}, update {update + 1}: {rewards.sum() / max(ends.sum(), 1):.0f} an episode", flush=True)
    return np.clip(kept, -BOUND, BOUND).astype(np.float16)


def pool(folder: Path, hidden: int, seeds: int, updates: int) -> dict[str, np.ndarray]:
    """All snapshots of the runs with seeds 0 to `seeds` - 1: x (n, d), float16, and their scores y (n,), float32.

    FOLDER keeps the finished runs and, for tools/task_quality.py, the whole pool as pool.npz.
    """
    torch.set_num_threads(1)
    runs = []
    for seed in range(seeds):
        name = f"hidden-{hidden}-updates-{updates}-seed-{seed}.npz"
        if not (folder / name).is_file():
            start, x = time.process_time(), train(seed, updates, hidden)
            y = np.array([sum(reward for _, reward in episode(design, hidden)) for design in x.astype(np.float32)], np.float32)
            data.store(name, {"x": x, "y": y}, folder)
            seconds, quartiles = time.process_time() - start, np.percentile(y, [0, 25, 50, 75, 100]).round()
            print(f"run {seed + 1} of {seeds}: {seconds:.0f} s, quartiles of the returns {quartiles}", flush=True)
        runs.append(data.read_npz(folder / name))
    found = {key: np.concatenate([run[key] for run in runs]) for key in ("x", "y")}
    data.store("pool.npz", found, folder)
    return found


def lowest(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The lowest `VISIBLE` % of a pool, in its order; prints the facts that tasks/hopper.py freezes."""
    x, y = found["x"], found["y"]
    rows = np.sort(np.argsort(y, kind="stable")[: len(y) * VISIBLE // 100])
    low, best, high = (repr(float(v)) for v in (y.min(), y[rows].max(), y.max()))
    print(
        f"pool {len(y)}, largest weight {np.abs(x).max()}; visible {len(rows)}, best visible {best}, y_min {low}, y_max {high}",
        flush=True,
    )
    return {"x": x[rows], "y": y[rows]}


def main() -> None:
    """The command of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="keeps the runs, so that the command can go on, and gets the data file")
    parser.add_argument("--updates", type=int, default=UPDATES, help="updates of each run; the task is made with the default")
    options = parser.parse_args()
    if reason := Hopper().lacking():
        raise SystemExit(f"the pool of hopper cannot be made: it {reason}")
    data.store(Hopper.file, lowest(pool(options.folder, Hopper.units, SEEDS, options.updates)), options.folder)


if __name__ == "__main__":
    main()
