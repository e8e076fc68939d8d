"""Sphinx's configuration. `python -m tools.docs` (make docs) collects the pages and runs it."""

import re

import bbo

project = "offline-bbo"
author = "the offline-bbo contributors"
version = release = bbo.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"offline-bbo {release}"
html_copy_source = False
highlight_language = "none"
myst_heading_anchors = 3
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "show-inheritance": False}
napoleon_numpy_docstring = False


def plain(app, what, name, obj, options, lines):
    """Our docstrings are plain text with `code`: what reStructuredText would take for markup elsewhere is escaped."""
    for i, line in enumerate(lines):
        parts = re.split(r"(`+[^`]*`+)", line)
        lines[i] = "".join(
            part if part.startswith("`") else re.sub(r"([*|])|(?<=\w)(_)(?=\W|$)", r"\\\1\2", part) for part in parts
        )


def setup(app):
    """Run `plain` before napoleon, which reads the sections."""
    app.connect("autodoc-process-docstring", plain, priority=100)
