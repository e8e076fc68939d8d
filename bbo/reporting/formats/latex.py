"""A document as LaTeX that compiles as it is; the part between the two comment lines goes into a paper.

Booktabs rules; the best of a column bold, the second underlined, what is not significantly different from `random` grey.
Needs the packages booktabs, xcolor and graphicx.
"""

from __future__ import annotations

from bbo.reporting.documents.document import LEGEND, WIDEST, Document, Item, Table, in_parts, printable

PREAMBLE = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage{xcolor}
\begin{document}
% ---- copy from here; needs \usepackage{booktabs,graphicx,xcolor} ----
"""
END = r"""% ---- to here ----
\end{document}
"""
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    # A row may begin with these: after the \\ of the row before they would be its optional argument and its star.
    "[": "{[}", "*": "{*}",
    "±": r"$\pm$", "\N{EN DASH}": "--", "\N{MULTIPLICATION SIGN}": r"$\times$", "·": r"$\cdot$",
}  # fmt: skip


def render(document: Document, columns: int = WIDEST) -> str:
    """The document as one LaTeX file; tables with more columns than this are split."""
    tables = "\n".join(_table(document, part) for table in document.tables for part in in_parts(table, columns))
    return PREAMBLE + tables + END + "".join(f"% {printable(line)}\n" for line in document.footer)


def _table(document: Document, table: Table) -> str:
    used = {letter for row in (table.header, *table.rows) for item in row for letter in item.marks}
    notes = [rf"\textsuperscript{{{letter}}}\,{escape(text)}." for letter, text in document.notes if letter in used]
    styles = {style for row in table.rows for item in row for style in item.styles}
    legend = [f"{name}: {escape(LEGEND[style])}." for style, name in NAMES.items() if style in styles]
    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        rf"\caption{{{escape(table.title)}.}}",
        # Narrower tables keep their size, wider ones shrink to the page.
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
        r"\toprule",
        _row(table.header),
        r"\midrule",
        *(_row(row) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}}",
        *([rf"\par\smallskip\footnotesize {' '.join(legend + notes)}"] if legend or notes else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


#: How styles look, for the legend.
NAMES = {"best": r"\textbf{Bold}", "second": r"\underline{Underlined}", "chance": r"\textcolor{gray}{Grey}"}


def _row(items: tuple[Item, ...]) -> str:
    return " & ".join(_item(item) for item in items) + r" \\"


def _item(item: Item) -> str:
    text = escape(item.text)
    if "chance" in item.styles:
        text = rf"\textcolor{{gray}}{{{text}}}"
    if item.styles & {"best", "changed"}:
        # \boldmath for the plus-minus sign.
        text = rf"\textbf{{\boldmath {text}}}"
    if "second" in item.styles:
        text = rf"\underline{{{text}}}"
    return text + (rf"\textsuperscript{{{','.join(item.marks)}}}" if item.marks else "")


def escape(text: str) -> str:
    """Text that LaTeX prints as it is; what a plain LaTeX cannot print becomes a question mark."""
    return "".join(SPECIAL.get(c, c if c.isascii() else "?") for c in printable(text))
