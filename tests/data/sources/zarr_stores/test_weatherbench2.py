"""WeatherBench 2 from a server on loopback to fields: chunks of a Zarr store, each fetched once."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import xarray as xr
from loopback import Shelf, serving
from made_zarr import TIMES, dataset, described, stored
from raw_files import find_raw_files

from smoecast.config import yaml_file
from smoecast.data.sources.registry import request_of
from smoecast.data.sources.zarr_stores import weatherbench2 as source
from smoecast.data.sources.zarr_stores import zarr_subset
from smoecast.errors import ConfigError, InputError
from smoecast.fields.read.open import open_file, open_files
from smoecast.tasks.download import download, plan
from smoecast.tasks.preprocess.preprocess import preprocess

CONFIG = """
name: wb2
data:
  source: weatherbench2
  years: [2016]
  channels: [z500, t850, t2m]
  constants: [lsm, orography]
download: {retry_minutes: 0.01}
"""
ROOT = f"/{source.STORE}/"
T = f"{ROOT}temperature/0.0.0.0"


PATIENT = "download.retry_minutes=1"


def parse(*overrides):
    return yaml_file.parse(CONFIG, "wb2.yaml", overrides)


def served(objects):
    return {ROOT + key: content for key, content in objects.items()}


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    return served(stored(dataset(), tmp_path_factory.mktemp("made")))


@pytest.fixture
def world(tmp_path, objects):
    with serving(Shelf(dict(objects))) as shelf:
        yield shelf, parse(f"folder={tmp_path}", f"download.url={shelf.address}")


def changed(shelf, tmp_path, made, **chunks):
    shelf.files = served(stored(made, tmp_path, **chunks))


def of_years(*years):
    return np.isin(TIMES.astype("datetime64[Y]").astype(int) + 1970, years)


def check(config, *years):
    """What is read are the very values, on our axes."""
    opened, made = (
        open_files(find_raw_files(config)).load(),
        dataset().isel(time=of_years(*years)),
    )
    assert opened.sizes == {"time": made.sizes["time"], "level": 2, "latitude": 4, "longitude": 8}
    np.testing.assert_array_equal(opened["time"].values, made["time"].values)
    assert opened["latitude"].values[0] > 0
    for ours, theirs in {"z": "geopotential", "t": "temperature", "t2m": "2m_temperature"}.items():
        expected = made[theirs].transpose(..., "latitude", "longitude").values[..., ::-1, :]
        if ours != "t2m":
            expected = expected[:, :2]
        np.testing.assert_array_equal(opened[ours].values, expected)
        assert opened[ours].mean().item() == pytest.approx(expected.mean(), rel=1e-6)
        assert opened[ours].std().item() == pytest.approx(expected.std(), rel=1e-6)
    np.testing.assert_array_equal(opened["lsm"].values, made["land_sea_mask"].values.T[::-1])
    return opened


def test_dry_run_needs_no_network(tmp_path):
    shown = plan(parse(f"folder={tmp_path}"))
    assert [row["file"].rpartition("/")[2] for row in shown["files"]] == [
        "geopotential", "temperature", "2m_temperature", "land_sea_mask", "geopotential_at_surface",
    ]  # fmt: skip
    assert shown["bytes"] == 5800 * (366 * 4 * (13 + 13 + 1) + 2)
    assert shown["files"][0]["url"] == (
        "https://storage.googleapis.com/weatherbench2/datasets/era5/"
        "1959-2023_01_10-6h-64x32_equiangular_conservative.zarr/geopotential"
    )
    assert not list(tmp_path.rglob("*.zarr"))


def test_from_the_server_to_fields(world):
    shelf, config = world
    made = download(config)
    assert len(made["files"]) == 4 + 3 * 4 + 2
    assert set(Counter(path for path, _ in shelf.asked).values()) == {1}
    assert not any("/4." in path or "msl" in path for path, _ in shelf.asked)  # 2017 lies there
    check(config, 2016)
    assert plan(config)["bytes"] == 0


def test_the_part_is_a_group_by_itself(world):
    shelf, config = world
    metadata = json.loads(shelf.files[f"{ROOT}.zmetadata"])
    metadata["metadata"]["temperature/.zarray"]["fill_value"] = None  # else read as zero
    shelf.files[f"{ROOT}.zmetadata"] = json.dumps(metadata).encode()
    download(config)
    with xr.open_zarr(config.raw / source.STORE, consolidated=False, chunks=None) as group:
        assert group.attrs["smoecast_part"]["years"] == [2016]
        values = group["temperature"].values
        there = values[of_years(2016)]
        np.testing.assert_array_equal(there, dataset()["temperature"].values[of_years(2016)])
        assert np.isnan(values[1600:]).all()  # not fetched: missing, never zero


def test_nothing_comes_twice_and_a_year_brings_its_own_chunks(world):
    shelf, config = world
    download(config)
    shelf.asked.clear()
    download(config)
    assert not shelf.asked
    before = find_raw_files(config)[0].read_bytes()
    more = parse(
        f"folder={config.folder}", f"download.url={shelf.address}", "data.years=[2016, 2017]"
    )
    download(more)
    assert len(shelf.asked) == 3 * 4  # chunk 3 ends the one year and begins the other
    check(more, 2016, 2017)
    assert find_raw_files(more)[0].read_bytes() != before


def test_a_cut_goes_on_where_it_was(world):
    shelf, config = world
    shelf.cuts = [1 << 20] * 6 + [1000, 20_000]  # metadata and coordinates come whole
    download(parse(f"folder={config.folder}", f"download.url={shelf.address}", PATIENT))
    assert 206 in shelf.answered
    for path, sent in shelf.sent.items():
        assert sent == len(shelf.files[path])
    check(config, 2016)


def test_killed_in_the_middle(world, monkeypatch):
    shelf, config = world
    looked = []

    def killed(path, remote, folder, request):
        looked.append(remote.name)
        if len(looked) > 9:
            raise KeyboardInterrupt
        return real(path, remote, folder, request)

    real = zarr_subset.inspect
    monkeypatch.setattr(zarr_subset, "inspect", killed)
    with pytest.raises(KeyboardInterrupt):
        download(config)
    monkeypatch.undo()
    with pytest.raises(InputError, match="the file is not there yet: run `smoecast download`"):
        find_raw_files(config)
    group = config.raw / source.STORE
    whole = {str(p.relative_to(config.raw)) for p in group.rglob("*.?.?")}
    begun = {str(p.relative_to(config.raw)) for p in group.rglob("*.part")}
    assert whole
    shelf.asked.clear()
    download(config)
    again = {path[1:]: headers for path, headers in shelf.asked}
    assert not whole & set(again)
    for name in begun & {f"{name}.part" for name in again}:
        assert "Range" in again[name.removesuffix(".part")]
    check(config, 2016)


def test_killed_by_a_signal(world):
    """What is whole by then is not asked for again, and the manifest knows it."""
    shelf, config = world
    shelf.pause = 0.02
    script = "import sys; from smoecast.cli.main import app; app(sys.argv[1:])"
    path = config.folder / "wb2.yaml"
    path.write_text(CONFIG)
    settings = [f"folder={config.folder}", f"download.url={shelf.address}"]
    command = ["download", "--config", path, *(f"--set={setting}" for setting in settings)]
    group = config.raw / source.STORE
    with subprocess.Popen([sys.executable, "-c", script, *command]) as process:
        while len(list(group.rglob("*.?.?"))) < 3:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    shelf.pause = 0.0
    whole = {f"{source.STORE}/{p.relative_to(group)}" for p in group.rglob("*.?.?")}
    shelf.asked.clear()
    download(config)
    assert not whole & {asked[1:] for asked, _ in shelf.asked}
    check(config, 2016)


def test_the_statistics_of_the_store(world):
    """From the server to the store of a run: mean and spread of the training times are numpy's."""
    shelf, config = world
    split = "data.split={train: 0.5, validation: 0.25, test: 0.25}"
    config = parse(f"folder={config.folder}", f"download.url={shelf.address}", split)
    download(config)
    made = preprocess(config)["analyses"]
    assert made["shape"] == {"time": 1464, "channel": 3, "latitude": 4, "longitude": 8}
    fields = dataset().isel(time=of_years(2016))
    with xr.open_zarr(config.store) as store:
        for place, (name, level) in enumerate(
            [("geopotential", 0), ("temperature", 1), ("2m_temperature", None)]
        ):
            values = fields[name].values if level is None else fields[name].values[:, level]
            training = values[:732].astype(np.float64)
            assert store["mean"].values[place] == pytest.approx(training.mean(), rel=1e-9)
            assert store["std"].values[place] == pytest.approx(training.std(), rel=1e-7)


