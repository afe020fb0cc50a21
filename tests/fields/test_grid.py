"""Grid: points, weights, and what counts as the same grid."""

import json

import numpy as np
import pytest
import xarray as xr

from smoecast.errors import InputError, ModelError
from smoecast.fields.grid import Grid, grid_of


@pytest.fixture
def globe() -> Grid:
    return Grid(np.linspace(87.1875, -87.1875, 32), np.arange(64) * 5.625)


def test_shape_and_description(globe):
    assert globe.shape == (32, 64)
    assert globe.describe() == "32 x 64 points, 87.2 to -87.2 N, 0 to 354.4 E"


def test_description_has_no_negative_zero():
    assert "0 to -0.5 N" in Grid(np.array([-0.0, -0.5]), np.array([0.0])).describe()


def test_weights_have_mean_one_and_follow_the_cosine(globe):
    weights = globe.weights()
    assert weights.mean() == pytest.approx(1.0)
    assert weights[0] / weights[15] == pytest.approx(
        np.cos(np.deg2rad(87.1875)) / np.cos(np.deg2rad(globe.latitude[15]))
    )


def test_weights_worked_by_hand():
    weights = Grid(np.array([60.0, 0.0]), np.array([0.0])).weights()
    np.testing.assert_allclose(weights, [0.5 / 0.75, 1.0 / 0.75])


def test_weights_are_not_negative_past_the_pole():
    assert Grid(np.array([90.0004, 0.0]), np.array([0.0])).weights().min() == 0.0


@pytest.mark.parametrize(
    ("longitude", "periodic"),
    [
        (np.arange(64) * 5.625, True),
        (np.arange(64) * 5.625 - 180, True),
        (np.round(np.arange(1280) * 0.28125, 3), True),  # GRIB 1 rounds to thousandths
        (np.arange(63) * 5.625, False),
        (np.arange(65) * 5.625, False),
        (np.array([0.0, 90.0, 180.0, 269.0]), False),
        (np.array([0.0, 180.0]), False),
    ],
)
def test_periodic(longitude, periodic):
    assert Grid(np.array([10.0, 0.0]), longitude).periodic is periodic


def test_matches_within_a_thousandth_of_a_degree(globe):
    assert globe.matches(Grid(globe.latitude + 9e-4, globe.longitude - 9e-4))
    assert not globe.matches(Grid(globe.latitude + 2e-3, globe.longitude))
    assert not globe.matches(Grid(globe.latitude, globe.longitude + 2e-3))
    assert not globe.matches(Grid(globe.latitude[1:], globe.longitude))


def test_goes_through_json(globe):
    back = Grid.from_dict(json.loads(json.dumps(globe.to_dict())))
    np.testing.assert_array_equal(back.latitude, globe.latitude)
    np.testing.assert_array_equal(back.longitude, globe.longitude)
    assert back.latitude.dtype == np.float64


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"latitude": None}, "latitude of its grid is no list of finite numbers"),
        ({"latitude": []}, "latitude of its grid is no list"),
        ({"longitude": ["1", "2"]}, "longitude of its grid is no list"),
        ({"longitude": [0.0, float("nan")]}, "longitude of its grid is no list"),
        ({"latitude": [0.0, 1.0]}, "from north to south"),
        ({"latitude": [91.0, 0.0]}, "from north to south"),
        ({"longitude": [1.0, 1.0]}, "from west to east"),
        ({"longitude": [0.0, 360.0]}, "from west to east"),
    ],
)
def test_what_is_no_grid_is_refused(globe, change, words):
    with pytest.raises(ModelError, match=words):
        Grid.from_dict({**globe.to_dict(), **change})


def test_grid_of_a_dataset(globe):
    dataset = xr.Dataset(coords={"latitude": globe.latitude, "longitude": globe.longitude})
    assert grid_of(dataset).matches(globe)


def test_grid_of_refuses_a_projection():
    dataset = xr.Dataset(coords={"projection_y_coordinate": [0.0], "projection_x_coordinate": [1]})
    with pytest.raises(InputError, match=r"no dimension latitude.*projection_x_coordinate"):
        grid_of(dataset)
