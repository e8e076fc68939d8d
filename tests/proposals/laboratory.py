"""A made-up laboratory with a known true function: 6 numbers and 2 categories, the optimum at 0.8, and tables with poor rows only."""

import numpy as np
import pandas as pd

from bbo.space import Category, Mixed, Number

SPACE = Mixed(
    (
        Number("temperature", 20, 80),
        Number("time", 1, 24),
        Number("acid", 0.001, 1, log=True),
        Number("water", 0, 50),
        Number("loading", 1, 10, integer=True),
        Number("pressure", 1, 5, step=0.5),
        Category("solvent", ("DMSO", "THF", "toluene", "water")),
        Category("base", ("none", "K2CO3", "NaH")),
    )
)
OPTIMUM = 0.8
#: The best setting, as shares of the ranges; the whole number and the step are among the allowed ones.
BEST = np.array([0.62, 0.35, 0.7, 0.2, 4 / 9, 0.5])


def truth(x: np.ndarray) -> np.ndarray:
    """The true yield (n,) of designs (n, 8): a bowl, a wave, solvents and bases, and a temperature that acts otherwise by solvent."""
    u = SPACE.to_unit(x)[:, :6]
    solvent, base = x[:, 6].astype(int), x[:, 7].astype(int)
    y = OPTIMUM - 1.6 * ((u - BEST) ** 2).sum(1) - 0.15 * (1 - np.cos(4 * (u[:, 1] - BEST[1])))
    y -= np.array([0.25, 0.0, 0.4, 0.6])[solvent] + np.array([0.5, 0.0, 0.3])[base]
    return y - 0.4 * (u[:, 0] - BEST[0]) * np.where(solvent == 2, 1, -1) * (solvent != 1)


def table(rows: int = 400, seed: int = 0, most: float = 0.05) -> pd.DataFrame:
    """Random experiments with a yield below `most`."""
    x = SPACE.from_unit(np.random.default_rng(seed).random((20 * rows, 8)))
    x = x[truth(x) < most][:rows]
    frame = pd.DataFrame([SPACE.values(design) for design in x])
    return frame.assign(**{"yield": truth(x).round(5)})


def measured(frame: pd.DataFrame) -> np.ndarray:
    """The true yield (n,) of designs in a DataFrame, which must lie in the laboratory's bounds."""
    parts = [
        frame[column.name].astype(float) if isinstance(column, Number) else frame[column.name].map(column.options.index)
        for column in SPACE.columns
    ]
    return truth(SPACE.check(np.column_stack(parts).astype(float)))
