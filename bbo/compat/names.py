"""Design-Bench's names of tasks and ours: the one place that relates them."""

from __future__ import annotations

from typing import NamedTuple


class Counterpart(NamedTuple):
    """Our task for a name of Design-Bench.

    Args:
        task: our id; empty if we have none.
        words: how the two compare, or why there is none.
    """

    task: str
    words: str


_OWN_ORACLE = "the same visible rows and normalisers; the oracle is our own, since the original is no longer available"
_OTHER_ROBOT = (
    "the same numbers of the legs, scaled to [-1, 1]{}; physics, controller, score, rows and normalisers are our own, so scores do not "
    "compare with those of {}"
)

DESIGN_BENCH = {
    "TFBind8-Exact-v0": Counterpart("tfbind8", "the same rows, normalisers and oracle"),
    "TFBind10-Exact-v0": Counterpart(
        "tfbind10", "the same rows with max_samples=10000, normalisers and oracle; all rows are tfbind10:full"
    ),
    "Superconductor-RandomForest-v0": Counterpart("superconductor", _OWN_ORACLE),
    "UTR-ResNet-v0": Counterpart("utr", _OWN_ORACLE),
    "GFP-Transformer-v0": Counterpart(
        "gfp", "the same normalisers; its table cannot be rebuilt, so the visible rows and the oracle are our own"
    ),
    "AntMorphology-Exact-v0": Counterpart("ant", _OTHER_ROBOT.format("", "AntMorphology")),
    "DKittyMorphology-Exact-v0": Counterpart(
        "dkitty", _OTHER_ROBOT.format(", without four that have no effect there", "DKittyMorphology")
    ),
    "HopperController-Exact-v0": Counterpart(
        "", "its oracle has a known error (issue 8 of design-bench); hopper has policies of the same size, and other scores"
    ),
    "CIFARNAS-Exact-v0": Counterpart("", "its oracle trains networks; nas-bench-201-cifar10 is a table of another search space"),
    "ChEMBL_MCHC_CHEMBL3885882_MorganFingerprint-RandomForest-v0": Counterpart(
        "", "the methods of the field all score alike on it (arXiv 2410.11502)"
    ),
}


def ours(name: str) -> str:
    """Our id for a name of Design-Bench that we have; any other name as it is."""
    found = DESIGN_BENCH.get(name)
    return found.task if found and found.task else name


def elsewhere(name: str) -> str:
    """What a name of Design-Bench is called here, in one sentence; empty for any other name."""
    found = DESIGN_BENCH.get(name)
    if found is None:
        return ""
    if not found.task:
        return f"{name} of Design-Bench is not in this suite: {found.words}"
    return f"{name} of Design-Bench is '{found.task}' here ({found.words})"
