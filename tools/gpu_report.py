"""Write results/gpu.md: the quick suite on a GPU, twice, beside the CPU: seconds, equal bits, differences of scores.

    python tools/gpu_report.py runs/gpu [--preset smoke] [--device cuda]

`make gpu` runs the tests of tests/gpu first. The folders below runs/gpu are results folders, so a stopped run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from bbo import record
from bbo.errors import BBOError
from bbo.harness import request
from bbo.harness.options import RunOptions
from bbo.harness.run import run_plan
from bbo.record import Record

OUT = Path(__file__).parents[1] / "results" / "gpu.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the three runs are kept")
    parser.add_argument("--suite", default="quick")
    parser.add_argument("--preset", default="", help="another preset than the suite's")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    asked = request.read_suite(arguments.suite) | ({"preset": arguments.preset} if arguments.preset else {})
    try:
        for name, device in (("first", arguments.device), ("second", arguments.device), ("cpu", "cpu")):
            run_plan(request.Request(**asked), arguments.folder / name, RunOptions(device))
        arguments.out.write_text(report(arguments.folder, arguments.suite), encoding="utf-8")
    except BBOError as error:
        sys.exit(f"error: {error}")


def report(folder: Path, suite: str) -> str:
    """The Markdown page of three finished runs: `first` and `second` on the device, and `cpu`.

    Raises:
        BBOError: a run has no cells.
    """
    first, second, cpu = ({r.spec.hash: r for r in record.read_all(folder / name)} for name in ("first", "second", "cpu"))
    if not first:
        raise BBOError(f"{folder / 'first'} holds no cell")
    cards = sorted({str(r.provenance.get("device_name")) for r in first.values()})
    lines = [
        "# On a GPU",
        "",
        f"Made by `make gpu`: the suite `{suite}` twice on {', '.join(cards)},",
        f"and once on the CPU ({next(iter(cpu.values())).provenance['cpu']}).",
        "",
        "| task | method | seed | same bits twice | s on the device | s on the CPU | 100th percentile, minus the CPU's | 50th |",
        "| --- | --- | --: | --- | --: | --: | --: | --: |",
    ]
    for name, one in sorted(first.items(), key=lambda item: item[1].spec.label()):
        lines.append(row(folder, one, second[name], cpu[name]))
    return "\n".join(lines) + "\n"


def row(folder: Path, one: Record, two: Record, cpu: Record) -> str:
    spec = one.spec
    head = f"| {spec.task} | {spec.method} | {spec.seed} |"
    if not (one.done and two.done and cpu.done):
        return f"{head} failed: {', '.join(r.error['message'] for r in (one, two, cpu) if r.error)} | | | | |"
    designs = [record.read_outcome(record.cell_folder(folder / name, spec.hash), spec).designs for name in ("first", "second")]
    same = "yes" if np.array_equal(*designs) else "NO"
    gaps = " | ".join(f"{one.percentiles[p] - cpu.percentiles[p]:+.3f}" for p in ("100", "50"))
    return f"{head} {same} | {one.cost['wall_seconds']:.1f} | {cpu.cost['wall_seconds']:.1f} | {gaps} |"


if __name__ == "__main__":
    main()
