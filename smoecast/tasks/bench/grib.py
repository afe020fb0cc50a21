"""`smoecast bench grib`: every field of a GRIB file as arrays."""

from pathlib import Path
from typing import Any

from smoecast.tasks.bench.measuring.case import OURS, Case, Setting, Task, Way, Work
from smoecast.tasks.bench.measuring.peers import load

ROWS, COLUMNS = 73, 144


def make_data(setting: Setting) -> None:
    """Write one field an hour, 2.5 degrees, 16 bits a value."""
    import numpy as np

    eccodes = load("eccodes")
    rng = np.random.default_rng(0)
    days = 1 if setting.quick else 31
    keys = {
        "Ni": COLUMNS,
        "Nj": ROWS,
        "latitudeOfFirstGridPointInDegrees": 90.0,
        "latitudeOfLastGridPointInDegrees": -90.0,
        "longitudeOfFirstGridPointInDegrees": 0.0,
        "longitudeOfLastGridPointInDegrees": 357.5,
        "iDirectionIncrementInDegrees": 2.5,
        "jDirectionIncrementInDegrees": 2.5,
        "numberOfDataPoints": ROWS * COLUMNS,
        "shortName": "t",
        "level": 850,
        "bitsPerValue": 16,
    }
    with (setting.folder / "t.grib").open("wb") as file:
        handle = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib2")
        for key, value in keys.items():
            eccodes.codes_set(handle, key, value)
        for hour in range(24 * days):
            eccodes.codes_set(handle, "dataDate", 20200101 + hour // 24)
            eccodes.codes_set(handle, "dataTime", 100 * (hour % 24))
            eccodes.codes_set_values(handle, 280 + 10 * rng.standard_normal(ROWS * COLUMNS))
            eccodes.codes_write(handle, file)
        eccodes.codes_release(handle)


def _by_smoecast(setting: Setting) -> Work:
    import smoecast

    def work(_: Path) -> Any:
        return smoecast.open(setting.folder / "t.grib")["t"].values

    return work


def _by_cfgrib(setting: Setting) -> Work:
    import xarray as xr

    load("cfgrib")
    keywords = {"indexpath": ""}

    def work(_: Path) -> Any:
        path = setting.folder / "t.grib"
        with xr.open_dataset(path, engine="cfgrib", backend_kwargs=keywords) as dataset:
            return dataset["t"].values

    return work


def _by_earthkit(setting: Setting) -> Work:
    data = load("earthkit.data")

    def work(_: Path) -> Any:
        return data.from_source("file", str(setting.folder / "t.grib")).to_numpy()

    return work


def _by_earthkit_xarray(setting: Setting) -> Work:
    data = load("earthkit.data")

    def work(_: Path) -> Any:
        opened = data.from_source("file", str(setting.folder / "t.grib")).to_xarray()
        return opened["t"].values

    return work


def _tasks(_: Setting) -> dict[str, Task]:
    ways = {
        OURS: Way(_by_smoecast),
        "cfgrib": Way(_by_cfgrib, "cfgrib"),
        "earthkit-data, to_numpy": Way(_by_earthkit, "earthkit-data"),
        "earthkit-data, to_xarray": Way(_by_earthkit_xarray, "earthkit-data"),
    }
    return {"744 fields of 73 x 144 points": Task(ways)}


CASE = Case("GRIB to arrays", _tasks, make_data)
