"""Print the ratio of every method that has one: `python -m benchmarks.methods [NAME ...] [--json]`. Run it on a quiet machine."""

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


def seconds(measured: Any) -> tuple[float, float, str]:
    """The two times and the description, from a dict or an object with these names."""
    read = measured.get if isinstance(measured, dict) else lambda name: getattr(measured, name)
    return float(read("authors_seconds")), float(read("our_seconds")), str(read("what"))


def main(chosen: list[str]) -> None:
    """Measure and print a Markdown table."""
    torch.set_num_threads(1)
    as_json = "--json" in chosen
    chosen = [word for word in chosen if word != "--json"]
    if as_json:
        found = [(name, *seconds(importlib.import_module(f"benchmarks.methods.{name}").measure())) for name in chosen or names()]
        print(json.dumps([dict(zip(("method", "theirs", "ours", "what"), row, strict=True)) for row in found]))
        return
    print("| method | ratio | authors' order, s | ours, s | what |\n| --- | --: | --: | --: | --- |")
    for name in chosen or names():
        theirs, ours, what = seconds(importlib.import_module(f"benchmarks.methods.{name}").measure())
        print(f"| {name.replace('_', '-')} | {theirs / ours:.1f} | {theirs:.2f} | {ours:.3f} | {what} |", flush=True)


main(sys.argv[1:])
