"""Build the documentation: python -m tools.docs (or make docs).

Collects the pages of docs/, the pages at the root and results/ in build/docs/source, writes a page for every task and method there, and
runs Sphinx on it with warnings as errors. The site is build/docs/html/index.html. BBO_DATA_DIR adds the histograms of tasks with data files.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx

from tools.docs import methods, tasks

ROOT = Path(__file__).parents[2]
SOURCE, SITE = ROOT / "build" / "docs" / "source", ROOT / "build" / "docs" / "html"
#: Where the index lists pages of docs/ that it does not name.
LAST_GUIDE = "\nreading"
#: Pages at the root that are part of the site.
TOP = ("ARCHITECTURE.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md")


def collect() -> None:
    """Copy the written pages and their pictures; docs/ becomes the root of the site, so links between the folders change."""
    shutil.rmtree(SOURCE.parent, ignore_errors=True)
    for path in sorted((ROOT / "docs").rglob("*.md")):
        write(path.relative_to(ROOT / "docs"), path.read_text(encoding="utf-8").replace("](../", "]("))
    for picture in sorted((ROOT / "docs").glob("*.svg")):
        shutil.copy(picture, SOURCE)
    index = (SOURCE / "index.md").read_text(encoding="utf-8")
    others = [
        path.stem for path in sorted((ROOT / "docs").glob("*.md")) if path.stem != "index" and f"\n{path.stem}\n" not in index
    ]
    write(Path("index.md"), index.replace(LAST_GUIDE, "\n".join([LAST_GUIDE, *others]), 1))
    for name in TOP:
        write(Path(name), (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "]("))
    for path in sorted((ROOT / "results").rglob("*.md")):
        text = re.sub(r"\]\(((?:\.\./)+)docs/", r"](\1", path.read_text(encoding="utf-8"))
        # The first page of the results leads to the others, which therefore need no place in the menu.
        write(path.relative_to(ROOT), text if path == ROOT / "results" / "README.md" else f"---\norphan: true\n---\n\n{text}")


def write(path: Path, text: str) -> None:
    """Write a page of the site."""
    (SOURCE / path).parent.mkdir(parents=True, exist_ok=True)
    (SOURCE / path).write_text(text, encoding="utf-8")


def build() -> int:
    """Make the site; Sphinx's exit code."""
    collect()
    for path, text in {**methods.pages(), **tasks.pages(SOURCE)}.items():
        write(Path(path), text)
    return sphinx(["-q", "-W", "--keep-going", "-j", "1", "-c", str(ROOT / "docs"), str(SOURCE), str(SITE)])


if __name__ == "__main__":
    sys.exit(build())
