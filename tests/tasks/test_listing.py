"""What users see of tasks whose files or packages are missing."""

import json
import os
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from bbo import catalogue, data
from bbo.cli.listing import command
from bbo.errors import Unavailable


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """No data but the package's."""
    monkeypatch.delenv("BBO_DATA_DIR", raising=False)
    monkeypatch.setattr(data, "cache_dir", lambda: tmp_path)


def listed():
    return {row["id"]: row for row in json.loads(CliRunner().invoke(command, ["tasks", "--json"]).output)}


def test_without_data(bare):
    rows = listed()
    assert sum(row["available"] for row in rows.values()) >= 16
    assert len(rows) >= 24
    for name, wanted in {"tfbind10": "bbo data fetch tfbind10", "utr": "bbo data fetch utr", "gfp": "bbo data import"}.items():
        assert not rows[name]["available"]
        assert wanted in rows[name]["why_not"]


@pytest.mark.skipif("BBO_DATA_DIR" not in os.environ, reason="BBO_DATA_DIR is not set")
def test_with_data():
    assert sum(row["available"] for row in listed().values()) >= 24


def test_a_missing_file_is_an_error_with_the_command(bare):
    for name in ("tfbind10", "tfbind8:PAX7_REF_R1", "superconductor"):
        task = catalogue.load_task(name)
        assert task.spec.visible_rows > 0
        with pytest.raises(Unavailable, match="bbo data"):
            task.dataset()


def test_a_missing_package_is_an_error_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "RNA", None)
    monkeypatch.setattr("bbo.task.importlib.util.find_spec", lambda name: None)
    task = catalogue.load_task("rna-a")
    with pytest.raises(Unavailable, match=r"offline-bbo\[rna\]"):
        task.oracle(task.spec.space.from_unit(np.zeros((1, 14))))
