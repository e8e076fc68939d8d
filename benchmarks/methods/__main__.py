"""Print the ratio of every method that has one: `python -m benchmarks.methods [NAME ...] [--json]`. CPU times, one thread."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import torch


def names() -> list[str]:
    """Methods with a file here."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def measured(name: str) -> dict[str, Any]:
    """What the method's file measures."""
    found: dict[str, Any] = importlib.import_module(f"benchmarks.methods.{name}").measure()
    return {"method": name, **found}


def main(chosen: list[str]) -> None:
    """Measure and print a Markdown table, or JSON."""
    torch.set_num_threads(1)
    as_json = "--json" in chosen
    chosen = [word for word in chosen if word != "--json"] or names()
    if as_json:
        print(json.dumps([measured(name) for name in chosen]))
        return
    print("| method | ratio | authors' order, CPU s | ours, CPU s | what |\n| --- | --: | --: | --: | --- |")
    for name in chosen:
        r = measured(name)
        theirs, ours = r["authors_seconds"], r["our_seconds"]
        print(f"| {name.replace('_', '-')} | {theirs / ours:.1f} | {theirs:.2f} | {ours:.3f} | {r['what']} |", flush=True)


main(sys.argv[1:])
