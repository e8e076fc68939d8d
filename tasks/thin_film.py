"""Thin film: choose the 60 layer thicknesses of an optical filter on glass that reflects yellow light and lets the rest pass.

A textbook problem (transfer matrices at normal incidence; Macleod, "Thin-Film Optical Filters", ch. 2) with a closed form, so the
oracle is exact. 60 layers, titania (n = 2.40) and silica (n = 1.46) in turn, titania
facing the air, on glass (n = 1.52); no dispersion, no absorption. Wanted is reflectance 1 from 540 to 660 nm and 0 elsewhere
between 400 and 800 nm; the score is one minus the mean absolute deviation over 41 wavelengths, every 10 nm.

The visible table comes from a frozen pool of 20000 designs, half of them uniform, half visited by CMA-ES restarts
(tools/build_thin_film.py): its lowest 60 %. y_min is the pool's minimum; its maximum, hidden, is 0.6817.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bbo import data
from bbo.space import Continuous
from bbo.task import Dataset, Task, TaskSpec

LAYERS = 60
FILE = "thin_film.npz"
#: Thickness in nm at design values -1 and 1. Quarter waves at 600 nm, 62.5 and 102.7 nm, are well inside.
THINNEST, THICKEST = 10.0, 160.0
AIR, TITANIA, SILICA, GLASS = 1.0, 2.40, 1.46, 1.52
INDICES = np.tile([TITANIA, SILICA], LAYERS // 2)
WAVELENGTHS = np.arange(400.0, 801.0, 10.0)
TARGET = ((WAVELENGTHS >= 540.0) & (WAVELENGTHS <= 660.0)).astype(np.float64)


def reflectance(x: np.ndarray) -> np.ndarray:
    """Share of reflected power (n, 41) at `WAVELENGTHS` of designs x (n, 60) in [-1, 1]; float64, as phases add up over 60 layers.

    With (B, C) = M_1 .. M_60 (1, n_glass), M = [[cos d, i sin d / n], [i n sin d, cos d]] and phase d = 2 pi n t / wavelength, the
    amplitude reflected is (n_air B - C) / (n_air B + C).
    """
    thickness = THINNEST + (np.asarray(x, np.float64) + 1.0) / 2.0 * (THICKEST - THINNEST)
    field = np.ones((len(x), len(WAVELENGTHS)), np.complex128)
    flux = np.full_like(field, GLASS)
    for layer in reversed(range(LAYERS)):
        n = INDICES[layer]
        phase = 2.0 * np.pi * n * thickness[:, layer, None] / WAVELENGTHS
        cos, sin = np.cos(phase), 1j * np.sin(phase)
        field, flux = cos * field + sin / n * flux, n * sin * field + cos * flux
    return np.abs((AIR * field - flux) / (AIR * field + flux)) ** 2


def filter_score(x: np.ndarray) -> np.ndarray:
    """1 - mean |reflectance - target| (n,), float64, of designs x (n, 60); 1 is a perfect filter."""
    return 1.0 - np.abs(reflectance(x) - TARGET).mean(axis=1)


class ThinFilm(Task):
    """Thicknesses of a 60-layer optical filter that reflects 540 to 660 nm."""

    #: The stored scores are rounded to float32.
    tolerance = 1e-6
    spec = TaskSpec(
        id="thin-film",
        version="1",
        title="60-layer optical filter, reflecting 540 to 660 nm",
        space=Continuous.box(LAYERS, -1.0, 1.0),
        visible_rows=12000,
        best_visible=0.3850426375865936,
        y_min=0.19838699698448181,
        y_max=1.0,
        oracle="exact",
        family="materials",
        hidden="the upper 40 % of a pool of 20000 designs (half uniform, half CMA-ES paths)",
        source="transfer-matrix method at normal incidence; pool from tools/build_thin_film.py",
        licence="MIT",
        seconds=0.03,
        note="y_max = 1 is a perfect filter, an upper bound that no stack reaches",
    )

    @classmethod
    def sources(cls) -> tuple[data.Source, ...]:
        return (data.Source((FILE,), "MIT (this project)", "tools/build_thin_film.py"),)

    def dataset(self) -> Dataset:
        return Dataset.stored(FILE, self.spec.space)

    def oracle(self, x: np.ndarray) -> np.ndarray:
        return filter_score(x)

    def draw(self, design: np.ndarray, figure: Any) -> None:
        axes = figure.subplots()
        axes.step(WAVELENGTHS, TARGET, where="mid", label="wanted")
        axes.plot(WAVELENGTHS, reflectance(design[None])[0], marker=".", label="of the design")
        axes.set(xlabel="wavelength (nm)", ylabel="reflected share of light", ylim=(-0.02, 1.02))
        axes.legend()
