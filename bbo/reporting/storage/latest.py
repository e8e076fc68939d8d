"""Selects the newest of several versions.

A task's or a method's version changes when it is edited; a results folder keeps the cells of all versions. The rule, in two steps:

1. Of each task, the version (and data) whose last cell was finished last is kept.
2. Of the cells of that version, for each method and the settings asked for (its preset and what was changed from it), the method
   version whose last cell was finished last is kept.

Failed cells count like others: a version that fails now does not hide behind an older one that did not.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from bbo.errors import BBOError
from bbo.record import Record

Key = Callable[[Record], Hashable]
ADVICE = "tables of schema 1 do not: leave --latest out, or give the results folder itself"


def newest(records: Sequence[Record], advice: str = ADVICE) -> tuple[list[Record], list[str]]:
    """The records that are kept, in their order, and a line for each version of a task or method that was left out.

    Args:
        advice: what to do where the newest cannot be told.

    Raises:
        BBOError: there are several versions, but some cells do not say when they were finished.
    """
    stay = _latest(records, lambda r: r.spec.task, lambda r: (r.spec.task_version, r.spec.data_hash), advice)
    stay = _latest(stay, lambda r: (r.spec.task, r.spec.method, _asked(r)), lambda r: r.spec.method_version, advice)
    kept = {r.spec.hash for r in stay}
    gone = [r.spec for r in records if r.spec.hash not in kept]
    counts = Counter((s.task, s.task_version, s.method, s.method_version) for s in gone)
    return stay, [
        f"{task} (version {version}), {method} (version {own[:16]}): {n} cell{'s' if n > 1 else ''}"
        for (task, version, method, own), n in sorted(counts.items())
    ]


def _asked(record: Record) -> str:
    """The settings that were asked for; of a record that does not say what was changed from its preset, all settings."""
    changed = record.method.get("overrides")
    asked = record.spec.config if changed is None else {"preset": record.method.get("preset"), "overrides": changed}
    return json.dumps(asked, sort_keys=True)


def _latest(records: Sequence[Record], group: Key, version: Key, advice: str) -> list[Record]:
    times: dict[Hashable, dict[Hashable, str]] = {}
    for r in records:
        own = times.setdefault(group(r), {})
        own[version(r)] = max(own.get(version(r), ""), str(r.provenance.get("finished") or ""))
    for r in records:
        own = times[group(r)]
        if len(own) > 1 and not all(own.values()):
            raise BBOError(
                f"the newest of {len(own)} versions of {r.spec.task} / {r.spec.method} cannot be told: not all of their cells say when "
                f"they were finished; {advice}"
            )
    chosen = {key: max(own, key=lambda v: (own[v], str(v))) for key, own in times.items()}
    return [r for r in records if version(r) == chosen[group(r)]]
