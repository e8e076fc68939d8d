"""Collected and committed tables: nothing that a leaderboard needs is lost, old ones stay readable, damage is named."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bbo.cli import main
from bbo.cli.collect import committed_markdown
from bbo.errors import BBOError
from bbo.record import folders, read_all, read_outcome
from bbo.reporting.storage import cell_table, sources
from bbo.reporting.storage.unsuitable import Unsuitable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FINISHED = {"packages": {"numpy": "2.0"}, "commit": "abc", "python": "3.11.1"}
CRASH = {"reason": "error", "type": "ValueError", "message": 'no, "really"\nnot', "traceback": "long"}


def bbo(*args: object):
    return CliRunner().invoke(main, [str(a) for a in args])


@pytest.fixture
def results(store, make):
    more = {"cost": {"wall_seconds": 1.5, "peak_memory_mb": 300.0}, "designs": {"diversity": 0.25, "duplicates": 0.0}}
    more["warnings"] = ["the target lies beyond the data"]
    return store(
        make("t1", "random", 0, 0.1 + 0.2, config={"rate": 1e-3, "hidden": [64, 64], "name": "a,b"}, **more),
        make("t1", "random", 1, error=CRASH),
        make("t2", "root", 0, 1 / 3, method_facts={"privileged": ["y_max"]}),
    )


@pytest.mark.extras
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_gives_the_same_leaderboard_as_the_folder(results, tmp_path, suffix) -> None:
    table = tmp_path / f"all.{suffix}"
    assert bbo("collect", results, "--to", table).exit_code == 0
    for form in ("json", "csv"):
        assert bbo("report", table, "--format", form).stdout == bbo("report", results, "--format", form).stdout
    ours, theirs = (bbo("report", path).stdout.splitlines() for path in (table, results))
    assert [line for line in ours if "Made by" not in line] == [line for line in theirs if "Made by" not in line]


def test_a_row_and_back_keeps_all_but_the_traceback(results) -> None:
    for record in read_all(results):
        back = cell_table.record(cell_table.row(record))
        assert back.spec == record.spec
        assert (back.percentiles, back.cost, back.designs) == (record.percentiles, record.cost, record.designs)
        assert (back.task, back.method, back.warnings) == (record.task, record.method, record.warnings)
        assert back.error == ({k: v for k, v in record.error.items() if k != "traceback"} if record.error else None)


@given(score=st.floats(-5, 5), text=st.text(max_size=20), seed=st.integers(0, 10**6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_loses_no_digit_and_no_character(make, score, text, seed) -> None:
    record, _ = make("t1", "m", seed, score, config={"note": text})
    (back,), *_ = cell_table.from_csv(cell_table.to_csv([record]))
    assert back.spec == record.spec
    assert back.percentiles == record.percentiles


@pytest.mark.extras
def test_designs_are_a_row_each(results, tmp_path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert bbo("collect", results, "--to", tmp_path / "all.parquet").exit_code == 0
    table = parquet.read_table(tmp_path / "all.designs.parquet")
    assert table.schema.metadata[b"bbo_schema"] == b"4"
    assert len(table) == 2 * 128
    for folder in folders(results):
        rows = [row for row in table.to_pylist() if row["cell"] == folder.name]
        if rows:
            outcome = read_outcome(folder)
            np.testing.assert_array_equal([row["design"] for row in rows], outcome.designs)
            np.testing.assert_array_equal([row["normalised"] for row in rows], outcome.normalised)
            assert [row["index"] for row in rows] == list(range(128))


def test_without_pyarrow_the_remedy_is_named(results, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = bbo("collect", results, "--to", tmp_path / "all.parquet")
    assert answer.exit_code == 2
    assert "pip install 'offline-bbo[parquet]'" in answer.stderr
    assert not list(tmp_path.glob("*.parquet"))


def test_designs_cannot_be_collected_from_a_table(results, tmp_path) -> None:
    bbo("collect", results, "--to", tmp_path / "all.csv")
    answer = bbo("collect", tmp_path / "all.csv", "--to", tmp_path / "all.parquet")
    assert answer.exit_code == 2
    assert "no designs found" in answer.stderr


@pytest.mark.extras
@pytest.mark.parametrize("path", sorted((HERE / "schemas").glob("cells-*.*")), ids=lambda p: p.name)
def test_tables_of_every_schema_stay_readable(path) -> None:
    """Test files written by the version that introduced each schema; they are never written anew."""
    records = sources.load([path]).records
    assert [(r.spec.task, r.spec.method, r.spec.seed, r.status) for r in records] == [
        ("t1", "random", 0, "done"), ("t1", "random", 1, "failed"), ("t2", "root", 0, "done"),
    ]  # fmt: skip
    assert records[2].percentiles["100"] == 1 / 3


@pytest.mark.parametrize("folder", sorted((HERE / "schemas").glob("record-*")), ids=lambda p: p.name)
def test_records_of_every_schema_stay_readable(folder) -> None:
    results = sources.load([folder])
    assert [r.percentiles["100"] for r in results.records if r.done] == [0.1 + 0.2, 1 / 3]
    assert results.outcome(results.records[0]).designs.shape == (128, 2)


def test_every_schema_has_its_test_files() -> None:
    from bbo.record import SCHEMA

    for n in range(1, cell_table.SCHEMA + 1):
        assert (HERE / "schemas" / f"cells-{n}.csv").is_file()
        assert (HERE / "schemas" / f"cells-{n}.parquet").is_file()
    for n in range(1, SCHEMA + 1):
        assert (HERE / "schemas" / f"record-{n}").is_dir()


def edited(results, tmp_path, change) -> str:
    table = tmp_path / "all.csv"
    bbo("collect", results, "--to", table)
    table.write_text(change(table.read_text()))
    answer = bbo("report", table)
    assert answer.exit_code == 2
    assert answer.stderr.count("\n") == 1
    return answer.stderr


def test_a_table_changed_by_hand_is_refused(results, tmp_path) -> None:
    assert "changed by hand" in edited(results, tmp_path, lambda text: text.replace(",random,", ",randon,"))
    assert "lacks the column" in edited(results, tmp_path, lambda text: text.replace("score_50", "score_51", 1))
    assert "not a number" in edited(results, tmp_path, lambda text: text.replace(",1.5,", ",fast,", 1))
    assert "reads up to 4" in edited(results, tmp_path, lambda text: text.replace("\n4,", "\n9,", 1))
    assert "no column schema" in edited(results, tmp_path, lambda text: "a,b\n1,2\n")


def test_a_newer_table_is_named_as_such_whatever_its_first_row_is() -> None:
    pair = cell_table.unsuitable_row(Unsuitable("t1", "coms", "no"))
    with pytest.raises(BBOError, match="reads up to 4; update offline-bbo"):
        cell_table.contents([pair | {"schema": 5}])


def test_the_summary_of_report_is_refused_with_the_command_that_can_be_read_back(results, tmp_path) -> None:
    summary = tmp_path / "summary.csv"
    assert bbo("report", results, "--format", "csv", "--out", summary).exit_code == 0
    answer = bbo("report", summary)
    assert answer.exit_code == 2
    assert "a summary written by bbo report --format csv" in answer.stderr
    assert "bbo collect DIR --to FILE.csv" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_damaged_rows_are_one_line(results, tmp_path) -> None:
    assert "fields" in edited(results, tmp_path, lambda text: text.rstrip("\n") + ",more\n")
    assert "cannot be read" in edited(results, tmp_path, lambda text: text.replace(",done,", ",odd,", 1))
    assert "cannot be read" in edited(results, tmp_path, lambda text: text.replace('"{""hidden"', '"[""hidden"', 1))


def test_other_files_are_refused(results, tmp_path) -> None:
    (tmp_path / "x.txt").write_text("hello")
    assert "are not results" in bbo("report", tmp_path / "x.txt").stderr
    assert "must end in .parquet or .csv" in bbo("collect", results, "--to", tmp_path / "x.json").stderr


def test_a_committed_leaderboard_is_one_command(results, tmp_path) -> None:
    table = tmp_path / "board.csv"
    assert bbo("collect", results, "--to", table).exit_code == 0
    text = (tmp_path / "board.md").read_text()
    assert text == committed_markdown(table)
    other = cell_table.to_csv(
        replace(r, percentiles={"100": 0.9, "80": 0.9, "50": 0.9}) if r.done else r for r in read_all(results)
    )
    table.write_text(other)
    assert text != committed_markdown(table)


@pytest.fixture
def grown(store, make, tmp_path):
    """A table of seed 0 of two methods, and a folder with seed 1 of one and a third method."""
    first = store(make("t1", "a", 0, 0.5), make("t1", "b", 0, 0.6), name="first")
    assert bbo("collect", first, "--to", tmp_path / "all.csv").exit_code == 0
    return tmp_path / "all.csv", store(make("t1", "a", 1, 0.7), make("t1", "c", 0, 0.8), make("t1", "b", 0, 0.6), name="more")


def held(table: Path) -> list[tuple[str, int, str]]:
    return [(r.spec.method, r.spec.seed, r.spec.method_version) for r in sources.load([table]).records]


def test_a_table_grows_by_the_cells_that_it_lacks(grown, tmp_path) -> None:
    table, more = grown
    before = table.read_text().splitlines()
    answer = bbo("collect", more, "--to", table, "--extend")
    assert answer.exit_code == 0, answer.output
    assert held(table) == [("a", 0, "1"), ("a", 1, "1"), ("b", 0, "1"), ("c", 0, "1")]
    assert set(before) < set(table.read_text().splitlines())
    assert table.with_suffix(".md").read_text() == committed_markdown(table)
    whole = table.read_text()
    assert bbo("collect", more, "--to", table, "--extend").exit_code == 0
    assert table.read_text() == whole
    # The same by naming the table among the sources; without it, the table is made anew.
    assert bbo("collect", table, more, "--to", tmp_path / "other.csv").exit_code == 0
    assert (tmp_path / "other.csv").read_text() == whole
    assert bbo("collect", more, "--to", table).exit_code == 0
    assert len(held(table)) == 3


def test_two_results_of_one_cell_are_refused_and_the_table_stays(grown, store, make) -> None:
    table, _ = grown
    whole = table.read_text()
    answer = bbo("collect", store(make("t1", "b", 0, 0.61), name="odd"), "--to", table, "--extend")
    assert answer.exit_code == 2
    assert "two different results of one cell: t1 / b / seed 0 in" in answer.stderr
    assert table.read_text() == whole
    # So are they by whatever reads both, in either order: none of the two is right.
    both = [store(name="odd"), table]
    for order in (both, both[::-1]):
        answer = bbo("report", *order)
        assert answer.exit_code == 2
        assert "two different results of one cell: t1 / b / seed 0 in" in answer.stderr
        assert "leave one of the sources out" in answer.stderr
    # What two machines compute of the same designs may differ in a last digit.
    spread = [make("t1", "z", 0, 0.5, designs={"diversity": 0.75 + digit}) for digit in (0, 2e-16)]
    assert len(sources.load([store(cell, name=f"m{i}") for i, cell in enumerate(spread)]).records) == 1
    # A failure is not a second result: whoever has the cell wins.
    failed = store(make("t1", "b", 0, error=CRASH), name="failed")
    assert bbo("collect", failed, "--to", table, "--extend").exit_code == 0
    assert table.read_text() == whole


def test_older_versions_are_named_and_leave_the_table_if_asked_for(grown, store, make) -> None:
    table, _ = grown
    bbo(
        "collect",
        store(make("t1", "a", 0, 0.5, provenance=FINISHED | {"finished": "2026-11-24T10:00:00+00:00"}), name="o"),
        "--to",
        table,
    )
    newer = store(make("t1", "a", 0, 0.7, version="2", provenance=FINISHED | {"finished": "2026-11-25T10:00:00+00:00"}), name="n")
    kept = bbo("collect", newer, "--to", table, "--extend")
    assert "older version, which --latest leaves out: t1 (version 1), a (version 1): 1 cell" in kept.stderr
    assert sorted(held(table)) == [("a", 0, "1"), ("a", 0, "2")]
    dropped = bbo("collect", newer, "--to", table, "--extend", "--latest")
    assert "left out, older: t1 (version 1), a (version 1): 1 cell" in dropped.stderr
    assert held(table) == [("a", 0, "2")]


def test_a_table_that_is_not_there_cannot_grow(grown, tmp_path) -> None:
    answer = bbo("collect", grown[1], "--to", tmp_path / "none.csv", "--extend")
    assert answer.exit_code == 2
    assert answer.stderr.endswith(f"there is no table {tmp_path / 'none.csv'} to extend; to make it, leave --extend out\n")
    answer = bbo("collect", grown[1], "--to", tmp_path / "all.parquet", "--extend")
    assert answer.exit_code == 2
    assert "a Parquet file holds designs, which come from results folders only" in answer.stderr


def test_what_collect_did_not_write_is_not_overwritten(results, tmp_path) -> None:
    for name, words, message in (
        ("README.md", "# My project\n", "README.md, which is no leaderboard"),
        ("README.csv", "a,b\n1,2\n", "no table of bbo collect"),
    ):
        there = tmp_path / name
        there.write_text(words)
        answer = bbo("collect", results, "--to", tmp_path / "README.csv")
        assert answer.exit_code == 2 and message in answer.stderr and answer.stderr.count("\n") == 1
        assert there.read_text() == words and len(list(tmp_path.glob("README.*"))) == 1
        there.unlink()


def test_cells_that_a_table_loses_are_counted(grown) -> None:
    table, more = grown
    answer = bbo("collect", more, "--to", table)
    assert f"1 cell that {table} held is gone; keep it with --extend" in answer.stderr
    assert "gone" not in bbo("collect", table, "--to", table).stderr


def test_no_output_replaces_what_it_is_made_of(results, tmp_path) -> None:
    table = tmp_path / "m.csv"
    assert bbo("collect", results, "--to", table).exit_code == 0
    whole = table.read_bytes()
    for words in (("report", table, "--format", "csv"), ("compare", table, table), ("compare", table, "--against", "random")):
        answer = bbo(*words, "--out", table)
        assert answer.exit_code == 2
        assert f"--out {table} would overwrite the results; choose another name" in answer.stderr
        assert table.read_bytes() == whole


def test_the_designs_of_a_folder_are_found_wherever_it_is_named(results, tmp_path) -> None:
    table = tmp_path / "all.csv"
    bbo("collect", results, "--to", table)
    for paths in ([table, results], [results, table]):
        loaded = sources.load(paths)
        assert {r.spec.hash for r in loaded.records} == loaded.folders.keys()
        assert [loaded.outcome(r).designs.shape for r in loaded.records if r.done] == [(128, 2)] * 2


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_no_value_of_a_row_can_be_altered_unnoticed(results, tmp_path, suffix) -> None:
    rows = cell_table.rows(read_all(results), [Unsuitable("t1", "coms", "no")])
    for number, row in enumerate(rows):
        for name in cell_table.COLUMNS:
            value = row[name]
            odd = {str: f"{value}x", int: 7, float: (value or 0) + 1e-9 if isinstance(value, float) else 0}.get(type(value), "x")
            altered = [dict(r) for r in rows]
            altered[number][name] = odd if not (name in cell_table.FLOATS and value is None) else 0.5
            with pytest.raises(BBOError):
                cell_table.contents(altered)
            if suffix == "csv":
                table = tmp_path / "a.csv"
                file = io.StringIO()
                writer = csv.DictWriter(file, cell_table.COLUMNS)
                writer.writeheader()
                writer.writerows(altered)
                table.write_text(file.getvalue(), newline="")
            else:
                arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
                table = tmp_path / "a.parquet"
                if name in (*cell_table.INTEGERS, *cell_table.FLOATS) and isinstance(altered[number][name], str):
                    continue  # a column of one type cannot hold it
                parquet.write_table(arrow.Table.from_pylist(altered), table)
            with pytest.raises(BBOError, match=re.escape(str(table))):
                sources.load([table])


def test_tables_of_spreadsheets(results, tmp_path) -> None:
    """Semicolons and tabs are understood where the values stay as they were; decimal commas are refused by name."""
    table = tmp_path / "all.csv"
    bbo("collect", results, "--to", table)
    whole = sources.load([table]).records
    with table.open(newline="") as file:
        lines = list(csv.reader(file))
    for separator in ";\t":
        with table.open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, delimiter=separator).writerows(lines)
        assert sources.load([table]).records == whole
    lines = [[cell.replace(".", ",") if re.fullmatch(r"\d+\.\d+", cell) else cell for cell in line] for line in lines]
    with table.open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(lines)
    with pytest.raises(BBOError, match="not a number; a spreadsheet wrote it with a decimal comma: use the original file"):
        sources.load([table])


@pytest.mark.parametrize("score", ["nan", "inf", "1e400", "1e200"])
def test_scores_that_are_no_numbers(make, score) -> None:
    record, _ = make("t1", "random", 0, 0.125)
    text = cell_table.to_csv([record])
    row = next(csv.DictReader(io.StringIO(text)))
    row = {name: cell_table._typed(name, value) for name, value in row.items()} | {"score_100": float(score)}
    with pytest.raises(BBOError, match="finite"):
        cell_table.record({**row, "sum": cell_table.row_sum(row)})


def test_old_tables_are_read_with_a_note() -> None:
    answer = bbo("report", HERE / "schemas" / "cells-2.csv")
    assert answer.exit_code == 0
    assert "without row sums: an altered number in it would not be noticed" in answer.stderr
    assert "note" not in bbo("report", HERE / "schemas" / "cells-3.csv").stderr


def test_long_warnings_come_back(make) -> None:
    record, _ = make("t1", "random", 0, warnings=["\u00e9\t" * 30_000])
    (back,), *_ = cell_table.from_csv(cell_table.to_csv([record]))
    assert back.warnings == record.warnings


#: Committed tables of cells; the other tables of results/ say by their first columns that they hold something else.
LEADERBOARDS = [path for path in sorted((ROOT / "results").rglob("*.csv")) if path.read_text().startswith("schema,cell,")]


@pytest.mark.parametrize("table", LEADERBOARDS, ids=lambda p: p.name)
def test_committed_markdown_is_what_its_csv_gives(table, tmp_path) -> None:
    """If this fails: bbo collect results/NAME.csv --to results/NAME.csv writes the Markdown anew."""
    written = table.with_suffix(".md").read_bytes()
    assert written == committed_markdown(table).encode()
    # Byte for byte by the command that its last line names, too.
    shutil.copy(table, tmp_path)
    said = bbo("report", tmp_path / table.name)
    assert said.stdout.replace(str(tmp_path) + "/", "").encode() == written


def test_every_page_of_results_that_is_a_leaderboard_has_its_table() -> None:
    pages = [path for path in (ROOT / "results").rglob("*.md") if path.read_text().startswith("# Leaderboard\n")]
    assert LEADERBOARDS and sorted(page.with_suffix(".csv") for page in pages) == LEADERBOARDS


def test_a_trace_that_cannot_be_read_is_named(results) -> None:
    loaded = sources.load([results])
    record = next(r for r in loaded.records if r.done)
    assert loaded.trace(record) is None
    (loaded.folders[record.spec.hash] / "trace.npz").write_bytes(b"no")
    with pytest.raises(BBOError, match=r"trace\.npz cannot be read"):
        loaded.trace(record)


def test_provenance_is_kept_as_far_as_scores_depend_on_it(results) -> None:
    row = cell_table.row(read_all(results)[0])
    assert json.loads(row["provenance"]) == {"packages": {"numpy": "2.0", "torch": "2.6"}, "commit": "abc", "python": "3.11.1"}


def test_figures_in_the_readmes_are_those_of_the_tables() -> None:
    """Every row of the front page's tables stands in quick.md; every score of results/README.md in the table it speaks of."""
    quick = (ROOT / "results" / "quick.md").read_text()
    front, _, leaders = (ROOT / "README.md").read_text().partition("## Who leads")
    rows = re.findall(r"^\| (?:root|random|offline-best|gradient-ascent|gp-ascent).*$", front, re.MULTILINE)
    assert len(rows) == 12
    assert [row for row in rows if row not in quick] == []
    ranks, over = ((ROOT / "results" / f"core-{name}.md").read_text().splitlines() for name in ("across", "against-random"))
    rows = re.findall(r"^\| (\S+) \| (\S+ \[.*?\]) \| (.*?\]) \| (\S+ \[.*?\]) \| (.*?\]) \|$", leaders, re.MULTILINE)
    assert len(rows) > 10
    for method, middle, middle_over, high, high_over in rows:
        (line,) = (line for line in ranks if line.startswith(f"| {method} |"))
        assert f"| {middle} |" in line and f"| {high} |" in line, method
        (line,) = (line for line in over if line.startswith(f"| {method} |"))
        assert f"| {middle_over} |" in line and f"| {high_over} |" in line, method

    readme = (ROOT / "results" / "README.md").read_text()
    paper = (ROOT / "results" / "root-paper.md").read_text()
    tabled = re.findall(r"^\| (?:tfbind\d+)? ?\| (root|random) \| (\S+ ± \S+) \|.*\| (\S+ ± \S+) \|$", readme, re.MULTILINE)
    assert len(tabled) == 4
    for method, *scores in tabled:
        lines = "".join(line for line in paper.splitlines() if line.startswith(f"| {method} "))
        assert all(score in lines for score in scores), (method, scores)
    across = (ROOT / "results" / "own-across.md").read_text()
    measured = re.findall(r"`([a-z-]+)`\s+(-?\d\.\d{3} \[\S+ \S+\])", readme)
    assert len(measured) == 10
    for method, score in measured:
        assert any(line.startswith(f"| {method} ") and score in line for line in across.splitlines()), (method, score)
    few = re.search(r"tfbind8 (\S+ ± \S+), median (\S+ ± \S+); published", readme)
    assert few
    assert all(score in (ROOT / "results" / "root-few-shot.md").read_text() for score in few.groups())
