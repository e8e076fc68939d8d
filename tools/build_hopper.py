"""Train hopper policies and build the pool of hopper-small and the visible table that the package ships.

    python tools/build_hopper.py FOLDER [--seeds 0-5] [--updates 100] [--hidden 16]

Plain PPO (Schulman et al. 2017): 2048 steps an update, 10 epochs, minibatches of 128, learning rate 3e-4, discount 0.99, lambda 0.95,
clipping 0.2, no scaling of observations; a 64-64 network for the value. A snapshot of the policy is kept four times an update.
FOLDER keeps one file a seed, so an interrupted command goes on where it stopped. Then all snapshots are rounded to float16 and
scored; the lowest 60 % go to tasks/data/hopper_small.npz, and the facts that are frozen in tasks/hopper.py are printed.

With `--hidden 64` the policies are those of Design-Bench's HopperController (64-64, 5126 numbers); the visible rows then go to
FOLDER/hopper.npz.

Other processors and versions of torch train other policies: the shipped file is the task, this script says where it came from.
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
from bbo.tasks.hopper import ACTIONS, BOUND, FILE, HIDDEN, OBSERVATIONS, STEPS, Robot, episode, layers, torques

OUT = Path(__file__).parents[1] / "tasks" / "data"
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
        seen, done, rewards, falls, ends, after = [], [], [], [], [], []
        for noise in self.rng.standard_normal((BATCH, ACTIONS)):
            action = torques(policy, self.observation) + std * noise
            seen.append(self.observation)
            self.observation, reward, fallen = self.robot.step(np.clip(action, -1.0, 1.0))
            self.age += 1
            over = fallen or self.age == STEPS
            for kept, value in zip(
                (done, rewards, falls, ends, after), (action, reward, fallen, over, self.observation), strict=True
            ):
                kept.append(value)
            if over:
                self._begin()
        return tuple(np.array(column, np.float32) for column in (seen, done, rewards, falls, ends, after))


def advantages(rewards: np.ndarray, falls: np.ndarray, ends: np.ndarray, values: np.ndarray, following: np.ndarray) -> np.ndarray:
    """Generalised advantages (B,) (Schulman et al. 2016, eq. 16); an episode that ran out of time is valued by what followed it."""
    surprise = rewards + DISCOUNT * following * (1 - falls) - values
    found, last = np.zeros_like(surprise), 0.0
    for t in reversed(range(len(surprise))):
        found[t] = last = surprise[t] + DISCOUNT * LAMBDA * (1 - ends[t]) * last
    return found


def train(seed: int, updates: int, hidden: int) -> np.ndarray:
    """Snapshots (4 * updates, d), float16, of one run of policies with two layers of `hidden` units."""
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
    return np.array(kept, np.float16)


def score(design: np.ndarray, hidden: int) -> float:
    """Return of one episode."""
    return sum(reward for _, reward in episode(design, hidden))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", default="0-5", help="first and last")
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--hidden", type=int, default=HIDDEN, help="units of each of the two layers")
    options = parser.parse_args()
    first, last = map(int, options.seeds.split("-"))
    torch.set_num_threads(1)
    small, xs, ys = options.hidden == HIDDEN, [], []
    for seed in range(first, last + 1):
        name = f"seed-{seed}.npz" if small else f"hidden-{options.hidden}-seed-{seed}.npz"
        if not (options.folder / name).is_file():
            start, x = time.process_time(), train(seed, options.updates, options.hidden)
            y = np.array([score(design, options.hidden) for design in x.astype(np.float32)], np.float32)
            print(
                f"seed {seed}: {time.process_time() - start:.0f} s, quartiles {np.percentile(y, [0, 25, 50, 75, 100])}", flush=True
            )
            data.store(name, {"x": x, "y": y}, options.folder)
        arrays = data.read_npz(options.folder / name)
        xs.append(arrays["x"])
        ys.append(arrays["y"])
    x, y = np.concatenate(xs), np.concatenate(ys)
    assert not small or np.abs(x).max() <= BOUND, f"a weight is {np.abs(x).max()}"
    visible = y <= np.percentile(y, VISIBLE)
    low, best, high = (repr(float(v)) for v in (y.min(), y[visible].max(), y.max()))
    print(
        f"pool {len(y)}, largest weight {np.abs(x).max()}; visible {visible.sum()}, best visible {best}, y_min {low}, y_max {high}"
    )
    data.store("pool.npz", {"x": x, "y": y}, options.folder)  # for tools/task_quality.py
    written = data.store(FILE if small else "hopper.npz", {"x": x[visible], "y": y[visible]}, OUT if small else options.folder)
    print(written, written.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
