"""A document for a terminal: coloured tables, split if they are wider than the screen."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from bbo.reporting.documents.document import LEGEND, Document, Item, Table, printable

STYLES = {"best": "bold", "changed": "bold", "second": "underline", "chance": "dim", "failed": "red"}


def show(document: Document, console: Console) -> None:
    """Print the document; tables wider than the console are split."""
    for table in document.tables:
        console.print(Text(f"\n{printable(table.title)}", style="bold"))
        for part in _parts(table, console.width):
            console.print(part)
    console.print()
    for letter, text in document.notes:
        console.print(Text(f"[{letter}] {printable(text)}"))
    styles = {style for table in document.tables for row in table.rows for item in row for style in item.styles}
    legend = [(text, STYLES[s]) for s, text in LEGEND.items() if s in styles]
    if legend:
        console.print(Text.assemble(*(part for text, style in legend for part in ((text, style), "  "))))
    console.print()
    for line in document.footer:
        console.print(Text(printable(line), style="dim"))


def _parts(table: Table, width: int) -> list[RichTable]:
    """The table, or as many as are needed to fit `width`, each with the methods in front.

    Names and texts wider than half of the screen are wrapped between words; numbers are never wrapped.
    """
    rows = [[_text(item) for item in row] for row in (table.header, *table.rows)]
    widest = [max(row[j].cell_len for row in rows) for j in range(len(rows[0]))]
    widths = [min(w, max(width // 2, 10)) + 2 for w in widest]
    parts: list[list[int]] = [[]]
    for j in range(1, len(widths)):
        if parts[-1] and widths[0] + sum(widths[k] for k in parts[-1]) + widths[j] > width:
            parts.append([])
        parts[-1].append(j)
    tables = []
    for part in parts:
        view = RichTable(box=None, header_style="bold", pad_edge=False)
        for j in [0, *part]:
            words = any("text" in row[j].styles for row in table.rows)
            narrow = widths[j] - 2 < widest[j]
            view.add_column(
                rows[0][j],
                justify="left" if j == 0 or words else "right",
                no_wrap=not narrow,
                overflow="fold",
                max_width=widths[j] - 2,
            )
        for row in rows[1:]:
            view.add_row(row[0], *(row[j] for j in part))
        tables.append(view)
    return tables


def _text(item: Item) -> Text:
    style = " ".join(STYLES[s] for s in STYLES if s in item.styles)
    return Text.assemble((printable(item.text), style), (f" [{','.join(item.marks)}]" if item.marks else "", "dim"))
