"""A table never hides that a method was not run as its preset sets it."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from bbo.cli import main
from bbo.reporting.board.scores import board


def of(make, *cells):
    return board(make(*args, **more)[0] for args, more in cells)


def c(task="t1", method="m", seed=0, *, changed=None, steps=50, **more):
    """A cell whose record says what was changed from its preset."""
    config = {"steps": steps, "rate": 0.1} | (changed or {})
    return (task, method, seed, 0.5), {"config": config, "method_facts": {"overrides": changed or {}}, **more}


def labels(found):
    return [row.label for row in found.rows]


def test_an_override_is_in_the_name_though_the_table_has_nothing_to_tell_it_from(make) -> None:
    assert labels(of(make, c(changed={"rate": 0.5}))) == ["m [rate=0.5]"]


def test_versions_do_not_hide_settings(make) -> None:
    found = of(
        make, c(changed={"rate": 0.5}, version="cfce4f63aa"), c(changed={"rate": 2.0}, version="be22cdfbaa"), c(version="33")
    )
    assert labels(found) == ["m [version=33]", "m [version=be22cdfb, rate=2.0]", "m [version=cfce4f63, rate=0.5]"]


def test_versions_of_records_that_do_not_say_what_was_changed_do_not_hide_settings(make) -> None:
    cells = [make("t1", "m", 0, 0.5, config={"rate": rate}, version=version)[0] for rate, version in ((0.5, "1"), (2.0, "2"))]
    assert labels(board(cells)) == ["m [version=1, rate=0.5]", "m [version=2, rate=2.0]"]


def test_what_a_preset_sets_per_task_is_no_override(make) -> None:
    found = of(make, c("t1", steps=50), c("t2", steps=60), c("t1", changed={"rate": 0.5}), c("t2", steps=60, changed={"rate": 0.5}))
    assert labels(found) == ["m", "m [rate=0.5]"]


def test_an_override_that_is_the_presets_own_value_on_some_task_does_not_split_the_row(make) -> None:
    """`--set m.steps=60` where the preset of t2 has 60 steps: there the record says that nothing was changed."""
    found = of(make, c("t1", changed={"steps": 60}), c("t2", steps=60), c("t3", changed={"steps": 60}))
    assert labels(found) == ["m [steps=60]"]
    # But where the plain method was run beside it, nothing is guessed.
    found = of(make, c("t1", changed={"steps": 60}), c("t1"), c("t2", steps=60))
    assert labels(found) == ["m", "m [steps=60]"]


def test_versions_that_begin_alike_stay_two_rows(make) -> None:
    assert labels(of(make, c(version="1+c9f6a3aa"), c(version="1+c9f6a3bb"))) == ["m [version=1+c9f6a3a]", "m [version=1+c9f6a3b]"]


def test_long_values_are_shortened_and_stay_two(make) -> None:
    found = of(make, c(changed={"note": "x" * 500 + "a"}), c(changed={"note": "x" * 500 + "b"}))
    assert len(labels(found)) == 2
    assert all(len(label) < 60 for label in labels(found))


def notes(store, *cells) -> str:
    out = store(*cells)
    answer = CliRunner().invoke(main, ["report", str(out), "--percentile", "100"])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_the_footnote_says_the_whole_value(store, make) -> None:
    args, more = c(changed={"note": "y" * 60})
    text = notes(store, make(*args, **more))
    assert re.search(r"^- \[a\] not as its preset sets it: note=y{60}$", text, re.MULTILINE)


def composed(make, base, own):
    """`m` and `m+ignite` with what was changed from their presets; the regulariser's own settings always differ."""
    for method, changed, rho in (("m", base, 0.0), ("m+ignite", own, 0.1)):
        yield make("t1", method, 0, config={"kappa": 1.0, "rho": rho} | changed, method_facts={"overrides": changed})


def test_a_composed_method_with_other_settings_is_marked(store, make) -> None:
    """`-b m -b m+ignite --set m.kappa=0.5`: m+ignite ran with another kappa, so that the pair is not one method."""
    text = notes(store, *composed(make, {"kappa": 0.5}, {}))
    assert "| m [kappa=0.5] " in text
    assert re.search(r"\| m\+ignite \[b\] +\|", text)
    assert "- [b] not set as m is: kappa=1.0 (there 0.5)\n" in text


@pytest.mark.parametrize("changed", [{}, {"kappa": 0.5}])
def test_a_composed_method_with_the_same_settings_is_not_marked(store, make, changed) -> None:
    assert "not set as" not in notes(store, *composed(make, changed, changed))
