"""Write results/reproduction.md: for every method and task with published scores, whether ours reproduce them.

    python tools/reproduction.py [RESULTS ...]

RESULTS are tables made by `bbo collect` or results folders with cells at the preset `paper`; by default results/root-paper.csv,
results/root-few-shot.csv and results/paper.csv, if there. The verdicts build on those of `bbo report --published`, which shows every
source: here each row is beside the source that comes first in `SOURCES`.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from at_preset import at_preset
from scipy import stats

from bbo import catalogue, files
from bbo.errors import BBOError
from bbo.protocol import PERCENTILES
from bbo.record import Record
from bbo.reporting.board import statistics
from bbo.reporting.board.scores import UNCHANGED, Board, Column, Entry, Row, board, preset_family
from bbo.reporting.documents import footer, published
from bbo.reporting.documents.document import decimal
from bbo.reporting.documents.published import Published
from bbo.reporting.storage import sources

ROOT = Path(__file__).parents[1]
OUT = ROOT / "results" / "reproduction.md"
DEFAULT = ("root-paper.csv", "root-few-shot.csv", "paper.csv")
#: Whose figure is compared, if several sources print one: ROOT's tables, whose settings the presets follow where methods' own papers are
#: silent; then the most recent ones. Sources not named here come last, in the order of the file.
SOURCES = (
    "arXiv 2509.16300",
    "arXiv 2410.11502",
    "arXiv 2410.00983",
    "brandontrabucco/design-baselines",
    "brandontrabucco/design-bench",
)
#: Half of an interval that is wider says too little to call a score reproduced.
WIDEST = 0.05
HEADER = """# Published scores and ours

Made by `{command}`: cells at the preset `paper`, without changed settings, or with just those (in brackets) of a
published variant. Each method and task has one row, or one for each version, beside one source;
`bbo report {first} --published` compares with every source.
The versions of a floor are one row, and its verdict is not counted: what `offline-best` scores is a fact of the table. The columns:

- **ours, published**: mean ± standard deviation (ddof 0) of normalised scores over the seeds (their number in brackets).
- **others**: the range of the means that other sources print for the same method and task.
- **difference**: ours minus published, with Welch's 95% interval.
- **within one std**: whether the means differ by at most one pooled standard deviation, the root of the mean of both variances (or are
  the same to the printed digits). It takes no account of the number of seeds, and scores that spread widely pass it easily.
- **verdict**: *not reproduced* if 0 is outside the interval (unless the means are the same to the printed digits). *Reproduced* if 0 is
  inside, half of the interval is at most {widest}, and uniformly random designs would not pass the same test. Otherwise it *cannot be told*.

No correction is made for the number of rows: of 100 scores that are reproduced exactly, some 5 would be called "not reproduced".

"""


class Verdict(NamedTuple):
    """What is said of one method on one task: the words of the table's last four columns."""

    difference: str
    within: str
    verdict: str
    reason: str


def welch(ours: np.ndarray, theirs: Published) -> statistics.Estimate:
    """Difference of means, ours (n,) minus published, with its interval; NaN where a side has fewer than two seeds or no spread."""
    value = float(ours.mean() - theirs.mean)
    n = theirs.n_seeds or 0
    if len(ours) < 2 or n < 2 or theirs.std is None:
        return statistics.Estimate(value, np.nan, np.nan)
    # Published deviations are taken as population ones, as `bbo report --published` takes them.
    parts = np.array([ours.var(ddof=1) / len(ours), theirs.std**2 / (n - 1)])
    if not parts.sum():
        return statistics.Estimate(value, value, value)
    freedom = parts.sum() ** 2 / (parts**2 / (np.array([len(ours), n]) - 1)).sum()
    half = float(stats.t.ppf((1 + statistics.LEVEL) / 2, freedom) * np.sqrt(parts.sum()))
    return statistics.Estimate(value, value - half, value + half)


