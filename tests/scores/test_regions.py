"""Regions: which points belong to a box, and their weights."""

import numpy as np
import pytest

from smoecast import names
from smoecast.errors import InputError
from smoecast.scores.regions import inside, region_weights

LATITUDE = np.array([60.0, 20.0, 0.0, -20.0, -60.0])
LONGITUDE = np.arange(12) * 30.0


def test_edges_belong_to_a_box() -> None:
    found = inside(names.REGIONS["tropics"], LATITUDE, LONGITUDE)
    assert found.all(axis=1).tolist() == [False, True, True, True, False]
    north = inside(names.REGIONS["northern-hemisphere"], LATITUDE, LONGITUDE)
    south = inside(names.REGIONS["southern-hemisphere"], LATITUDE, LONGITUDE)
    both = inside(names.REGIONS["extra-tropics"], LATITUDE, LONGITUDE)
    np.testing.assert_array_equal(both, north | south)
    assert inside(names.REGIONS["global"], LATITUDE, LONGITUDE).all()


@pytest.mark.parametrize("longitude", [LONGITUDE, np.arange(-6, 6) * 30.0])
def test_a_box_may_cross_greenwich_and_the_date_line(longitude: np.ndarray) -> None:
    europe = inside(names.REGIONS["europe"], LATITUDE, longitude)
    assert sorted(longitude[europe[0]] % 360) == [0, 30]
    assert not europe[1:].any()
    pacific = inside([(90, 145, -90, 230)], LATITUDE, longitude)
    assert sorted(longitude[pacific[2]] % 360) == [150, 180, 210]
    west = inside([(90, -60, -90, 0)], LATITUDE, longitude)
    assert sorted(longitude[west[2]] % 360) == [0, 300, 330]


def test_weights_are_those_of_weatherbench() -> None:
    boxes = {n: inside(names.REGIONS[n], LATITUDE, LONGITUDE) for n in ("global", "tropics")}
    weights = region_weights(boxes, LATITUDE)
    cosine = np.cos(np.deg2rad(LATITUDE))
    np.testing.assert_allclose(weights[0, :, 3], cosine / cosine.mean(), rtol=1e-15)
    np.testing.assert_array_equal(weights[1, 1:4], weights[0, 1:4])
    assert not weights[1, [0, 4]].any()


def test_poles_weigh_nothing_and_never_less() -> None:
    weights = region_weights({"all": np.ones((3, 12), bool)}, np.array([90.0, 0, -90]))
    assert weights.min() >= 0
    assert weights[0, 0].max() < 1e-15


def test_a_region_off_the_grid_is_refused() -> None:
    with pytest.raises(InputError, match="region arctic holds no point"):
        off = inside(names.REGIONS["arctic"], LATITUDE[1:], LONGITUDE)
        region_weights({"arctic": off}, LATITUDE[1:])


def test_plain_weights_count_every_point_alike() -> None:
    latitude, longitude = np.array([60.0, 0.0, -60.0]), np.arange(4) * 90.0
    north = inside([(90, 0, 0, 180)], latitude, longitude)
    weights = region_weights({"north": north}, latitude, plain=True)
    assert weights[0].tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
