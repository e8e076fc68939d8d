"""Every method of the catalogue keeps the promises of `bbo.testing.methods`."""

import pytest
import torch

from bbo import catalogue
from bbo.errors import BBOError
from bbo.testing import verdicts
from bbo.testing.methods import SPACES, checks, make_problem, smoke


def test_conformance(method_name, runs_of):
    made = checks(catalogue.load_method(method_name), runs_of(method_name))
    failures = [f"{v.check}: {v.failure}" for v in verdicts(made) if v.failure]
    assert not failures, "\n".join(failures)


def test_has_the_three_presets_if_it_has_settings(method_name):
    method = catalogue.load_method(method_name)
    if method.settings():
        assert {"paper", "fast", "smoke"} <= set(method.presets())


@pytest.mark.parametrize("name", ["match-opt", "pgs", "rgd", "root", "root-corrected"])
def test_a_table_of_one_row_is_refused_when_planned_and_two_rows_are_enough(name):
    method, problem = catalogue.load_method(name), make_problem(SPACES["box"], 4)
    assert method.unsuitable(problem.space, 1) == "needs at least 2 visible rows; there is 1"
    assert method.unsuitable(problem.space, 2) == ""
    problem.space.check(smoke(method).propose(problem.limited_to(torch.arange(2))).numpy())


BAD = """
from dataclasses import dataclass
import torch

@dataclass
class Bad:
    option: tuple = (1,)
    presets = {"smoke": {"missing": 1}}

    def propose(self, problem):
        problem.x[0] = 1
        return torch.rand(5, *problem.space.shape)
"""


def test_a_class_with_invalid_declarations_is_refused(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(BAD)
    with pytest.raises(BBOError, match=r"Bad\.option is tuple"):
        catalogue.load_here(f"{path}:Bad")
    path.write_text(BAD.replace("tuple = (1,)", "int = 1"))
    with pytest.raises(BBOError, match="unknown setting in preset smoke of Bad 'missing': known: option"):
        catalogue.load_here(f"{path}:Bad")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("torch.full((problem.budget, *problem.space.shape), torch.nan)", "the designs are not finite"),
        ("None", "propose returned None; it must return the designs"),
    ],
)
def test_what_is_wrong_with_designs_is_said(tmp_path, body, message):
    path = tmp_path / "odd.py"
    path.write_text(f"import torch\n\nclass Odd:\n    'Odd.'\n    def propose(self, problem):\n        return {body}\n")
    told = {v.check: v.failure for v in verdicts(checks(catalogue.load_here(f"{path}:Odd"))) if v.failure}
    assert message in told["box: the same seed gives the same designs, bit for bit"] or "None" in body
    assert message in " ".join(told.values())


def test_the_checks_can_fail(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(BAD.replace("tuple = (1,)", "int = 1").replace('{"missing": 1}', "{}"))
    failed = {v.check for v in verdicts(checks(catalogue.load_here(f"{path}:Bad"))) if v.failure}
    assert {"has a docstring", "has settings that can be written down"} <= failed
    for name in ("box", "sequence"):
        assert f"{name}: returns 8 valid designs for a budget of 8" in failed
        assert f"{name}: the same seed gives the same designs, bit for bit" in failed
        assert f"{name}: leaves the visible table as it was" in failed
        assert f"{name}: draws from problem.generator only" in failed
