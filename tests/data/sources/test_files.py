"""Files are found and hashed; series are evenly spaced; stores hold no gaps in content."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from raw_files import find_raw_files

from smoecast.config.run import Config
from smoecast.data.sources.files import expand, manifest
from smoecast.data.sources.registry import requests_of
from smoecast.data.time_selection import evenly, leads
from smoecast.errors import AbsentError, InputError
from smoecast.fields.missing import check_finite, name_files


def test_paths_folders_and_globs_are_expanded_once_each(tmp_path: Path) -> None:
    for name in ("b.nc", "a.grib", "notes.txt"):
        (tmp_path / name).write_text(name)
    found = expand([str(tmp_path), str(tmp_path / "*.nc"), str(tmp_path / "a.grib")], "data.files")
    assert [p.name for p in found] == ["a.grib", "b.nc"]


def test_a_folder_without_suffixes_is_told_by_first_bytes(tmp_path: Path) -> None:
    """As GFS names its files; where some have a suffix, the others are something else."""
    (tmp_path / "gfs.t00z.pgrb2.f000").write_bytes(b"GRIB\0\0\xb4\1" + bytes(200))
    (tmp_path / "gfs.t00z.pgrb2.f003").write_bytes(b"CDF\1" + bytes(200))
    (tmp_path / "gfs.t00z.pgrb2.f000.idx").write_text("1:0:d=2026010100:GRIB")
    (tmp_path / ".gfs.t06z.pgrb2.f000").write_bytes(b"CDF\1" + bytes(200))
    found = expand([str(tmp_path)], "data.files")
    assert [path.name for path in found] == ["gfs.t00z.pgrb2.f000", "gfs.t00z.pgrb2.f003"]
    (tmp_path / "a.grib").touch()
    assert expand([str(tmp_path)], "data.files") == [tmp_path / "a.grib"]


def test_a_relative_glob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.nc").write_text("a")
    monkeypatch.chdir(tmp_path)
    assert expand(["*.nc"], "--input") == [Path("a.nc")]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("none.nc", "there is no such file"),
        ("*.none", "there is no such file"),
        ("empty", "the folder is empty"),
        ("notes", "the folder holds no GRIB, NetCDF or Zarr"),
    ],
)
def test_a_pattern_without_files_is_named(tmp_path: Path, pattern: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("notes")
    with pytest.raises(AbsentError, match=rf"{pattern.strip('*')}: {said}; correct data\.files"):
        expand([str(tmp_path / pattern)], "data.files")


def test_the_manifest_holds_size_and_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    path.write_bytes(b"abc")
    digest = hashlib.sha256(b"abc").hexdigest()
    assert manifest([path]) == [{"file": "a.nc", "bytes": 3, "sha256": digest}]


def test_a_run_without_files_of_ensembles_asks_for_none() -> None:
    config = Config.model_validate({"postprocess": {"source": "files"}})
    assert [asked.kind for asked in requests_of(config)] == ["analyses"]


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"data": {"source": "none"}}, []),
        ({"data": {"planet": {"ensemble_years": 1.0}}}, ["analyses", "ensembles"]),
        ({"postprocess": {"files": ["a.nc"]}}, ["analyses", "ensembles"]),  # to be refused later
        ({"data": {"source": "none"}, "postprocess": {"source": "opendata"}}, ["ensembles"]),
    ],
    ids=str,
)
def test_a_run_asks_for_what_its_sources_have(changes: dict, kinds: list[str]) -> None:
    assert [asked.kind for asked in requests_of(Config.model_validate(changes))] == kinds


def test_raw_files_that_were_never_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run `smoecast download`"):
        find_raw_files(Config(folder=tmp_path))


def _analyses(times: np.ndarray) -> xr.Dataset:
    return xr.Dataset({"t2m": ("time", np.arange(len(times)))}, {"time": times})


def test_hours_off_the_step_are_left_out() -> None:
    hourly = np.arange("2001-01-01", "2001-01-03", np.timedelta64(1, "h"), dtype="datetime64[ns]")
    assert evenly(_analyses(hourly), 6, "f")["t2m"].values.tolist() == list(range(0, 48, 6))


def test_a_gap_in_time_is_named() -> None:
    six = np.arange("2001-01-01", "2001-01-03", np.timedelta64(6, "h"), dtype="datetime64[ns]")
    with pytest.raises(InputError, match="2001-01-01T12"):
        evenly(_analyses(np.delete(six, 2)), 6, "file.nc")


def test_a_forecast_of_no_hours_is_an_analysis_where_one_is_asked_for():
    hours = np.array([0], "timedelta64[h]").astype("timedelta64[ns]")
    starts = np.arange("2026-11-24", "2026-11-25", 6, dtype="datetime64[h]").astype(
        "datetime64[ns]"
    )
    values = np.arange(4.0)[:, None]
    coords = {"init_time": starts, "lead_time": hours}
    made = xr.Dataset({"t2m": (("init_time", "lead_time"), values)}, coords)
    found = evenly(made, 12, "f")["t2m"]
    assert found.dims == ("time",)
    assert found.values.tolist() == [0.0, 2.0]
    with pytest.raises(InputError, match="these are forecasts"):
        evenly(made.assign_coords(lead_time=hours + np.timedelta64(6, "h")), 12, "f")
    with pytest.raises(InputError, match="these are forecasts"):
        evenly(made.expand_dims(number=[0, 1]), 12, "f")


def test_a_series_off_the_step_or_of_another_kind_is_refused() -> None:
    odd = np.array(["2001-01-01T01", "2001-01-01T13"], "datetime64[ns]")
    with pytest.raises(InputError, match=r"T07:00 is missing .* correct data\.step_hours"):
        evenly(_analyses(odd), 6, "f")
    with pytest.raises(InputError, match="these are forecasts"):
        evenly(xr.Dataset({"t2m": ("lead_time", [1])}), 6, "f")


def test_lead_times_are_chosen_or_named() -> None:
    hours = np.array([0, 24, 48]) * np.timedelta64(3_600_000_000_000, "ns")
    forecasts = xr.Dataset({"t2m": ("lead_time", [1, 2, 3])}, {"lead_time": hours})
    assert leads(forecasts, (48, 0), "f")["t2m"].values.tolist() == [3, 1]
    with pytest.raises(InputError, match="lead time 12 h is not there, only 0, 24, 48 h"):
        leads(forecasts, (12,), "f")
    with pytest.raises(InputError, match="these are analyses"):
        leads(_analyses(np.array(["2001-01-01"], "datetime64[ns]")), (24,), "f")


def test_the_first_missing_value_is_named() -> None:
    times = np.array(["2001-01-01T00", "2001-01-01T06"], "datetime64[ns]")
    values = np.zeros((2, 2, 3, 4), np.float32)
    fields = xr.DataArray(
        values,
        dims=("time", "channel", "latitude", "longitude"),
        coords={"time": times, "channel": ["z500", "t2m"]},
    )
    check_finite(fields, [Path("a.nc")])
    values[1, 1, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"a\.nc: t2m has 1 missing values at 2001-01-01T06"):
        check_finite(fields, [Path("a.nc")])


def test_many_files_are_named_by_their_ends() -> None:
    assert (
        name_files([Path("x/a.nc"), Path("x/b.nc"), Path("x/c.nc")]) == "x/a.nc ... c.nc (3 files)"
    )
