"""Facts about a learned oracle: its measured quality, and where its file comes from."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from bbo import data


def source(name: str) -> data.Source:
    """The origin of the oracle's file of task `name`."""
    return data.Source(
        (f"{name}_oracle.npz",),
        "MIT (this project)",
        "tools/train_oracle.py; recipe and held-out quality in the JSON file beside it",
    )


@cache
def report(name: str) -> dict[str, Any]:
    """Recipe, versions and quality of the oracle of task `name`, written by tools/train_oracle.py."""
    return json.loads((data.package_dir() / f"{name}_oracle.json").read_text())


def note(name: str) -> str:
    """One sentence for the task's page: held-out quality, and how far oracle and visible labels differ."""
    facts = report(name)
    held, visible = facts["held_out"], facts["visible"]
    # If designs repeat with other labels, a random split is easier than truly new designs.
    new = f" (R2 {facts['held_out_new_designs']['r2']:.3f} on new designs)" if "held_out_new_designs" in facts else ""
    return (
        f"learned oracle, trained on all rows; a twin trained without a random 10 % reached Spearman {held['spearman']:.3f} "
        f"and R2 {held['r2']:.3f} on them{new}; on the visible rows oracle and labels differ by {visible['rmse']:.3g} in root mean "
        f"square and {visible['median_abs_error']:.3g} in the median; not comparable with scores of Design-Bench's own oracle"
    )
