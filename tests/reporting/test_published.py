"""Published against reproduced: the shipped file, and verdicts on made-up cells."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from click.testing import CliRunner

from bbo import catalogue
from bbo.cli import main
from bbo.reporting.board.scores import board
from bbo.reporting.documents import published

TFBIND8 = {"oracle": "exact", "visible_rows": 32898, "best_visible": 0.43929616}
ROOT = "arXiv 2509.16300 Table 1 (NeurIPS 2025)"


def theirs(method, task="tfbind8", source=ROOT, percentile=100):
    (one,) = [p for p in published.scores() if (p.method, p.task, p.source, p.percentile) == (method, task, source, percentile)]
    return one


def verdict(make, one, values, preset="paper:tfbind8", facts=TFBIND8, budget=128):
    found = board(make(one.task, one.method, i, v, preset=preset, facts=facts, budget=budget)[0] for i, v in enumerate(values))
    return published.verdict(one, found.entry(found.rows[0], found.columns[0]), found.rows[0], found.columns[0])


def test_the_file_is_whole() -> None:
    assert len(published.scores()) == 981
    root = theirs("root")
    assert (root.mean, root.std, root.n_seeds, root.n_designs, root.visible_rows) == (0.986, 0.007, 8, 128, 32898)
    assert all(p.source and p.name and p.percentile in (100, 50) and math.isfinite(p.mean) for p in published.scores())
    assert {p.visible_rows for p in published.scores() if p.task == "tfbind10" and "RGD" in p.source} == {50000}
    assert {p.visible_rows for p in published.scores() if p.task == "tfbind10" and p.source == ROOT} == {10000}
    assert all(p.not_comparable for p in published.scores() if "UniSO" in p.source or "SOO-Bench" in p.source)


def test_agree_and_differ(make) -> None:
    root = theirs("root")
    assert verdict(make, root, [0.98, 0.99, 0.985, 0.979]) == "agree"
    assert verdict(make, root, [0.90, 0.91, 0.905, 0.9]) == "differ"
    # The same to the printed digits, with no spread at all.
    assert verdict(make, root, [0.9862] * 4) == "agree"
    assert root.std is not None and verdict(make, replace(root, std=0.0), [0.9869] * 4) == "differ"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"preset": "fast"}, "other settings (preset fast, not paper)"),
        ({"budget": 64}, "other budget (128, ours 64)"),
        ({"facts": {**TFBIND8, "visible_rows": 1000}}, "other subset (32898 visible rows, ours 1000)"),
        ({"facts": {**TFBIND8, "best_visible": 0.5}}, "other subset (best visible 0.439, ours 0.500)"),
        ({"facts": {**TFBIND8, "oracle": "learned"}}, "other oracle (exact)"),
    ],
)
def test_what_cannot_be_compared_says_why(make, change, why) -> None:
    assert verdict(make, theirs("root"), [0.98, 0.99], **change) == f"not comparable: {why}"


def test_sources_that_say_too_little_are_not_compared(make) -> None:
    assert verdict(make, theirs("root"), [0.98]) == "not comparable: one seed of ours"
    few = next(p for p in published.scores() if "few-shot" in p.not_comparable and p.method == "offline-best")
    assert verdict(make, few, [0.4, 0.4]).startswith("not comparable: few-shot data")


def test_the_best_visible_score_must_be_the_same(make) -> None:
    best = theirs("offline-best")
    assert verdict(make, best, [0.43929616], preset="default") == "agree"
    for printed_otherwise in (0.45, 0.4399, 0.4381):
        assert verdict(make, best, [printed_otherwise], preset="default") == "differ"


def test_the_best_visible_score_of_one_subset_may_be_rounded_or_cut(make) -> None:
    """0.39999 is printed as 0.400 by one source and as 0.399 by another."""
    facts = {**TFBIND8, "best_visible": 0.39999}
    for printed, why in ((0.4, ""), (0.399, ""), (0.398, "other subset (best visible 0.398, ours 0.400)")):
        found = board([make("tfbind8", "root", 0, facts=facts, preset="paper")[0]])
        assert "; ".join(published.obstacles(replace(theirs("root"), best_visible=printed), found.rows[0], found.columns[0])) == why


def test_standard_errors_are_made_deviations() -> None:
    for source in ("2410.00983", "2605.11246"):  # RGD, SPADE
        found = [p for p in published.scores() if source in p.source and p.std]
        assert found
        assert all("standard error" in p.note and p.n_seeds == 8 for p in found)
    spade = theirs("spade", source="HarryYoung2018/spade README.md (arXiv 2605.11246)")
    assert spade.std == pytest.approx(0.015 * 8**0.5, abs=5e-5)
    assert spade.n_designs == 128


def test_every_method_is_in_the_catalogue_or_known_to_be_absent() -> None:
    """RaM's rows were filed under ids that no method has, so `ram` had no verdict and was not even missed."""
    absent = {p.method for p in published.scores()} - set(catalogue.method_ids())
    assert absent == {"", "bo", "cc-ddea", "dynamo-adam", "fgm", "gfn-al", "tt-ddea", "ugtl"}