def test_too_many_requests(world):
    shelf, config = world
    shelf.statuses = {T: [(429, {"Retry-After": "0"})], f"{ROOT}.zmetadata": [(503, {})]}
    shelf.statuses[f"{ROOT}.zmetadata"][0][1]["Retry-After"] = "0"
    download(parse(f"folder={config.folder}", f"download.url={shelf.address}", PATIENT))
    assert {429, 503} <= set(shelf.answered)


def test_a_day_without_values_is_refused(world, tmp_path):
    shelf, config = world
    made = dataset()
    made["temperature"].loc[{"time": slice("2016-02-03", "2016-02-03T18:00"), "level": 850}] = (
        np.nan
    )
    changed(shelf, tmp_path, made)
    for _ in range(2):  # and again, without the network
        words = "t850 has no value anywhere on 2016-02-03: leave the year"
        with pytest.raises(InputError, match=words):
            download(config)
    with pytest.raises(InputError, match=words):
        find_raw_files(config)
    other = parse(
        f"folder={config.folder}", f"download.url={shelf.address}", "data.channels=[t500]"
    )
    download(other)  # the other level has its values
    assert open_files(find_raw_files(other))["t"].notnull().all()


def test_three_hours_of_a_day_are_enough_here(world, tmp_path):
    """The store of a run refuses single missing values; here whole days are looked for."""
    shelf, config = world
    made = dataset()
    made["2m_temperature"].loc[{"time": slice("2016-02-03", "2016-02-03T12:00")}] = np.nan
    made["2m_temperature"].loc[{"time": "2017-06-01"}] = np.nan  # not asked for
    changed(shelf, tmp_path, made)
    download(config)
    assert open_files(find_raw_files(config))["t2m"].isnull().any()


