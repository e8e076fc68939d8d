"""ROOT with its conditions put right, and without privileged knowledge."""

from __future__ import annotations

from dataclasses import dataclass

from bbo.baselines.root import Root


@dataclass(frozen=True)
class RootCorrected(Root):
    """ROOT as its paper describes it: conditions in one order, guidance towards them, no knowledge of the oracle's maximum.

    "ROOT: Rethinking Offline Optimization as Distributional Translation via Probabilistic Bridge" (arXiv 2509.16300).
    Synthetic functions, bridge and training are those of `root`, with its presets. What differs are five settings of sampling and of the
    network's input:

    - `swap_conditions` is off: the network gets (high, low) in sampling as in training.
    - `guidance` is positive: (1 + w) conditioned - w free, towards the condition.
    - `time_scale` brings the step number, raw 0 .. 999 in the authors' code beside z-scored inputs, to the range 0 .. 1.
    - `target` is what the synthetic functions show, not a share of the oracle's y_max.
    - `alpha` is 1: the target is asked for as it is.

    Each of them alone and all together, on four tasks: `results/ablations/root.md`.

    Args: see `root`.
    """

    version = "1"
    kind = "bridge"

    swap_conditions: bool = False
    guidance: float = 0.5
    time_scale: float = 1e-3
    target: str = "synthetic"
    alpha: float = 1.0
