"""What a plan looks up, checks and leaves out before anything runs."""

import json

import pytest
from click.testing import CliRunner

from bbo.cli import main
from bbo.errors import BBOError, Unavailable, UnknownName
from bbo.harness import plan, request
from bbo.harness.request import Request

ONLY = """
from dataclasses import dataclass
from bbo.method import Method, MethodSpec, setting

class {name}(Method):
    "Fits one kind of space."
    spec = MethodSpec(id="{id}", version=1, kind="search", title="One kind", spaces=("{space}",))
    presets = {{"fast": {{}}}}

    def propose(self, problem):
        return problem.x[problem.starts()]
"""


def planned(*methods, tasks=("hpo-naval",), overrides=None, preset="smoke", **more):
    return plan.make(Request(tuple(tasks), methods, (0,), preset, overrides or {}, **more))


def configs(made):
    return {cell.spec.method: cell.spec.config for cell in made}


def test_a_setting_of_the_base_reaches_its_composed_forms_and_a_composed_ones_own_wins():
    made = configs(planned("coms", "coms+ignite", "coms+sam", overrides={"coms.steps": "3", "coms+sam.steps": "5"}))
    assert {name: config["steps"] for name, config in made.items()} == {"coms": 3, "coms+ignite": 3, "coms+sam": 5}
    assert configs(planned("coms+ignite", overrides={"coms.steps": "3"}))["coms+ignite"]["steps"] == 3
    (cell,) = planned("coms+ignite", overrides={"coms.steps": "3"})
    assert cell.overrides == {"steps": 3}


def test_a_composed_form_keeps_its_regulariser_and_the_bases_settings_of_one_are_not_handed_down():
    plain = configs(planned("coms+ignite"))["coms+ignite"]
    made = configs(planned("coms", "coms+ignite", overrides={"coms.sharpness": "sam", "coms.sharpness_rho": "0.7"}))
    assert made["coms+ignite"] == plain
    assert (made["coms"]["sharpness"], made["coms"]["sharpness_rho"]) == ("sam", 0.7)
    assert configs(planned("coms+ignite", overrides={"coms+ignite.sharpness_rho": "0.7"}))["coms+ignite"]["sharpness_rho"] == 0.7
    for word in ("none", "sam", "ignite"):
        with pytest.raises(BBOError, match=f"the regulariser ignite; got sharpness={word}; for another one write coms"):
            planned("coms+ignite", overrides={"coms+ignite.sharpness": word})
    with pytest.raises(BBOError, match=r"coms.sharpness_rho changes no method of this run.*write coms\+ignite.sharpness_rho"):
        planned("coms+ignite", overrides={"coms.sharpness_rho": "0.7"})


def test_a_misspelt_word_is_refused_before_anything_runs_under_the_methods_own_name():
    with pytest.raises(UnknownName, match=r"root-corrected\.target 'vissible': did you mean visible"):
        planned("root-corrected", overrides={"root-corrected.target": "vissible"})


def test_a_pair_that_does_not_fit_makes_no_cell_and_stands_in_the_saved_plan(tmp_path):
    references = []
    for name, space in (("Letters", "sequence"), ("Boxes", "continuous")):
        (tmp_path / f"{name}.py").write_text(ONLY.format(name=name, id=name.lower(), space=space))
        references.append(f"{tmp_path / name}.py:{name}")
    made = planned(*references, tasks=("hpo-naval", "branin"), preset="fast")
    assert {(cell.spec.task, cell.spec.method) for cell in made} == {("hpo-naval", "Letters"), ("branin", "Boxes")}
    reasons = {(row["task"], row["method"]): row["reason"] for row in made.unsuitable()}
    assert reasons[("branin", "Letters")] == "works on sequence spaces; this one is continuous"
    assert set(reasons) == {("branin", "Letters"), ("hpo-naval", "Boxes")}
    made.save(tmp_path)
    (saved,) = (tmp_path / "plans").glob("*.json")
    assert json.loads(saved.read_text())["unsuitable"] == made.unsuitable()
    assert [order.spec for order in plan.planned(tmp_path)] == [cell.spec for cell in made]


def test_a_run_of_pairs_that_do_not_fit_is_refused_and_leaves_nothing(tmp_path):
    (tmp_path / "letters.py").write_text(ONLY.format(name="Letters", id="letters", space="sequence"))
    words = ["run", "-t", "branin", "-b", f"{tmp_path}/letters.py:Letters", "--seeds", "0", "--out", str(tmp_path / "out")]
    for more in ([], ["--dry-run"]):
        refused = CliRunner().invoke(main, [*words, *more])
        assert refused.exit_code == 2
        assert "1 pair of task and method is left out" in refused.stderr
        assert refused.stderr.endswith("error: nothing to run: none of these methods fits any of these tasks\n")
    assert not (tmp_path / "out").exists()
    words = ["run", "-t", "branin", "-t", "ackley-20", *words[3:]]
    assert "2 pairs of task and method are left out" in CliRunner().invoke(main, words).stderr


def test_methods_may_be_given_by_the_older_option_which_help_does_not_show(tmp_path):
    words = ["run", "-t", "branin", "--method", "random", "--baseline", "offline-best", "--seeds", "0", "--dry-run"]
    done = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0 and "2 cells planned" in done.stderr, done.output
    shown = CliRunner().invoke(main, ["run", "--help"]).output
    assert "-b, --method METHOD" in shown and "--baseline" not in shown


def test_patterns_and_all_expand_to_what_is_installed():
    made = planned("random", tasks=("hpo-*", "nas-bench-201-*"))
    assert len(made.tasks) == 9
    assert "coms" in configs(planned("gradient-*", "coms"))
    with pytest.raises(UnknownName, match="unknown task 'hop-\\*'"):
        planned("random", tasks=("hop-*",))


