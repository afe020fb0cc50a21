"""Sums over hours that do not compare from file to file are left out, with the reason."""

from pathlib import Path

import pytest
import xarray as xr
from made_grib import message, temperature, write

from smoecast.errors import InputError
from smoecast.fields.channels import channels_of, field_of
from smoecast.fields.left_out import left_out_of
from smoecast.fields.read.intervals import find_clash, in_words, select_alike
from smoecast.fields.read.join import join
from smoecast.fields.read.open import open_files

HOUR = 3600 * 10**9
RAIN = {"shortName": "tp", "typeOfLevel": "surface", "dataType": "fc", "dataTime": 0}


def hours(*pairs: tuple[float, float]) -> list[tuple[int, int]]:
    return [(int(begin * HOUR), int(end * HOUR)) for begin, end in pairs]


def rain(steps: str) -> bytes:
    return message(
        "regular_ll_sfc_grib1", dataDate=20200101, **RAIN, stepType="accum", stepRange=steps
    )


def file_of(folder: Path, steps: str, *more: bytes) -> Path:
    """Return a file of one lead time, as GFS has them."""
    end = int(steps.split("-")[1])
    content = [temperature(endStep=end, dataType="fc"), rain(steps), *more]
    return write(folder / f"f{end:03d}.grib", *content)


@pytest.mark.parametrize(
    "given",
    [
        [],
        [(6, 9)],
        [(0, 3), (0, 6), (0, 9)],
        [(0, 6), (6, 12), (12, 18)],
        [(0, 0), (3, 6), (6, 9)],
        [(6, 9), (6, 9)],
    ],
)
def test_those_that_compare(given: list[tuple[int, int]]) -> None:
    assert find_clash(hours(*given)) is None


@pytest.mark.parametrize(
    ("given", "clash"),
    [
        ([(0, 6), (6, 9)], [(0, 6), (6, 9)]),
        ([(6, 9), (0, 6)], [(6, 9), (0, 6)]),
        ([(0, 3), (0, 6), (3, 6)], [(0, 6), (3, 6)]),
        ([(3, 6), (6, 12)], [(3, 6), (6, 12)]),
    ],
)
def test_those_that_do_not(given: list[tuple[int, int]], clash: list[tuple[int, int]]) -> None:
    assert find_clash(hours(*given)) == tuple(hours(*clash))


def test_words() -> None:
    (whole, half) = hours((6, 9), (0.5, 1.5))
    assert [in_words(whole), in_words(half)] == ["6 to 9 h", "0.5 to 1.5 h"]
    assert select_alike([*hours((0, 6)), half]) == "data.select: {not: {stepRange: 30m-90m}}"
    most = hours((0, 6), (6, 9), (9, 12))
    assert select_alike(most) == "data.select: {not: {stepRange: 0-6}}"


def test_a_file_for_each_lead_time(tmp_path: Path) -> None:
    paths = [file_of(tmp_path, "0-6"), file_of(tmp_path, "6-9")]
    dataset = open_files(paths)
    assert channels_of(dataset) == ["t500"]
    assert dataset.sizes["lead_time"] == 2
    (left,) = left_out_of(dataset)
    assert (left.name, left.channel) == ("tp", "tp")
    assert left.reason == (
        f"{paths[0]} and {paths[1]} have sums of tp over 0 to 6 h and over 6 to 9 h, which do not "
        "compare: name files that have one kind, or take one with data.select, by stepRange"
    )
    with pytest.raises(InputError, match="which do not compare"):
        field_of(dataset, "tp")


@pytest.mark.parametrize("ranges", [["0-6", "0-9"], ["0-6", "6-12"]])
def test_files_whose_sums_compare(tmp_path: Path, ranges: list[str]) -> None:
    dataset = open_files([file_of(tmp_path, steps) for steps in ranges])
    assert channels_of(dataset) == ["t500", "tp"]
    assert not left_out_of(dataset)


def test_files_of_other_levels_too(tmp_path: Path) -> None:
    """Where each channel is a variable of its own."""
    high = temperature(endStep=9, dataType="fc", level=850)
    paths = [file_of(tmp_path, "0-6"), file_of(tmp_path, "6-9", high)]
    lower = write(tmp_path / "low.grib", temperature(endStep=6, dataType="fc", level=850))
    dataset = open_files([*paths, lower])
    assert channels_of(dataset) == ["t500", "t850"]
    assert [left.channel for left in left_out_of(dataset)] == ["tp"]


def test_nothing_but_such_sums(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{steps}.grib", rain(steps)) for steps in ("0-6", "6-9")]
    with pytest.raises(InputError, match="which do not compare"):
        open_files(paths)


def test_the_note_is_in_memory_alone(tmp_path: Path) -> None:
    """What is written of such a file has none of it, and is joined as any other."""
    written = tmp_path / "a.nc"
    opened = open_files([file_of(tmp_path, "0-6")])
    opened.drop_attrs().to_netcdf(written)
    with xr.open_dataset(written) as found:
        assert not [key for key in found["tp"].encoding if "interval" in key]
        assert not [key for key in found["tp"].attrs if "interval" in key]
    assert join([(written, opened)]) is opened
