"""`bbo list tasks|methods|suites`."""

from __future__ import annotations

import json
from typing import Any

import click

from bbo import catalogue
from bbo.cli import console
from bbo.errors import BBOError
from bbo.harness import request

COLUMNS = {
    "tasks": ("id", "version", "family", "kind", "dims", "visible_rows", "oracle", "available", "title"),
    "methods": ("id", "version", "kind", "composable", "surrogate", "needs", "available", "summary"),
    "suites": ("id", "tasks", "methods", "seeds", "cells", "preset", "purpose"),
}


@click.command("list")
@click.argument("what", type=click.Choice([*COLUMNS, "baselines"]), metavar="tasks|methods|suites")
@click.option("--json", "as_json", is_flag=True, help="A list of objects instead of a table.")
def command(what: str, as_json: bool) -> None:
    """List tasks, methods or suites, and what is missing to use them."""
    what = "methods" if what == "baselines" else what
    names, describe = {
        "tasks": (catalogue.task_ids, _task),
        "methods": (catalogue.method_ids, _method),
        "suites": (request.suites, _suite),
    }[what]
    rows = [describe(name) for name in names()]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    console.table(COLUMNS[what], [[_cell(row, column) for column in COLUMNS[what]] for row in rows])


def _cell(row: dict[str, Any], column: str) -> str:
    if column == "available":
        return "yes" if row["available"] else f"no: {row['why_not']}"
    value = row[column]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _task(name: str) -> dict[str, Any]:
    try:
        task = catalogue.load_task(name)
    except BBOError as error:
        broken = {
            "version": "?",
            "title": "",
            "kind": "?",
            "family": "?",
            "dims": "?",
            "visible_rows": "?",
            "oracle": "?",
            "saturated": False,
            "needs": [],
        }
        return {"id": name, **broken, "variants": 0, "available": False, "why_not": str(error)}
    spec = task.spec
    why_not = task.unavailable()
    return {
        "id": name,
        "version": spec.version,
        "title": spec.title,
        "kind": spec.space.kind,
        "family": spec.family or "other",
        "dims": spec.space.describe(),
        "visible_rows": spec.visible_rows,
        "oracle": spec.oracle,
        "saturated": spec.saturated,
        "needs": [*spec.data, *spec.requires],
        "variants": len(task.variants()),
        "available": not why_not,
        "why_not": why_not,
    }


def _method(name: str) -> dict[str, Any]:
    card = catalogue.method_card(name)
    spec = card.spec
    return {
        "id": spec.id,
        "version": spec.version,
        "title": spec.title,
        "summary": card.summary,
        "kind": spec.kind,
        "paper": spec.paper,
        "code": spec.code,
        "year": spec.year,
        "spaces": list(spec.spaces),
        "composable": spec.composable,
        "surrogate": catalogue.has_surrogate(card),
        "privileged": list(spec.privileged),
        "needs": list(spec.requires),
        "available": not card.unavailable,
        "why_not": card.unavailable,
    }


def _suite(name: str) -> dict[str, Any]:
    """A suite's size, counting all tasks and methods, whether they can be used here or not."""
    asked = request.Request(**request.read_suite(name))
    tasks = {id for pattern in asked.tasks for id in catalogue.expand_tasks(pattern)}
    methods = {id for pattern in asked.methods for id in catalogue.expand_methods(pattern)}
    return {
        "id": name,
        "tasks": len(tasks),
        "methods": len(methods),
        "seeds": len(asked.seeds),
        "cells": len(tasks) * len(methods) * len(asked.seeds),
        "preset": asked.preset,
        "purpose": request.suite_summary(name),
    }
