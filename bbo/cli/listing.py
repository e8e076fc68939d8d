"""`bbo list tasks|baselines`."""

from __future__ import annotations

import json
from typing import Any

import click

from bbo import catalogue
from bbo.cli import console
from bbo.errors import BBOError


@click.command("list")
@click.argument("what", type=click.Choice(["tasks", "baselines", "methods"]))
@click.option("--json", "as_json", is_flag=True, help="A list of objects instead of a table.")
def command(what: str, as_json: bool) -> None:
    """List what can be run, and what is missing for the rest."""
    rows = [_task(name) for name in catalogue.task_ids()] if what == "tasks" else [_method(n) for n in catalogue.method_ids()]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    columns = {
        "tasks": ("id", "version", "kind", "dims", "visible_rows", "oracle", "available", "title"),
        "baselines": ("id", "version", "kind", "composable", "needs", "available", "summary"),
    }["tasks" if what == "tasks" else "baselines"]
    console.table(columns, [[_cell(row, column) for column in columns] for row in rows])


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
        "privileged": list(spec.privileged),
        "needs": list(spec.requires),
        "available": not card.unavailable,
        "why_not": card.unavailable,
    }
