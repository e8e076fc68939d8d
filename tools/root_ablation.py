"""What ROOT's settings do: every variant of `root` and `root-corrected` in a results folder beside their defaults.

    sh results/ablations/root.sh runs/root-ablation
    python tools/root_ablation.py runs/root-ablation --out results/ablations/root.md

Shown are means and standard deviations (ddof 0) of normalised scores over seeds, and the difference to the first row of each table:
mean over tasks with a 95% bootstrap interval over the seeds of every task.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bbo import catalogue, record
from bbo.errors import BBOError
from bbo.harness.plan import planned_specs
from bbo.reporting.board.statistics import paired_difference


@dataclass(frozen=True)
class Section:
    """One table: the variants of these methods that change these settings and no others, beside the unchanged methods."""

    title: str
    text: str
    methods: tuple[str, ...]
    settings: tuple[str, ...]


SECTIONS = (
    Section(
        "The corrections",
        "`root` follows the authors' code; a row under it changes one thing. `root-corrected` changes all; a row under it changes its "
        "settings, or takes one correction back.",
        ("root", "root-corrected"),
        ("swap_conditions", "guidance", "time_scale", "target", "alpha"),
    ),
    Section("Synthetic functions an epoch", "Of 8 epochs; the paper's own figure has 8 in each of 100.", ("root",), ("functions",)),
    Section("Gradient steps M", "The paper's Table 6 has 25 to 100 and favours 100.", ("root",), ("steps",)),
    Section("Points a function n_p", "The paper's Table 7 has 128 to 1024 and favours 1024.", ("root",), ("points",)),
    Section(
        "Start points",
        "The paper's Table 3 on TFBind8: highest 0.986 ± 0.007, random 0.976 ± 0.007, lowest 0.969 ± 0.009.",
        ("root",),
        ("start_points",),
    ),
    Section(
        "Few-shot: 1% of the table",
        "The paper's Table 4 on TFBind8: 0.895 ± 0.086. The rest of the table is not looked at, so walks and sampling start from the "
        "labelled rows.",
        ("root",),
        ("labelled",),
    ),
)

#: scores[label][task][seed], percentile by percentile
Scores = dict[str, dict[str, dict[int, float]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="results folder of bbo run")
    parser.add_argument("--out", type=Path, help="Markdown file; printed without it")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    arguments = parser.parse_args()
    try:
        records, planned = record.read_all(arguments.folder), len(planned_specs(arguments.folder))
        text = report(records, planned, arguments.seed)
    except BBOError as error:
        sys.exit(f"error: {error}")
    if arguments.out:
        arguments.out.write_text(text)
    else:
        print(text, end="")


def report(records: list[record.Record], planned: int, seed: int) -> str:
    """The whole Markdown page; `planned` is the number of cells asked for, done or not.

    Raises:
        BBOError: no cell of ROOT.
    """
    done = [r for r in records if r.done and r.spec.method in ("root", "root-corrected")]
    if not done:
        raise BBOError("no finished cell of root or root-corrected; make them: sh results/ablations/root.sh runs/root-ablation")
    changes = [changed(r) for r in done]
    lines = heading(done, planned, sum(not r.done for r in records), seed)
    for section in SECTIONS:
        chosen = [
            (r, change)
            for r, change in zip(done, changes, strict=True)
            if r.spec.method in section.methods and change.keys() <= set(section.settings)
        ]
        if any(change for _, change in chosen):
            lines += [f"## {section.title}", "", section.text, "", *table(chosen, np.random.default_rng(seed)), ""]
    return "\n".join(lines[:-1]) + "\n"


def changed(r: record.Record) -> dict[str, Any]:
    """The settings of a cell that are not those of its preset."""
    usual = catalogue.load_method(r.spec.method).config(str(r.method["preset"]), r.spec.task, {}).config
    return {key: value for key, value in r.spec.config.items() if usual.get(key) != value}


def table(chosen: list[tuple[record.Record, dict[str, Any]]], generator: np.random.Generator) -> list[str]:
    found: dict[str, Scores] = {p: defaultdict(lambda: defaultdict(dict)) for p in ("100", "50")}
    order: dict[str, tuple[str, list[str]]] = {}
    for r, change in chosen:
        settings = [f"{key}={show(value)}" for key, value in sorted(change.items())]
        label = " ".join([r.spec.method, *settings])
        order[label] = (r.spec.method, settings)
        for percentile, scores in found.items():
            scores[label][r.spec.task][r.spec.seed] = r.percentiles[percentile]
    labels = sorted(order, key=lambda label: order[label])
    tasks = sorted({task for scores in found["100"].values() for task in scores})
    lines = []
    for percentile, scores in found.items():
        lines += [f"| {percentile}th percentile | {' | '.join(tasks)} | mean | against the first row |"]
        lines += ["|---|" + "--:|" * (len(tasks) + 2)]
        for label in labels:
            per_task = [np.array(list(scores[label][task].values())) for task in tasks]
            cells = [f"{x.mean():.3f} ± {x.std():.3f}" if len(x) else "" for x in per_task]
            mean = f"{np.mean([x.mean() for x in per_task]):.3f}" if all(map(len, per_task)) else ""
            lines.append(f"| {label} | {' | '.join(cells)} | {mean} | {against(scores, label, labels[0], tasks, generator)} |")
        lines.append("")
    return lines[:-1]


def against(scores: Scores, label: str, first: str, tasks: list[str], generator: np.random.Generator) -> str:
    """Difference to the first row over the seeds that both have; bold where its interval leaves out 0."""
    if label == first:
        return ""
    ours, theirs = [], []
    for task in tasks:
        seeds = sorted(scores[label][task].keys() & scores[first][task].keys())
        if seeds:
            ours.append(np.array([scores[label][task][seed] for seed in seeds]))
            theirs.append(np.array([scores[first][task][seed] for seed in seeds]))
    if not ours:
        return ""
    found = paired_difference(ours, theirs, generator)
    text = f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    return f"**{text}**" if found.low > 0 or found.high < 0 else text


def show(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def heading(done: list[record.Record], planned: int, failed: int, seed: int) -> list[str]:
    presets = ", ".join(sorted({str(r.method.get("preset")) for r in done}))
    versions = ", ".join(sorted({f"{r.spec.method} {r.spec.method_version}" for r in done}))
    seeds = ", ".join(map(str, sorted({r.spec.seed for r in done})))
    return [
        "# What ROOT's settings do",
        "",
        "Normalised scores, mean ± standard deviation over seeds. The last column is the difference to the table's first row, averaged over",
        "the tasks, with a 95% bootstrap interval; bold where it leaves out 0. No correction is made for the number of comparisons. Settings",
        "were chosen by these scores alone: no cell saw an oracle before its 128 designs were scored.",
        "",
        f"{len(done)} of {planned} planned cells done, {failed} failed; preset {presets}; seeds {seeds}; {versions}.",
        "",
        "    sh results/ablations/root.sh runs/root-ablation",
        f"    python tools/root_ablation.py runs/root-ablation --seed {seed} --out results/ablations/root.md",
        "",
    ]


if __name__ == "__main__":
    main()
