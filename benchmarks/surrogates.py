"""Speed of surrogate training, as ratios.

An ensemble of 5 as one batched model against a loop over 5 networks, and a step with a sharpness regulariser against a plain one:

    python -m benchmarks.surrogates [--json] [--hidden 2048] [--updates 20] [--repeats 5]

The two sides of a ratio take turns, and the ratio is that of their fastest turns. Times are CPU times on one thread.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable

import torch

from bbo.surrogates import losses
from bbo.surrogates.networks import MLP, spawn
from bbo.surrogates.sharpness import PUBLISHED, SharpnessSettings
from bbo.surrogates.training import Plan, fit
from benchmarks._timing import gflop, seconds

DIM = 24


def training(members: int, hidden: int, batch_size: int, updates: int, kind: str = "none") -> Callable[[], None]:
    """A function that trains `members` networks together for this many batches."""
    x = torch.randn(updates * batch_size, DIM, generator=torch.Generator().manual_seed(0))
    y = torch.sin(x.sum(1) / math.sqrt(DIM))
    settings = SharpnessSettings(kind, **PUBLISHED.get(kind, {}))
    plan = Plan(1, batch_size, bootstrap=True)

    def run() -> None:
        generators = spawn(torch.Generator().manual_seed(1), members)
        regulariser = settings.regulariser(members, x.device)
        fit(lambda g: MLP(DIM, (hidden, hidden), g, gaussian=True), x, y, plan, losses.nll, generators, regulariser)

    return run


def side_by_side(first: Callable[[], None], second: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Fastest seconds of each, taking turns after one warm-up."""
    best = [math.inf, math.inf]
    for turn in range(repeats + 1):
        for i, run in enumerate((first, second)):
            taken, _ = seconds(run)
            if turn:
                best[i] = min(best[i], taken)
    return best[0], best[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--hidden", type=int, nargs="+", default=[128, 512, 2048], help="widths; 128 is the fast preset's, 2048 the paper's"
    )
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for hidden in arguments.hidden:

        def make(members: int, kind: str = "none", hidden: int = hidden) -> Callable[[], None]:
            return training(members, hidden, arguments.batch_size, arguments.updates, kind)

        one = make(1)

        def loop(one: Callable[[], None] = one) -> None:
            for _ in range(5):
                one()

        pairs = {"loop of 5 / batched ensemble of 5": (loop, make(5), ">= 1.5")}
        for kind in PUBLISHED:
            pairs[f"{kind} / plain"] = (make(1, kind), one, "<= 3.2" if kind.startswith("ignite") else "")
        for name, (above, below, goal) in pairs.items():
            work = gflop(below) / arguments.updates
            upper, lower = side_by_side(above, below, arguments.repeats)
            milliseconds = [1000 * taken / arguments.updates for taken in (upper, lower)]
            rows.append(
                {
                    "hidden": hidden,
                    "ratio": name,
                    "value": upper / lower,
                    "goal": goal,
                    "milliseconds per batch": milliseconds,
                    "gflop": work,
                }
            )
            if not arguments.json:
                times = " / ".join(f"{m:.2f}" for m in milliseconds)
                print(f"hidden {hidden:>4}  {name:<34} {upper / lower:5.2f}  {goal:<7} ({times} ms a batch)", flush=True)
    if arguments.json:
        print(json.dumps({"torch": torch.__version__, "ratios": rows}, indent=1))


if __name__ == "__main__":
    main()
