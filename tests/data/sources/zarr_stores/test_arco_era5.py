"""ARCO-ERA5 from a server on loopback to a store: only the times of the step, and no empty days."""

import json

import numpy as np
import pytest
import xarray as xr
from loopback import Shelf, serving
from made_zarr import LEVELS, UNITS, stored
from raw_files import find_raw_files

from smoecast.config import yaml_file
from smoecast.data.sources.registry import request_of
from smoecast.data.sources.zarr_stores import arco_era5 as source
from smoecast.errors import ConfigError, InputError
from smoecast.fields.read.open import open_files
from smoecast.fields.store.store import open_store
from smoecast.tasks.download import download, plan
from smoecast.tasks.preprocess.preprocess import preprocess

CONFIG = """
name: arco
data:
  source: arco-era5
  years: [2020]
  channels: [z500, t850, t2m]
  constants: [lsm]
  step_hours: 6
download: {retry_minutes: 0.01}
"""
ROOT = f"/{source.STORE}/"
TIMES = np.arange("2020-12-27", "2021-01-02", np.timedelta64(1, "h"), dtype="datetime64[ns]")
"""All that these stores have of the axis, which goes from 1900 to 2050."""
DAYS = 5
"""Of them in 2020."""


def parse(*overrides):
    return yaml_file.parse(CONFIG, "arco.yaml", overrides)


def dataset():
    """Hourly, north to south, with the days of which there are values; constants without time."""
    coords = {
        "time": TIMES,
        "latitude": np.linspace(90, -90, 5),
        "longitude": np.arange(0, 360, 45.0),
        "level": LEVELS,
    }
    fields = {}
    for name in UNITS:
        dims = ["latitude", "longitude"]
        if name in ("geopotential", "temperature"):
            dims.insert(0, "level")
        if name not in ("land_sea_mask", "geopotential_at_surface"):
            dims.insert(0, "time")
        shape = [len(coords[d]) for d in dims]
        values = np.random.default_rng([*name.encode()]).uniform(size=shape).astype("f4")
        fields[name] = (dims, values, {"units": UNITS[name]})
    said = {"valid_time_start": "1940-01-01", "valid_time_stop": "2020-12-31"}
    return xr.Dataset(fields, coords, said)


def served(made, folder):
    return {ROOT + key: content for key, content in stored(made, folder, times=1).items()}


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    return served(dataset(), tmp_path_factory.mktemp("made"))


@pytest.fixture
def world(tmp_path, objects):
    with serving(Shelf(dict(objects))) as shelf:
        yield shelf, parse(f"folder={tmp_path}", f"download.url={shelf.address}")


def chunks(shelf, name):
    asked = [path.removeprefix(f"{ROOT}{name}/") for path, _ in shelf.asked if f"/{name}/" in path]
    return sorted(int(key.partition(".")[0]) for key in asked)


def test_only_the_hours_that_are_asked_for_come(world):
    shelf, config = world
    download(config)
    for name in ("geopotential", "temperature", "2m_temperature"):
        assert chunks(shelf, name) == list(range(0, DAYS * 24, 6))
    assert not chunks(shelf, "geopotential_at_surface")
    made = dataset().sel(time="2020").isel(time=slice(None, None, 6))
    opened = open_files(find_raw_files(config)).load()
    np.testing.assert_array_equal(opened["time"], made["time"])
    np.testing.assert_array_equal(opened["z"], made["geopotential"][:, :2])
    np.testing.assert_array_equal(opened["t2m"], made["2m_temperature"])
    np.testing.assert_array_equal(opened["lsm"], made["land_sea_mask"])
    preprocess(config)
    found = open_store(config.store)["fields"]
    np.testing.assert_array_equal(found[:, 1], made["temperature"].sel(level=850))
    shelf.asked.clear()
    download(config)
    assert not shelf.asked


def test_a_finer_step_brings_what_is_missing(world):
    shelf, config = world
    download(config)
    shelf.asked.clear()
    finer = parse(f"folder={config.folder}", f"download.url={shelf.address}", "data.step_hours=3")
    download(finer)
    assert chunks(shelf, "2m_temperature") == list(range(3, DAYS * 24, 6))
    assert open_files(find_raw_files(finer)).sizes["time"] == DAYS * 8


