"""`bbo show`: the spec card of a task or method."""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

import click

from bbo import catalogue
from bbo.task import Task


@click.command("show")
@click.argument("id")
def command(id: str) -> None:
    """Show everything about the task or method ID (or FILE.py:Class)."""
    if catalogue.is_task(id):
        _show_task(catalogue.load_task(id))
    else:
        _show_method(catalogue.load_method(id))


def _show_task(task: Task) -> None:
    spec = task.spec
    low, high = spec.y_min, spec.y_max
    why_not = task.unavailable()
    facts: dict[str, Any] = {
        "version": spec.version,
        "designs": spec.space.describe(),
        "encoded dimension": spec.space.dim,
        "visible rows": spec.visible_rows,
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
    if spec.note:
        facts["note"] = spec.note
    click.echo(f"{spec.id}: {spec.title}\n")
    # The module says what the data and the oracle are; a class of a family only which member it is.
    definition = inspect.getdoc(sys.modules[type(task).__module__]) or inspect.getdoc(type(task))
    if definition:
        click.echo(f"{definition}\n")
    _facts(facts)
    variants = task.variants()
    if variants:
        click.echo(f"\nvariants ({len(variants)}), as {spec.id.partition(':')[0]}:NAME\n  " + " ".join(variants))


def _show_method(method: catalogue.LoadedMethod) -> None:
    spec = method.spec
    click.echo(f"{method.id}: {spec.title}\n" if spec.title else f"{method.id}\n")
    click.echo(inspect.getdoc(method.cls) or "(no docstring)")
    click.echo("")
    facts = {
        "version": method.version,
        "kind": spec.kind or "unstated",
        "paper": spec.paper,
        "code": spec.code,
        "spaces": ", ".join(spec.spaces),
        "sharpness regulariser": "with +ignite, +ignite2 or +sam" if spec.composable else "no",
        "privileged knowledge": ", ".join(spec.privileged),
        "needs": ", ".join(spec.requires),
    }
    _facts({key: value for key, value in facts.items() if value})
    settings = method.settings()
    if settings:
        click.echo("\nsettings")
    for setting in settings.values():
        default = method.extra.get(setting.name, setting.default)
        unit = f" {setting.unit}" if setting.unit else ""
        words = f" {setting.words}." if setting.words else ""
        click.echo(
            click.wrap_text(f"{setting.name} = {json.dumps(default)}{unit}.{words} ({setting.allowed()})", 100, "  ", "      ")
        )
    for name, changes in method.presets().items():
        text = ", ".join(f"{key}={json.dumps(value)}" for key, value in changes.items())
        click.echo(f"\npreset {name}\n  {text or 'the defaults'}")


def _facts(facts: dict[str, Any]) -> None:
    width = max(map(len, facts)) + 2
    for key, value in facts.items():
        click.echo(click.wrap_text(f"{key:<{width}}{value}", 118, "  ", " " * (width + 2)))