def judge(theirs: Published, ours: Entry, row: Row, column: Column, chance: Entry) -> Verdict:
    """Whether a published score is reproduced; `chance` are the cells of random designs on the task."""
    values = ours.scores(theirs.percentile)
    kind, _, why = published.verdict(theirs, ours, row, column).partition(": ")
    if not len(values):
        return Verdict("", "", "cannot be told", why)
    found = welch(values, theirs)
    shown = (
        f"{found.value:+.3f}" + ("" if np.isnan(found.low) else f" [{found.low:+.3f}, {found.high:+.3f}]"),
        within(values, theirs),
    )
    failed = f"; {len(ours.failed)} seeds failed" if ours.failed else ""
    if kind == "not comparable":
        return Verdict(*shown, "cannot be told", why + failed)
    if kind == "differ":
        note = f"; {column.facts['note']}" if column.facts.get("note") else ""
        return Verdict(*shown, "not reproduced", ("ours is higher" if found.value > 0 else "ours is lower") + failed + note)
    if row.method == UNCHANGED:
        return Verdict(*shown, "reproduced", "a fact of the table")
    random = chance.scores(theirs.percentile)
    if len(random) > 1 and not row.floor:
        passed = welch(random, theirs)
        if passed.low <= 0 <= passed.high:
            return Verdict(*shown, "cannot be told", f"random designs reach {random.mean():.3f}, and would pass too{failed}")
    if (found.high - found.low) / 2 > WIDEST:
        return Verdict(*shown, "cannot be told", f"the interval is wider than ±{WIDEST}: more seeds are needed{failed}")
    return Verdict(*shown, "reproduced", ("0 is inside the interval" if found.low <= 0 <= found.high else "same digits") + failed)


def within(ours: np.ndarray, theirs: Published) -> str:
    """Whether the mean of ours (n,) is within one pooled standard deviation (ddof 0) of the published one; empty if a spread is not known."""
    if len(ours) < 2 or theirs.std is None:
        return ""
    pooled = np.sqrt((ours.var() + theirs.std**2) / 2)
    same = decimal(ours.mean(), published.DIGITS) == decimal(theirs.mean, published.DIGITS)
    return "yes" if same or abs(ours.mean() - theirs.mean) <= pooled else "no"


def chosen(known: Sequence[Published]) -> Published:
    """The published score that a row is about: by the order of `SOURCES`."""
    return min(known, key=lambda s: next((i for i, name in enumerate(SOURCES) if s.source.startswith(name)), len(SOURCES)))


def rows(results: Board, percentile: int) -> Iterator[tuple[str, Verdict | None]]:
    """Lines of one percentile's table, each with what it says; None for a floor, which is not counted."""
    pairs: dict[tuple[str, str], list[Published]] = defaultdict(list)
    for row, column, theirs in published.matches(results):
        if theirs.percentile == percentile:
            pairs[row.label, column.label].append(theirs)
    columns = {column.label: column for column in results.columns}
    by_label = {row.label: row for row in results.rows}
    for (label, task), known in sorted(pairs.items(), key=lambda item: (item[0][1], item[0][0])):
        row, column, theirs = by_label[label], columns[task], chosen(known)
        ours = results.entry(row, column)
        said = judge(theirs, ours, row, column, results.chance(column))
        others = sorted(s.mean for s in known if s is not theirs)
        span = "" if not others else f"{others[0]:.3f} to {others[-1]:.3f} ({len(others)})" if others[1:] else f"{others[0]:.3f}"
        values = ours.scores(percentile)
        mine = f"{values.mean():.3f} ± {values.std():.3f} ({len(values)})" if len(values) else "failed"
        print_ = f"{theirs.mean:.3f}" + (f" ± {theirs.std:.3f}" if theirs.std is not None else "")
        print_ += f" ({theirs.n_seeds})" if theirs.n_seeds else ""
        version = ", ".join(sorted({r.spec.method_version for r in ours.cells}))
        cells = (task, label, version, mine, print_, theirs.source, span, *said)
        yield f"| {' | '.join(cells)} |", None if row.floor else said


def not_run(results: Board) -> dict[str, list[str]]:
    """Methods of the catalogue with a published score on a task of ours and no cell at `paper` with the same settings, by task."""
    tasks, methods = set(catalogue.task_ids()), set(catalogue.method_ids())
    there = {
        (column.key.task, row.method, published.settings_text(row.overrides))
        for column in results.columns
        for row in results.rows
        if results.entry(row, column).cells
    }
    found: dict[str, set[str]] = defaultdict(set)
    for s in published.scores():
        if s.task.partition(":")[0] in tasks and s.method in methods and (s.task, s.method, s.settings) not in there:
            found[s.task].add(f"{s.method} [{s.settings}]" if s.settings else s.method)
    return {task: sorted(names) for task, names in sorted(found.items())}


