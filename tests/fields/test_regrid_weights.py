"""Edges of cells and weights between grids."""

import numpy as np
import pytest
from cell_areas import cell_areas

from smoecast.errors import InputError
from smoecast.fields.grid import Grid
from smoecast.fields.regrid import grid_by_name
from smoecast.fields.regrid_weights import (
    bilinear,
    conservative,
    latitude_edges,
    longitude_edges,
    nearest,
    reaches_pole,
)

EUROPE = Grid(np.arange(70.0, 29.0, -2.5), np.arange(-10.0, 41.0, 2.5))
NAMES = ("5.625", "2.8125", "2.5", "1.5", "f16", "f32")


def test_edges_worked_by_hand():
    square = Grid(np.array([60.0, 0.0, -60.0]), np.array([0.0, 120.0, 240.0]))
    assert latitude_edges(square).tolist() == [90.0, 30.0, -30.0, -90.0]
    assert longitude_edges(square).tolist() == [-60.0, 60.0, 180.0, 300.0]
    np.testing.assert_allclose(cell_areas(square)[:, 0], [1 / 12, 1 / 6, 1 / 12])


def test_edges_of_a_region_reach_half_a_spacing_out():
    assert latitude_edges(EUROPE)[[0, -1]].tolist() == [71.25, 28.75]
    assert longitude_edges(EUROPE)[[0, -1]].tolist() == [-11.25, 41.25]


def test_cells_with_a_point_at_the_pole_end_there():
    edges = latitude_edges(grid_by_name("1.5"))
    assert edges[[0, 1, -2, -1]].tolist() == [90.0, 89.25, -89.25, -90.0]


@pytest.mark.parametrize("name", NAMES)
def test_cells_fill_the_sphere(name):
    assert cell_areas(grid_by_name(name)).sum() == pytest.approx(1.0, abs=1e-12)


def test_gaussian_cells_have_gauss_weights():
    """Gauss's weights integrate polynomials in sin(latitude) exactly: the mean of sin^4 is 1/5."""
    grid = grid_by_name("f16")
    mean = (cell_areas(grid) * np.sin(np.deg2rad(grid.latitude))[:, np.newaxis] ** 4).sum()
    assert mean == pytest.approx(0.2, abs=1e-12)
    edges = latitude_edges(grid)
    assert ((edges[:-1] > grid.latitude) & (grid.latitude > edges[1:])).all()


@pytest.mark.parametrize("method", [bilinear, conservative])
@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_weights_add_up_to_one(method, source, target):
    weights = method(grid_by_name(source), grid_by_name(target))
    whole = weights.latitude.sum(axis=1) + weights.poles.sum(axis=1)
    np.testing.assert_allclose(whole, 1.0, atol=1e-12)
    np.testing.assert_allclose(weights.longitude.sum(axis=0), 1.0, atol=1e-12)
    assert weights.latitude.min() >= 0.0
    assert weights.longitude.min() >= 0.0


@pytest.mark.parametrize("source", NAMES)
@pytest.mark.parametrize("target", NAMES)
def test_conservative_weights_give_every_source_cell_its_area(source, target):
    """What every source cell gives to all targets, times their areas, is its own area."""
    grids = grid_by_name(source), grid_by_name(target)
    weights = conservative(*grids)
    areas = [cell_areas(grid) for grid in grids]
    given = weights.latitude.T @ areas[1] @ weights.longitude.T
    np.testing.assert_allclose(given, areas[0], rtol=1e-9)


def test_who_reaches_the_pole():
    assert reaches_pole(grid_by_name("5.625"), 0)
    assert reaches_pole(grid_by_name("f16"), -1)
    assert not reaches_pole(EUROPE, 0)
    without = grid_by_name("2.5")
    assert not reaches_pole(Grid(without.latitude[1:], without.longitude), 0)


def test_one_column_beside_greenwich_and_one_across():
    weights = bilinear(EUROPE, Grid(np.array([50.0]), np.array([358.75])))
    np.testing.assert_allclose(weights.longitude[[3, 4], 0], 0.5)
    coarse = Grid(np.array([55.0, 50.0]), np.array([355.0, 360.0]))
    share = conservative(EUROPE, coarse).longitude
    assert np.flatnonzero(share[:, 1]).tolist() == [3, 4, 5]
    np.testing.assert_allclose(share[[3, 4, 5], 1], [0.25, 0.5, 0.25])


def test_thousandths_of_a_degree_are_no_matter():
    """GRIB 1 rounds 0.28125 degrees to thousandths: the last column may stand 0.5e-3 off."""
    exact = np.arange(1280) * 0.28125
    rows = np.array([10.0, 5.0])
    rounded = Grid(rows, np.round(exact, 3))
    for method in (bilinear, conservative):
        weights = method(rounded, Grid(rows, exact[::4]))
        np.testing.assert_allclose(weights.longitude.sum(axis=0), 1.0)
    noisy = Grid(np.round(EUROPE.latitude + 4e-4, 4), np.round(EUROPE.longitude - 4e-4, 4))
    for method in (bilinear, conservative):
        assert method(EUROPE, noisy).latitude.sum() == pytest.approx(len(EUROPE.latitude))


def test_nearest_takes_one():
    weights = nearest(bilinear(grid_by_name("5.625"), grid_by_name("2.5")))
    assert set(np.unique(weights.latitude)) == {0.0, 1.0}
    assert weights.latitude[0].argmax() == 0  # the pole takes the row next to it
    assert not weights.poles.any()
    np.testing.assert_array_equal(weights.longitude.sum(axis=0), 1.0)


def test_one_row_is_enough_for_linear_and_too_few_for_cells():
    row = Grid(np.array([50.0]), EUROPE.longitude)
    weights = bilinear(row, Grid(np.array([50.0]), np.array([1.0])))
    assert weights.latitude.tolist() == [[1.0]]
    with pytest.raises(InputError, match="one row or column has no cells"):
        conservative(EUROPE, row)


@pytest.mark.parametrize("method", [bilinear, conservative])
@pytest.mark.parametrize(
    ("latitude", "longitude", "words"),
    [
        ([72.5, 70.0], [0.0, 2.5], "latitude 72.5 of the grid that is wanted"),
        ([50.0, 27.0], [0.0, 2.5], "latitude 27 of"),
        ([50.0, 47.5], [39.5, 43.0], "longitude 43 of"),
        ([50.0, 47.5], [347.0, 349.5], "longitude 347 of"),
    ],
)
def test_beyond_the_data(method, latitude, longitude, words):
    with pytest.raises(InputError, match=words) as caught:
        method(EUROPE, Grid(np.array(latitude), np.array(longitude)))
    assert "17 x 21 points, 70 to 30 N, -10 to 40 E" in str(caught.value)
