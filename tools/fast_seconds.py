"""Write results/fast.md: seconds of every method on every task at the preset `fast`, seed 0, on one thread.

    BBO_DATA_DIR=DIR python tools/fast_seconds.py runs/fast [--tasks ID ...] [--methods ID ...] [--beside TABLE ...]

The seconds are processor time: those of the wall on a quiet machine, whatever else this one did. The folder is a results folder of bbo run,
so a stopped run goes on where it stopped; methods that share work between seeds do it again for each folder, so every cell has its full
cost. `--report` runs nothing and writes the page from the cells that are there; the page names the pairs that have none. `--beside` adds
the cells of other results, such as results/core.csv; a cell of FOLDER takes the place of theirs. Other presets, settings and seeds are left
out, and so are older versions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from at_preset import at_preset

from bbo import catalogue, record
from bbo.errors import BBOError, Unavailable
from bbo.harness.options import Listener, RunOptions
from bbo.harness.plan import PlannedCell
from bbo.harness.request import Request
from bbo.harness.run import run_plan
from bbo.record import Record
from bbo.reporting.storage import sources
from bbo.reporting.storage.latest import newest

HERE = Path(__file__).parent
OUT = HERE.parent / "results" / "fast.md"
#: What `fast` promises: seconds a cell.
MOST = 60.0
LARGE = tuple(f"{HERE / 'large_tables.py'}:{name}" for name in ("Grid", "Long"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="results folder, made or resumed")
    parser.add_argument("--tasks", nargs="+", default=["all", *LARGE], help="default: all, and two tables of 140,000 rows")
    parser.add_argument("--methods", nargs="+", default=["all"])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument(
        "--beside", nargs="+", type=Path, default=[], metavar="TABLE", help="more cells: tables of bbo collect, or folders"
    )
    arguments = parser.parse_args()
    request = Request(tuple(arguments.tasks), tuple(arguments.methods), (0,), "fast", skip_missing=True)
    try:
        if not arguments.report:
            run_plan(request, arguments.folder, RunOptions("cpu"), listener=Listener(end=said))
        records = gathered(arguments.folder, arguments.beside)
        arguments.out.write_text(report(records, unmeasured(records)), encoding="utf-8")
    except BBOError as error:
        sys.exit(f"error: {error}")


def said(cell: PlannedCell, done: Record) -> None:
    print(f"{done.spec.task} {done.spec.method}: {seconds(done):.1f} s", flush=True)


def gathered(folder: Path, beside: Sequence[Path]) -> list[Record]:
    """The folder's cells, and those of the tables for every task and method that it lacks: one each, as the page's title says.

    Raises:
        BBOError: two tables hold different results of a cell, or there are several versions, but not all say when they were finished.
    """
    others = sources.load(beside).records if beside else ()
    chosen = [newest([r for r in at_preset(one, "fast") if r.spec.seed == 0])[0] for one in (others, record.read_all(folder))]
    return list({(r.spec.task, r.spec.method): r for records in chosen for r in records}.values())


def unmeasured(records: list[Record]) -> dict[str, list[str]]:
    """Tasks without a cell by method, for every pair that fits. Of a method that cannot be loaded here, all without a cell."""
    there = {(r.spec.task, r.spec.method) for r in records}
    specs = [catalogue.load_task(reference).spec for reference in (*catalogue.task_ids(), *LARGE)]
    found = {}
    for name in catalogue.method_ids():
        try:
            method = catalogue.load_method(name)
        except Unavailable:
            method = None
        found[name] = [
            spec.id
            for spec in specs
            if (spec.id, name) not in there and not (method and method.unsuitable(spec.space, spec.visible_rows))
        ]
    return {name: tasks for name, tasks in found.items() if tasks}


def report(records: list[Record], missing: Mapping[str, Sequence[str]]) -> str:
    """The Markdown page: methods by their slowest task, cells over the limit, and all cells task by task.

    Args:
        missing: tasks that were not measured, by method.

    Raises:
        BBOError: no cell.
    """
    records = sorted(records, key=lambda r: (r.spec.task, r.spec.method))
    if not records:
        raise BBOError("the folder holds no cell")
    over = [r for r in records if seconds(r) > MOST]
    machines = sorted({f"{r.provenance['cpu']}, {_threads(r.provenance['threads'])}" for r in records})
    lines = [
        "# Seconds a cell at the preset `fast`",
        "",
        "Made by `python tools/fast_seconds.py runs/fast`: seed 0, one thread. Seconds are processor time of the method's",
        "process; memory is its peak. `large-grid` and `large-long` are made-up tables of 140,000 visible rows (`tools/large_tables.py`).",
        "",
        f"Machine: {'; '.join(machines)}.",
        "",
        f"{len(records)} cells, {sum(not r.done for r in records)} failed, {len(over)} over {MOST:.0f} s.",
        "",
        *[f"Not measured: {name} ({', '.join(tasks)}).\n" for name, tasks in missing.items()],
        *table("method | median s | slowest s | on", by_method(records)),
    ]
    if over:
        lines += [f"## Over {MOST:.0f} s", "", *table("task | method | s | MB", map(row, over))]
    lines += ["## All cells", "", *table("task | method | s | MB", map(row, records))]
    return "\n".join(lines[:-1]) + "\n"


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def seconds(r: Record) -> float:
    """Processor time of a cell; of one that was stopped only its wall time is known."""
    return r.cost.get("cpu_seconds", r.cost["wall_seconds"])


def by_method(records: list[Record]) -> list[str]:
    """One row a method, the slowest first."""
    methods: dict[str, list[Record]] = {}
    for r in records:
        methods.setdefault(r.spec.method, []).append(r)
    slowest = {name: max(own, key=seconds) for name, own in methods.items()}
    return [
        f"{name} | {median(map(seconds, methods[name])):.1f} | {seconds(worst):.1f} | {worst.spec.task}"
        for name, worst in sorted(slowest.items(), key=lambda item: -seconds(item[1]))
    ]


def row(r: Record) -> str:
    numbers = f"{seconds(r):.1f} | {r.cost.get('peak_memory_mb', 0):.0f}"
    return f"{r.spec.task} | {r.spec.method}{'' if r.done else ' (failed)'} | {numbers}"


def table(head: str, rows: Iterable[str]) -> list[str]:
    columns = head.count("|") + 1
    return [f"| {head} |", "|" + "---|" * columns, *(f"| {text} |" for text in rows), ""]


if __name__ == "__main__":
    main()
