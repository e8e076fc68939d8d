"""`METHOD+REGULARISER` wherever a method's name may stand."""

from __future__ import annotations

import json
from functools import cache

import pytest
from click.testing import CliRunner

from bbo import catalogue
from bbo.cli import main
from bbo.errors import BBOError, UnknownName
from bbo.harness.seeds import cell_seed
from bbo.record import CellSpec, read_all
from bbo.surrogates.sharpness import PUBLISHED
from bbo.testing.methods import make_problem, smoke, spaces

COMPOSABLE = [
    name
    for name in catalogue.method_ids()
    if catalogue.method_card(name).spec.composable and not catalogue.method_card(name).unavailable
]


def test_the_methods_of_the_paper_we_have_can_be_composed():
    assert {"gradient-ascent", "gradient-ascent-mean", "gradient-ascent-min", "coms"} <= set(COMPOSABLE)
    assert not {"random", "offline-best"} & set(COMPOSABLE)


RECORDED = {
    "ignite": {"lambda", "grad_norm", "slack"},
    "ignite2": {"lambda", "grad_norm"},
    "sam": {"grad_norm"},
    "boss": {"sensitivity", "gamma_mean", "gamma_std"},
}
#: Every method once, and every regulariser on the cheapest method and on some that train each in a way of its own.
PAIRS = [(name, "ignite") for name in COMPOSABLE] + [
    (name, regulariser)
    for name in ("gradient-ascent", "coms", "ram", "demo", "genetic")
    for regulariser in PUBLISHED
    if regulariser != "ignite"
]


@cache
def plain_loss(name):
    """The training loss of a method without a regulariser on the first space that it fits."""
    plain = catalogue.load_method(name)
    problem = make_problem(next(iter(spaces(plain).values())), 16)
    smoke(plain).propose(problem)
    return problem.notes["train_loss"]


@pytest.mark.parametrize(("name", "regulariser"), PAIRS)
def test_a_composed_name_runs_differs_from_the_plain_one_and_records_its_path(name, regulariser):
    plain, composed = (catalogue.load_method(reference) for reference in (name, f"{name}+{regulariser}"))
    space = next(iter(spaces(plain).values()))
    problem = make_problem(space, 16)
    method = smoke(composed)
    designs = method.propose(problem)
    space.check(designs.numpy())
    recorded = {key.removeprefix("sharpness_"): rows for key, rows in problem.notes.items() if key.startswith("sharpness_")}
    assert set(recorded) == RECORDED[regulariser]
    for rows in recorded.values():
        assert len(rows) == len(problem.notes["train_loss"])
    assert plain_loss(name) != problem.notes["train_loss"]


def test_settings_of_the_regulariser_come_between_preset_and_user():
    method = catalogue.load_method("gradient-ascent+ignite")
    assert (method.id, method.version) == ("gradient-ascent+ignite", catalogue.load_method("gradient-ascent").version)
    config = method.config("smoke", "", {"sharpness_rho": "0.5"}).config
    published = PUBLISHED["ignite"] | {"sharpness_rho": 0.5}
    assert {key: config[key] for key in published} == published
    assert config["sharpness"] == "ignite"
    assert config["hidden"] == method.presets()["smoke"]["hidden"]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("random+ignite", BBOError, "takes no sharpness regulariser.*bbo list methods"),
        ("gradient-ascent+ignit", UnknownName, "did you mean ignite"),
        ("gradient-ascent+ignite+sam", BBOError, "one regulariser"),
        ("gradient-descent+ignite", UnknownName, "did you mean gradient-ascent"),
    ],
)
def test_what_cannot_be_composed_is_refused(name, error, message):
    with pytest.raises(error, match=message):
        catalogue.load_method(name)


def test_a_users_own_method_can_be_composed_once_it_says_so(tmp_path):
    path = tmp_path / "mine.py"
    text = """
from dataclasses import dataclass
from bbo.method import Method, MethodSpec
from bbo.surrogates.sharpness import SharpnessSettings

@dataclass(frozen=True)
class Mine(SharpnessSettings, Method):
    spec = MethodSpec(id="mine", version=1, kind="surrogate", title="Mine", composable=True)

    def propose(self, problem):
        return problem.x[problem.best(problem.budget)]
"""
    path.write_text(text)
    mine = catalogue.load_method(f"{path}:Mine+ignite2")
    assert mine.id == "Mine+ignite2"
    assert mine.config("fast", "", {}).config["sharpness_rho"] == 0.2
    path.write_text(text.replace(", composable=True", ""))
    with pytest.raises(BBOError, match="takes no sharpness regulariser"):
        catalogue.load_method(f"{path}:Mine+ignite2")


def test_plain_and_composed_share_their_random_numbers():
    def seed(name, number=0):
        return cell_seed(CellSpec("t", "1", "h", name, "1", {}, number, 128, 1))

    assert seed("coms") == seed("coms+ignite") == seed("coms+sam")
    assert len({seed("coms"), seed("gradient-ascent"), seed("coms", 1)}) == 3


def test_composed_names_in_run_resume_status_and_report(tmp_path):
    out = tmp_path / "r"
    run = ["run", "-t", "tfbind8", "-b", "gradient-ascent", "-b", "gradient-ascent+ignite", "--seeds", "0", "--preset", "smoke"]
    run += ["--set", "gradient-ascent+ignite.sharpness_lambda=0.5", "--budget", "8", "--out", str(out)]

    def call(arguments):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        return result

    assert "2 to run" in call(run).stderr
    assert "0 to run" in call(run).stderr
    records = {record.spec.method: record for record in read_all(out)}
    composed = records["gradient-ascent+ignite"]
    assert composed.spec.config["sharpness"] == "ignite"
    assert composed.notes["sharpness_lambda"][0][0] == pytest.approx(0.5, abs=0.05)
    assert records["gradient-ascent"].spec.config["sharpness"] == "none"
    assert json.loads(call(["status", str(out), "--json"]).stdout)["missing"] in ([], 0)
    rows = json.loads(call(["report", str(out), "--format", "json"]).stdout)
    assert {row["method"] for row in rows} == {"gradient-ascent", "gradient-ascent+ignite [sharpness_lambda=0.5]"}


def test_the_list_says_which_methods_can_be_composed():
    rows = json.loads(CliRunner().invoke(main, ["list", "methods", "--json"]).stdout)
    assert {row["id"] for row in rows if row["composable"] and row["available"]} == set(COMPOSABLE)
