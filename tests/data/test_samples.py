"""Inputs are assembled as described, and samples stay in their part of the split."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from smoecast.data.inputs import Inputs
from smoecast.data.samples import InMemory, OnDevice, Samples, load, starts_within
from smoecast.errors import ConfigError, InputError
from smoecast.fields.grid import Grid
from smoecast.fields.store import store
from smoecast.fields.store import writer as drafts

GRID = Grid(np.array([45.0, 0.0, -45.0]), np.array([0.0, 90.0, 180.0, 270.0]))
TIMES = np.arange("2001-01-01", "2001-01-06", np.timedelta64(6, "h"), dtype="datetime64[ns]")
LAND = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)


def recipe(*, clock: bool = True) -> Inputs:
    return Inputs(("z500", "t2m"), (0, 6), clock, {"lsm": LAND}, GRID)


def series() -> Samples:
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(20, 2, 3, 4)).astype(np.float32)
    starts = np.arange(2, 15)
    return Samples(InMemory(fields), TIMES, starts, recipe(), np.array([1]), (0, 1), (2, 4))


def test_names_stand_in_the_order_of_the_inputs() -> None:
    assert recipe().names[:6] == ("z500", "t2m", "z500@-6h", "t2m@-6h", "lsm", "sin_latitude")
    assert len(recipe().names) == 10
    assert len(recipe(clock=False).names) == 6


def test_a_batch_holds_history_newest_first_and_targets_lead_by_lead() -> None:
    samples = series()
    inputs, targets = samples.batch(np.array([0, 3]))
    assert inputs.shape == (2, 10, 3, 4)
    assert targets.shape == (2, 2, 3, 4)
    np.testing.assert_array_equal(inputs[1, :2], samples.source.fields[5])
    np.testing.assert_array_equal(inputs[1, 2:4], samples.source.fields[4])
    np.testing.assert_array_equal(inputs[1, 4], LAND)
    np.testing.assert_array_equal(targets[1, 0], samples.source.fields[7, 1])
    np.testing.assert_array_equal(targets[1, 1], samples.source.fields[9, 1])


def test_samples_are_the_same_from_store_memory_and_device(tmp_path: Path) -> None:
    ours = series()
    path = tmp_path / "store.zarr"
    dims = ("time", "channel", "latitude", "longitude")
    content = xr.Dataset({"fields": (dims, ours.source.fields)}, {"time": TIMES})
    draft = drafts.start_draft(content, path, {"identity": "a"})
    draft.write(0, ours.source.fields, {})
    draft.finish(xr.Dataset())
    rows = store.rows_of(path)
    tensor = torch.from_numpy(ours.source.fields)
    wanted = ours.batch(np.array([4, 0, 12]))
    for other in (
        replace(ours, source=rows),
        replace(ours, source=load(rows)),
        OnDevice(ours, tensor),
    ):
        assert len(other) == len(ours)
        for found, expected in zip(other.batch(np.array([4, 0, 12])), wanted, strict=True):
            np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(replace(ours, source=rows).change_scale, ours.change_scale)


def test_continuous_samples_have_one_lead_time_each_as_an_input() -> None:
    recipe_with_lead = replace(recipe(), lead=True)
    samples = replace(series(), inputs=recipe_with_lead, continuous=True)
    assert len(samples) == 2 * len(series())
    assert recipe_with_lead.names[-1] == "lead_time"
    inputs, targets = samples.batch(np.array([0, 1, 6]))  # starts 0, 0, 3; leads 12, 24, 12 h
    assert inputs.shape == (3, 11, 3, 4)
    np.testing.assert_allclose(inputs[:, -1, 0, 0], [0.12, 0.24, 0.12])
    np.testing.assert_array_equal(targets[:, 0], samples.source.fields[[4, 6, 7], 1])
    direct = series().change_scale
    assert samples.change_scale == pytest.approx(np.sqrt((direct**2).mean()))
    on_device = OnDevice(samples, torch.from_numpy(samples.source.fields))
    for found, expected in zip(
        on_device.batch(np.array([0, 1, 6])), (inputs, targets), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    mean, std = recipe_with_lead.statistics(np.array([5e4, 280.0]), np.array([3e3, 20.0]))
    assert (len(mean), mean[-1], std[-1]) == (11, 0.0, 1.0)


def test_the_clock_is_local_solar_time_and_season() -> None:
    extra = recipe().extra(np.array(["2001-01-01T00", "2001-07-02T15"], "datetime64[ns]"))
    np.testing.assert_allclose(extra[0, 2, 0], np.cos(np.deg2rad([0, 90, 180, 270])), atol=1e-6)
    np.testing.assert_allclose(extra[0, 4], 1.0)  # cosine of the season on 1 January
    assert extra[1, 4, 0, 0] == pytest.approx(-1.0, abs=1e-3)
    np.testing.assert_allclose(extra[0, 1, :, 0], np.sin(np.deg2rad([45, 0, -45])), atol=1e-6)


def test_input_statistics_leave_the_clock_alone() -> None:
    mean, std = recipe().statistics(np.array([5e4, 280.0]), np.array([3e3, 20.0]))
    np.testing.assert_allclose(mean[:4], [5e4, 280.0, 5e4, 280.0])
    np.testing.assert_allclose(mean[4], LAND.mean())
    np.testing.assert_allclose(mean[5:], 0.0)
    np.testing.assert_allclose(std[5:], 1.0)


def test_the_base_of_each_output_is_its_own_field() -> None:
    assert recipe().base(["t2m"], 2) == [1, 1]


def test_change_scale_is_the_spread_of_the_change() -> None:
    samples = series()
    now = samples.source.fields[samples.starts, 1]
    for lead, scale in zip((2, 4), samples.change_scale, strict=True):
        change = samples.source.fields[samples.starts + lead, 1] - now
        assert scale == pytest.approx(np.sqrt((change.astype(float) ** 2).mean()))


def test_change_scale_of_fields_that_never_change_is_one() -> None:
    samples = series()
    samples.source.fields[:] = 1.0
    np.testing.assert_array_equal(samples.change_scale, 1.0)


def test_starts_keep_their_targets_inside_the_part() -> None:
    mask = np.zeros(20, bool)
    mask[10:15] = True
    assert starts_within(mask, (0, 3), (1, 2), "validation").tolist() == [10, 11, 12]
    mask[:] = True
    assert starts_within(mask, (0, 3), (2,), "train").tolist() == list(range(3, 18))


def test_a_part_shorter_than_one_sample_is_refused() -> None:
    mask = np.zeros(20, bool)
    mask[19] = True
    with pytest.raises(InputError, match="test split is too short"):
        starts_within(mask, (0,), (1,), "test")


def test_training_without_its_part_names_the_key() -> None:
    with pytest.raises(ConfigError, match=r"data\.split\.train had no times .* give it some and"):
        starts_within(np.zeros(20, bool), (0,), (1,), "train")
