"""A document as GitHub-flavoured Markdown, columns padded so that the source reads as a table too."""

from __future__ import annotations

import re

from bbo.reporting.documents.document import LEGEND, WIDEST, Document, Item, Table, in_parts, printable


def render(document: Document, columns: int = WIDEST) -> str:
    """The document as one Markdown file; tables with more columns than this are split."""
    parts = [f"# {_escape(document.title)}"]
    for table in document.tables:
        parts += [f"## {_escape(table.title)}", *(_table(part) for part in in_parts(table, columns))]
    legend = _legend(document)
    if legend:
        parts.append(legend)
    if document.notes:
        parts.append("\n".join(f"- [{letter}] {_escape(text)}" for letter, text in document.notes))
    parts.append("\n".join(f"- {_escape(line)}" for line in document.footer))
    return "\n\n".join(parts) + "\n"


def _legend(document: Document) -> str:
    styles = {style for table in document.tables for row in table.rows for item in row for style in item.styles}
    names = {"best": "**Bold**", "chance": "_Italic_"}
    return " ".join(f"{name}: {LEGEND[style]}." for style, name in names.items() if style in styles)


def _table(table: Table) -> str:
    rows = [[_text(item) for item in row] for row in (table.header, *table.rows)]
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    lines = [
        _line([text.ljust(w) if j == 0 else text.rjust(w) for j, (text, w) in enumerate(zip(row, widths, strict=True))])
        for row in rows
    ]
    rule = _line(["-" * w if j == 0 else "-" * (w - 1) + ":" for j, w in enumerate(widths)])
    return "\n".join([lines[0], rule, *lines[1:]])


def _line(texts: list[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _text(item: Item) -> str:
    text = _escape(item.text)
    if item.styles & {"best", "changed"}:
        text = f"**{text}**"
    if "chance" in item.styles:
        text = f"_{text}_"
    return text + (f" [{','.join(item.marks)}]" if item.marks else "")


def _escape(text: str) -> str:
    """Keep a label's own characters from being read as table, emphasis, link or HTML syntax."""
    return re.sub(r"[\\|*<`~]|\](?=[(\[])|(?<!\w)_|_(?!\w)", r"\\\g<0>", printable(text))
