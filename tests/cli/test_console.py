"""Tables of the command line on narrow terminals and in pipes."""

from __future__ import annotations

import io
import sys

import click
import pytest

from bbo.cli import console

COLUMNS = ("id", "version", "visible_rows", "available", "title")
ROWS = [
    ("tfbind8", "1", "32898", "yes", "DNA binding of SIX6_REF_R1 to sequences of eight letters, measured for all of them"),
    (
        "superconductor",
        "2",
        "17010",
        "no: needs data file x.npz; get it with: bbo data fetch superconductor",
        "Critical temperature",
    ),
]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(monkeypatch, width: int, screen=None) -> list[str]:
    screen = screen or Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(width))
    console.table(COLUMNS, ROWS)
    return click.unstyle(screen.getvalue()).splitlines()


def test_a_wide_screen_has_a_line_a_row(monkeypatch) -> None:
    lines = printed(monkeypatch, 220)
    assert len(lines) == 3
    assert "visible rows" in lines[0]


@pytest.mark.parametrize("width", [80, 60, 40])
def test_a_narrow_screen_breaks_no_word(monkeypatch, width) -> None:
    lines = printed(monkeypatch, width)
    assert max(map(len, lines)) <= width
    words = {word for line in lines for word in line.split()}
    assert {word for row in ROWS for cell in row for word in cell.split()} <= words
    # The id begins each row's line; what was taken out stands below it, named.
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["id", "tfbind8", "superconductor"]
    assert any(line.startswith("    title: DNA binding") for line in lines)


def test_a_pipe_gets_tabs(monkeypatch) -> None:
    assert printed(monkeypatch, 80, io.StringIO())[1] == "\t".join(ROWS[0])


def test_commands_are_not_wrapped(monkeypatch) -> None:
    screen, command = Screen(), "bbo run " + "-b method " * 20
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "60")
    console.table(("cell", "command"), [("abc", command)])
    assert f"    {command}" in click.unstyle(screen.getvalue()).splitlines()
