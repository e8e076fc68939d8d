"""What the leaderboard's page costs: seconds of CPU time and size, from committed tables: `python -m benchmarks.page [TABLE ...] [--json]`.

The page holds the data of all its views and the library that draws them, and must open from a file, so its size matters.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from bbo.cli import main as bbo
from bbo.reporting.storage import sources

RESULTS = Path(__file__).parents[1] / "results"


def measure(table: Path) -> dict[str, Any]:
    """Seconds and megabytes of the page and of the Markdown of one table.

    Raises:
        RuntimeError: a report fails.
    """
    found: dict[str, Any] = {"table": table.name, "cells": len(sources.load([table]).records)}
    with tempfile.TemporaryDirectory() as folder:
        for form in ("md", "html"):
            out = Path(folder) / f"page.{form}"
            began = time.process_time()
            said = CliRunner().invoke(bbo, ["report", str(table), "--format", form, "--out", str(out)])
            if said.exit_code:
                raise RuntimeError(said.output)
            found[f"{form}_seconds"] = time.process_time() - began
            found[f"{form}_megabytes"] = out.stat().st_size / 1e6
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", type=Path, default=[RESULTS / "quick.csv", RESULTS / "core.csv"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    made = [measure(table) for table in arguments.tables]
    if arguments.json:
        print(json.dumps(made))
        return
    for found in made:
        print(
            f"{found['table']}, {found['cells']} cells: page {found['html_seconds']:.1f} s, {found['html_megabytes']:.2f} MB; "
            f"Markdown {found['md_seconds']:.1f} s"
        )


if __name__ == "__main__":
    main()
