"""A table over cells of two numerics modes or fingerprints says so."""

from dataclasses import replace

from bbo.reporting.board.scores import board
from bbo.reporting.documents import footer


def said(make, *provenance):
    records = [replace(make(seed=seed)[0], provenance=facts) for seed, facts in enumerate(provenance)]
    return [line for line in footer.lines(board(records), "bbo report", "") if "side by side" in line]


def test_what_differs_is_counted(make):
    one, other = {"numerics": "portable", "fingerprint": "ab"}, {"numerics": "portable", "fingerprint": "cd"}
    assert not said(make, one, one, {})
    assert "numerics fingerprints stand side by side: ab (2 cells), cd (1 cells)" in said(make, one, other, one)[0]
    assert "numerics modes stand side by side: portable (1 cells), native (1 cells)" in said(make, one, {"numerics": "native"})[0]
