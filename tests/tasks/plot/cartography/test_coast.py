"""Coastlines: the file that travels along, and those of the planet."""

import numpy as np
import pytest

from smoecast.data.sources.planet import geography
from smoecast.tasks.plot.cartography import coast


def test_the_file_is_small() -> None:
    assert coast.FILE.stat().st_size < 100_000


@pytest.mark.parametrize(("width", "away"), [(360.0, 0.5), (20.0, 0.1)])
def test_capes_of_the_earth_are_there(width: float, away: float) -> None:
    points = np.concatenate(coast.earth(width))
    assert (np.abs(points[:, 0]) <= 180).all()
    assert (np.abs(points[:, 1]) < 89.9).all()
    for east, north in ((-9.50, 38.78), (19.99, -34.83), (141.93, 45.52)):
        # Cabo da Roca, Agulhas, Soya
        assert np.hypot(*(points - (east, north)).T).min() < away


def test_a_narrow_map_shows_more_of_a_coast() -> None:
    wide, narrow = (sum(map(len, coast.earth(width))) for width in (360.0, 20.0))
    assert narrow > 4 * wide


def test_no_line_runs_along_the_cut_of_the_sheet() -> None:
    for line in coast.earth():
        assert not (np.abs(line[1:, 0]) + np.abs(line[:-1, 0]) > 359.98).any()


def test_the_planet_has_its_own() -> None:
    points = np.concatenate(coast.planet())
    land = geography.land_fraction(points[:, 1], points[:, 0] % 360)
    assert land == pytest.approx(0.5, abs=0.08)
