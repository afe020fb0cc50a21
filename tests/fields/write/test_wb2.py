"""WeatherBench 2 stores: what others open, written whole or not at all."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from made_forecasts import LATITUDE, STARTS, forecasts
from write_whole import write_wb2

from smoecast.data.sources.files import expand
from smoecast.errors import InputError, OutputError
from smoecast.fields import checksums
from smoecast.fields.channels import field_of
from smoecast.fields.read.open import open_file
from smoecast.fields.read.results import read_attributes
from smoecast.fields.times import as_lead
from smoecast.fields.write import wb2
from smoecast.fields.write.blocks import blank

PLACE = ("latitude", "longitude")


def test_others_find_what_they_expect(tmp_path: Path) -> None:
    made = forecasts()
    write_wb2(made, tmp_path / "f.zarr")
    with xr.open_zarr(tmp_path / "f.zarr") as found:
        assert set(found.data_vars) == {"geopotential", "temperature", "2m_temperature"}
        upper = ("time", "prediction_timedelta", "level", *PLACE)
        assert found["geopotential"].dims == upper
        assert found["2m_temperature"].dims == ("time", "prediction_timedelta", *PLACE)
        assert found["prediction_timedelta"].dtype == "timedelta64[ns]"
        assert found["time"].dtype.kind == "M"
        assert found["level"].dtype == np.int64
        assert found["level"].values.tolist() == [500, 850]
        assert found["latitude"].values.tolist() == LATITUDE[::-1].tolist()
        assert all(array.dtype == np.float32 for array in found.data_vars.values())
        assert found["geopotential"].attrs["units"] == "m2 s-2"
        assert found["2m_temperature"].attrs["standard_name"] == "air_temperature"
        said = {"smoecast_checksums": checksums.IN_STORE}
        assert found.attrs == {"title": "made", "seed": 3} | said
        np.testing.assert_array_equal(found["time"], STARTS)
        north = found.sortby("latitude", ascending=False)
        for theirs, level, ours in (
            ("geopotential", 500, "z500"),
            ("geopotential", 850, "z850"),
            ("temperature", 850, "t850"),
        ):
            np.testing.assert_array_equal(north[theirs].sel(level=level), made[ours])
        np.testing.assert_array_equal(north["2m_temperature"], made["t2m"])
        assert bool(north["temperature"].sel(level=500).isnull().all())


def test_the_format_is_zarr_2_consolidated_one_chunk_over_space(tmp_path: Path) -> None:
    write_wb2(forecasts(), tmp_path / "f.zarr")
    described = json.loads((tmp_path / "f.zarr" / ".zmetadata").read_bytes())["metadata"]
    assert described["geopotential/.zarray"]["zarr_format"] == 2
    assert described["geopotential/.zarray"]["chunks"] == [1, 3, 1, 8, 16]
    lead = described["prediction_timedelta/.zattrs"]
    assert (lead["dtype"], lead["units"]) == ("timedelta64[ns]", "hours")
    assert [p.name for p in tmp_path.iterdir()] == ["f.zarr"]


@pytest.mark.parametrize("members", [None, 3])
def test_zarr_3_in_shards(tmp_path: Path, members: int | None) -> None:
    """A file for each start, member and level; a chunk in it for each field."""
    made = (forecasts(members) if members else forecasts()).isel(init_time=slice(2))
    path = tmp_path / "f.zarr"
    write_wb2(made + 1, path)  # of v2, replaced
    write_wb2(made, path, version=3)
    write_wb2(made, tmp_path / "two.zarr")
    assert not (path / ".zmetadata").exists()
    described = json.loads((path / "zarr.json").read_bytes())
    array = described["consolidated_metadata"]["metadata"]["geopotential"]
    number = [1] if members else []
    assert array["chunk_grid"]["configuration"]["chunk_shape"] == [1, 3, *number, 1, 8, 16]
    (shards,) = array["codecs"]
    assert shards["configuration"]["chunk_shape"] == [1, 1, *number, 1, 8, 16]
    files = [p for p in (path / "geopotential" / "c").rglob("*") if p.is_file()]
    assert len(files) == made.sizes["init_time"] * 2 * (members or 1)
    with xr.open_zarr(path) as three, xr.open_zarr(tmp_path / "two.zarr") as two:
        xr.testing.assert_equal(three, two)
        assert three.attrs == two.attrs
    assert read_attributes(path)["title"] == "made"
    (file,) = expand([str(path)], "--input")
    xr.testing.assert_equal(open_file(file), open_file(tmp_path / "two.zarr" / ".zmetadata"))
    checksums.check(path, whole=False)
    largest = max(files, key=lambda p: p.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1] + b"?")
    with pytest.raises(OutputError, match=r"geopotential/c/.* has other content"):
        checksums.check(path, whole=True)
    (path / "zarr.json").write_bytes(b"")
    write_wb2(made, path, version=3)
    checksums.check(path, whole=True)


def test_chunks_hold_no_more_lead_times_than_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wb2, "CHUNK_BYTES", 2 * 4 * 8 * 16 + 1)
    write_wb2(forecasts(), tmp_path / "f.zarr")
    assert zarr.open_group(tmp_path / "f.zarr", mode="r")["2m_temperature"].chunks == (1, 2, 8, 16)


def test_members_and_minutes(tmp_path: Path) -> None:
    made = forecasts(members=2, hours=(0.5, 1))
    write_wb2(made, tmp_path / "f.zarr")
    with xr.open_zarr(tmp_path / "f.zarr") as found:
        assert found["temperature"].dims == (
            "time", "prediction_timedelta", "number", "level", *PLACE
        )  # fmt: skip
        np.testing.assert_array_equal(found["prediction_timedelta"], as_lead([0.5, 1]))
        there = found["2m_temperature"].sortby("latitude", ascending=False)
        np.testing.assert_array_equal(there, made["t2m"])


def test_our_own_reader_takes_it_back(tmp_path: Path) -> None:
    made = forecasts()
    write_wb2(made[["t2m", "z500"]], tmp_path / "f.zarr")
    back = open_file(tmp_path / "f.zarr" / ".zmetadata")
    assert back["t2m"].dims == ("init_time", "lead_time", *PLACE)
    np.testing.assert_array_equal(back["t2m"], made["t2m"])
    np.testing.assert_array_equal(back["z"].sel(level=500), made["z500"])
    np.testing.assert_array_equal(back["lead_time"], made["lead_time"])


def test_winds_at_10_hpa_and_at_10_metres(tmp_path: Path) -> None:
    names = {"t2m": "u10", "z500": "u_10hPa", "z850": "u500"}
    made = forecasts()[list(names)].rename(names)
    write_wb2(made, tmp_path / "f.zarr")
    back = open_file(tmp_path / "f.zarr" / ".zmetadata")
    for name in made.data_vars:
        np.testing.assert_array_equal(field_of(back, str(name)), made[name])


def test_an_older_store_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "f.zarr"
    write_wb2(forecasts(), path)
    write_wb2(forecasts()[["t2m"]].assign_attrs(title="second"), path)
    assert read_attributes(path)["title"] == "second"
    assert not (path / "geopotential").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["f.zarr"]


@pytest.mark.parametrize("damage", [".zgroup", ".zattrs", ".zmetadata"])
def test_a_damaged_store_is_replaced(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "f.zarr"
    write_wb2(forecasts(), path)
    (path / damage).unlink()
    write_wb2(forecasts(), path)
    checksums.check(path, whole=True)


def test_what_is_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("a cat")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    for name, words in (
        ("file", "is a file, which"),
        ("photos", "is a folder of other things, which"),
        ("link", "is a symbolic link, which"),
    ):
        with pytest.raises(OutputError, match=f"{words} is not replaced"):
            write_wb2(forecasts(), tmp_path / name)
    assert (tmp_path / "photos" / "cat.jpg").read_text() == "a cat"
    (tmp_path / "empty").mkdir()
    write_wb2(forecasts(), tmp_path / "empty")
    checksums.check(tmp_path / "empty", whole=True)


def test_a_store_that_is_not_confirmed_is_not_kept(tmp_path: Path) -> None:
    def refuse() -> None:
        raise OutputError("the input changed")

    write_wb2(forecasts(), tmp_path / "f.zarr")
    with pytest.raises(OutputError, match="the input changed"):
        write_wb2(forecasts() + 1, tmp_path / "f.zarr", confirm=refuse)
    assert read_attributes(tmp_path / "f.zarr")["title"] == "made"
    assert [p.name for p in tmp_path.iterdir()] == ["f.zarr"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("consolidated", [True, False])
def test_no_reader_is_troubled_by_the_checksums(tmp_path: Path, consolidated: bool) -> None:
    write_wb2(forecasts(), tmp_path / "f.zarr")
    assert (tmp_path / "f.zarr" / checksums.LISTING).is_file()
    group = zarr.open_group(tmp_path / "f.zarr", mode="r", use_consolidated=consolidated)
    assert len(list(group.members())) == 8
    with xr.open_zarr(tmp_path / "f.zarr", consolidated=consolidated) as found:
        assert len(found.variables) == 8


def test_attributes_of_what_is_no_store(tmp_path: Path) -> None:
    assert read_attributes(tmp_path) == {}
    for text in ("{", "[1]", "[" * 100_000):
        (tmp_path / ".zattrs").write_text(text)
        assert read_attributes(tmp_path) == {}
    os.mkfifo(tmp_path / "pipe")
    assert read_attributes(tmp_path / "pipe") == {}


def test_a_value_that_is_missing_keeps_the_store_away(tmp_path: Path) -> None:
    made = forecasts()
    made["t2m"] = made["t2m"].where(made["init_time"] != STARTS[4])
    with pytest.raises(OutputError, match="384 values of t2m are missing"):
        write_wb2(made, tmp_path / "f.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_coordinate_that_did_not_reach_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = wb2._coordinates

    def shifted(dataset: xr.Dataset, plan: object) -> dict[str, xr.Variable]:
        found = whole(dataset, plan)
        return found | {"time": found["time"] + 1}

    monkeypatch.setattr(wb2, "_coordinates", shifted)
    with pytest.raises(OutputError, match="coordinate time was not stored right"):
        write_wb2(forecasts(), tmp_path / "f.zarr")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="it cannot be written"):
        write_wb2(forecasts(), tmp_path / "file" / "f.zarr")


def test_analyses_are_no_forecasts(tmp_path: Path) -> None:
    analyses = forecasts().isel(lead_time=0, drop=True)
    with pytest.raises(InputError, match="this data has no lead_time"):
        write_wb2(analyses, tmp_path / "f.zarr")


def test_blocks_go_where_their_coordinates_say(tmp_path: Path) -> None:
    made = forecasts(members=2)
    template = made.map(lambda array: array.copy(data=blank(array.shape)))
    with wb2.wb2_writer(template.assign_attrs(made.attrs), tmp_path / "f.zarr") as append:
        for start in (3, 0, 1, 2, 4):
            for number in (1, 0):
                some = {"init_time": slice(start, start + 1), "number": slice(number, number + 1)}
                append(made.isel(some))
    back = open_file(tmp_path / "f.zarr" / ".zmetadata")
    np.testing.assert_array_equal(back["t2m"], made["t2m"])
    np.testing.assert_array_equal(back["z"].sel(level=850), made["z850"])


def test_a_block_that_was_never_written(tmp_path: Path) -> None:
    made = forecasts(members=2)
    with (
        pytest.raises(OutputError, match="384 values of t2m are missing"),
        wb2.wb2_writer(made, tmp_path / "f.zarr") as append,
    ):
        append(made.isel(init_time=slice(4)))
        append(made.isel(init_time=slice(4, 5), number=slice(1)))
    assert list(tmp_path.iterdir()) == []