def page(results: Board, paths: Sequence[str], shown: Sequence[str], stacks: Iterable[str]) -> str:
    """The whole page; `shown` are the arguments of the command, empty for the default, and `stacks` says what the cells ran on."""
    command = " ".join(["python tools/reproduction.py", *shown])
    head = HEADER.format(command=command, first=paths[0], widest=WIDEST)
    columns = "task | method | version | ours | published | source | others | difference | within one std | verdict | reason"
    lines: list[str] = []
    for percentile in PERCENTILES:
        made = list(rows(results, percentile))
        if made:
            lines += [f"## {percentile}th percentile", "", f"| {columns} |", "|---" * (columns.count("|") + 1) + "|"]
            verdicts = [said.verdict for _, said in made if said]
            counts = [f"{verdicts.count(v)} {v}" for v in ("reproduced", "not reproduced", "cannot be told")]
            near = [said.within for _, said in made if said and said.within]
            counts.append(f"{near.count('yes')} of {len(near)} within one pooled standard deviation")
            lines += [*(line for line, _ in made), "", f"{', '.join(counts)}.", ""]
    lines += ["## Not run", "", "Methods with a published score on the task, and no cell at `paper` with the same settings.", ""]
    lines += ["| task | oracle | methods |", "|---|---|---|"]
    for task, names in not_run(results).items():
        oracle = catalogue.load_task(task).spec.oracle
        if oracle != "exact" or all(s.oracle != "exact" for s in published.scores() if s.task == task):
            oracle += ": none of the published ones, so nothing can be told"
        lines.append(f"| {task} | {oracle} | {', '.join(names)} |")
    lines += ["", "## What made the cells", "", *(f"- {line}" for line in stacks), f"- This page: `{command}`. {footer.AGAIN}"]
    return head + "\n".join(lines) + "\n"


def stack(path: Path, name: str) -> str:
    """What the cells of one table or folder ran on, as far as they recorded it."""
    found = board(sources.load([path]).records)
    return f"{name}: {footer.machine(found) or 'machine and numerics mode not recorded'}; {footer.versions(found)}."


def is_published(record: Record) -> bool:
    """Whether a cell has no changed settings, or just those of a published score."""
    changes = published.settings_text(record.method.get("overrides") or {})
    return not changes or any((s.method, s.settings) == (record.spec.method, changes) for s in published.scores())


def with_whole_floors(records: Iterable[Record]) -> list[Record]:
    """The records, the versions of a floor on a task as one; of a seed that several of them ran, the cell that was finished last."""
    others, floors = [], defaultdict(dict)
    for r in sorted(records, key=lambda r: (r.done, str(r.provenance.get("finished", "")))):
        if r.method.get("kind") == "floor":
            floors[r.spec.task, r.spec.task_version, r.spec.data_hash, r.spec.method][r.spec.seed] = r
        else:
            others.append(r)
    for own in floors.values():
        version = ", ".join(sorted({r.spec.method_version for r in own.values()}))
        others += [replace(r, spec=replace(r.spec, method_version=version)) for r in own.values()]
    return others


def made(arguments: Sequence[str]) -> str:
    """The page of the results named, or of the default ones.

    Raises:
        BBOError: they cannot be read, or hold no cell at `paper`.
    """
    paths = [Path(name) for name in arguments] or [path for name in DEFAULT if (path := ROOT / "results" / name).is_file()]
    results = sources.load(paths)
    records = [r for r in at_preset(results.records, "paper", changed=True) if is_published(r)]
    if "paper" not in map(preset_family, records):
        raise BBOError(
            f"no cell at the preset paper in {', '.join(map(str, paths))}, without changed settings; make some with: bbo run ... --preset paper"
        )
    names = list(arguments) or [f"results/{path.name}" for path in paths]
    stacks = map(stack, paths, names)
    return page(board(with_whole_floors(records), results.unsuitable), names, arguments, stacks)


if __name__ == "__main__":
    try:
        files.write(OUT, made(sys.argv[1:]))
    except BBOError as error:
        sys.exit(f"error: {error}")
    print(f"wrote {OUT}")
