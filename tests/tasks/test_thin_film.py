"""The thin film's physics, against textbook results."""

import numpy as np
import pytest

from bbo.tasks import thin_film
from bbo.tasks.thin_film import AIR, GLASS, INDICES, LAYERS, TITANIA, WAVELENGTHS, ThinFilm, reflectance

pytestmark = pytest.mark.numerics


def design(thickness: np.ndarray) -> np.ndarray:
    """Design values (1, 60) of thicknesses in nm."""
    span = thin_film.THICKEST - thin_film.THINNEST
    return (2.0 * (thickness - thin_film.THINNEST) / span - 1.0)[None]


def test_bare_glass_reflects_by_fresnel(monkeypatch):
    monkeypatch.setattr(thin_film, "INDICES", np.full(LAYERS, GLASS))
    expected = ((AIR - GLASS) / (AIR + GLASS)) ** 2
    np.testing.assert_allclose(reflectance(np.zeros((1, LAYERS))), expected, rtol=1e-10)


def test_one_quarter_wave_coating(monkeypatch):
    # 59 layers of glass under one quarter wave of titania at 600 nm: ((n_air n_glass - n^2) / (n_air n_glass + n^2))^2.
    monkeypatch.setattr(thin_film, "INDICES", np.array([TITANIA] + [GLASS] * (LAYERS - 1)))
    thickness = np.full(LAYERS, 50.0)
    thickness[0] = 600.0 / (4 * TITANIA)
    at_600 = reflectance(design(thickness))[0, WAVELENGTHS == 600.0]
    expected = ((AIR * GLASS - TITANIA**2) / (AIR * GLASS + TITANIA**2)) ** 2
    np.testing.assert_allclose(at_600, expected, rtol=1e-10)


def test_quarter_wave_stack_is_a_mirror_at_its_wavelength():
    r = reflectance(design(600.0 / (4 * INDICES)))[0]
    assert r[WAVELENGTHS == 600.0] > 0.9999
    assert r[WAVELENGTHS == 420.0] < 0.5


def test_reflectance_is_a_share_of_power():
    x = np.random.Generator(np.random.PCG64(1)).uniform(-1, 1, (200, LAYERS))
    r = reflectance(x)
    assert (r >= 0).all()
    assert (r <= 1).all()


def test_pool_is_frozen():
    task = ThinFilm()
    table = task.dataset()
    assert len(table.x) == 12000
    assert table.y.max() == np.float32(task.spec.best_visible)
    assert table.y.min() == np.float32(task.spec.y_min)
    assert np.abs(task.score(table.x[:500]) - table.y[:500]).max() <= task.tolerance
