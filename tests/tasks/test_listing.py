"""What users see of tasks whose files or packages are missing."""

import dataclasses
import json
import os
import sys
import types

import numpy as np
import pytest
from click.testing import CliRunner

from bbo import catalogue, data, registry
from bbo.cli.listing import command
from bbo.errors import Unavailable
from bbo.task import FAMILIES


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """No data but the package's."""
    monkeypatch.delenv("BBO_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def listed():
    return {row["id"]: row for row in json.loads(CliRunner().invoke(command, ["tasks", "--json"]).output)}


def test_without_data(bare):
    rows = listed()
    # Whose files are all shipped and who needs no package is there.
    for name, cls in registry.own_tasks().items():
        spec = cls().spec
        shipped = all((data.package_dir() / file).is_file() for file in spec.data)
        if not spec.requires:
            assert rows[name]["available"] == shipped, name
    for name, wanted in {"tfbind10": "bbo data fetch tfbind10", "utr": "bbo data fetch utr", "gfp": "bbo data import"}.items():
        assert not rows[name]["available"]
        assert wanted in rows[name]["why_not"]


@pytest.mark.skipif("BBO_DATA_DIR" not in os.environ, reason="BBO_DATA_DIR is not set")
def test_with_data():
    lacking = [row["why_not"] for row in listed().values() if row["why_not"]]
    assert all("bbo data build" in reason for reason in lacking), lacking  # each user makes these files


def test_a_missing_file_is_an_error_with_the_command(bare):
    for name in ("tfbind10", "tfbind8:PAX7_REF_R1", "superconductor"):
        task = catalogue.load_task(name)
        assert task.spec.visible_rows > 0
        with pytest.raises(Unavailable, match="bbo data"):
            task.visible()


def test_a_missing_package_is_an_error_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "RNA", None)
    monkeypatch.setattr("bbo.task.importlib.util.find_spec", lambda name: None)
    task = catalogue.load_task("rna-a")
    with pytest.raises(Unavailable, match=r"offline-bbo\[rna\]"):
        task.score(task.spec.space.from_unit(np.zeros((1, 14))))
    with pytest.raises(Unavailable, match=r"offline-bbo\[rna\]"):
        task.visible()


def test_a_package_with_a_stand_in_counts_as_missing(monkeypatch):
    """Such as an empty module that a program puts in the place of one that it does not want."""
    monkeypatch.setitem(sys.modules, "RNA", types.ModuleType("RNA"))
    for requires in (("RNA",), ("RNA.parts",), ("no_such_package.parts",)):
        task = catalogue.load_task("rna-a")
        monkeypatch.setattr(task, "spec", dataclasses.replace(task.spec, requires=requires))
        assert "offline-bbo[rna]" in task.unavailable()
        assert catalogue.missing_packages(requires) == f"needs the package {requires[0]}: pip install {requires[0]}"


def test_every_task_states_its_family(bare):
    assert {row["family"] for row in listed().values()} <= set(FAMILIES)
