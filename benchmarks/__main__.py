"""Run every benchmark program and write all ratios into one table, benchmarks/README.md: `make benchmarks`.

    python -m benchmarks [NAME ...] [--quick] [--folder build/benchmarks] [--again]

Each program's results are kept as FOLDER/NAME.json, so a stopped run goes on where it stopped; `--again` measures again. `--quick` takes
small sizes, in a folder and a page of its own (build/benchmarks-quick): it shows that the programs run, and its numbers say nothing. All
programs run one after another, each in a process of its own, on one thread and in the portable numerics mode, as cells do. Run it on a
quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bbo import files, numerics
from bbo.errors import BBOError
from bbo.harness import provenance

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "benchmarks" / "README.md"
SGEMM = """
import json, time, torch
torch.set_num_threads(1)
a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
best = float("inf")
for _ in range(20):
    began = time.process_time(); a @ b; best = min(best, time.process_time() - began)
print(json.dumps({"gflops": 2 * 1024**3 / best / 1e9}))
"""


#: Methods whose authors loop over starts, runs or draws.
LOOPS = ("bdi", "cma_es", "demo", "ict", "match_opt", "pgs", "ram", "rgd", "tri_mentoring")


class Row(NamedTuple):
    """One line of the table; `ratio` is theirs / ours where there are two sides, else empty.

    A goal that starts with >= or <= is one of the ratio.
    """

    what: str
    ratio: str
    goal: str
    measured: str
    share: str = ""


class Program(NamedTuple):
    """A program: its module, the arguments of a whole and of a quick run, and what makes rows of its output and the rate of sgemm."""

    module: str
    whole: tuple[str, ...]
    quick: tuple[str, ...]
    rows: Callable[[str, float], list[Row]]


def met(row: Row) -> bool:
    """Whether the ratio meets its goal, if it has one."""
    sign, _, number = row.goal.partition(" ")
    return {">=": float.__ge__, "<=": float.__le__}[sign](float(row.ratio), float(number)) if sign in (">=", "<=") else True


def reached(measured: Mapping[str, Any], sgemm: float) -> str:
    """The share of sgemm's rate that our side reaches: its matrix products over its time; empty where it counts none."""
    work, taken = measured.get("our_gflop", 0.0), measured["our_seconds"]
    return f"{work / taken / sgemm:.0%} of sgemm" if work else ""


def root(output: str, sgemm: float) -> list[Row]:
    """ROOT's parts."""
    found = []
    for r in json.loads(output):
        share = f"{r['ascent_share_of_sgemm']:.0%} of sgemm on its shapes" if "ascent_share_of_sgemm" in r else reached(r, sgemm)
        extrapolated = f", authors' {r['theirs']}" if "theirs" in r else ""
        detail = f"{r['our_seconds']:.3g} s against {r['authors_seconds']:.3g} s{extrapolated}"
        found.append(Row(f"ROOT {r['name']}", f"{r['ratio']:.2f}", ">= 3" if r["name"] == "training" else "", detail, share))
    return found


def surrogates(output: str, sgemm: float) -> list[Row]:
    """Ensembles and regularisers."""
    found = []
    for r in json.loads(output)["ratios"]:
        above, below = r["milliseconds per batch"]
        share = reached({"our_gflop": r["gflop"], "our_seconds": below / 1000}, sgemm)
        found.append(
            Row(
                f"width {r['hidden']}: {r['ratio']}", f"{r['value']:.2f}", r["goal"], f"{above:.2f} / {below:.2f} ms a batch", share
            )
        )
    return found


