"""Train a policy that walks any body of ant or dkitty, to be compared with the planned trots by tools/compare_gaits.py.

    python tools/train_walker_policy.py ant|dkitty FILE.npz [--over rest|trot] [--iterations 300] [--processes 1]

Augmented random search, version V2 with the best directions (Mania, Guy & Recht 2018, arXiv 1803.07055, algorithm 2): a linear policy on
normalised observations, moved along random directions by the difference of what it earns forward and backward along each. An episode is
one of the task: same start, physics, seconds, control in every step of the simulator; it earns the metres that the task counts, and 0 if
the simulation breaks down. Bodies are random: each iteration draws new ones, as the first generations of the pool's runs are drawn
(tools/build_walkers.py), and each walks to the clock of one of the task's four gaits.

The three servos of a leg see the torso (height, direction of up and of forward, velocities), the leg's joints and their velocities, the
leg's clock (cosine and sine), the leg's numbers of the design, and these times the clock, so that a linear policy can fit its gait to the
body. Each servo has weights of its own: 804 in all for ant, 732 for dkitty. With `--over rest` the policy alone says where the servos go
(as a share of the joint's range from its centre); with `--over trot` its output is added to the trot that is planned for the body.

FILE keeps the state, written after every tenth iteration, so a command that was interrupted goes on where it stopped; iteration i draws
from seed (0, i). Results do not depend on the number of processes.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import build_walkers
import numpy as np

from bbo import catalogue, data
from bbo.errors import BBOError
from bbo.tasks.parts import walking
from bbo.tasks.parts.engine import mujoco
from bbo.tasks.parts.walking import GAITS, JOINTS, LEGS, Species
from bbo.tasks.walkers import Walker

#: Random directions of an iteration, how many of them count, and the bodies on which each is tried.
DIRECTIONS, BEST, BODIES = 16, 8, 4
#: Step size, and how far weights are moved along a direction to try it.
RATE, NOISE = 0.02, 0.03
#: Observations beyond this (metres, shares of a range, per second) are cut: a simulation that is about to break down would ruin the means.
LARGEST = 100.0
SAVE = 10
TORSO = 13


@dataclass(frozen=True)
class State:
    """A linear policy and the history of its training.

    Args:
        over: "rest" or "trot", see above.
        weights: (4 legs, 3 joints, F + 1); the last number of each joint is a constant.
        count, total, squares: how many observations were made, their sum (4, F) and the sum of their squares (4, F).
        metres: (iterations,) what the policy walked in each, mean over its bodies, before it was changed.
        episodes: how many were simulated.
        seconds: of processor time.
    """

    over: str
    weights: np.ndarray
    count: float
    total: np.ndarray
    squares: np.ndarray
    metres: np.ndarray
    episodes: int = 0
    seconds: float = 0.0

    @classmethod
    def first(cls, species: Species, over: str) -> State:
        """Weights of 0: at rest, or the planned trot."""
        seen = (LEGS, TORSO + 2 * JOINTS + 2 + 3 * len(species.numbers))
        return cls(over, np.zeros((LEGS, JOINTS, seen[1] + 1)), 0.0, np.zeros(seen), np.zeros(seen), np.zeros(0))

    def normaliser(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (4, F) of the observations and one over their standard deviation, 0 for those that never varied."""
        if not self.count:
            return np.zeros_like(self.total), np.ones_like(self.total)
        mean = self.total / self.count
        spread = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0.0))
        return mean, np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 0.0)


def load(path: Path, species: Species) -> State:
    """A state as `save` wrote it.

    Raises:
        BBOError: the file cannot be read, or is no policy for this species.
    """
    arrays = data.read_npz(path)
    if set(arrays) != {field.name for field in fields(State)}:
        raise BBOError(f"{path} holds {', '.join(arrays)}, not a policy; make one with tools/train_walker_policy.py")
    state = State(**{name: array if array.ndim else array.item() for name, array in arrays.items()})
    if state.weights.shape != (wanted := State.first(species, state.over).weights.shape):
        raise BBOError(
            f"{path} has weights {state.weights.shape}, not {wanted}; it was trained for the other robot, choose another file"
        )
    return state


def save(path: Path, state: State) -> None:
    """Write a state, whole or not at all."""
    data.store(path.name, {field.name: np.asarray(getattr(state, field.name)) for field in fields(State)}, path.parent)


