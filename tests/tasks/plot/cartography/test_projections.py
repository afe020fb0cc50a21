"""Projections: worked numbers, areas, and another library."""

import numpy as np
import pytest

from smoecast.tasks.plot.cartography.projections import (
    AzimuthalEqualArea,
    EqualEarth,
    PlateCarree,
)

MOGREPS = {
    "grid_mapping_name": "lambert_azimuthal_equal_area",
    "longitude_of_projection_origin": -2.5,
    "latitude_of_projection_origin": 54.9,
    "semi_major_axis": 6378137.0,
    "semi_minor_axis": 6356752.314140356,
}


def test_the_middle_is_the_origin_and_the_globe_is_symmetric() -> None:
    earth = EqualEarth(10.0)
    x, y = earth.forward(np.array([10.0, 190.0, -170.0]), np.array([0.0, 0.0, 0.0]))
    assert x == pytest.approx([0.0, 2.7066, -2.7066], abs=1e-3)
    assert y == pytest.approx(0.0)
    assert earth.forward(np.array(10.0), np.array(90.0))[1] == pytest.approx(1.3173, abs=1e-3)


def test_equal_earth_keeps_areas() -> None:
    edges = np.linspace(-90, 90, 721)
    x, y = EqualEarth(0.0).forward(np.full(721, 180.0), edges)
    strips = (x[1:] + x[:-1]) * np.diff(y)
    true = np.diff(np.sin(np.deg2rad(edges)))
    assert strips / strips.sum() == pytest.approx(true / 2, abs=2e-6)


@pytest.mark.parametrize(
    ("origin", "latitudes"), [(54.9, [48, 54.9, 60]), (90.0, [60, 75, 89]), (-90.0, [-70, -80])]
)
def test_the_azimuthal_projection_is_that_of_proj(origin: float, latitudes: list[float]) -> None:
    pyproj = pytest.importorskip("pyproj")
    theirs = pyproj.Proj(f"+proj=laea +lat_0={origin} +lon_0=-2.5 +a=6378137 +b=6356752.314140356")
    mine = AzimuthalEqualArea.of(MOGREPS | {"latitude_of_projection_origin": origin})
    assert mine is not None
    longitude, latitude = np.meshgrid([-12.0, -2.5, 4.0], latitudes)
    x, y = mine.forward(longitude, latitude)
    there = theirs(longitude, latitude)
    assert x == pytest.approx(there[0] / 1000, abs=1e-4)
    assert y == pytest.approx(there[1] / 1000, abs=1e-4)


def test_a_sphere_is_a_simpler_ellipsoid_and_behind_the_horizon_is_nothing() -> None:
    sphere = {k: v for k, v in MOGREPS.items() if not k.startswith("semi")}
    mine = AzimuthalEqualArea.of(sphere | {"earth_radius": 6371000.0, "false_easting": 1000.0})
    assert mine is not None
    assert mine.forward(np.array(-2.5), np.array(54.9)) == pytest.approx((1.0, 0.0))
    assert np.isnan(mine.forward(np.array(177.5), np.array(-54.9))[0])


@pytest.mark.parametrize("lost", ["grid_mapping_name", "latitude_of_projection_origin"])
def test_another_mapping_is_not_known(lost: str) -> None:
    assert AzimuthalEqualArea.of({k: v for k, v in MOGREPS.items() if k != lost}) is None


def test_degrees_are_as_long_both_ways_in_the_middle() -> None:
    assert PlateCarree(0.0, 60.0).aspect == pytest.approx(2.0)
    assert PlateCarree(0.0, 89.9).aspect == pytest.approx(5.0)