def harness(output: str, sgemm: float) -> list[Row]:
    """Planning, resuming, and the overhead of a cell."""
    found = []
    for r in map(json.loads, output.splitlines()):
        if "median_ms" in r:
            detail = f"median {r['median_ms']} ms a cell, process start {r['process_start_ms']} ms"
            found.append(Row(f"{r['phase']}, {r['cells']} cells", "", "50 ms", detail))
        elif r["phase"] != "fill":
            goal = "20 s, 1 GB" if r["cells"] == 100_000 else ""
            found.append(Row(f"{r['phase']}, {r['cells']} cells", "", goal, f"{r['seconds']} s, {r['peak_memory_mb']} MB"))
    return found


def sandbox(output: str, sgemm: float) -> list[Row]:
    """Confining a process."""
    read = json.loads(output)
    return [
        Row(
            f"{read['with']}, {r['what']}",
            "",
            "50 ms" if "list" in r["what"] or "calls" in r["what"] else "",
            f"{r['cpu_ms']:.2f} ms of CPU time, {r['wall_ms']:.2f} ms",
        )
        for r in read["rows"]
    ]


def methods(output: str, sgemm: float) -> list[Row]:
    """A method beside its authors' order of work."""
    return [
        Row(
            r["method"].replace("_", "-"),
            f"{r['authors_seconds'] / r['our_seconds']:.1f}",
            ">= 10" if r["method"] in LOOPS else "",
            f"{r['our_seconds']:.3g} s against {r['authors_seconds']:.3g} s: {r['what']}",
            reached(r, sgemm),
        )
        for r in json.loads(output)
    ]


def page(output: str, sgemm: float) -> list[Row]:
    """The leaderboard's page."""
    return [
        Row(
            f"page of {r['table']}, {r['cells']} cells",
            "",
            "",
            f"{r['html_seconds']:.1f} s of CPU time, {r['html_megabytes']:.2f} MB",
        )
        for r in json.loads(output)
    ]


PROGRAMS = {
    "root": Program("benchmarks.root", ("--json",), ("--json", "--only", "function-2048"), root),
    "surrogates": Program(
        "benchmarks.surrogates",
        ("--json",),
        ("--json", "--hidden", "128", "--updates", "3", "--repeats", "1"),
        surrogates,
    ),
    **{
        f"methods-{path.stem}": Program("benchmarks.methods", (path.stem, "--json"), (path.stem, "--json"), methods)
        for path in sorted((Path(__file__).parent / "methods").glob("*.py"))
        if not path.stem.startswith("_")
    },
    "harness": Program("benchmarks.harness", (), ("--cells", "10", "--run", "10"), harness),
    "sandbox": Program("benchmarks.sandbox", ("--json",), ("--json", "--repeats", "3"), sandbox),
    "page": Program("benchmarks.page", ("--json",), ("--json", "results/quick.csv"), page),
}
#: Methods whose fixed size takes a second or two; the others are left out of a quick run.
QUICK_METHODS = ("methods-rgd",)


