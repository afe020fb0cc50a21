"""A store is written whole or not at all, and read back as it was written."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from smoecast.errors import InputError, OutputError
from smoecast.fields import store

TIMES = np.arange("2001-01-01", "2001-01-06", np.timedelta64(12, "h"), dtype="datetime64[ns]")


def content(value: float = 1.0) -> xr.Dataset:
    fields = (
        np.full((10, 2, 3, 4), value, np.float32) + np.arange(10, dtype="f4")[:, None, None, None]
    )
    return xr.Dataset(
        {"fields": (("time", "channel", "latitude", "longitude"), fields)},
        {"time": TIMES, "channel": ["z500", "t2m"], "latitude": [1.0, 0.0, -1.0]},
    )


def mean(written: xr.Dataset) -> dict[str, xr.DataArray]:
    return {"mean": written["fields"].mean(["time", "latitude", "longitude"])}


def test_round_trip_with_summary_and_details(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    store.write_store(content(), path, {"identity": "abc"}, mean)
    read = store.open_store(path)
    xr.testing.assert_equal(
        read["fields"].drop_vars("longitude", errors="ignore"), content()["fields"]
    )
    np.testing.assert_array_equal(read["mean"], [5.5, 5.5])
    assert store.details_of(read)["identity"] == "abc"
    assert read["fields"].dtype == np.float32
    assert [p.name for p in tmp_path.iterdir()] == ["store.zarr"]


def test_a_new_store_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    store.write_store(content(1.0), path, {}, mean)
    store.write_store(content(2.0), path, {}, mean)
    assert float(store.open_store(path)["fields"][0, 0, 0, 0]) == 2.0


def test_what_the_summary_refuses_leaves_the_old_store(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    store.write_store(content(1.0), path, {}, mean)

    def refuse(_: xr.Dataset) -> dict[str, xr.DataArray]:
        raise InputError("a value is missing")

    with pytest.raises(InputError, match="a value is missing"):
        store.write_store(content(2.0), path, {}, refuse)
    assert float(store.open_store(path)["fields"][0, 0, 0, 0]) == 1.0
    assert [p.name for p in tmp_path.iterdir()] == ["store.zarr"]


def test_a_full_disk_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_zarr", full)
    with pytest.raises(OutputError, match=r"No space left on device\); free space"):
        store.write_store(content(), tmp_path / "store.zarr", {}, mean)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_reads_back_shorter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = xr.open_zarr

    def short(*args: object, **kwargs: object) -> xr.Dataset:
        return opened(*args, **kwargs).isel(time=slice(5))

    monkeypatch.setattr(xr, "open_zarr", short)
    with pytest.raises(OutputError, match="did not read back"):
        store.write_store(content(), tmp_path / "store.zarr", {}, mean)


def test_no_store_no_zarr_and_another_schema_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run `smoecast preprocess` first"):
        store.open_store(tmp_path / "none.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match="no readable store"):
        store.open_store(tmp_path / "empty.zarr")
    path = tmp_path / "store.zarr"
    store.write_store(content(), path, {}, mean)
    group = zarr.open_group(path, mode="a")
    group.attrs["smoecast"] = json.dumps({"schema": 99})
    zarr.consolidate_metadata(group.store)
    with pytest.raises(InputError, match="another version of smoecast"):
        store.open_store(path)
