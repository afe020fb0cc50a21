"""Samples of several steps: targets of each, and the clock of each."""

import numpy as np
import pytest
import torch

from smoecast.data.inputs import Inputs
from smoecast.data.samples import InMemory, RolledSamples, Samples
from smoecast.fields.grid import Grid

GRID = Grid(np.array([45.0, 0.0, -45.0]), np.array([0.0, 90.0, 180.0, 270.0]))
TIMES = np.arange("2001-01-01", "2001-01-06", np.timedelta64(6, "h"), dtype="datetime64[ns]")
FIELDS = np.random.default_rng(0).normal(size=(20, 2, 3, 4)).astype(np.float32)


@pytest.fixture
def one() -> Samples:
    recipe = Inputs(("z500", "t2m"), (0, 12), True, {}, GRID)
    starts = np.arange(2, 14)
    return Samples(InMemory(FIELDS), TIMES, starts, recipe, np.array([0, 1]), (0, 2), (2,))


@pytest.mark.parametrize("on_device", [False, True])
def test_every_step_has_its_target_and_its_clock(one: Samples, on_device: bool) -> None:
    rolled = RolledSamples(one, 3, torch.from_numpy(FIELDS) if on_device else None)
    assert len(rolled) == 12
    inputs, targets = (part.numpy() for part in rolled.batch(np.array([0, 5])))
    assert inputs.shape == (2, 4 + 3 * 5, 3, 4)
    for row, start in enumerate((2, 7)):
        np.testing.assert_array_equal(inputs[row, :2], FIELDS[start])
        np.testing.assert_array_equal(inputs[row, 2:4], FIELDS[start - 2])
        for step in range(3):
            where = start + 2 * (step + 1)
            np.testing.assert_array_equal(targets[row, 2 * step : 2 * step + 2], FIELDS[where])
            extra = one.inputs.extra(TIMES[start + 2 * step : start + 2 * step + 1])[0]
            np.testing.assert_array_equal(inputs[row, 4 + 5 * step : 9 + 5 * step], extra)


def test_one_step_is_the_plain_sample(one: Samples) -> None:
    chosen = np.array([1, 3])
    for rolled, plain in zip(RolledSamples(one, 1).batch(chosen), one.batch(chosen), strict=True):
        assert torch.equal(rolled, plain)