def test_days_across_tiles(world, tmp_path):
    """Chunks of half the latitudes, of one level, and named with slashes."""
    shelf, config = world
    made = dataset()
    made["2m_temperature"].loc[{"time": slice("2016-02-03", "2016-02-04T18:00")}] = np.nan
    made["2m_temperature"][{"latitude": 0, "longitude": 0}] = 1.0
    changed(shelf, tmp_path, made, latitude=3, level=1)
    download(config)
    check_z = open_files(find_raw_files(config))["z"]
    expected = made["geopotential"].values[of_years(2016)][:, :2].swapaxes(2, 3)[:, :, ::-1]
    np.testing.assert_array_equal(check_z.values, expected)
    made["2m_temperature"].loc[{"time": slice("2016-02-03", "2016-02-04T18:00")}] = np.nan
    changed(shelf, tmp_path, made, latitude=3, level=1)
    other = parse(f"folder={tmp_path}/b", f"download.url={shelf.address}")
    with pytest.raises(InputError, match=r"t2m has no value anywhere on 2016-02-03 \(and 1 more"):
        download(other)


def test_a_declared_fill_value_is_missing_too(world, tmp_path):
    shelf, config = world
    made = dataset()
    made["land_sea_mask"][:] = -9999.0
    changed(shelf, tmp_path, made)
    metadata = json.loads(shelf.files[f"{ROOT}.zmetadata"])
    metadata["metadata"]["land_sea_mask/.zarray"]["fill_value"] = -9999.0
    shelf.files[f"{ROOT}.zmetadata"] = json.dumps(metadata).encode()
    with pytest.raises(InputError, match="lsm has no value anywhere: leave it out"):
        download(config)


