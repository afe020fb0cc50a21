"""WeatherBench 1 from a server on loopback to the store of a run."""

import zipfile

import numpy as np
import pytest
import xarray as xr
from loopback import Shelf, serving
from made_weatherbench import constants, field, stored, zipped

from smoecast.config import yaml_file
from smoecast.data.download.manifest import Manifest
from smoecast.data.download.retry import Limits, RetryBudget
from smoecast.data.sources import weatherbench
from smoecast.data.sources.registry import request_of
from smoecast.errors import ConfigError, InputError
from smoecast.fields.canonical.units import GRAVITY
from smoecast.fields.derived import derive
from smoecast.fields.missing import trim_leading
from smoecast.fields.read.open import open_files
from smoecast.tasks.download import download, plan
from smoecast.tasks.preprocess.preprocess import preprocess

CONFIG = """
name: wb
data:
  source: weatherbench
  years: [2016, 2017]
  channels: [z500, t850, t500, t2m]
  constants: [orography, lsm]
  split: {train: 0.5, validation: 0.25, test: 0.25}
download: {retry_minutes: 0.01}
"""


def parse(*overrides):
    return yaml_file.parse(CONFIG, "wb.yaml", overrides)


def archives(folder):
    """Three archives and the constants; deep, flat, and with what else people zip up."""
    years = (2015, 2016, 2017)
    deep = "home/rasp/data/5.625deg/geopotential_500/"
    files = {
        "geopotential_500/geopotential_500_5.625deg.zip": zipped(
            {
                f"{deep}geopotential_500hPa_{y}_5.625deg.nc": stored(
                    field("geopotential", y, level=500), folder
                )
                for y in years
            }
        ),
        "temperature/temperature_5.625deg.zip": zipped(
            {f"temperature_{y}_5.625deg.nc": stored(field("temperature", y), folder) for y in years}
        ),
        "2m_temperature/2m_temperature_5.625deg.zip": zipped(
            {"2m_temperature/": b"", "__MACOSX/._2m_temperature_2016_5.625deg.nc": b"junk"}
            | {
                f"2m_temperature/2m_temperature_{y}_5.625deg.nc": stored(
                    field("2m_temperature", y), folder
                )
                for y in years
            },
            zipfile.ZIP_STORED,
        ),
        "constants/constants_5.625deg.nc": stored(constants(), folder),
    }
    return {f"/5.625deg/{name}": content for name, content in files.items()}


@pytest.fixture
def world(tmp_path):
    with serving(Shelf(archives(tmp_path))) as shelf:
        yield shelf, parse(f"folder={tmp_path}", f"download.url={shelf.address}")


def test_addresses_old_and_new():
    wanted = weatherbench.list_files(request_of(parse("data.channels=[z500]", "data.constants=[]")))
    (new, old) = weatherbench.hooks(request_of(parse())).locate(wanted[0], RetryBudget(Limits()))
    assert new.url == (
        "https://dataserv.ub.tum.de/public.php/dav/files/m1524895/5.625deg/geopotential_500/"
        "geopotential_500_5.625deg.zip"
    )
    assert old.url == (
        "https://dataserv.ub.tum.de/s/m1524895/download?path=%2F5.625deg%2Fgeopotential_500"
        "&files=geopotential_500_5.625deg.zip"
    )
    assert (
        new.final_names
        == old.final_names
        == (
            "geopotential_500hPa_2016_5.625deg.nc",
            "geopotential_500hPa_2017_5.625deg.nc",
        )
    )


def test_small_archives_where_they_do():
    def names(*channels):
        return [
            r.name
            for r in weatherbench.list_files(
                request_of(parse(f"data.channels=[{','.join(channels)}]"))
            )
        ]

    assert names("z500", "t850", "tp") == [
        "geopotential_500_5.625deg.zip",
        "temperature_850_5.625deg.zip",
        "total_precipitation_5.625deg.zip",
        "constants_5.625deg.nc",
    ]
    assert names("z850", "t850", "t500")[:2] == [
        "geopotential_5.625deg.zip",
        "temperature_5.625deg.zip",
    ]


def test_from_the_server_to_the_store(world):
    shelf, config = world
    assert plan(config)["bytes"] == (1 + 13 + 1) * 1_600_000_000 + 100_000
    download(config)
    raw = sorted(p.name for p in config.raw.iterdir() if p.suffix in (".nc", ".zip", ".part"))
    assert raw == [
        "2m_temperature_2016_5.625deg.nc",
        "2m_temperature_2017_5.625deg.nc",
        "constants_5.625deg.nc",
        "geopotential_500hPa_2016_5.625deg.nc",
        "geopotential_500hPa_2017_5.625deg.nc",
        "temperature_2016_5.625deg.nc",
        "temperature_2017_5.625deg.nc",
    ]
    assert plan(config)["bytes"] == 0
    # one day of each year only: each year is a run of its own
    config = parse(f"folder={config.folder}", "data.years=[2016]", f"download.url={shelf.address}")
    made = preprocess(config)["analyses"]
    assert made["shape"] == {"time": 4, "channel": 4, "latitude": 4, "longitude": 8}
    expected = field("temperature", 2016)["t"].sel(level=500).values[::6, ::-1]
    with xr.open_zarr(config.store) as store:
        np.testing.assert_array_equal(store["fields"].values[:, 2], expected)
        heights = constants()["orography"].values[::-1]
        np.testing.assert_allclose(store["constant_orography"], heights * GRAVITY, rtol=1e-6)


