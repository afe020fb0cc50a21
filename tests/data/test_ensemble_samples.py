"""What calibration networks see beside the ensemble."""

import numpy as np

from smoecast.data.ensemble_samples import Predictors, position
from smoecast.data.inputs import Inputs
from smoecast.fields.grid import Grid, ProjectedGrid

GRID = Grid(np.array([90.0, 0.0, -30.0]), np.array([0.0, 90.0, 180.0, 270.0]))
VALID = np.array(["2001-01-01", "2001-07-02T15:00"], "datetime64[ns]")
HOURS = np.array([24.0, 48.0])


def test_the_position_is_a_point_of_the_unit_sphere() -> None:
    where = position(GRID)
    np.testing.assert_allclose((where**2).sum(axis=0), 1.0, rtol=1e-6)
    np.testing.assert_allclose(where[:, 0, 3], [1, 0, 0], atol=1e-7)
    np.testing.assert_allclose(where[:, 1, 1], [0, 1, 0], atol=1e-7)
    np.testing.assert_allclose(where[:, 2, 2], [-0.5, 0, -np.sqrt(0.75)], atol=1e-7)


def test_metres_stand_for_angles_on_a_projection() -> None:
    plane = ProjectedGrid(np.array([0.0, 1000e3]), np.array([0.0, 500e3, 1000e3]), {})
    where = position(plane)
    np.testing.assert_allclose(where[0, :, 0], np.sin([0.0, 1 / 6.371]), rtol=1e-6)
    np.testing.assert_allclose(where[1, 0], np.sin([0.0, 0.5 / 6.371, 1 / 6.371]), rtol=1e-6)


def test_each_kind_of_input_stands_where_it_should() -> None:
    fields = np.random.default_rng(0).normal(size=(2, 5, 3, 4)).astype("f4")
    recipe = Predictors(GRID, position=True, season=True, lead=True)
    made = recipe.beside(fields, VALID, HOURS)
    assert made.shape == (2, 5 + 3 + 2 + 1, 3, 4)
    np.testing.assert_array_equal(made[:, :5], fields)
    np.testing.assert_array_equal(made[1, 5:8], position(GRID))
    np.testing.assert_allclose(made[0, 8:, 0, 0], [1.0, 0.0, 0.24], atol=1e-6)
    np.testing.assert_allclose(made[1, 8:, 2, 1], [-1.0, 0.0, 0.48], atol=1e-2)
    assert Predictors(GRID).beside(fields, VALID, HOURS).shape == fields.shape


def test_members_become_channels() -> None:
    fields = np.random.default_rng(0).normal(size=(2, 5, 3, 3, 4)).astype("f4")
    made = Predictors(GRID, lead=True).beside(fields, VALID, HOURS)
    np.testing.assert_array_equal(made[:, :-1].reshape(fields.shape), fields)


def test_clock_and_constants_are_those_of_forecasts() -> None:
    inputs = Inputs((), (0,), True, {"lsm": np.eye(3, 4, dtype="f4")}, GRID)
    fields = np.zeros((2, 1, 3, 4), "f4")
    made = Predictors(GRID, inputs).beside(fields, VALID, HOURS)
    np.testing.assert_array_equal(made[:, 1:], inputs.extra(VALID))


def test_statistics_are_one_for_each_input() -> None:
    inputs = Inputs((), (0,), True, {"lsm": np.eye(3, 4, dtype="f4")}, GRID)
    recipe = Predictors(GRID, inputs, position=True, season=True, lead=True)
    mean, std = recipe.statistics(HOURS)
    assert len(mean) == len(std) == 6 + 3 + 2 + 1
    assert (std > 0).all()
    np.testing.assert_allclose([mean[0], std[0]], [0.25, np.sqrt(0.1875)])
    np.testing.assert_allclose([mean[-1], std[-1]], [0.36, 0.12])
    assert Predictors(GRID, lead=True).statistics(HOURS[:1])[1].tolist() == [1.0]
    point = Grid(np.array([0.0]), np.array([0.0]))
    assert Predictors(point, position=True).statistics(HOURS)[1].tolist() == [1.0, 1.0, 1.0]
    assert not len(Predictors(GRID).statistics(HOURS)[0])
