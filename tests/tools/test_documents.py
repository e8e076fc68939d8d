"""The Python blocks of the documents run as they stand, each document from its top to its end."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
#: The blocks of CONTRIBUTING.md are files rather than scripts; tests/cli/test_contributing.py runs them.
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_CODE = [path for path in DOCUMENTS if BLOCK.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: path.name)
def test_its_code_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for number, block in enumerate(BLOCK.findall(path.read_text(encoding="utf-8")), 1):
        exec(compile(block, f"{path.name}, block {number}", "exec"), names)
    # A comment after `print(..)` is what it prints.
    for said in re.findall(r"print\(error\)  # (.*)", path.read_text(encoding="utf-8")):
        assert said in capsys.readouterr().out


def test_documents_with_code_are_found():
    assert {"README.md", "python.md", "migration.md"} <= {path.name for path in WITH_CODE}