def test_what_is_computed_is_not_fetched():
    def names(*channels):
        wanted = parse(f"data.channels=[{','.join(channels)}]", "data.constants=[lat2d]")
        return [remote.name for remote in weatherbench.list_files(request_of(wanted))]

    assert names("tp6h", "lntp6h") == ["total_precipitation_5.625deg.zip"]
    assert names("lntp6h", "tp", "tisr") == [
        "total_precipitation_5.625deg.zip",
        "toa_incident_solar_radiation_5.625deg.zip",
    ]


@pytest.mark.parametrize("absent", [True, False])
def test_precipitation_begins_seven_hours_late_in_1979(tmp_path, absent):
    """The first times are not in its file, or they are and hold no value."""
    wanted = ["t2m", "tp", "tisr", "lntp6h"]
    cds = {"t2m": "2m_temperature", "tp": "total_precipitation"}
    cds["tisr"] = "toa_incident_solar_radiation"
    paths = []
    for short, name in cds.items():
        made = field(name, 1979)
        if short != "t2m":
            made[short][:7] = np.nan
            made = made.isel(time=slice(7, None)) if absent else made
        paths.append(tmp_path / f"{name}_1979_5.625deg.nc")
        made.to_netcdf(paths[-1])
    dataset = open_files(paths, trim_start=True)
    assert dataset.sizes["time"] == (17 if absent else 24)
    found = trim_leading(derive(dataset, wanted), wanted)
    assert found["time"].values[0] == np.datetime64("1979-01-01T12:00", "ns")
    assert found.sizes["time"] == 12
    assert all(np.isfinite(found[name].values).all() for name in wanted)


def test_nothing_comes_twice(world):
    shelf, config = world
    download(config)
    asked = len(shelf.asked)
    download(config)
    assert len(shelf.asked) == asked == 4


def test_killed_between_archive_and_files(world, monkeypatch):
    """The archive is whole and on disk: it is unpacked, not fetched again."""
    shelf, config = world

    def killed(path, wanted):
        raise KeyboardInterrupt

    monkeypatch.setattr(weatherbench, "extract", killed)
    with pytest.raises(KeyboardInterrupt):
        download(config)
    monkeypatch.undo()
    # others may be under way when one is killed; what is whole by then is the matter here
    whole = {path.name for path in config.raw.glob("*.zip")}
    assert whole
    shelf.asked.clear()
    download(config)
    assert not whole & {str(asked[0]).rsplit("/", 1)[-1] for asked in shelf.asked}
    assert not list(config.raw.glob("*.zip"))


def test_another_year_needs_the_archive_again(world):
    shelf, config = world
    download(config)
    shelf.asked.clear()
    more = parse(
        f"folder={config.folder}", f"download.url={shelf.address}", "data.years=[2015, 2016, 2017]"
    )
    download(more)
    assert len(shelf.asked) == 3
    assert (config.raw / "temperature_2015_5.625deg.nc").is_file()
    entry = Manifest(config.raw).get("temperature_2015_5.625deg.nc")
    assert entry.url.endswith("/5.625deg/temperature/temperature_5.625deg.zip")


T2M = "/5.625deg/2m_temperature/2m_temperature_5.625deg.zip"


def test_truncated_zip_is_refused_and_fetched_anew(world):
    shelf, config = world
    whole = shelf.files[T2M]
    shelf.files[T2M] = whole[:-100]
    with pytest.raises(InputError, match=r"2m_temperature_5.625deg.zip: the archive is damaged"):
        download(config)
    assert not list(config.raw.glob("2m_temperature*"))
    shelf.files[T2M] = whole
    download(config)
    assert (config.raw / "2m_temperature_2016_5.625deg.nc").is_file()


def test_zip_with_a_wrong_byte_inside(world):
    shelf, config = world
    content = bytearray(shelf.files[T2M])
    content[content.index(b"_2016_5.625deg.nc\x89HDF") + 3000] ^= 1
    shelf.files[T2M] = bytes(content)
    with pytest.raises(InputError, match="Bad CRC-32"):
        download(config)
    assert not (config.raw / "2m_temperature_2016_5.625deg.nc").exists()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.channels=[sp]"], "sp, which source weatherbench lacks; it has z<level>"),
        (["data.channels=[z550]"], "z550, but source weatherbench has z at 50 100"),
        (["data.years=[1978]"], "1978, but source weatherbench has 1979 to 2018"),
    ],
)
def test_what_it_lacks_is_said(overrides, words):
    with pytest.raises(ConfigError, match=words):
        weatherbench.list_files(request_of(parse(*overrides)))
