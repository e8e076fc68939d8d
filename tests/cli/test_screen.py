"""What people see: widths, colours, progress, control characters."""

import json
import re

import pytest
from click.testing import CliRunner

from bbo import catalogue
from bbo.cli import COMMANDS, console, main
from bbo.cli.console import Phase

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def call(*words):
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.mark.parametrize(
    "words",
    [
        ["list", "tasks"],
        ["list", "methods"],
        ["list", "suites"],
        ["show", "tfbind8"],
        ["show", "tfbind8", "--all"],
        ["show", "root"],
        ["show", "hpo-naval", "--design", "3"],
    ],
)
@pytest.mark.parametrize("columns", [80, 100])
def test_lines_fit_a_terminal_and_words_stay_whole(words, columns, terminal):
    lines = ESCAPE.sub("", terminal(*words, columns=columns)).splitlines()
    assert len(lines) > 1
    assert [line for line in lines if len(line) > columns] == []
    # Words that are broken letter by letter make very many very short lines.
    assert sum(len(line.strip()) < 4 for line in lines if line.strip()) <= len(lines) / 10


def test_variants_are_counted_and_shown_in_full_on_request():
    names = catalogue.load_task("tfbind8").variants()
    short, whole = call("show", "tfbind8").stdout, call("show", "tfbind8", "--all").stdout
    assert f"variants ({len(names)})" in short
    assert sum(name in short for name in names) <= 8 + short.count("SIX6_REF")
    assert all(name in whole for name in names)
    assert max(map(len, whole.splitlines())) <= 100


def test_no_color_takes_away_bold_type_too(terminal):
    assert "\x1b[1m" in terminal("list", "suites")
    assert "\x1b" not in terminal("list", "suites", NO_COLOR="1")


def test_a_docstring_keeps_its_paragraphs_and_lists(capsys):
    console.prose("One\nline.\n\nA list:\n- first\n  goes on\n- second\n1. third\n\n    code  as   it is\n")
    assert capsys.readouterr().out == "One line.\n\nA list:\n- first goes on\n- second\n1. third\n\n    code  as   it is\n\n"


def test_a_second_phase_says_so():
    phase = Phase().after(1, 600).after(600, 600)
    assert str(phase) == "step 600/600"
    assert str(phase.after(90, 200)) == "phase 2, step 90/200"
    assert str(phase.after(90, 200).after(91, 200)) == "phase 2, step 91/200"
    assert str(phase.after(1, 600).after(2, 600).after(1, 600)) == "phase 3, step 1/600"


BAD = '''
class Bad:
    """Fails with a message that would clear the screen."""
    def propose(self, problem):
        return self.deeper()
    def deeper(self):
        print("on the \\x1b[2Jway")
        raise ValueError("boom \\x1b[31m" + chr(7))
'''


def test_a_failure_says_where_once_and_cannot_steer_the_terminal(tmp_path, monkeypatch, terminal):
    (tmp_path / "bad.py").write_text(BAD)
    monkeypatch.chdir(tmp_path)
    run = call("run", "-t", "tfbind8", "-b", "./bad.py:Bad", "--seeds", "0-1", "--threads", "1", "--out", "r")
    assert run.exit_code == 2
    status, whole = call("status", "r"), call("status", "r", "--traceback")
    for text in (run.stderr, status.stdout):
        assert text.count("bad.py:8, in deeper") == 1
        assert text.count("the same as tfbind8 / Bad / seed 0") == 1
        assert "Traceback" not in text
    assert whole.stdout.count("Traceback (most recent call last)") == 1
    assert '    raise ValueError("boom' in whole.stdout
    assert "on the" in whole.stdout
    assert "\\n" not in whole.stdout
    cell = next((tmp_path / "r" / "cells").iterdir())
    report = call("show", cell)
    assert "bad.py:8" in report.stdout
    for text in (run.stderr, status.stdout, whole.stdout, report.stdout):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f]", text)
    assert "\x1b[31m" not in terminal("status", "r", cwd=tmp_path)


def test_the_checks_tell_a_failure_once(tmp_path):
    (tmp_path / "bad.py").write_text(BAD)
    short = call("check", f"{tmp_path}/bad.py:Bad")
    whole = call("check", f"{tmp_path}/bad.py:Bad", "--traceback")
    assert short.exit_code == whole.exit_code == 1
    assert short.stdout.count("bad.py:8, in deeper") == 1
    assert "Traceback" not in short.stdout
    assert whole.stdout.count("Traceback") == 1
    assert "in _kept" not in whole.stdout


MINE = '''
from dataclasses import dataclass, field
from bbo.surrogates.sharpness import SharpnessSettings

@dataclass(frozen=True)
class Evo(SharpnessSettings):
    """The best visible designs."""
    kappa: float = 1.0
    def propose(self, problem):
        return problem.x[problem.best(problem.budget) % len(problem.x)].repeat(problem.budget, 1)[: problem.budget]
'''


def test_composed_local_names_are_shown_and_checked(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    shown = call("show", f"{tmp_path}/mine.py:Evo+ignite")
    assert shown.exit_code == 0, shown.output
    assert "Evo+ignite" in shown.stdout
    assert 'sharpness = "ignite"' in shown.stdout
    checked = call("check", f"{tmp_path}/mine.py:Evo+ignite")
    assert "unknown" not in checked.output
    assert "ok      has a docstring" in checked.stdout


def test_visible_designs_are_readable_and_can_be_scored_again(tmp_path):
    for name in ("tfbind8", "hpo-naval", "thin-film"):
        task = catalogue.load_task(name)
        done = call("show", name, "--design", 7)
        assert done.exit_code == 0, done.output
        words = " ".join(done.stdout.split())
        design = words.removeprefix("design ").rpartition(" score ")[0]
        assert design == task.spec.space.readable(task.visible().x[7])
        (tmp_path / "d.txt").write_text(design)
        again = json.loads(call("score", name, tmp_path / "d.txt", "--json").stdout)
        assert f"{again['normalised'][0]:.6f}"[:-1] in words
    assert "rows 0 to 32897; got --design 32898" in call("show", "tfbind8", "--design", 32898).stderr
    assert "root is a method" in call("show", "root", "--design", 1).stderr


def test_suites_are_listed():
    rows = {row["id"]: row for row in json.loads(call("list", "suites", "--json").stdout)}
    assert (rows["quick"]["tasks"], rows["quick"]["methods"], rows["quick"]["seeds"], rows["quick"]["cells"]) == (2, 6, 2, 24)
    assert rows["full"]["tasks"] == len(catalogue.task_ids())
    assert rows["root-table"]["preset"] == "paper"
    assert all(row["purpose"] for row in rows.values())
    assert "quick" in call("list", "suites").stdout
    assert call("list", "methods").stdout == call("list", "baselines").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_of_itself_what_the_list_of_commands_says(name):
    """The list has its own lines, so that it need not import the commands."""
    command = main.get_command(None, name)
    assert " ".join(command.help.split("\n\n")[0].split()) == COMMANDS[name][1]