def test_settings_of_a_published_score_are_changes_that_the_method_takes() -> None:
    variants = {(p.method, p.settings) for p in published.scores() if p.settings}
    assert {("ram", "loss=rankcosine"), ("root", "labelled=0.01")} <= variants
    for name, text in variants:
        method = catalogue.load_method(name)
        found = method.config("paper", "tfbind8", dict(part.split("=") for part in text.split(", ")))
        assert published.settings_text(found.overrides) == text


def test_only_a_row_with_the_same_settings_is_compared(make) -> None:
    def names(**changed):
        facts = {"overrides": changed}
        cell = make("tfbind8", "ram", 0, 0.9, facts=TFBIND8, preset="paper", config=changed, method_facts=facts)[0]
        return {p.name for _, _, p in published.matches(board([cell]))}

    assert names() == {"RaM-ListNet", "LTR (RaM)", "LTR (RaM) (third-party re-run)"}
    assert names(loss="rankcosine") == {"RaM-RankCosine"}
    assert names(loss="rankcosine", steps_box=3) == names(steps_box=3) == set()


def test_few_shot_scores_are_those_of_methods_that_see_few_labels() -> None:
    table = "arXiv 2509.16300 Table 4 (NeurIPS 2025)"
    assert (theirs("expt", source=table).mean, theirs("expt", source=table).settings) == (0.874, "")
    assert (theirs("root", source=table).mean, theirs("root", source=table).settings) == (0.895, "labelled=0.01")
    assert not theirs("expt", source=table).not_comparable and not theirs("root", source=table).not_comparable


def test_command(store, make) -> None:
    cells = [make("tfbind8", "root", s, 0.98 + s / 200, preset="paper:tfbind8", facts=TFBIND8) for s in range(4)]
    out = store(*cells, make("tfbind8", "mine", facts=TFBIND8))
    text = CliRunner().invoke(main, ["report", str(out), "--published", "--percentile", "100"]).stdout
    (line,) = [row for row in text.splitlines() if "0.986 ± 0.007" in row]
    assert [cell.strip() for cell in line.split("|")[1:-1]] == [
        "root", "tfbind8", "0.988 ± 0.006 (4)", "0.986 ± 0.007 (8) [1]", "+0.002", "agree", "",
    ]  # fmt: skip
    assert f"- [1] {ROOT}, there ROOT" in text
    assert "mine" not in text
    latex = CliRunner().invoke(main, ["report", str(out), "--published", "--format", "latex"])
    assert r"0.986 $\pm$ 0.007 (8)\textsuperscript{1}" in latex.stdout
    page = out / "page.html"
    assert CliRunner().invoke(main, ["report", str(out), "--published", "--format", "html", "--out", str(page)]).exit_code == 0
    assert 'data-name="published-100"' in page.read_text()
    assert 'data-name="score-100"' in page.read_text()
    refused = CliRunner().invoke(main, ["report", str(out), "--published", "--format", "json"])
    assert refused.exit_code == 2
