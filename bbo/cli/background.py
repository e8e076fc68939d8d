"""What installed tasks and methods add to records: facts that older records lack, descriptions, and ways of writing designs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bbo import catalogue, local
from bbo.errors import BBOError
from bbo.record import Record
from bbo.reporting.documents.explorer import Background
from bbo.task import Task


def completed(records: Iterable[Record]) -> tuple[Record, ...]:
    """The records, with the facts about tasks and methods for tables that earlier versions did not store."""
    tasks: dict[str, dict[str, Any]] = {}
    methods: dict[str, dict[str, Any]] = {}
    found = []
    for record in records:
        if "family" not in record.task and not record.task.get("local"):
            name = record.spec.task
            if name not in tasks:
                task = _task(name)
                tasks[name] = {"family": task.spec.family} if task else {}
            record = replace(record, task={**tasks[name], **record.task})
        if "year" not in record.method and not record.method.get("local"):
            name = _method(record)
            if name not in methods:
                methods[name] = _method_facts(name)
            record = replace(record, method={**methods[name], **{k: v for k, v in record.method.items() if v != ""}})
        found.append(record)
    return tuple(found)


def background(records: Iterable[Record]) -> Background:
    """Descriptions and ways of writing designs of the tasks and methods of some records, as far as they are installed."""
    about, readable = {}, {}
    records = tuple(records)
    for name in sorted({record.spec.task.partition(":")[0] for record in records if not record.task.get("local")}):
        if task := _task(name):
            about[f"task {name}"] = inspect.getdoc(sys.modules[type(task).__module__]) or inspect.getdoc(type(task)) or ""
            readable[name] = task.spec.space.readable
    for name in sorted({_method(record) for record in records if not record.method.get("local")}):
        if name in catalogue.method_ids():
            about[f"method {name}"] = catalogue.method_card(name).about
    return Background(about, readable)


def _method(record: Record) -> str:
    """The method itself: without its regulariser, and without what tells other people's results apart."""
    return record.spec.method.partition(" (")[0].partition("+")[0]


def _task(name: str) -> Task | None:
    if local.is_local(name):  # a record may have any name; a report runs no file that a record names
        return None
    try:
        return catalogue.load_task(name)
    except BBOError:
        return None


def _method_facts(name: str) -> dict[str, Any]:
    if name not in catalogue.method_ids():
        return {}
    spec = catalogue.method_card(name).spec
    return {"kind": spec.kind, "paper": spec.paper, "year": spec.year}