def observations(
    species: Species, bodies: dict[str, np.ndarray], qpos: np.ndarray, qvel: np.ndarray, turn: np.ndarray
) -> np.ndarray:
    """What each leg sees (..., 4, F), of states qpos (..., 19) and qvel (..., 18) and clocks (..., 4) in radians."""
    w, x, y, z = np.moveaxis(qpos[..., 3:7], -1, 0)
    # Rows of the matrix that turns the torso's frame into the world's are the world's axes as the torso sees them.
    east = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1)
    north = np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1)
    up = np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1)
    ahead = species.forward[0] * east + species.forward[1] * north
    speed = qvel[..., :1] * east + qvel[..., 1:2] * north + qvel[..., 2:3] * up
    torso = np.concatenate([qpos[..., 2:3], up, ahead, speed, qvel[..., 3:6]], -1)
    legs = (*qpos.shape[:-1], LEGS)
    angles = (qpos[..., 7:].reshape(*legs, JOINTS) - bodies["centres"]) / bodies["ranges"]
    turning = qvel[..., 6:].reshape(*legs, JOINTS) / bodies["ranges"]
    clock = np.stack([np.cos(turn), np.sin(turn)], -1)
    numbers = np.broadcast_to(bodies["numbers"], (*legs, len(species.numbers)))
    seen = [np.broadcast_to(torso[..., None, :], (*legs, TORSO)), angles, turning, clock, numbers]
    seen += [numbers * clock[..., :1], numbers * clock[..., 1:]]
    return np.clip(np.concatenate(seen, -1), -LARGEST, LARGEST)


@dataclass(frozen=True)
class Walked:
    """What K policies did with M bodies to G clocks.

    Args:
        metres: (K, M, G), 0 where the simulation broke down.
        total, squares: sums of the observations and of their squares (K, 4, F).
        count: how many observations each of these sums is of.
        seconds: of processor time.
    """

    metres: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    count: int
    seconds: float


def walk(species: Species, state: State, weights: np.ndarray, designs: np.ndarray, gaits: np.ndarray) -> Walked:
    """Let bodies walk with policies that differ from the state's in their weights (K, 4, 3, F + 1).

    Args:
        designs: the bodies (M, d).
        gaits: to the clocks of which gaits each of them walks (M, G), as indices of `walking.GAITS`.
    """
    began = time.process_time()
    bodies = [walking.Body(species, design) for design in designs]
    shape, step = (len(weights), *gaits.shape), bodies[0].model.opt.timestep
    steps, engine = round(walking.SECONDS / step), mujoco()
    runs = [(body, engine.MjData(body.model)) for _ in weights for body in bodies for _ in range(gaits.shape[1])]
    for body, run in runs:
        run.qpos[:] = body.data.qpos
    centres, ranges = (np.stack([getattr(body, name) for body in bodies])[:, None] for name in ("centres", "ranges"))
    default = np.clip(species.design(np.array(species.default)), -1, 1)
    # Numbers in tenths of half their bounds' width from the default body, so that all observations are of about the same size.
    facts = {"centres": centres, "ranges": ranges, "numbers": 10 * (designs - default).reshape(len(bodies), 1, LEGS, -1)}
    # Where the servos go if the policy says 0 (steps, M, G, 4, 3).
    base = np.broadcast_to(centres, (steps, *gaits.shape, LEGS, JOINTS))
    if state.over == "trot":
        plans = [body.plan(body.reach())[gait] for body, gait in zip(bodies, gaits, strict=True)]
        base = np.moveaxis(np.stack(plans), 2, 0).reshape(base.shape)
    rates, delays = np.array(GAITS).T
    mean, scale = state.normaliser()
    total, squares = np.zeros((2, len(weights), *mean.shape))
    way = np.empty((len(runs), steps, 7))
    controls, places, speeds = ([getattr(run, name) for _, run in runs] for name in ("ctrl", "qpos", "qvel"))
    for now in range(steps):
        turn = 2 * np.pi * ((species.pace * rates * step * now + delays)[gaits][..., None] + walking.TROT)
        qpos, qvel = np.array(places).reshape(*shape, -1), np.array(speeds).reshape(*shape, -1)
        seen = observations(species, facts, qpos, qvel, np.broadcast_to(turn, (*shape, LEGS)))
        total += seen.sum((1, 2))
        squares += (seen**2).sum((1, 2))
        normal = ((seen - mean) * scale).reshape(len(weights), -1, *mean.shape).transpose(0, 2, 3, 1)
        moves = (weights[..., :-1] @ normal + weights[..., -1:]).transpose(0, 3, 1, 2).reshape(*shape, LEGS, JOINTS)
        targets = np.clip(base[now] + ranges * moves, centres - ranges, centres + ranges).reshape(len(runs), -1)
        for (body, run), control, target in zip(runs, controls, targets, strict=True):
            control[:] = target
            engine.mj_step(body.model, run)
        way[:, now] = np.array(places)[:, :7]
    # MuJoCo begins again when numbers become too large.
    lasted = np.abs(np.array([run.time for _, run in runs]) - steps * step) < step / 2
    earned = np.where(lasted, np.nan_to_num(walking.progress(bodies[0], way), nan=0.0), 0.0)
    return Walked(earned.reshape(shape), total, squares, gaits.size * steps, time.process_time() - began)


