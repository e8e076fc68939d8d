"""The facts of a task or a method in words: for `bbo show` and for the pages of the documentation."""

from __future__ import annotations

import inspect
import sys

from bbo.catalogue import LoadedMethod
from bbo.task import Task


def definition(task: Task) -> str:
    """What the data and the oracle are. The module says so; a class of a family says only which member it is."""
    return inspect.getdoc(sys.modules[type(task).__module__]) or inspect.getdoc(type(task)) or ""


def of_task(task: Task) -> dict[str, str]:
    """A task's facts by name."""
    spec = task.spec
    low, high = spec.y_min, spec.y_max
    why_not = task.unavailable()
    facts = {
        "version": spec.version,
        "family": spec.family or "other",
        "designs": spec.space.describe(),
        "encoded dimension": str(spec.space.dim),
        "visible rows": str(spec.visible_rows),
        "best visible": f"{spec.best_visible:.8g}, normalised {(spec.best_visible - low) / (high - low):.6f}",
        "normalisers": f"{low:.8g} -> 0, {high:.8g} -> 1",
        "optimum": "unknown"
        if spec.optimum is None
        else f"{spec.optimum:.8g}, normalised {(spec.optimum - low) / (high - low):.6f}",
        "oracle": spec.oracle,
        "read by": "the median (128 random designs reach 0.9 or more at the 100th percentile)"
        if spec.saturated
        else "the 100th percentile, against the random floor",
        "hidden": spec.hidden,
        "source": spec.source,
        "licence": spec.licence,
        "time for 128": f"about {spec.seconds:g} s on one core",
        "needs": ", ".join([*spec.data, *spec.requires]) or "nothing beyond the package",
        "available": "yes" if not why_not else f"no: {why_not}",
    }
    return facts | ({"note": spec.note} if spec.note else {})


def of_method(method: LoadedMethod) -> dict[str, str]:
    """A method's facts by name, those that it has."""
    spec = method.spec
    facts = {
        "version": method.version,
        "kind": spec.kind or "unstated",
        "paper": spec.paper,
        "code": spec.code,
        "spaces": ", ".join(spec.spaces),
        "sharpness regulariser": "with +ignite, +ignite2, +sam or +boss" if spec.composable else "no",
        "privileged knowledge": f"may ask for {', '.join(spec.privileged)}" if spec.privileged else "",
        "needs": ", ".join(spec.requires),
    }
    return {key: value for key, value in facts.items() if value}
