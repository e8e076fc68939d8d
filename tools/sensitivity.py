"""How far one last-digit change in a table's y moves a method's score: results/sensitivity.csv and .md.

    python tools/sensitivity.py runs/sensitivity --tasks tfbind8 --methods random gp-ascent root
    python tools/sensitivity.py runs/sensitivity --report

Every cell is run twice, by the same random numbers: on the task, and on `tools/moved_tables.py`, where each visible score is one float32
step higher. Both runs are results folders below the folder, so a stopped run goes on where it stopped. Methods run in the order given,
so name the cheap ones first. `--report` runs nothing: it writes the table from the cells that are there (of several versions the newest), and
the page from the table.
"""

from __future__ import annotations

import argparse
import csv
import io
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from at_preset import at_preset

from bbo import catalogue, files, record
from bbo.errors import BBOError
from bbo.harness.options import Listener, RunOptions
from bbo.harness.plan import Plan, PlannedCell, make
from bbo.harness.request import Request
from bbo.harness.run import begin, run_cells
from bbo.record import Record
from bbo.reporting.storage.latest import newest

HERE = Path(__file__).parent
OUT = HERE.parent / "results" / "sensitivity.csv"
#: The registered tasks, and their moved versions in `moved_tables.py`.
MOVED = {"tfbind8": "MovedTFBind8", "thin-film": "MovedThinFilm"}
SEEDS = (0, 1, 2, 3)
PERCENTILES = ("100", "50")
FIELDS = (
    "task", "method", "method_version", "preset", "seed", "status", "score_100", "score_50", "moved_100", "moved_50",
    "cpu_seconds", "cpu", "numerics", "fingerprint", "torch", "reason",
)  # fmt: skip
HEADER = """# How far a last digit moves a score

Made by `python tools/sensitivity.py runs/sensitivity --report` from `sensitivity.csv`. Each cell was run twice by the same
random numbers: on the task, and on the task with every visible score one float32 step higher (about one part in ten million). Both runs
are exact and repeatable; their difference is what another CPU, library or order of a sum may do to the score where bits cannot agree.

- **largest, mean**: of the absolute difference of normalised scores over the seeds, at the 100th and the 50th percentile.
- **seeds' spread**: standard deviation of the score over these seeds. A difference between methods means little below it, and nothing
  below the largest difference beside it.

"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where both results folders are, made or resumed")
    parser.add_argument("--tasks", nargs="+", default=list(MOVED), choices=list(MOVED))
    parser.add_argument("--methods", nargs="+", default=["all"])
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--out", type=Path, default=OUT, help="the table; the page lies beside it")
    arguments = parser.parse_args()
    try:
        if not arguments.report:
            run(arguments.folder, arguments.tasks, arguments.methods)
        rows = pairs(*(record.read_all(arguments.folder / name) for name in ("given", "moved")))
        write([*rows, *missing(rows)], arguments.out)
    except BBOError as error:
        sys.exit(f"error: {error}")


def run(folder: Path, tasks: Sequence[str], methods: Sequence[str]) -> None:
    """Run what is missing, task by task and method by method."""

    def said(cell: PlannedCell, done: Record) -> None:
        spent = done.cost.get("cpu_seconds", done.cost["wall_seconds"])
        print(f"{cell.task.reference} {done.spec.method} seed {done.spec.seed}: {done.status}, {spent:.1f} s", flush=True)

    for task in tasks:
        for name, reference in (("given", task), ("moved", f"{HERE / 'moved_tables.py'}:{MOVED[task]}")):
            plan: Plan = make(Request((reference,), tuple(methods), SEEDS, "fast", skip_missing=True))
            order = [planned.method.id for planned in plan.methods]
            cells = sorted(begin(plan, folder / name), key=lambda cell: order.index(cell.spec.method))
            run_cells(cells, folder / name, RunOptions("cpu"), listener=Listener(end=said))


def pairs(given: Iterable[Record], moved: Iterable[Record]) -> list[dict[str, str]]:
    """One row for each cell at `fast` that both folders hold, sorted; of several versions the newest; failed if either failed.

    Raises:
        BBOError: no such cell, two machines' bits in one pair, or several versions of which not all say when they were finished.
    """

    def key(r: Record) -> tuple[str, str, str, int]:
        return (r.spec.task, r.spec.method, r.spec.method_version, r.spec.seed)

    given, moved = (newest(at_preset(records, "fast"))[0] for records in (given, moved))
    there = {key(r): r for r in moved}
    rows = []
    for a in sorted(given, key=key):
        if key(a) not in there:
            continue
        b = there[key(a)]
        if a.provenance.get("fingerprint") != b.provenance.get("fingerprint"):
            raise BBOError(f"{a.spec.label()}: the two runs have different numerics fingerprints; run both on one machine")
        rows.append(row(a, b))
    if not rows:
        raise BBOError("the folder holds no cell in both runs; run without --report first")
    return rows


def row(a: Record, b: Record) -> dict[str, str]:
    done = a.done and b.done
    scores: dict[str, Any] = {}
    for p in PERCENTILES:
        scores |= {f"score_{p}": a.percentiles[p], f"moved_{p}": b.percentiles[p]} if done else {}
    facts = a.provenance
    cost = sum(r.cost.get("cpu_seconds", r.cost["wall_seconds"]) for r in (a, b))
    values = {
        "task": a.spec.task, "method": a.spec.method, "method_version": a.spec.method_version, "preset": a.method.get("preset", ""),
        "seed": a.spec.seed, "status": "done" if done else "failed", **scores, "cpu_seconds": f"{cost:.2f}",
        "cpu": facts.get("cpu", ""), "numerics": facts.get("numerics", ""), "fingerprint": facts.get("fingerprint", ""),
        "torch": facts.get("packages", {}).get("torch", ""),
    }  # fmt: skip
    return {field: str(values.get(field, "")) for field in FIELDS}


def missing(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """A row with the reason for each method of the catalogue that has no cell on a task."""
    found = []
    for task in MOVED:
        there = {r["method"] for r in rows if r["task"] == task}
        spec = catalogue.load_task(task).spec
        for id in sorted(set(catalogue.method_ids()) - there):
            try:
                reason = catalogue.load_method(id).unsuitable(spec.space, spec.visible_rows)
                reason = f"does not fit: {reason}" if reason else "not measured"
            except BBOError as error:
                reason = str(error)
            found.append(dict.fromkeys(FIELDS, "") | {"task": task, "method": id, "status": "missing", "reason": reason})
    return found


def write(rows: list[dict[str, str]], out: Path) -> None:
    """The table, and the page made from it."""
    text = io.StringIO()
    table = csv.DictWriter(text, FIELDS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    files.write(out, text.getvalue())
    files.write(out.with_suffix(".md"), page(read(out)))


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def page(rows: list[dict[str, str]]) -> str:
    """The Markdown page: a table for each task, the most sensitive method first, and what was not measured."""
    ran = [r for r in rows if r["status"] != "missing"]
    machines = sorted({f"{r['cpu']}, torch {r['torch']}, {r['numerics']} numerics, fingerprint {r['fingerprint']}" for r in ran})
    seeds = sorted({int(r["seed"]) for r in ran})
    minutes = sum(float(r["cpu_seconds"]) for r in ran) / 60
    lines = [
        f"Preset `fast`; seeds {', '.join(map(str, seeds))}, fewer where n says so; {len(ran)} pairs of cells, {minutes:.0f} minutes",
        f"of processor time. Machine: {'; '.join(machines)}.",
        "",
    ]
    for task in sorted({r["task"] for r in rows}):
        lines += [f"## {task}", "", *table([r for r in ran if r["task"] == task])]
        reasons: dict[str, list[str]] = defaultdict(list)
        for r in rows:
            if r["status"] == "missing" and r["task"] == task:
                reasons[r["reason"]].append(r["method"])
        for reason, names in sorted(reasons.items()):
            lines += [f"Without a row: {', '.join(names)} ({reason}).", ""]
    return HEADER + "\n".join(lines[:-1]) + "\n"


def table(rows: list[dict[str, str]]) -> list[str]:
    """One row a method, by its largest difference."""
    methods: dict[str, list[dict[str, str]]] = defaultdict(list)
    for r in rows:
        methods[r["method"]].append(r)
    found = []
    for name, own in methods.items():
        done = [r for r in own if r["status"] == "done"]
        cells, largest = [], 0.0
        for p in PERCENTILES:
            moves = [abs(float(r[f"moved_{p}"]) - float(r[f"score_{p}"])) for r in done]
            scores = [float(r[f"score_{p}"]) for r in done]
            if not moves:
                cells += ["", "", ""]
                continue
            largest = max(largest, *moves)
            cells += [f"{max(moves):.4f}", f"{statistics.fmean(moves):.4f}", f"{statistics.pstdev(scores):.3f}"]
        count = f"{len(done)}" + (f" ({len(own) - len(done)} failed)" if len(own) > len(done) else "")
        found.append((-largest, name, f"| {name} | {' | '.join(cells)} | {count} |"))
    head = "method | largest, 100th | mean, 100th | seeds' spread, 100th | largest, 50th | mean, 50th | seeds' spread, 50th | n"
    return [f"| {head} |", "|---|" + "--:|" * 7, *(line for _, _, line in sorted(found)), ""]


if __name__ == "__main__":
    main()