def metres(species: Species, state: State, x: np.ndarray) -> np.ndarray:
    """How far each design (n, d) walks with the policy, to the clock of each gait (n, gaits); 0 where the simulation broke down."""
    clocks = np.arange(len(GAITS))
    parts = [x[start : start + 32] for start in range(0, len(x), 32)]
    weights = state.weights[None]
    return np.concatenate([walk(species, state, weights, part, np.tile(clocks, (len(part), 1))).metres[0] for part in parts])


def drawn(task: Walker, rng: np.random.Generator) -> np.ndarray:
    """A body (d,), as one of the first generation of a run of tools/build_walkers.py."""
    recipe = build_walkers.RECIPES[task.spec.id]
    start, distance = build_walkers.start(task.species, recipe, rng)
    return np.clip(start + recipe.sigma * distance * rng.standard_normal(len(start)), -1, 1)


def improved(task: Walker, state: State, pool: ProcessPoolExecutor, processes: int) -> State:
    """The state after one more iteration."""
    rng = np.random.Generator(np.random.PCG64([0, len(state.metres)]))
    designs = np.stack([drawn(task, rng) for _ in range(BODIES)])
    gaits = np.arange(BODIES)[:, None] % len(GAITS)
    directions = rng.standard_normal((DIRECTIONS, *state.weights.shape))
    tried = state.weights + NOISE * np.concatenate([0 * directions[:1], directions, -directions])
    parts = np.array_split(tried, processes)
    run = map if processes == 1 else pool.map
    done = list(run(partial(walk, task.species, state, designs=designs, gaits=gaits), parts))
    earned = np.concatenate([part.metres for part in done]).mean((1, 2))
    forward, backward = earned[1:].reshape(2, -1)
    best = np.argsort(-np.maximum(forward, backward), kind="stable")[:BEST]
    spread = np.concatenate([forward[best], backward[best]]).std()
    gain = np.einsum("n,n...->...", forward[best] - backward[best], directions[best])
    return replace(
        state,
        weights=state.weights + RATE / (BEST * max(spread, 1e-9)) * gain,
        count=state.count + len(tried) * done[0].count,
        total=state.total + np.concatenate([part.total for part in done]).sum(0),
        squares=state.squares + np.concatenate([part.squares for part in done]).sum(0),
        metres=np.append(state.metres, earned[0]),
        episodes=state.episodes + len(tried) * gaits.size,
        seconds=state.seconds + sum(part.seconds for part in done),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=tuple(build_walkers.RECIPES))
    parser.add_argument("file", type=Path)
    parser.add_argument("--over", choices=("rest", "trot"), default="rest")
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    task = catalogue.load_task(options.task)
    assert isinstance(task, Walker)
    state = load(options.file, task.species) if options.file.is_file() else State.first(task.species, options.over)
    if state.over != options.over:
        raise BBOError(
            f"{options.file} holds a policy over {state.over}, not {options.over}; choose another file, or --over {state.over}"
        )
    with ProcessPoolExecutor(options.processes) as pool:
        while len(state.metres) < options.iterations:
            state = improved(task, state, pool, options.processes)
            if len(state.metres) % SAVE == 0 or len(state.metres) == options.iterations:
                save(options.file, state)
                recent = state.metres[-SAVE:].mean()
                print(f"{len(state.metres)}: {recent:.3f} m, {state.episodes} episodes, {state.seconds:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