def test_absent_chunk(world):
    shelf, config = world
    gone = f"{ROOT}geopotential/2.0.0.0"
    del shelf.files[gone]
    with pytest.raises(InputError, match=r"2\.0\.0\.0: the server has no such file \(404\), which"):
        download(config)
    with pytest.raises(InputError, match="run `smoecast download`"):
        find_raw_files(config)


def test_chunk_lost_on_this_disk(world):
    shelf, config = world
    download(config)
    path = find_raw_files(config)[0]
    lost = path.parent / "temperature/1.0.0.0"
    lost.unlink()
    with pytest.raises(InputError, match="must not be read as missing values"):
        open_file(path)
    (path.parent / "time/0").unlink()
    with pytest.raises(InputError, match="not there yet"):
        find_raw_files(config)
    shelf.asked.clear()
    download(config)
    assert [asked.rpartition(".zarr/")[2] for asked, _ in shelf.asked] == [
        "time/0", "temperature/1.0.0.0",
    ]  # fmt: skip


def test_pages_in_place_of_data(world):
    shelf, config = world
    metadata = shelf.files[f"{ROOT}.zmetadata"]
    shelf.files[f"{ROOT}.zmetadata"] = b"<html>sign in</html>"
    with pytest.raises(InputError, match="no consolidated metadata of a Zarr v2 group"):
        download(config)
    shelf.files[f"{ROOT}.zmetadata"] = metadata
    shelf.files[T] = b"<html>sign in</html>"
    with pytest.raises(InputError, match="this is no chunk of temperature"):
        download(config)
    assert not (config.raw / source.STORE / "temperature/0.0.0.0").exists()


def test_what_the_store_no_longer_has(world, tmp_path):
    shelf, _ = world

    def refused(made, words):
        changed(shelf, tmp_path, made)
        with pytest.raises(InputError, match=words):
            download(parse(f"folder={tmp_path}/{len(words)}", f"download.url={shelf.address}"))

    refused(dataset().drop_vars("2m_temperature"), "the store has no 2m_temperature: leave it out")
    refused(dataset().isel(level=[0]), "the store has no level 850 hPa any more")
    refused(dataset().drop_vars("longitude"), "geopotential has the dimensions time level long")


def test_groups_that_cannot_be_read(world):
    _, config = world
    download(config)
    path = find_raw_files(config)[0]
    content = json.loads(path.read_bytes())
    content["metadata"]["temperature/.zarray"]["dtype"] = "<q9"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="of the type '<q9', which are not read"):
        open_file(path)


def test_a_missing_coordinate_is_said(world):
    _, config = world
    download(config)
    group = find_raw_files(config)[0].parent
    (group / "time/0").unlink()
    request = zarr_subset.Request(source.STORE, "", (2016,), {"2m_temperature": ()})
    with pytest.raises(InputError, match="time/0: the chunk is missing"):
        zarr_subset.finish_group(config.raw, request)


def test_the_layout_is_that_of_the_original(objects):
    named = {key.removeprefix(ROOT): content for key, content in objects.items()}
    array = described(named, "temperature")
    assert array["compressor"]["id"] == "blosc"
    assert array["zarr_format"] == 2


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.channels=[tp]"], "tp, which source weatherbench2 lacks; it has z<level>"),
        (["data.channels=[z550]"], "z550, but source weatherbench2 has z at 50 100"),
        (["data.years=[2023]"], "2023, but source weatherbench2 has 1959 to 2022"),
        (["data.step_hours=3"], "step_hours = 3, but source weatherbench2 has a time every 6 h"),
    ],
)
def test_what_it_lacks_is_said(overrides, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        source.REMOTE.list_files(
            request_of(parse(f"folder={tmp_path}", "sample.lead_hours=[6]", *overrides))
        )


def test_sums_of_precipitation_come_under_the_name_of_the_store(tmp_path):
    wanted = "data.channels=[t2m, lntp6h, tp6h]"
    remotes = source.REMOTE.list_files(
        request_of(parse(f"folder={tmp_path}", wanted, "data.constants=[lat2d]"))
    )
    names = [remote.name.rpartition("/")[2] for remote in remotes]
    assert names == ["2m_temperature", "total_precipitation_6hr"]
