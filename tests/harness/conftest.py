"""A small local task and methods made of a few lines, run through the real harness."""

import textwrap
from pathlib import Path

import pytest

from bbo import record
from bbo.harness import host, plan
from bbo.harness.options import EngineOptions, Listener, RunOptions
from bbo.harness.plan import Plan
from bbo.harness.request import Request
from bbo.harness.run import begin, run_cells

TASK = """
import numpy as np
from bbo.space import Continuous, Sequence
from bbo.task import Dataset, Task, TaskSpec

class Slope(Task):
    spec = TaskSpec(
        id="slope", version="1", title="The sum of the coordinates", space=Continuous.box(3, -1.0, 1.0), visible_rows=200,
        best_visible=0.0, y_min=-3.0, y_max=3.0, oracle="exact", hidden="the top", source="made up", licence="MIT", optimum=3.0,
    )

    def dataset(self):
        x = self.spec.space.from_unit(np.random.default_rng(0).random((400, 3)))
        y = self.oracle(x)
        keep = np.argsort(y)[:200]
        return Dataset(x[keep], y[keep].astype(np.float32))

    def oracle(self, x):
        return x.astype(float).sum(1)

class Letters(Slope):
    spec = TaskSpec(
        id="letters", version="1", title="The sum of the letters", space=Sequence((4, 3, 2, 4, 4)), visible_rows=200,
        best_visible=6.0, y_min=0.0, y_max=12.0, oracle="exact", hidden="the top", source="made up", licence="MIT", optimum=12.0,
    )

    def dataset(self):
        x = self.spec.space.from_unit(np.random.default_rng(0).random((400, 5)))
        y = self.oracle(x)
        keep = np.argsort(y, kind="stable")[:200]
        return Dataset(x[keep], y[keep].astype(np.float32))
"""

GOOD = """
import torch

class Good:
    "Draws uniform numbers."
    def propose(self, problem):
        return torch.rand(problem.budget, 3, generator=problem.generator)
"""


class Lab:
    """A folder with a task, methods written into files, and results."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        (folder / "task.py").write_text(TASK)
        self.method("Good", GOOD)

    def method(self, name: str, text: str) -> str:
        """Write a method's file; its reference."""
        path = self.folder / f"{name.lower()}.py"
        path.write_text(textwrap.dedent(text))
        return f"{path}:{name}"

    def body(self, name: str, body: str, head: str = "") -> str:
        """A method whose `propose` consists of these lines."""
        lines = textwrap.indent(textwrap.dedent(body).strip(), " " * 8)
        imports = "import gc, os, signal, subprocess, sys, time, torch\nimport numpy as np\n"
        return self.method(
            name, f"{imports}{textwrap.dedent(head)}\nclass {name}:\n    'A test.'\n    def propose(self, problem):\n{lines}\n"
        )

    def plan(self, *references: str, task: str = "Slope", seeds: tuple[int, ...] = (0,), **changes) -> Plan:
        paths = tuple(r if ":" in r or r[0].islower() else f"{self.folder}/{r.lower()}.py:{r}" for r in references)
        return plan.make(Request((f"{self.folder}/task.py:{task}",), paths, seeds, **{"budget": 16, **changes}))

    def run(self, cells, out: Path | None = None, jobs: int = 1, retry: bool = False, **options) -> list[record.Record]:
        """Run cells, or a plan, which is saved too; the records of those that were run, in the order they ended."""
        out, records = out or self.out, []
        cells = begin(cells, out) if isinstance(cells, Plan) else cells
        listener = Listener(end=lambda cell, result: records.append(result))
        how = options.pop("options", None) or RunOptions(**options)
        run_cells(cells, out, how, engine_options=EngineOptions(jobs=jobs), listener=listener, retry_failed=retry)
        return records

    def designs(self, spec: record.CellSpec, out: Path | None = None):
        return record.read_outcome(record.cell_folder(out or self.out, spec.hash)).designs


def pytest_terminal_summary(terminalreporter):
    """Print what the parts of the drill counted."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    told = [text for report in reports for name, text in getattr(report, "user_properties", ()) if name == "drill"]
    if told:
        terminalreporter.section("the drill")
        for text in told:
            terminalreporter.write_line(text)


@pytest.fixture
def kept(monkeypatch):
    """Processes are kept from cell to cell, as those of our own methods are, and all of them where a process cannot be forked."""
    monkeypatch.setattr(host, "FORKS", False)


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("lab"))
