"""Smooth noise: its variance, its length, no seams, and the same fields for the same key."""

import numpy as np
import pytest

from smoecast.fields.grid import Grid
from smoecast.tasks.forecast import ensemble
from smoecast.tasks.forecast.ensemble import EARTH_KM, SmoothNoise

GRID = Grid(np.linspace(87.5, -87.5, 36), np.arange(72) * 5.0)


@pytest.fixture(scope="module")
def many() -> np.ndarray:
    made = SmoothNoise(GRID, 2000.0, seed=1)
    return np.concatenate([made.fields(20, (start, 1)) for start in range(60)])


def test_variance_is_one_everywhere(many: np.ndarray) -> None:
    assert abs(many.mean()) < 0.05
    np.testing.assert_allclose((many**2).mean(axis=(0, 2)), 1.0, atol=0.15)


def test_correlation_falls_with_distance(many: np.ndarray) -> None:
    row = 17  # 2.5 N
    angle = np.deg2rad(GRID.longitude)
    chord = 2 * EARTH_KM * np.cos(np.deg2rad(2.5)) * np.sin(angle / 2)
    expected = np.exp(-(chord**2) / (2 * 2000.0**2))
    found = (many[:, row, :1] * many[:, row]).mean(axis=0)
    np.testing.assert_allclose(found, expected, atol=0.15)
    assert found[-1] > 0.9  # across Greenwich


def test_poles_are_no_seam(many: np.ndarray) -> None:
    assert many[:, 0].std(axis=1).mean() < 0.25 * many.std()


def test_the_same_key_gives_the_same_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    made = SmoothNoise(GRID, 1000.0, seed=3)
    first, again = made.fields(2, (-5, 1)), SmoothNoise(GRID, 1000.0, seed=3).fields(2, (-5, 1))
    np.testing.assert_array_equal(first, again)
    for other in (made.fields(2, (-5, 2)), SmoothNoise(GRID, 1000.0, 4).fields(2, (-5, 1))):
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.5
    monkeypatch.setattr(ensemble, "BAND_VALUES", 1)
    np.testing.assert_allclose(made.fields(2, (-5, 1)), first, atol=1e-6)
