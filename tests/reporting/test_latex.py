"""LaTeX: escapes, marks, and (where BBO_TEST_LATEX is set) that it compiles as it is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bbo.cli import main
from bbo.reporting.documents import leaderboard
from bbo.reporting.formats import latex
from bbo.reporting.formats.latex import escape


@pytest.fixture
def text(store, make) -> str:
    crash = {"reason": "error", "type": "ValueError", "message": r"100% of {x_1} & $y$ ~ \foo ^ # ünder <a|b>"}
    out = store(
        *(make("t_1", "random", s, 0.5 + s / 50) for s in range(3)),
        *(make("t_1", "root", s, 0.9 + s / 100, method_facts={"privileged": ["y_max"]}) for s in range(3)),
        *(make("t_1", "coms", s, 0.8 + s / 100) for s in range(3)),
        *(make("t&2", "root", s, 0.5) for s in range(3)),
        *(make("t&2", "random", s, 0.6, error=crash if s else None) for s in range(3)),
    )
    answer = CliRunner().invoke(main, ["report", str(out), "--format", "latex"])
    assert answer.exit_code == 0
    return answer.stdout


def test_best_is_bold_second_underlined_and_names_are_escaped(text) -> None:
    assert r"\textbf{\boldmath 0.910 $\pm$ 0.008}" in text
    assert r"\underline{0.810 $\pm$ 0.008}" in text
    assert r"t\_1" in text
    assert r"t\&2" in text
    assert r"\toprule" in text
    assert r"privileged knowledge that the visible data do not hold: y\_max." in text
    assert r"100\% of \{x\_1\} \& \$y\$ \textasciitilde{} \textbackslash{}foo \textasciicircum{} \# ?nder" in text


def test_escape_keeps_plain_text() -> None:
    assert escape("mean rank (95) 0.5") == "mean rank (95) 0.5"
    assert escape("a\n b") == "a b"


def compiled(source: Path) -> str:
    """What pdflatex says of a file. Skipped where BBO_TEST_LATEX is unset; where it is set, a missing pdflatex is a failure."""
    if not os.environ.get("BBO_TEST_LATEX"):
        pytest.skip("BBO_TEST_LATEX is not set")
    pdflatex = shutil.which("pdflatex")
    assert pdflatex, "BBO_TEST_LATEX is set, but there is no pdflatex on the path"
    command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", source.name]
    done = subprocess.run(command, cwd=source.parent, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert source.with_suffix(".pdf").stat().st_size > 10_000
    return done.stdout


@pytest.mark.latex
@pytest.mark.parametrize("option", [[], ["--published"], ["--metric", "wall-time"]])
def test_it_compiles_as_it_is(text, store, make, tmp_path, option) -> None:
    source = tmp_path / "board.tex"
    # A task and a method with published scores.
    store(*(make("tfbind8", "root", seed, 0.9 + seed / 100, cost={"wall_seconds": 3.0}) for seed in range(4)))
    answer = CliRunner().invoke(main, ["report", str(tmp_path / "results"), "--format", "latex", "--out", str(source), *option])
    assert answer.exit_code == 0
    said = compiled(source)
    if not option:
        assert "Overfull" not in said


@pytest.mark.latex
def test_tables_of_many_methods_fit_their_pages(make_up, tmp_path) -> None:
    """35 methods on 13 tasks: nothing is wider than the text or taller than a page, and every table is on a page."""
    drawn, _ = make_up(35, 13, 4)
    document = leaderboard.document(drawn, None, "bbo report", np.random.default_rng(0))
    source = tmp_path / "board.tex"
    source.write_text(latex.render(document))
    said = compiled(source)
    assert "Overfull" not in said
    assert "too large" not in said
    pages = int(re.search(r"Output written on board.pdf \((\d+) page", said)[1])
    assert pages >= len(document.tables) / 2
