"""Extreme Forecast Index: ends, worked numbers, ECMWF's own software, the ENS-10 version."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from smoecast.errors import InputError
from smoecast.scores.extremes import eecrps, efi, efi_ens10, sot

RNG = np.random.default_rng(11)
CLIMATE = np.linspace(-1.0, 1.0, 21)


def test_all_members_beyond_the_climate() -> None:
    assert efi(np.full(10, 5.0), CLIMATE, 0) == pytest.approx(1.0, abs=1e-14)
    assert efi(np.full(10, -5.0), CLIMATE, 0) == pytest.approx(-1.0, abs=1e-14)


def test_antisymmetric_and_zero_for_the_climate_itself() -> None:
    members = RNG.uniform(-1, 1, size=(10, 30))
    climate = np.repeat(CLIMATE[:, None], 30, axis=1)
    np.testing.assert_allclose(efi(members, climate, 0), -efi(-members, climate, 0), atol=1e-12)
    middles = np.linspace(-1, 1, 4001)[1::2]
    assert efi(middles, CLIMATE, 0) == pytest.approx(0.0, abs=1e-3)


def test_equals_the_integral_taken_numerically() -> None:
    climate = np.sort(RNG.normal(size=12))
    members = RNG.uniform(climate[0], climate[-1], size=7)
    levels = np.linspace(0, 1, 12)
    share = np.array([np.mean(members <= quantile) for quantile in climate])

    def integrand(angle: float) -> float:
        # p = sin^2(angle) takes the singular ends out of the integral
        p = np.sin(angle) ** 2
        return 2 * (p - np.interp(p, levels, share))

    edges = np.arcsin(np.sqrt(levels))
    expected = 2 / np.pi * sum(quad(integrand, a, b)[0] for a, b in pairwise(edges))
    assert efi(members, climate, 0) == pytest.approx(expected, abs=1e-9)


def test_equals_the_software_of_ecmwf() -> None:
    theirs = pytest.importorskip("earthkit.meteo.extreme.array")
    climate = np.sort(RNG.normal(size=(101, 60)), axis=0)
    members = RNG.normal(0.7, 0.6, size=(51, 60))
    expected = theirs.efi(climate, members, eps=-0.1)
    np.testing.assert_allclose(efi(members, climate, 0), expected, atol=1e-12)


def test_ties_with_the_climate_count_as_at_or_below() -> None:
    theirs = pytest.importorskip("earthkit.meteo.extreme.array")
    climate = np.repeat([0.0] * 15 + [1.0, 2, 3, 4, 5, 6], 2).reshape(21, 2)
    members = np.repeat([0.0, 0.0, 1.0, 3.0], 2).reshape(4, 2)
    np.testing.assert_allclose(efi(members, climate, 0), theirs.efi(climate, members), atol=1e-12)


def test_the_members_axis_may_stand_anywhere() -> None:
    members = RNG.uniform(-1.2, 1.2, size=(5, 10))
    expected = [efi(row, CLIMATE, 0) for row in members]
    np.testing.assert_allclose(efi(members, CLIMATE[None, :], 1), expected, atol=1e-12)


def test_missing_members_and_climate() -> None:
    members = np.array([[5.0, np.nan, 0.0], [np.nan, np.nan, 0.0]])
    climate = np.repeat(CLIMATE[:, None], 3, axis=1)
    climate[4, 2] = np.nan
    np.testing.assert_allclose(efi(members, climate, 0), [1.0, np.nan, np.nan])
    ens10 = efi_ens10(members, climate, 0)
    np.testing.assert_array_equal(np.isnan(ens10), [False, True, True])


def ens10_script(members: np.ndarray, climate: np.ndarray) -> float:
    """The authors' sum for one point, as their paper and script describe it."""
    p = np.linspace(0, 1, 21)
    reduced = np.quantile(members, p)
    share = p[np.searchsorted(reduced[:-1], climate[1:-1])]
    weight = 0.05 / np.sqrt(p[1:-1] * (1 - p[1:-1]))
    return float(2 / np.pi * ((p[1:-1] - share) * weight).sum())


def test_ens10_version_point_by_point() -> None:
    climate = np.sort(RNG.normal(size=(21, 40)), axis=0)
    members = RNG.normal(0.4, 0.8, size=(10, 40))
    expected = [ens10_script(members[:, i], climate[:, i]) for i in range(40)]
    np.testing.assert_allclose(efi_ens10(members, climate, 0), expected, atol=1e-12)


def test_ens10_version_saturates() -> None:
    assert efi_ens10(np.full(10, 9.0), CLIMATE, 0) == pytest.approx(0.791, abs=5e-4)
    assert efi_ens10(np.full(10, -9.0), CLIMATE, 0) == pytest.approx(-0.791, abs=5e-4)


def test_shift_of_tails_equals_the_software_of_ecmwf() -> None:
    theirs = pytest.importorskip("earthkit.meteo.extreme.array")
    climate = np.sort(RNG.normal(size=(101, 60)), axis=0)
    members = RNG.normal(0.7, 0.9, size=(51, 60))
    for percent in (10, 90):
        expected = theirs.sot(climate, members, percent)
        found = sot(members, climate, 0, upper=percent == 90)
        np.testing.assert_allclose(found, expected, atol=1e-10)


def test_shift_of_tails_of_a_worked_case() -> None:
    climate = np.arange(101.0)
    assert sot(np.full(10, 108.0), climate, 0) == pytest.approx(1.0)
    assert sot(np.full(10, -8.0), climate, 0, upper=False) == pytest.approx(1.0)
    assert sot(np.full(10, 1e9), climate, 0) == 10.0
    assert np.isnan(sot(np.full(10, 1.0), np.ones(101), 0))
    assert np.isnan(sot(np.full(10, 1.0), np.full(101, np.nan), 0))


def test_eecrps_is_the_weighted_score() -> None:
    assert eecrps([-0.5, 0.25], [2.0, 4.0]).tolist() == [1.0, 1.0]


def test_every_refusal() -> None:
    members = np.zeros(10)
    with pytest.raises(InputError, match="number of axes"):
        efi(np.zeros((10, 3)), CLIMATE, 0)
    with pytest.raises(InputError, match="21 quantiles, not 5"):
        efi_ens10(members, CLIMATE[:5], 0)
    with pytest.raises(InputError, match="101 quantiles, not 21"):
        sot(members, CLIMATE, 0)
