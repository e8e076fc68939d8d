"""Does a sharpness regulariser help? Every `METHOD+REGULARISER` of a results folder against `METHOD`, paired by task and seed.

    bbo run results/ablations/ignite.toml --out runs/ignite
    python tools/ablation.py runs/ignite --out results/ablations/ignite.md

A method with and without a regulariser starts from the same random numbers, so the difference of one seed is the effect of the
regulariser. Shown are mean differences of normalised scores with a 95% bootstrap interval: over seeds for one task, over the seeds of
every task for all of them together.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from bbo import record
from bbo.errors import BBOError
from bbo.harness.plan import planned_specs
from bbo.reporting.board.statistics import Estimate, paired_difference

#: scores[task][method][seed]
Scores = dict[str, dict[str, dict[int, float]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="results folder of bbo run")
    parser.add_argument("--out", type=Path, help="Markdown file; printed without it")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    arguments = parser.parse_args()
    try:
        records, planned = record.read_all(arguments.folder), len(planned_specs(arguments.folder))
        text = report(records, planned, np.random.default_rng(arguments.seed), f"--seed {arguments.seed}")
    except BBOError as error:
        sys.exit(f"error: {error}")
    if arguments.out:
        arguments.out.write_text(text)
    else:
        print(text, end="")


def report(records: list[record.Record], planned: int, generator: np.random.Generator, how: str) -> str:
    """The whole Markdown page; `planned` is the number of cells asked for, done or not.

    Raises:
        BBOError: no pair of cells to compare.
    """
    done = [r for r in records if r.done]
    failed = [r for r in records if not r.done]
    lines: list[str] = []
    pairs, best = 0, -np.inf
    for percentile in ("100", "50"):
        scores = collect(done, percentile)
        rows, count, top = table(scores, generator)
        pairs, best = pairs + count, max(best, top)
        lines += [f"## {percentile}th percentile", "", *rows, ""]
    if not pairs:
        raise BBOError(
            "no METHOD+REGULARISER and METHOD with the same task and seed; make them: bbo run results/ablations/ignite.toml"
        )
    return "\n".join([*heading(done, failed, planned, pairs // 2, best, how), *lines, *constraint(done)])


def collect(records: list[record.Record], percentile: str) -> Scores:
    found: Scores = defaultdict(lambda: defaultdict(dict))
    for r in records:
        found[r.spec.task][r.spec.method][r.spec.seed] = r.percentiles[percentile]
    return found


def table(scores: Scores, generator: np.random.Generator) -> tuple[list[str], int, float]:
    """Rows of Markdown, the number of paired cells, and the largest relative gain of any method over all tasks."""
    tasks = sorted(scores)
    names = sorted({name for task in tasks for name in scores[task] if "+" in name})
    lines = [f"| method | {' | '.join(tasks)} | all |", "|---|" + "--:|" * (len(tasks) + 1)]
    pairs, best = 0, -np.inf
    for name in names:
        plain = name.partition("+")[0]
        cells, ours, theirs = [], [], []
        for task in tasks:
            seeds = sorted(scores[task][name].keys() & scores[task][plain].keys())
            if not seeds:
                cells.append("")
                continue
            x, y = (np.array([scores[task][which][seed] for seed in seeds]) for which in (name, plain))
            pairs += len(seeds)
            ours.append(x)
            theirs.append(y)
            text = show(paired_difference([x], [y], generator)) if len(seeds) > 1 else f"{(x - y)[0]:+.3f}"
            cells.append(f"{text} (n={len(seeds)})")
        if ours:
            level = np.mean([y.mean() for y in theirs])
            overall = paired_difference(ours, theirs, generator)
            share = overall.value / level if level > 0 else np.nan  # a share of zero or of a negative number has no meaning
            best = np.fmax(best, share)
            # One seed has no spread, so the interval would look exact.
            text = show(overall) if min(map(len, ours)) > 1 else f"{overall.value:+.3f}"
            lines.append(f"| {name} | {' | '.join(cells)} | {text}, {100 * share:+.1f}% |")
    return lines, pairs, best


def constraint(records: list[record.Record]) -> list[str]:
    """What IGNITE's multiplier and gradient norm had come to in the last epoch, by method and task."""
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = defaultdict(list)
    for r in records:
        if "sharpness_slack" in r.notes:
            last = [float(np.mean(r.notes[f"sharpness_{key}"][-1])) for key in ("lambda", "grad_norm", "slack")]
            found[r.spec.method, r.spec.task].append((last[0], last[1], last[2]))
    lines = ["## IGNITE's constraint in the last epoch", ""]
    lines += ["Means over seeds, members and batches. lambda starts at 0.001; slack is epsilon - rho |grad G|.", ""]
    lines += ["| method | task | lambda | gradient norm | slack |", "|---|---|--:|--:|--:|"]
    for (method, task), rows in sorted(found.items()):
        weight, size, slack = np.mean(rows, axis=0)
        lines.append(f"| {method} | {task} | {weight:.4f} | {size:.2f} | {slack:+.3f} |")
    return [*lines, ""] if found else []


def show(difference: Estimate) -> str:
    """A difference with its interval; bold where the interval leaves out 0."""
    text = f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
    return f"**{text}**" if difference.low > 0 or difference.high < 0 else text


def heading(done: list[record.Record], failed: list[record.Record], planned: int, pairs: int, best: float, how: str) -> list[str]:
    presets = ", ".join(sorted({str(r.method.get("preset")) for r in done}))
    seeds = ", ".join(map(str, sorted({r.spec.seed for r in done})))
    counts = f"{len(done)} of {planned} planned cells done, {len(failed)} failed"
    if len(done) < planned:
        counts += " (the rest had not been run when this was written; n says how many seeds each figure rests on)"
    return [
        "# Does a sharpness regulariser help?",
        "",
        "Difference in normalised score between METHOD+REGULARISER and METHOD, paired by task and seed: both start from the same",
        "random numbers. Mean over seeds with a 95% bootstrap interval; bold where it leaves out 0; n is the number of pairs. The",
        "last column averages over the tasks, also as a share of METHOD's own mean score. No correction is made for the number of",
        "comparisons: of 100 intervals about a regulariser that does nothing, some 5 would be bold.",
        "",
        f"{counts}; {pairs} pairs; preset {presets}; seeds {seeds}.",
        f"Largest gain over all tasks, at either percentile: {100 * best:+.1f}%; the abstract of IGNITE's paper claims up to 9.6%.",
        "",
        "    bbo run results/ablations/ignite.toml --out runs/ignite",
        f"    python tools/ablation.py runs/ignite {how} --out results/ablations/ignite.md",
        "",
    ]


if __name__ == "__main__":
    main()
