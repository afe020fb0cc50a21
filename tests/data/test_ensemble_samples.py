"""What calibration networks see beside the ensemble."""

from dataclasses import replace
from itertools import combinations

import numpy as np

from smoecast.data.ensemble_samples import (
    EnsembleSamples,
    MemberDraw,
    Predictors,
    count_members,
    position,
)
from smoecast.data.inputs import Inputs
from smoecast.data.members import moments
from smoecast.fields.grid import Grid, ProjectedGrid

GRID = Grid(np.array([90.0, 0.0, -30.0]), np.array([0.0, 90.0, 180.0, 270.0]))
VALID = np.array(["2001-01-01", "2001-07-02T15:00"], "datetime64[ns]")
HOURS = np.array([24.0, 48.0])
COUNTS = np.array([5, 5])


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
    made = recipe.beside(fields, VALID, HOURS, COUNTS)
    assert made.shape == (2, 5 + 3 + 2 + 1, 3, 4)
    np.testing.assert_array_equal(made[:, :5], fields)
    np.testing.assert_array_equal(made[1, 5:8], position(GRID))
    np.testing.assert_allclose(made[0, 8:, 0, 0], [1.0, 0.0, 0.24], atol=1e-6)
    np.testing.assert_allclose(made[1, 8:, 2, 1], [-1.0, 0.0, 0.48], atol=1e-2)
    assert Predictors(GRID).beside(fields, VALID, HOURS, COUNTS).shape == fields.shape


def test_members_become_channels() -> None:
    fields = np.random.default_rng(0).normal(size=(2, 5, 3, 3, 4)).astype("f4")
    made = Predictors(GRID, lead=True).beside(fields, VALID, HOURS, COUNTS)
    np.testing.assert_array_equal(made[:, :-1].reshape(fields.shape), fields)


def test_clock_and_constants_are_those_of_forecasts() -> None:
    inputs = Inputs((), (0,), True, {"lsm": np.eye(3, 4, dtype="f4")}, GRID)
    fields = np.zeros((2, 1, 3, 4), "f4")
    made = Predictors(GRID, inputs).beside(fields, VALID, HOURS, COUNTS)
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


def test_the_share_of_a_member_is_an_input_where_numbers_differ() -> None:
    fields = np.zeros((2, 5, 3, 4), "f4")
    recipe = Predictors(GRID, lead=True, counts=(2, 5))
    made = recipe.beside(fields, VALID, HOURS, np.array([2, 50]))
    np.testing.assert_allclose(made[:, -1, 1, 2], [0.5, 0.02])
    np.testing.assert_allclose(made[:, -2, 1, 2], [0.24, 0.48])
    mean, std = recipe.statistics(HOURS)
    np.testing.assert_allclose([mean[-1], std[-1]], [0.35, 0.15])
    assert Predictors(GRID, counts=(5,)).statistics(HOURS)[1].tolist() == [1.0]


def test_members_are_counted_that_are_there_in_every_channel() -> None:
    members = np.zeros((1, 2, 5, 3, 4, 4), "f4")
    members[0, 1, 2, 0] = members[0, 1, 4, 1] = np.nan
    assert count_members(members).tolist() == [[5, 3]]


def samples(draw: MemberDraw | None = None, **more: object) -> EnsembleSamples:
    """Four starts, two lead times, six members, two channels; the second channel is corrected."""
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(4, 2, 6, 2, 3, 4)).astype("f4")
    starts = np.datetime64("2001-01-01", "ns") + np.arange(4) * np.timedelta64(1, "D")
    truth = rng.normal(size=(4, 2, 1, 3, 4)).astype("f4")
    recipe = Predictors(GRID, lead=True, counts=(2, 4))
    return EnsembleSamples(fields, truth, starts, HOURS, recipe, draw, **more)


def test_a_sample_is_the_moments_of_some_members_and_says_of_how_many() -> None:
    whole, indices = samples(MemberDraw((2, 4), 0)), np.arange(8)
    inputs = whole.batch(indices)[0].numpy()
    sizes = np.rint(1.0 / inputs[:, -1, 0, 0]).astype(int)
    assert set(sizes.tolist()) == {2, 4}
    for index, size in zip(indices, sizes, strict=True):
        members = whole.fields[index // 2, index % 2]
        tries = combinations(range(6), int(size))
        found = [
            choice
            for choice in tries
            if np.array_equal(moments(members[list(choice)][None, None])[0, 0], inputs[index, :4])
        ]
        assert len(found) == 1


def test_a_draw_follows_seed_and_batch_alone() -> None:
    indices = np.array([3, 0, 6])
    first = samples(MemberDraw((2, 4), 0)).batch(indices)[0]
    assert samples(MemberDraw((2, 4), 0)).batch(indices)[0].equal(first)
    other_order = samples(MemberDraw((2, 4), 0)).batch(indices[::-1])[0].flip(0)
    other_seed = samples(MemberDraw((2, 4), 1)).batch(indices)[0]
    assert not other_order.equal(first)
    assert not other_seed.equal(first)


def test_members_that_are_missing_are_not_drawn() -> None:
    members = np.arange(6.0, dtype="f4")[:, None, None, None] * np.ones((1, 2, 3, 4), "f4")
    members[1, 0] = members[4] = np.nan
    rng = np.random.default_rng(0)
    assert MemberDraw((4,), 0).choose(members, rng)[:, 1, 0, 0].tolist() == [0, 2, 3, 5]
    assert MemberDraw((5,), 0).choose(members, rng)[:, 1, 0, 0].tolist() == [0, 2, 3, 5]


def test_units_of_the_lead_time_follow_the_truth() -> None:
    units = np.array([[2.0], [3.0]], "f4")
    plain, with_units = samples(), samples(units=units)
    fields = moments(plain.fields)
    plain, with_units = (replace(some, fields=fields) for some in (plain, with_units))
    indices = np.array([0, 1, 5])
    truth, both = plain.batch(indices)[1], with_units.batch(indices)[1]
    assert both[:, :1].equal(truth)
    assert both[:, 1, 2, 3].tolist() == [2.0, 3.0, 3.0]
