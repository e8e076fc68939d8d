"""Which cells of some results a page may speak of that names one preset; the other tools take them from here."""

from __future__ import annotations

from collections.abc import Iterable

from bbo import protocol
from bbo.record import Record
from bbo.reporting.board.scores import preset_family


def at_preset(records: Iterable[Record], preset: str) -> list[Record]:
    """The cells at a preset as it is, by the protocol and its budget; with them those of methods without settings."""
    return [
        r
        for r in records
        if preset_family(r) in (preset, "default")
        and not r.method.get("overrides")
        and (r.spec.budget, r.spec.protocol) == (protocol.BUDGET, protocol.VERSION)
    ]