def environment() -> dict[str, str]:
    """One thread, in the portable numerics mode."""
    return numerics.environment("portable", dict(os.environ)) | {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def run(name: str, quick: bool, folder: Path, sgemm: float) -> None:
    """Measure one program and keep what it printed.

    Raises:
        BBOError: it fails.
    """
    program = PROGRAMS[name]
    arguments = program.quick if quick else program.whole
    began, spent = time.perf_counter(), ended_children()
    command = [sys.executable, "-m", program.module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BBOError(f"benchmark {name} failed: {' '.join(command)}\n{done.stderr[-2000:]}")
    program.rows(done.stdout, sgemm)  # what cannot be read is not kept
    kept = {
        "command": f"python -m {' '.join([program.module, *arguments])}",
        "output": done.stdout,
        "sgemm_gflops": sgemm,
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(ended_children() - spent, 1),
        "machine": provenance.host(),
        "load": round(os.getloadavg()[0], 1),
    }
    files.write(folder / f"{name}.json", json.dumps(kept, indent=1) + "\n")


def ended_children() -> float:
    """CPU seconds of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def rate() -> float:
    """GFLOP/s of a float32 product of 1024 x 1024 matrices on one thread, as the programs run."""
    done = subprocess.run([sys.executable, "-c", SGEMM], env=environment(), capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["gflops"])


def written(folder: Path, quick: bool) -> str:
    """The page of all results in the folder.

    Raises:
        BBOError: there are none.
    """
    kept = {name: json.loads((folder / f"{name}.json").read_text()) for name in PROGRAMS if (folder / f"{name}.json").is_file()}
    if not kept:
        raise BBOError(f"{folder} holds no results; run: python -m benchmarks")
    machines = sorted(
        {
            f"{k['machine']['cpu']}, {k['machine']['cores']} cores, commit {k['machine'].get('commit', '')[:9]}"
            for k in kept.values()
        }
    )
    rates, loads = ([k[name] for k in kept.values()] for name in ("sgemm_gflops", "load"))
    lines = [
        "# Benchmarks" + (" (quick sizes: these numbers say nothing)" if quick else ""),
        "",
        "Made by `make benchmarks`. A ratio is the time of the other side (the authors' order of work, written by us, or the loop that a batch",
        "replaces) by ours, on the same data in one run; where it is written a / b, the ratio is that of a's time to b's. Times of ratios are",
        "CPU times. The share is that of our side (of b): the operations of its matrix products in its time, as a share of sgemm's rate.",
        "",
        f"Machine: {'; '.join(machines)}; one thread, portable numerics; sgemm {min(rates):.0f} to",
        f"{max(rates):.0f} GFLOP/s (1024 x 1024 x 1024); load of the machine when a program ended: at most {max(loads)}. Above about 1.5 no",
        "number here is to be quoted.",
        "",
    ]
    lines += [f"| {' | '.join(Row._fields)} | program |", "|---|--:|--:|---|---|---|"]
    rows = [(name, row) for name, k in kept.items() for row in PROGRAMS[name].rows(k["output"], k["sgemm_gflops"])]
    lines += [f"| {' | '.join(row)} | {name} |" for name, row in rows]
    if missed := [f"{row.what} ({row.ratio}, goal {row.goal})" for _, row in rows if not met(row)]:
        lines += ["", f"Goals that are missed: {'; '.join(missed)}."]
    lines += ["", "| program | command | seconds | of CPU time |", "|---|---|--:|--:|"]
    lines += [f"| {name} | `{k['command']}` | {k['seconds']} | {k['cpu_seconds']} |" for name, k in kept.items()]
    lines += [""]
    if left := [name for name in PROGRAMS if name not in kept]:
        lines += [f"Not measured: {', '.join(left)}.", ""]
    return "\n".join(lines[:-1]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"programs; default: all ({', '.join(PROGRAMS)})")
    parser.add_argument("--quick", action="store_true", help="small sizes, whose numbers say nothing")
    parser.add_argument("--again", action="store_true", help="measure also what is there")
    parser.add_argument("--folder", type=Path, help="where results are kept")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in PROGRAMS]:
        parser.error(f"no program {', '.join(unknown)}; there are {', '.join(PROGRAMS)}")
    folder = arguments.folder or ROOT / "build" / ("benchmarks-quick" if arguments.quick else "benchmarks")
    folder.mkdir(parents=True, exist_ok=True)
    names = arguments.names or [name for name in PROGRAMS if not arguments.quick or name in QUICK_METHODS or "methods-" not in name]
    failed = False
    for name in names:
        if arguments.again or not (folder / f"{name}.json").is_file():
            try:
                run(name, arguments.quick, folder, rate())
                print(f"{name}: done", flush=True)
            except BBOError as error:  # the others are measured all the same
                failed = True
                print(f"error: {error}", file=sys.stderr, flush=True)
    try:
        out = folder / "README.md" if arguments.quick else PAGE
        files.write(out, written(folder, arguments.quick))
        print(f"wrote {out}")
    except BBOError as error:
        sys.exit(f"error: {error}")
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
