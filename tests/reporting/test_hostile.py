"""Names of tasks, methods and settings that would run, break or blind a format."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from bbo.cli import main
from bbo.reporting.documents.document import Document, Item, Table
from bbo.reporting.formats import latex, markdown, terminal
from bbo.reporting.storage import cell_table, sources
from bbo.text import FORMULA, active, inert

#: A formula, mathtext, unknown mathtext, NUL and escape codes, a lone surrogate, Markdown, HTML, LaTeX, and a very long text.
NAMES = ["=1+1", "-2+3", "@SUM(A1)", "a$x^2$b", r"$\undefined{$", "nul\x00esc\x1b[31m", "lone\udcffhalf", "[a](http://b) |c| `d` *e* <b>",
         r"\input{x} 100% & #_^~", "'quoted", "x" * 300, "\t=1+1", "\r=1+1", "\uff1d1+1",
         "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>",
         "javascript:alert(1)", '"><svg/onload=alert(1)>']  # fmt: skip


@pytest.fixture(scope="module")
def results(make, tmp_path_factory):
    from bbo.record import write

    out = tmp_path_factory.mktemp("hostile")
    for i, name in enumerate(NAMES):
        name = name.replace("\udcff", "?")  # a record with a lone surrogate is damaged, and refused when it is read
        facts = {"overrides": {name: name}, "summary": name}
        error = {"reason": name, "type": name, "message": name}
        cost = {"wall_seconds": 1.0}
        for task in ("t1", "=t2$x$" + "y" * 100):
            write(out, *make(task, name, 0, 0.5 + i / 100, config={name: name}, method_facts=facts, cost=cost))
        write(out, *make("t1", "failing", i, error=error, facts={"title": name, "note": name}))
    return out


def bbo(*args: object):
    return CliRunner().invoke(main, [str(a) for a in args])


@pytest.mark.parametrize("form", ["md", "csv", "json", "latex", "html"])
def test_every_form_can_be_written(results, tmp_path, form) -> None:
    answer = bbo("report", results, "--format", form, "--out", tmp_path / "out")
    assert answer.exit_code == 0, answer.output
    text = (tmp_path / "out").read_text(encoding="utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\ud800-\udfff]", text)


def test_the_page_runs_no_script_of_theirs(results, tmp_path) -> None:
    """The page's own scripts are all there is: names stand in it escaped, as text or as JSON."""
    page, other = tmp_path / "page.html", tmp_path / "other.html"
    assert bbo("report", results, "--format", "html", "--out", page).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert "alert(1)" in text  # the names are there
    for hostile in ("<script>alert", "<img src=x", "<svg/onload", 'href="javascript:'):
        assert hostile not in text.lower()
    from bbo.record import write

    harmless = tmp_path / "harmless"
    for found in sources.load([results]).records[:1]:
        outcome = sources.load([results]).outcome(found)
        write(
            harmless,
            replace(found, task={}, method={}, notes={}, spec=replace(found.spec, task="t", method="m", config={})),
            outcome,
        )
    assert bbo("report", harmless, "--format", "html", "--out", other).exit_code == 0
    # As many scripts as in a page of harmless names: none was added.
    count = [len(re.findall(r"<script\b", one.read_text(encoding="utf-8"), re.IGNORECASE)) for one in (page, other)]
    assert count[0] == count[1] > 0


def test_figures_are_drawn_and_dollars_are_no_formulas(results, tmp_path) -> None:
    answer = bbo("report", results, "--figures", tmp_path, "--percentile", 100)
    assert answer.exit_code == 0, answer.output
    svg = (tmp_path / "scores-100.svg").read_text()
    assert "a$x^2$b" in svg


def test_spreadsheets_get_no_formulas(results, tmp_path) -> None:
    table = tmp_path / "all.csv"
    assert bbo("collect", results, "--to", table).exit_code == 0
    summary = bbo("report", results, "--format", "csv").stdout
    for text in (table.read_bytes().decode(), summary):
        for line in csv.DictReader(io.StringIO(text, newline="")):
            for cell in line.values():
                assert cell[:1] not in ("=", "@", "+", "\t", "\r", "\n", "\uff1d") or float(cell) is not None
                assert cell[:1] != "-" or float(cell) < 0
    back = sources.load([table])
    assert {r.spec.hash for r in back.records} == {r.spec.hash for r in sources.load([results]).records}


def test_apostrophes_of_ours_are_taken_off_and_others_stay(make) -> None:
    records = [make("t1", name, 0)[0] for name in ("=a", "'a", "''=a", "a'")]
    back, *_ = cell_table.from_csv(cell_table.to_csv(records))
    assert [r.spec.method for r in back] == ["=a", "'a", "''=a", "a'"]


@given(st.text(st.sampled_from("=+-@'\t\r\n\uff1d0123456789.eE ab"), max_size=12) | st.text(max_size=12))
@example("-3.2")
@example("+1e-5")
@example("-1+1")
@example("-inf")
def test_inert_texts_are_numbers_or_no_formulas_and_come_back(text) -> None:
    safe = inert(text)
    assert active(safe) == text
    assert safe == text or not safe.startswith(FORMULA)
    if safe.startswith(FORMULA):
        float(safe.replace("\uff1d", "x"))  # a number, which Python and spreadsheets read alike
    assert inert(-3.2) == -3.2 and inert("-3.2") == "-3.2"


def test_latex_has_no_command_of_theirs() -> None:
    assert latex.escape("a\0b") == r"a\textbackslash{}x00b"
    assert latex.escape(r"\input{x}") == r"\textbackslash{}input\{x\}"


def test_markdown_has_no_syntax_of_theirs() -> None:
    assert markdown._escape("[a](http://b) |c| `d` *e* <b> \x00") == r"[a\](http://b) \|c\| \`d\` \*e\* \<b> \\x00"


def test_terminals_get_no_escape_codes(results) -> None:
    import numpy as np

    from bbo.reporting.board.scores import board
    from bbo.reporting.documents import leaderboard

    file = io.StringIO()
    terminal.show(
        leaderboard.document(board(sources.load([results]).records), 100, "", np.random.default_rng(0)),
        Console(file=file, width=80),
    )
    assert "\x1b" not in file.getvalue()
    assert max(map(len, file.getvalue().splitlines())) <= 80


def test_titles_have_no_syntax_and_no_escape_codes_of_theirs() -> None:
    """The names of rows stand in the titles of `bbo compare --against`."""
    name = "esc\x1b[31m\n<img src=x>"
    document = Document(f"Against {name}", (Table("t", f"{name}: 100th percentile", (Item("method"),), ((Item("m"),),)),), (), ())
    text = markdown.render(document)
    assert text.startswith("# Against esc\\\\x1b[31m \\<img src=x>\n\n## esc\\\\x1b[31m \\<img src=x>: 100th percentile\n")
    file = io.StringIO()
    terminal.show(document, Console(file=file, width=80))
    assert "esc\\x1b[31m <img src=x>: 100th percentile\n" in file.getvalue()


@pytest.mark.latex
def test_latex_compiles(results, tmp_path) -> None:
    if not os.environ.get("BBO_TEST_LATEX"):
        pytest.skip("BBO_TEST_LATEX is not set")
    pdflatex = shutil.which("pdflatex")
    assert pdflatex, "BBO_TEST_LATEX is set, but there is no pdflatex on the path"
    assert bbo("report", results, "--format", "latex", "--out", tmp_path / "board.tex").exit_code == 0
    done = subprocess.run(
        [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "board.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:]
