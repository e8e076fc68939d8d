"""`bbo propose` finds what a table points to, obeys constraints, and says what it did."""

import csv
import html
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from bbo import catalogue, propose
from bbo.cli import main
from bbo.errors import BBOError
from bbo.proposals import adapted, backtest, batch, constraints, experiments, layout, reading, search, writing
from bbo.proposals import model as models
from bbo.proposals.report import page


def run(*words):
    return CliRunner().invoke(main, list(map(str, words)))


def parts(frame, target="yield", **changes):
    cells = reading.from_frame(frame)
    found = layout.guess(cells, target)
    return experiments.experiments(cells, found), constraints.rules(layout.fix(found, changes))


def test_one_command_reaches_the_optimum(laboratory, tmp_path):
    """400 rows, the best 0.05; the optimum is 0.8, and the best method of a newcomer's trial reached 0.79."""
    table = laboratory.table()
    assert len(table) == 400 and table["yield"].max() < 0.05
    table.to_csv(tmp_path / "table.csv", index=False)
    out, page = tmp_path / "next.csv", tmp_path / "report.html"
    done = run(
        "propose", tmp_path / "table.csv", "--target", "yield", "--budget", 64, "--out", out, "--report", page,
        "--forbid", "solvent=DMSO, base=NaH",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = pd.read_csv(out, keep_default_na=False)
    assert list(found.columns)[:8] == list(table.columns)[:8]
    assert len(found.drop_duplicates(list(table.columns)[:8])) == 64
    true = laboratory.measured(found)
    assert true.max() >= 0.79
    assert np.corrcoef(true, found["predicted_yield"])[0, 1] > 0.8, "predictions say which proposals are better"
    assert not ((found.solvent == "DMSO") & (found.base == "NaH")).any()
    assert found["predicted_yield"].is_monotonic_decreasing
    nearest = table.loc[found["nearest_row"] - 2, "yield"].to_numpy()
    assert np.allclose(found["nearest_yield"], nearest, atol=1e-4), "rows are counted as in the file, the header being row 1"
    text = page.read_text()
    assert text.count("<svg") == 3 and "64 proposed experiments for yield" in text
    assert not re.search(r'(src|href)="(?!#|data:)', text), "the page needs nothing else"


@pytest.mark.slow
def test_the_method_of_a_backtest_reaches_the_optimum(laboratory, tmp_path):
    """The same in one command that also chooses the method: about 50 seconds of one core."""
    laboratory.table().to_csv(tmp_path / "table.csv", index=False)
    done = run(
        "propose", tmp_path / "table.csv", "--target", "yield", "--budget", 64, "--out", tmp_path / "next.csv", "--method", "auto",
        "--forbid", "solvent=DMSO, base=NaH", "--require", "water + temperature <= 110",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = pd.read_csv(tmp_path / "next.csv", keep_default_na=False)
    assert laboratory.measured(found).max() >= 0.79
    assert not ((found.solvent == "DMSO") & (found.base == "NaH")).any() and (found.water + found.temperature <= 110 + 1e-6).all()
    assert "reach, best 20% hidden" in done.output and "linear model" in done.output and "has the best reach" in done.output


@pytest.fixture
def quick(monkeypatch):
    """A shorter search and likelihood fit: what these tests look at does not depend on how good the proposals are."""
    monkeypatch.setattr(search, "GENERATIONS", 6)
    monkeypatch.setattr(search, "CHILDREN", 100)
    monkeypatch.setattr(models, "ITERATIONS", 20)


@pytest.fixture(scope="module")
def small(laboratory):
    return laboratory.table(rows=80)


@pytest.mark.usefixtures("quick")
def test_constraints_fixed_columns_and_pending_experiments(laboratory, small):
    pending = small.drop(columns="yield").iloc[:3].assign(temperature=50.0)
    found = propose(
        small,
        "yield",
        24,
        method="random",
        fix={"pressure": 2.5, "base": "K2CO3"},
        require=["temperature + water <= 90", "time = 0.2*temperature"],
        forbid=["solvent=water"],
        allowed=lambda design: design["loading"] != 7,
        pending=pending,
    )
    assert len(found) == 24
    assert (found.pressure == 2.5).all() and (found.base == "K2CO3").all()
    assert (found.temperature + found.water <= 90 + 1e-6).all() and np.allclose(found.time, 0.2 * found.temperature)
    assert (found.solvent != "water").all() and (found.loading != 7).all()
    said = " ".join(found.attrs["notes"])
    assert re.search(r"of 48 proposals of the method, 0 obeyed all constraints, \d+ do after repair, \d+ could not", said)
    laboratory.measured(found)  # in bounds, on the steps


@pytest.mark.usefixtures("quick")
def test_proposals_keep_away_from_pending_experiments(small):
    first = propose(small, "yield", 4)
    second = propose(small, "yield", 4, pending=first[small.columns[:-1]])
    names = list(small.columns[:-1])
    assert first[names].merge(second[names]).empty
    assert second["predicted_yield"].max() <= first["predicted_yield"].max() + 1e-9
    assert first.equals(propose(small, "yield", 4)), "the same seed gives the same proposals"


@pytest.mark.usefixtures("quick")
def test_minimising_is_maximising_the_negative(small):
    up = propose(small, "yield", 8)
    down = propose(small.assign(**{"yield": -small["yield"]}), "yield", 8, minimise=True)
    assert up[small.columns[:-1]].equals(down[small.columns[:-1]])
    assert np.allclose(up["predicted_yield"], -down["predicted_yield"])


@pytest.mark.usefixtures("quick")
def test_scores_of_any_offset_and_size_are_told_apart(small):
    """Energies that differ in their last digits, and scores beyond float32: the proposals are those of plain scores."""
    rows = small[:40].rename(columns={"temperature": "predicted_yield"})  # which must not be taken for the prediction
    plain = batch.propose(*parts(rows), "offline-best", 6).predicted
    for scale, offset in ((1e-3, -15234.1), (1e40, 3e40), (1e200, 0.0), (1e-170, 0.0)):
        moved = rows.assign(**{"yield": small["yield"] * scale + offset})
        table, rules = parts(moved)
        seen, problem = adapted.posed(catalogue.load_method("random"), table.space, table.x, table.y, 6, 0)
        assert len(problem.y.unique()) == len(np.unique(table.y)) and problem.y.isfinite().all() and seen.space == table.space
        made = batch.propose(table, rules, "offline-best", 6)
        assert np.allclose((made.predicted - offset) / scale, plain, atol=1e-3)
        assert (made.frame["predicted_yield_"] == made.predicted).all()
        assert (made.frame["nearest_yield"] == moved.loc[made.frame["nearest_row"], "yield"].to_numpy()).all()
        assert f"{made.predicted[0]:.12g}." in page(made), "the report says the same"


@pytest.mark.usefixtures("quick")
def test_a_small_space_is_proposed_whole_and_it_is_said(small):
    rng = np.random.default_rng(0)
    all_of_it = pd.DataFrame([(a, b) for a in ("u", "v", "w") for b in (1, 2, 3, 4)], columns=["a", "b"])
    frame = all_of_it.iloc[rng.permutation(12)[:9]].assign(y=rng.random(9))
    found = propose(frame, "y", 10)
    left = all_of_it.merge(frame[["a", "b"]], how="left", indicator=True).query("_merge == 'left_only'")[["a", "b"]]
    assert set(map(tuple, found[["a", "b"]].to_numpy())) == set(map(tuple, left.to_numpy()))
    assert "only 3 of 10 different new designs" in " ".join(found.attrs["notes"])


@pytest.mark.usefixtures("quick")
def test_constraints_that_nothing_obeys_are_an_error(small):
    with pytest.raises(BBOError, match=r"no design that obeys the constraints was found; \d+ break 'temperature \+ water >= 60'"):
        propose(small, "yield", 4, method="random", require=["temperature + water >= 60", "temperature + water <= 50"])


def test_a_predicate_that_fails_does_so_before_the_search(small, monkeypatch):
    monkeypatch.setattr(models, "fit", lambda *parts: pytest.fail("the search has begun"))
    with pytest.raises(BBOError, match=r"allowed\(design\) failed on the design .*KeyError"):
        propose(small, "yield", 4, method="random", allowed=lambda design: design["no such column"])


@pytest.mark.usefixtures("quick")
def test_a_whole_constant_stays_whole(folder):
    frame = pd.read_csv("t.csv").assign(batch=7)
    frame.to_csv("t.csv", index=False)
    done = run("propose", "t.csv", "--target", "y", "--method", "random", "--budget", 2)
    assert done.exit_code == 0
    assert {row["batch"] for row in csv.DictReader(done.stdout.splitlines())} == {"7"}


@pytest.mark.usefixtures("quick")
def test_designs_far_from_the_data_carry_a_warning(small):
    table, rules = parts(small[(small.temperature < 50) & (small.water < 25)].assign(temperature=lambda f: f.temperature.round(3)))
    made = batch.propose(table, rules, "random", 8)
    assert not made.frame["warning"].str.contains("far").all()
    wide = layout.Layout("yield", False, (*table.space.columns[1:],), tuple(c.name for c in table.space.columns[1:]))
    assert wide.space.describe() == "5 numbers, 2 categories"


@pytest.mark.usefixtures("quick")
def test_methods_for_boxes_and_sequences_see_the_table_through_their_own_space(small):
    table, rules = parts(small)
    made = batch.propose(table, rules, "gp-ascent", 6, "smoke")
    assert any("gp-ascent: it works on boxes" in note for note in made.notes)
    assert (table.space.check(made.x) == made.x).all()
    rng = np.random.default_rng(0)
    words = pd.DataFrame({"dna": ["".join(rng.choice(list("ACGT"), 6)) for _ in range(60)], "tag": rng.choice(["a", "b"], 60)})
    table, rules = parts(words.assign(y=words.dna.str.count("A")), "y")
    made = batch.propose(table, rules, "adalead", 6, "smoke")
    assert made.frame.dna.str.count("A").max() >= words.dna.str.count("A").max()


@pytest.mark.usefixtures("quick")
def test_a_batch_keeps_its_distance(small):
    table, _ = parts(small)
    rng = np.random.default_rng(0)
    x = table.space.from_unit(rng.random((300, 8)))
    value = rng.random(300)
    taken = search.choose(table.space, x, value, search.gaps(table.space, x, table.x), 20, 0.2)
    far = table.space.distances(x[taken], x[taken]) + np.eye(len(taken))
    assert far.min() >= 0.2 and table.space.distances(x[taken], table.x).min() >= 0.2
    assert (np.diff(value[taken]) < 0).all()
    best = max(range(300), key=lambda place: value[place] * (table.space.distances(x[[place]], table.x).min() >= 0.2))
    assert taken[0] == best


@pytest.mark.usefixtures("quick")
def test_leave_one_out_predictions_are_those_of_models_without_the_row(small):
    table, _ = parts(small)
    model = models.fit(table.space, table.x, table.y, np.random.default_rng(0))
    means, deviations = model.left_out()
    keep = np.arange(len(table.y)) != 7
    rest = models._conditioned(model.gp, model.codec, model.x[keep], model.rows[keep], model.y[keep], model)
    mean, deviation = rest.predict(table.x[7:8])
    assert mean == pytest.approx(means[7], abs=1e-6) and deviation == pytest.approx(deviations[7], abs=1e-6)
    _, before = model.predict(table.x[:5] * 1.0)
    same, after = model.with_designs(table.space.from_unit(np.full((1, 8), 0.5))).predict(
        table.space.from_unit(np.full((1, 8), 0.5))
    )
    assert same == pytest.approx(model.predict(table.space.from_unit(np.full((1, 8), 0.5)))[0], abs=1e-6)
    assert after < model.predict(table.space.from_unit(np.full((1, 8), 0.5)))[1] and before.shape == (5,)


@pytest.mark.usefixtures("quick")
def test_the_backtest_prefers_what_finds_the_hidden_rows(small):
    table, rules = parts(small)
    found = backtest.run(table, rules.layout, ["gp-search", "gradient-ascent", "offline-best"], "smoke", repeats=2)
    names = [row.name for row in found.rows]
    assert set(names) == {"gp-search", "gradient-ascent", "offline-best", backtest.LINEAR, backtest.MEAN}
    assert found.row("gp-search").mean > found.row(backtest.MEAN).mean
    # The best visible designs are rows themselves: below the hidden ones, by rank.
    assert (np.nanmean(found.row("offline-best").reach, axis=1) <= [0.8, 0.5]).all()
    assert np.isfinite(found.row("gradient-ascent").order[:, 0]).all(), "a method with a surrogate predicts the hidden rows"
    assert np.isfinite(found.row(backtest.LINEAR).order).all() and np.isnan(found.row("offline-best").order).all()


@pytest.mark.usefixtures("quick")
def test_on_noise_nothing_beats_the_mean_and_it_is_said():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((60, 3)), columns=["a", "b", "c"]).assign(y=rng.normal(size=60))
    table, rules = parts(frame, "y")
    name, notes = backtest.best(backtest.run(table, rules.layout, ["gp-search"], "smoke", repeats=2))
    assert name == "gp-search" and "no method beats the mean" in " ".join(notes)
    made = batch.propose(table, rules, "gp-search", 4)
    assert any("no better than the mean of all scores" in note for note in made.notes)


def test_hopeless_methods_are_not_repeated(small, monkeypatch):
    table, rules = parts(small)
    worst, best = table.x[[table.y.argmin()]], table.x[[table.y.argmax()]]
    asked = []

    def designs(method, preset, space, x, y, budget, seed):
        asked.append(method.id)
        return (worst if method.id == "random" else best), []

    monkeypatch.setattr(backtest.adapted, "designs", designs)
    found = backtest.run(table, rules.layout, ["random", "offline-best"], repeats=3)
    assert asked.count("random") == len(backtest.HIDDEN) and asked.count("offline-best") == 3 * len(backtest.HIDDEN)
    assert found.row("random").left_out and found.row("random").mean == 0 and found.row("offline-best").mean == 1
    assert np.isfinite(found.row(backtest.LINEAR).reach).all(), "the simple models are always repeated"
    name, notes = backtest.best(found)
    assert name == "offline-best" and any("not repeated" in note and note.endswith(": random") for note in notes)
    assert {row[0]: row[1] for row in backtest.table_of(found)[1]}["random"] == "0.00", "one repeat has no interval"


def test_all_methods_are_those_that_can_be_loaded_here():
    able, unable = backtest.every()
    assert set(able) >= set(batch.methods()["auto"]) and sorted(able + unable) == sorted(catalogue.method_ids())


@pytest.mark.usefixtures("quick")
def test_a_method_that_fails_does_not_end_the_backtest(small, monkeypatch):
    table, rules = parts(small)

    def broken(*arguments):
        raise RuntimeError("out of order")

    monkeypatch.setattr(backtest.adapted, "designs", broken)
    found = backtest.run(table, rules.layout, ["random"], repeats=2)
    assert found.row("random").failure == "RuntimeError: out of order"
    with pytest.raises(BBOError, match="every method of the backtest failed; the first: RuntimeError: out of order"):
        backtest.best(found)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name the column of scores with --target; the table has: a, y"),
        (("--target", "z"), "unknown target column of the table 'z'"),
        (("--target", "y", "--out", "next.doc"), "got '.doc'"),
        (("--target", "y", "--fix", "a"), "--fix takes COLUMN=VALUE"),
        (("--target", "y", "--method", "gp-serch"), "unknown method 'gp-serch': did you mean gp-search"),
        (("--target", "y", "--method", "auto", "--preset", "fats"), "'fats': did you mean fast"),
        (("--target", "y", "--preset", "fats", "--pending", "no.csv"), "'fats': did you mean fast"),
        (("--target", "y", "--fix", "a=2", "--fix", "a = 3"), "--fix gives a twice: 2 and 3"),
        (("--target", "y", "--seed", 2**63), "not in the range 0<=x<=9223372036854775807"),
        (("--target", "y", "--require", "b = 1"), "unknown column in the constraint"),
        (("--target", "y", "--space", "no.toml"), "no file no.toml"),
    ],
)
def test_mistakes_are_one_line(tmp_path, words, message):
    table = tmp_path / "t.csv"
    pd.DataFrame({"a": [1.5, 2, 3.5, 4, 5, 6], "y": [1, 2, 3, 4, 5, 6]}).to_csv(table, index=False)
    done = run("propose", table, *words)
    assert done.exit_code == 2
    assert message in done.output and "Traceback" not in done.output


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with a table and the other files that propose can read."""
    monkeypatch.chdir(tmp_path)
    for name in ("t.csv", "pending.csv"):
        (tmp_path / name).write_text("a,y\n1.5,1\n2,2\n3.5,3\n4,4\n5,5\n6,6\n")
    (tmp_path / "space.toml").write_text('target = "y"\n')
    (tmp_path / "rules.py").write_text("def allowed(design):\n    return True\n")
    (tmp_path / "link.csv").symlink_to("t.csv")
    (tmp_path / "results.csv").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "t.csv"), "--out t.csv would overwrite the table"),
        (("--out", "link.csv"), "--out link.csv would overwrite the table"),
        (("--out", "pending.csv"), "--out pending.csv would overwrite the table of --pending"),
        (("--report", "space.toml"), "--report space.toml would overwrite the file of --space"),
        (("--report", "rules.py"), "--report rules.py would overwrite the file of --predicate"),
        (("--out", "new.csv", "--report", "./new.csv"), "--report new.csv would overwrite the file of --out"),
        (("--write-space", "t.csv"), "--write-space t.csv would overwrite the table"),
        (("--write-space", "space.toml"), "--write-space space.toml would overwrite the file of --space"),
        (("--write-space", "results.csv/../link.csv"), "would overwrite the table"),
        (("--out", "results.csv"), "--out results.csv is a folder"),
        (("--report", "t.csv/report.html"), "--report: cannot write t.csv/report.html: Not a directory"),
        (("--report", f"{'long' * 64}.html"), "File name too long"),
    ],
)
def test_places_are_checked_before_anything_is_read(folder, words, message):
    def files():
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    before = files()
    done = run("propose", "t.csv", "--space", "space.toml", "--predicate", "rules.py", "--pending", "pending.csv", *words)
    assert done.exit_code == 2 and message in " ".join(done.output.split())
    assert files() == before and "the target" not in done.output, "no column was shown yet"


def test_a_space_file_is_not_written_twice(folder):
    words = ("propose", "t.csv", "--target", "y", "--write-space", "new.toml")
    assert run(*words).exit_code == 0
    (folder / "new.toml").write_text("edited")
    done = run(*words)
    assert done.exit_code == 2 and "this file exists" in done.output and (folder / "new.toml").read_text() == "edited"


@pytest.mark.usefixtures("quick")
def test_proposals_that_cannot_be_written_are_printed(folder, monkeypatch):
    def full(path, content):
        raise BBOError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(writing.files, "write", full)
    done = run("propose", "t.csv", "--target", "y", "--method", "random", "--budget", 3, "--out", "next.csv")
    assert done.exit_code == 2 and "No space left on device; the proposals are printed" in done.stderr
    assert done.stdout.startswith("a,predicted_y,") and len(done.stdout.splitlines()) == 4


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{answer}", ""),
        ("a,y\n1,2\n", "would overwrite a table that holds no proposals for 'y'"),
        ("{measured}", "holds values of 'y', which would be lost"),
        ("a,a\n1,2\n", "cannot be read as proposals"),
    ],
)
def test_measured_results_are_not_replaced_by_proposals(folder, content, message):
    words = ("propose", "t.csv", "--target", "y", "--method", "random", "--budget", 3, "--out", "next.csv")
    assert run(*words).exit_code == 0
    answer = pd.read_csv("next.csv")
    told = content.format(answer=answer.to_csv(index=False), measured=answer.assign(y=[1, None, None]).to_csv(index=False))
    (folder / "next.csv").write_text(told)
    done = run(*words)
    assert done.exit_code == (2 if message else 0) and message in done.output
    assert not message or (folder / "next.csv").read_text() == told


@pytest.mark.parametrize("seed", [-1, 2**63, 0.5, True])
def test_seeds_are_whole_numbers_in_range(small, seed):
    with pytest.raises(BBOError, match=r"the seed is a whole number from 0 to 2\^63 - 1; got"):
        propose(small, "yield", 2, seed=seed)


@pytest.mark.extras
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".xlsx", ".html"])
def test_spreadsheets_run_no_formulas_and_numbers_stay_numbers(tmp_path, ending):
    """Names, options and gapped sequences that begin with =, + or -; what is written is read back as it was."""
    rng = np.random.default_rng(0)
    texts = ["=1+1", "+base", "-", "@home", "'quoted", "plain"]
    table = pd.DataFrame(
        {
            "-log10 dose": rng.uniform(-8, -1, 60),
            "=shift": rng.choice([-3.2, -1.5, 2.0], 60),
            "gapped": ["".join(rng.choice(list("-ACG"), 6)) for _ in range(60)],
            "note": rng.choice(texts, 60),
        }
    )
    table["+yield"] = rng.normal(size=60) - 5
    table.loc[table["note"] == "=1+1", "+yield"] += 3
    path, out, page = tmp_path / "t.csv", tmp_path / f"next{ending}", tmp_path / "report.html"
    table.to_csv(path, index=False)
    words = ["propose", path, "--target", "+yield", "--budget", 12, "--category", "=shift", "--method", "random"]
    words += ["--report", out] if ending == ".html" else ["--out", out, "--report", page]
    done = run(*words)
    assert done.exit_code == 0, done.output
    if ending == ".html":
        cells = [html.unescape(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", out.read_text())]
        assert "'=1+1" in cells and "'-log10 dose" in cells
        assert all(cell[:1] not in tuple("=+-@") or float(cell) < 0 for cell in cells)
        return
    if ending == ".xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        cells = [cell for row in openpyxl.load_workbook(out).active.iter_rows() for cell in row]
        assert {cell.data_type for cell in cells} <= {"s", "inlineStr", "n"}, "no cell is a formula"
        assert all(cell.quotePrefix for cell in cells if str(cell.value) in ("=1+1", "-log10 dose"))
        assert any(cell.data_type == "n" and cell.value < 0 for cell in cells)
    else:
        rows = list(csv.reader(out.read_text().splitlines(), delimiter="\t" if ending == ".tsv" else ","))
        assert all(cell[:1] not in tuple("=+-@") or float(cell) < 0 for row in rows for cell in row)
        assert rows[0][:4] == ["'-log10 dose", "'=shift", "gapped", "note"]
        assert {row[1] for row in rows[1:]} <= {"-3.2", "-1.5", "2.0"}, "options that are numbers stay numbers"
        assert all(float(row[0]) < 0 for row in rows[1:])
    again = reading.read(out)
    assert list(again.columns)[:4] == list(table.columns)[:4] and "predicted_+yield" in again.columns
    assert set(again.columns["note"]) <= set(texts) and any(note in texts[:5] for note in again.columns["note"])
    assert all(len(word) == 6 for word in again.columns["gapped"])
    pending = run("propose", path, "--target", "+yield", "--budget", 2, "--method", "random", "--pending", out)
    assert pending.exit_code == 0, pending.output


@pytest.mark.usefixtures("quick")
def test_a_space_file_says_minimise_from_python_too(tmp_path, small):
    table, space = tmp_path / "t.csv", tmp_path / "space.toml"
    small.to_csv(table, index=False)
    assert run("propose", table, "--target", "yield", "--minimise", "--write-space", space).exit_code == 0
    by_file = propose(small, "yield", 4, method="random", space=space)
    assert by_file["predicted_yield"].is_monotonic_increasing
    assert by_file.equals(propose(small, "yield", 4, method="random", minimise=True))


@pytest.mark.usefixtures("quick")
def test_the_space_is_written_edited_and_used(tmp_path, small):
    table, space = tmp_path / "t.csv", tmp_path / "space.toml"
    small.to_csv(table, index=False)
    assert run("propose", table, "--target", "yield", "--write-space", space).exit_code == 0
    text = space.read_text()
    space.write_text(text.replace("[fix]", '[fix]\nsolvent = "THF"').replace("require = []", 'require = ["temperature <= 40"]'))
    done = run("propose", table, "--space", space, "--budget", 5, "--method", "random", "--out", tmp_path / "next.xlsx")
    assert done.exit_code == 0, done.output
    found = pd.read_excel(tmp_path / "next.xlsx")
    assert (found.solvent == "THF").all() and (found.temperature <= 40).all() and len(found) == 5
    assert re.search(r"required +temperature <= 40", done.output) and "held at THF" in done.output
