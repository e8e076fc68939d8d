"""tools/tells_apart.py on records with known scores."""

import importlib.util
from pathlib import Path

from bbo.record import CellSpec, Record
from bbo.reporting.board.scores import board

PATH = Path(__file__).parents[2] / "tools" / "tells_apart.py"
spec = importlib.util.spec_from_file_location("tells_apart", PATH)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def cell(method, seed, high, middle):
    percentiles = {"100": high, "80": high, "50": middle}
    return Record(CellSpec("a", "1", "h", method, "1", {}, seed, 128, 1), "done", percentiles=percentiles)


def test_pairs_are_counted_at_each_percentile():
    noisy = [cell("noisy", seed, 0.5 + 0.3 * (-1) ** seed, 0.2) for seed in range(4)]
    good = [cell("good", seed, 0.8 + 0.01 * seed, 0.9) for seed in range(4)]
    fair = [cell("fair", seed, 0.7 + 0.01 * seed, 0.9) for seed in range(4)]
    results = board([*noisy, *good, *fair, cell("once", 0, 0.1, 0.1)])
    (column,) = results.columns
    found = tool.counted(results, column)
    assert found == {"task": "a", "pairs": "3", "apart_100": "1", "apart_80": "1", "apart_50": "2"}