def test_sums_need_every_hour(tmp_path):
    asked = request_of(parse(f"folder={tmp_path}", "data.channels=[tp6h]", "data.constants=[]"))
    (remote,) = source.REMOTE.list_files(asked)
    assert remote.name == f"{source.STORE}/total_precipitation"
    assert remote.about == 366 * 24 * 2_900_000


def test_the_plan_says_how_much_it_is(tmp_path):
    shown = plan(parse(f"folder={tmp_path}"))
    assert shown["bytes"] == 2_900_000 * (366 * 4 * (37 + 37 + 1) + 1)
    assert shown["files"][0]["url"] == (
        "https://storage.googleapis.com/gcp-public-data-arco-era5/ar/"
        "full_37-1h-0p25deg-chunk-1.zarr-v3/geopotential"
    )


@pytest.mark.parametrize(
    ("start", "stop", "words"),
    [
        ("1940-01-01", "2020-12-30", "no values after 2020-12-30 .* data.years names 2020: leave"),
        ("2020-12-28", "2021-06-30", "no values before 2020-12-28 .* data.years names 2020: leave"),
    ],
)
def test_days_that_have_no_values_yet(world, start, stop, words):
    shelf, config = world
    metadata = json.loads(shelf.files[f"{ROOT}.zmetadata"])
    metadata["metadata"][".zattrs"] = {"valid_time_start": start, "valid_time_stop": stop}
    shelf.files[f"{ROOT}.zmetadata"] = json.dumps(metadata).encode()
    with pytest.raises(InputError, match=words):
        download(config)
    assert not chunks(shelf, "2m_temperature")
    metadata["metadata"][".zattrs"] = {}
    shelf.files[f"{ROOT}.zmetadata"] = json.dumps(metadata).encode()
    download(config)  # by now it has them


@pytest.mark.parametrize("said", [{}, {"valid_time_stop": 7, "valid_time_start": "soon"}])
def test_a_store_that_does_not_say_its_days(world, said):
    shelf, config = world
    metadata = json.loads(shelf.files[f"{ROOT}.zmetadata"])
    metadata["metadata"][".zattrs"] = said
    shelf.files[f"{ROOT}.zmetadata"] = json.dumps(metadata).encode()
    download(config)


def test_a_day_without_values_is_refused(world, tmp_path):
    """Of the hours that are fetched none has one; the others are not looked at."""
    shelf, config = world
    made = dataset()
    day = made["time"].sel(time="2020-12-29")[::6]
    made["temperature"].loc[{"time": day, "level": 850}] = np.nan
    shelf.files = served(made, tmp_path)
    with pytest.raises(InputError, match=r"t850 has no value anywhere on 2020-12-29: leave"):
        download(config)
    download(parse(f"folder={tmp_path}/b", f"download.url={shelf.address}", "data.step_hours=3"))


def test_a_chunk_that_the_store_does_not_have(world):
    shelf, config = world
    del shelf.files[f"{ROOT}2m_temperature/12.0.0"]
    with pytest.raises(InputError, match=r"12\.0\.0: the server has no such file \(404\), which"):
        download(config)


@pytest.mark.parametrize("step", ["six", -1, 10**9])
def test_a_part_that_does_not_say_its_step(world, step):
    _, config = world
    download(config)
    (path,) = find_raw_files(config)
    metadata = json.loads(path.read_bytes())
    metadata["metadata"][".zattrs"]["smoecast_part"]["step_hours"] = step
    path.write_text(json.dumps(metadata))
    with pytest.raises(InputError, match="smoecast_part has no step in hours"):
        open_files([path])


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.channels=[r500]"], "r500, which source arco-era5 lacks; it has z<level>"),
        (["data.channels=[z510]"], "z510, but source arco-era5 has z at 1 2 3"),
        (["data.years=[1939]"], "1939, but source arco-era5 begins in 1940"),
    ],
)
def test_what_it_lacks_is_said(overrides, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        source.REMOTE.list_files(request_of(parse(f"folder={tmp_path}", *overrides)))
