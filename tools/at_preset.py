"""Which cells of some results a page may speak of that names one preset; the other tools take them from here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bbo import catalogue, protocol
from bbo.record import Record
from bbo.reporting.board.scores import preset_family


def at_preset(records: Iterable[Record], preset: str, changed: bool = False) -> list[Record]:
    """The cells at a preset, by the protocol and its budget; with them those of methods without settings.

    Args:
        changed: whether also those whose settings are not all the preset's.
    """
    return [
        r
        for r in map(with_changes, records)
        if preset_family(r) in (preset, "default")
        and (changed or not r.method.get("overrides"))
        and (r.spec.budget, r.spec.protocol) == (protocol.BUDGET, protocol.VERSION)
    ]


def with_changes(record: Record) -> Record:
    """The record with the settings that were changed from its preset. Old ones do not say: those are compared with the preset of today."""
    if "overrides" in record.method or record.spec.method not in catalogue.method_ids() or preset_family(record) == "default":
        return record
    preset = catalogue.load_method(record.spec.method).config(preset_family(record), record.spec.task, {}).config
    changes = {name: value for name, value in record.spec.config.items() if name in preset and preset[name] != value}
    return replace(record, method={**record.method, "overrides": changes})