def test_what_is_missing_is_refused_or_skipped(monkeypatch):
    monkeypatch.setenv("BBO_DATA_DIR", "/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", "/nowhere")
    with pytest.raises(Unavailable, match="--skip-missing"):
        planned("random", tasks=("hpo-naval", "utr"))
    made = planned("random", tasks=("hpo-naval", "utr"), skip_missing=True)
    assert [task.task.spec.id for task in made.tasks] == ["hpo-naval"]
    assert list(made.skipped) == ["utr"]
    with pytest.raises(BBOError, match="all tasks were skipped"):
        planned("random", tasks=("utr",), skip_missing=True)
    with pytest.raises(BBOError, match=r"skipped: task 'tfbind8:\w+' .*; and 196 more$") as refused:  # 199 landscapes
        planned("random", tasks=("tfbind8:*",), skip_missing=True)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('budget = "abc"', "budget in p is a whole number; got 'abc'"),
        ('set = "x"', "set in p is a table"),
        ("tasks = [1]", "tasks in p is a list of names"),
        ("preset = 5", "preset in p is a word"),
        ("seeds = 3.0", "seeds in p is a whole number from 0"),
        ("seeds = [-1]", "seeds in p is a whole number from 0"),
        ('seeds = "0-999999999"', "at most 100000 seeds"),
        ('methods = ["coms"]\nbaselines = ["root"]', "p has both methods and baselines"),
        ("sedes = 3", "unknown key in p 'sedes': did you mean seeds"),
        ("tasks = ", "p cannot be read: it is not valid TOML"),
    ],
)
def test_bad_plan_files_are_refused_in_one_line(text, message):
    with pytest.raises(BBOError, match=message):
        request.parse(text, "p")


def test_plan_files_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "p.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BBOError, match="it is in UTF-16"):
        request.read_plan(tmp_path / "p.toml")
    with pytest.raises(BBOError, match="tasks are given with -t"):
        request.read_plan(tmp_path / "branin")


def test_a_table_of_settings_may_be_nested_and_older_files_say_baselines():
    assert request.parse("[set.coms]\nsteps = 3\n", "p")["overrides"] == {"coms.steps": "3"}
    assert request.parse('set = {"coms.steps" = 3}', "p")["overrides"] == {"coms.steps": "3"}
    assert request.parse('baselines = ["coms"]', "p") == {"methods": ("coms",)}


@pytest.mark.parametrize("preset", ["fast", "paper", "smoke", "paper:branin", "default"])
def test_a_misspelt_preset_is_refused_by_methods_without_presets_too(preset):
    assert len(list(planned("random", tasks=("branin",), preset=preset))) == 1
    with pytest.raises(UnknownName, match=r"unknown preset 'fsat': did you mean fast"):
        planned("random", tasks=("branin",), preset="fsat")


def test_a_visible_score_that_is_not_finite_is_one_line(lab):
    file = lab.folder / "task.py"
    file.write_text(
        file.read_text().replace("return Dataset(x[keep], y[", "y[keep[7]] = np.nan\n        return Dataset(x[keep], y[")
    )
    with pytest.raises(BBOError, match=r"has the score nan in row 7, counted from 0, which is not finite; see: bbo check "):
        lab.plan("Good")


def test_a_setting_given_twice_is_refused():
    with pytest.raises(BBOError, match=r"gives coms\.steps twice: 30 and 40"):
        request.parse_overrides(("coms.steps=30", "coms.steps=40"))


def test_a_plan_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "plans").mkdir()
    for text in ("{", "[]", '{"seeds": 3}', '{"seeds": [0], "tasks": [{}], "methods": [{}]}'):
        (tmp_path / "plans" / "a.json").write_text(text)
        with pytest.raises(BBOError, match=r"a\.json cannot be read.*remove it"):
            plan.planned(tmp_path)


def test_a_plan_that_was_altered_is_named(tmp_path, lab):
    made = lab.plan("Good", seeds=(0, 1))
    made.save(lab.out)
    (path,) = (lab.out / "plans").iterdir()
    whole = path.read_text()
    changes = {
        '"seeds": [': '"seeds": [7, ',
        '"budget": 16': '"budget": "16"',
        '"protocol": 1': '"protocol": 1.5',
        '"config": {': '"config": {"a": 1,',
        '"method': '"methods": [], "method',
    }
    for old, new in changes.items():
        if old in whole:
            path.write_text(whole.replace(old, new, 1))
            with pytest.raises(BBOError, match=r"plan .*\.json .*; remove it and run its command again"):
                plan.planned(lab.out)
    assert '"seeds": [' in whole
    made.save(lab.out)  # the same command mends it
    assert [order.spec for order in plan.planned(lab.out)] == [cell.spec for cell in made]


def test_tasks_in_files_are_run_only_where_that_was_asked_for(lab):
    lab.run(lab.plan("Good"))
    for name in ("rescore", "rerun"):
        refused = CliRunner().invoke(main, [name, str(lab.out)])
        assert refused.exit_code == 2
        assert f"{lab.folder}/task.py" in refused.stderr and "--run-files" in refused.stderr
        assert CliRunner().invoke(main, [name, str(lab.out), "--run-files"]).exit_code == 0
    (cell,) = (lab.out / "cells").iterdir()
    assert "its task is a file" in CliRunner().invoke(main, ["show", str(cell)]).stdout
    assert "different designs" in CliRunner().invoke(main, ["show", str(cell), "--run-files"]).stdout
