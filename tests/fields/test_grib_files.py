"""GRIB files read: real ones against plain ecCodes, made ones for every rule."""

from pathlib import Path

import eccodes
import numpy as np
import pytest
import xarray as xr
from made_grib import member, message, plain, temperature

from smoecast.errors import InputError
from smoecast.fields import grib, gribindex
from smoecast.fields.canonical import LEFT_OUT, read_checked
from smoecast.fields.grib import open_grib
from smoecast.fields.layout import field_of
from smoecast.fields.times import as_hours

DATA = Path(__file__).parents[2] / "../shared/data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real data is not beside the repository, in ../shared/data"
)


def write(path: Path, *messages: bytes) -> Path:
    path.write_bytes(b"".join(messages))
    return path


def refused(path: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_grib(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def assert_whole(path: Path, dataset: xr.Dataset, names: dict[str, str]) -> None:
    """Every message of the file is in the dataset, at its place, value for value."""
    messages = plain(path)
    count = 0
    for found in messages:
        if found["shortName"] not in names:
            continue
        name = names[found["shortName"]]
        array = field_of(
            dataset, name if name == "fg10" or name[-1] == "m" else f"{name}{found['level']}"
        )
        start = np.datetime64(
            f"{str(found['dataDate'])[:4]}-{str(found['dataDate'])[4:6]}"
            f"-{str(found['dataDate'])[6:]}T{found['dataTime'] // 100:02d}",
            "ns",
        )
        lead = np.timedelta64(found["endStep"], "h")
        if "time" in array.dims:
            array = array.sel(time=start + lead)
        else:
            array = array.sel(init_time=start, lead_time=lead)
        if "number" in array.dims:
            array = array.sel(number=found["number"])
        west_to_east = array.values
        order = np.argsort(array["longitude"].values)
        np.testing.assert_array_equal(west_to_east[:, order], found["values"])
        count += 1
    assert count > 0


# ---- real files


@needs_data
def test_era5_uk():
    path = DATA / "era5-uk/era5-2mt-2019-03-uk.grib"
    dataset = open_grib(path)
    assert dataset["t2m"].dims == ("time", "latitude", "longitude")
    assert dataset["t2m"].shape == (744, 33, 49)
    assert dataset["longitude"].values[[0, -1]].tolist() == [-10.0, 2.0]
    read_checked(dataset["t2m"], path, "t2m")
    assert_whole(path, dataset, {"2t": "t2m"})


@needs_data
def test_era5_members():
    path = DATA / "era5-members/era5-levels-members.grib"
    dataset = open_grib(path)
    assert dataset["z"].dims == (
        "init_time",
        "lead_time",
        "number",
        "level",
        "latitude",
        "longitude",
    )
    assert dataset["z"].shape == (4, 1, 10, 2, 61, 120)
    assert as_hours(dataset["lead_time"].values).tolist() == [0]
    assert_whole(path, dataset.load(), {"z": "z", "t": "t"})


@needs_data
def test_ecmwf_ensemble_control_is_member_zero():
    path = DATA / "ecmwf-ens/z500_ens.grib"
    dataset = open_grib(path)
    assert dataset["z"].shape == (1, 1, 51, 1, 46, 71)
    assert dataset["number"].values.tolist() == list(range(51))
    assert_whole(path, dataset.load(), {"z": "z"})


@needs_data
def test_ecmwf_ensemble_storm_with_other_lead_times_by_variable():
    path = DATA / "ecmwf-ens/ens_storm.grib"
    dataset = open_grib(path)
    assert as_hours(dataset["lead_time"].values).tolist() == [72, 78, 84]
    assert dataset["fg10"].sizes["number"] == 51
    read_checked(dataset["fg10"], path, "fg10")
    read_checked(dataset["z"].sel(lead_time=np.timedelta64(78, "h")), path, "z")
    with pytest.raises(InputError, match="151776 of 227664 values of z are missing"):
        read_checked(dataset["z"], path, "z")
    assert_whole(path, dataset, {"10fg3": "fg10", "z": "z"})


@needs_data
def test_ecmwf_zt():
    path = DATA / "ecmwf-zt/test4_zt_1deg_20070101.grib"
    dataset = open_grib(path)
    assert dataset["z"].shape == (1, 2, 181, 360)
    assert dataset["level"].values.tolist() == [500, 850]
    assert_whole(path, dataset, {"z": "z", "t": "t"})


# ---- values and places


def test_fields_stay_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(grib, "BLOCK_BYTES", 1)
    path = write(tmp_path / "a.grib", *(temperature(i, dataTime=600 * i) for i in range(4)))
    dataset = open_grib(path)
    assert dataset["t"].chunks[0] == (1, 1, 1, 1)
    path.write_bytes(path.read_bytes()[:-100])
    assert dataset["t"][2].values[0, 0, 0] == 2.0
    with pytest.raises(InputError, match=r"a\.grib: a message cannot be decoded"):
        dataset["t"][3].load()


@pytest.mark.parametrize("sample", ["regular_ll_pl_grib1", "regular_ll_pl_grib2"])
@pytest.mark.parametrize("south_first", [False, True])
@pytest.mark.parametrize("east_first", [False, True])
@pytest.mark.parametrize("columns_first", [False, True])
def test_scanning_modes(tmp_path, sample, south_first, east_first, columns_first):
    keys = {"jPointsAreConsecutive": int(columns_first)}
    if south_first:
        keys |= {"jScansPositively": 1}
        keys |= {"latitudeOfFirstGridPointInDegrees": 40, "latitudeOfLastGridPointInDegrees": 60}
    if east_first:
        keys |= {"iScansNegatively": 1}
        keys |= {"longitudeOfFirstGridPointInDegrees": 30, "longitudeOfLastGridPointInDegrees": 0}
    one = message(sample, shortName="t", level=500, **keys)
    found = open_grib(write(tmp_path / "a.grib", one))["t"].squeeze()
    assert found["latitude"].values.tolist() == [60, 50, 40]
    assert found["longitude"].values.tolist() == [0, 10, 20, 30]
    wanted = np.arange(12).reshape((4, 3) if columns_first else (3, 4))
    wanted = wanted.T if columns_first else wanted
    wanted = wanted[::-1] if south_first else wanted
    wanted = wanted[:, ::-1] if east_first else wanted
    np.testing.assert_allclose(found.values, wanted, atol=1e-5)


@pytest.mark.parametrize("sample", ["regular_gg_pl_grib1", "regular_gg_pl_grib2"])
def test_gaussian_grid(tmp_path, sample):
    one = message(sample, shortName="t", level=500)
    handle = eccodes.codes_new_from_message(one)
    latitudes = eccodes.codes_get_array(handle, "distinctLatitudes")
    eccodes.codes_release(handle)
    dataset = open_grib(write(tmp_path / "a.grib", one))
    assert dataset["t"].shape[-2:] == (64, 128)
    np.testing.assert_allclose(dataset["latitude"], np.sort(latitudes)[::-1], atol=1e-6)
    np.testing.assert_allclose(dataset["longitude"], np.arange(128) * 360 / 128, atol=1e-3)


def test_gaussian_grid_from_the_south(tmp_path):
    one = message(
        "regular_gg_pl_grib2",
        shortName="t",
        level=500,
        jScansPositively=1,
        latitudeOfFirstGridPointInDegrees=-87.864,
        latitudeOfLastGridPointInDegrees=87.864,
    )
    dataset = open_grib(write(tmp_path / "a.grib", one))
    assert dataset["latitude"].values[0] == pytest.approx(87.8638, abs=1e-3)
    assert dataset["t"].squeeze().values[-1, 0] == pytest.approx(0.0, abs=1e-3)


def test_region_across_greenwich(tmp_path):
    west = {"longitudeOfFirstGridPointInDegrees": 350, "longitudeOfLastGridPointInDegrees": 20}
    found = open_grib(write(tmp_path / "a.grib", temperature(**west)))
    assert found["longitude"].values.tolist() == [-10, 0, 10, 20]
    np.testing.assert_allclose(found["t"].values[0, 0, 0], [0, 1, 2, 3], atol=1e-5)


def test_units_become_si(tmp_path):
    path = write(tmp_path / "a.grib", message(shortName="r", level=500, value=50.0))
    assert open_grib(path)["r"].values.min() == pytest.approx(0.5)


def test_pascals_become_hectopascals(tmp_path):
    keys = {"typeOfFirstFixedSurface": "pl", "scaleFactorOfFirstFixedSurface": 0}
    sample = "regular_ll_pl_grib2"
    path = write(
        tmp_path / "a.grib",
        message(sample, shortName="t", level=850),
        message(sample, 7.0, shortName="t", **keys, scaledValueOfFirstFixedSurface=50000),
    )
    found = open_grib(path)["t"]
    assert found["level"].values.tolist() == [500, 850]
    assert found.squeeze().sel(level=500).values[0, 0] == pytest.approx(7.0)


def test_missing_values_are_found_on_reading(tmp_path):
    handle = eccodes.codes_new_from_message(temperature())
    eccodes.codes_set(handle, "bitmapPresent", 1)
    eccodes.codes_set(handle, "missingValue", -1.0)
    eccodes.codes_set_values(handle, np.array([-1.0] * 5 + [7.0] * 7))
    path = write(tmp_path / "a.grib", eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    array = open_grib(path)["t"]
    assert int(np.isnan(array.values).sum()) == 5
    with pytest.raises(InputError, match=r"a\.grib: 5 of 12 values of t are missing"):
        read_checked(array, path, "t")


# ---- times and members


def test_forecasts(tmp_path):
    steps = [(time, step) for time in (0, 1200) for step in (6, 12)]
    path = write(
        tmp_path / "a.grib",
        *(temperature(t + s, dataTime=t, dataType="fc", endStep=s) for t, s in steps[::-1]),
    )
    found = open_grib(path)["t"]
    assert found.dims == ("init_time", "lead_time", "level", "latitude", "longitude")
    assert as_hours(found["lead_time"].values).tolist() == [6, 12]
    assert found.values[:, :, 0, 0, 0].tolist() == [[6, 12], [1206, 1212]]


def test_forecast_of_no_hours_is_a_forecast(tmp_path):
    path = write(tmp_path / "a.grib", temperature(dataType="fc"))
    assert open_grib(path)["t"].dims[:2] == ("init_time", "lead_time")


def test_accumulations_hold_at_the_end_of_their_step(tmp_path):
    rain = {"shortName": "tp", "typeOfLevel": "surface", "dataType": "fc", "stepType": "accum"}
    path = write(tmp_path / "a.grib", message("regular_ll_sfc_grib1", **rain, stepRange="0-6"))
    assert as_hours(open_grib(path)["lead_time"].values).tolist() == [6]


@pytest.mark.parametrize(("unit", "hours"), [(0, 0.5), (1, 30), (2, 720), (10, 90), (12, 360)])
def test_steps_in_other_units(tmp_path, unit, hours):
    found = open_grib(write(tmp_path / "a.grib", step_of_30(unit)))
    assert as_hours(found["lead_time"].values).tolist() == [hours]


def step_of_30(unit: int) -> bytes:
    """Return a GRIB 1 forecast whose step is 30 times a unit."""
    one = bytearray(temperature(dataType="fc"))
    one[8 + 17 : 8 + 19] = unit, 30  # octets 18 and 19 of section 1
    return bytes(one)


def test_reanalysis_accumulations_stand_with_its_analyses(tmp_path):
    era = {"setLocalDefinition": 1, "class": "ea"}
    rain = era | {"typeOfLevel": "surface", "shortName": "tp", "dataType": "fc"}
    path = write(
        tmp_path / "a.grib",
        temperature(**era, dataTime=600),
        message("regular_ll_sfc_grib1", **rain, dataDate=20191231, dataTime=1800, endStep=12),
    )
    dataset = open_grib(path)
    assert dataset["tp"].dims == ("time", "latitude", "longitude")
    assert dataset["time"].values.tolist() == [np.datetime64("2020-01-01T06", "ns").astype(int)]


def test_control_and_members(tmp_path):
    path = write(tmp_path / "a.grib", member(2, 2.0), member(1, 1.0), member(0, type="cf"))
    found = open_grib(path)["t"]
    assert found["number"].values.tolist() == [0, 1, 2]
    assert found.values[0, 0, :, 0, 0, 0].tolist() == [0, 1, 2]


def test_constants_have_no_time(tmp_path):
    ground = {"shortName": "z", "typeOfLevel": "surface", "dataDate": 20200101}
    path = write(
        tmp_path / "a.grib",
        message("regular_ll_sfc_grib1", **ground),
        *(temperature(dataTime=600 * i) for i in range(3)),
    )
    dataset = open_grib(path)
    assert dataset["orography"].dims == ("latitude", "longitude")
    assert dataset["t"].sizes["time"] == 3


def test_a_constant_that_changes(tmp_path):
    ground = {"shortName": "z", "typeOfLevel": "surface", "dataDate": 20200101}
    one, two = (
        message("regular_ll_sfc_grib1", value, **ground, dataTime=600 * i)
        for i, value in enumerate((0.0, 500.0))
    )
    refused(write(tmp_path / "a.grib", one, two), "orography is constant by nature, but changes")


def test_other_levels_by_variable_lose_nothing(tmp_path):
    path = write(
        tmp_path / "a.grib",
        temperature(1.0),
        temperature(2.0, level=850),
        message(shortName="u", level=500, dataDate=20200101, dataTime=0),
    )
    dataset = open_grib(path)
    assert sorted(dataset.data_vars) == ["t500", "t850", "u500"]
    assert field_of(dataset, "t850").values[0, 0, 0] == 2.0


# ---- accounted for


def test_left_out_messages_are_named(tmp_path):
    cloud = {"shortName": "clwc", "level": 500, "dataDate": 20200101}
    path = write(
        tmp_path / "a.grib",
        temperature(),
        message(**cloud),
        message("regular_ll_sfc_grib1", shortName="stl1"),
    )
    dataset = open_grib(path)
    assert list(dataset.data_vars) == ["t"]
    assert dataset.attrs[LEFT_OUT].startswith("clwc on isobaricInhPa, stl1 on ")


def test_ensemble_means_are_left_out(tmp_path):
    local = {"setLocalDefinition": 1, "localDefinitionNumber": 1}
    path = write(tmp_path / "a.grib", temperature(), temperature(9.0, **local, type="em"))
    dataset = open_grib(path)
    assert dataset.attrs[LEFT_OUT] == "t of type em"
    assert dataset["t"].values.max() < 12


def test_everything_left_out(tmp_path):
    path = write(tmp_path / "a.grib", message(shortName="clwc", level=500))
    refused(path, "no variable that smoecast knows, but clwc on isobaricInhPa")


def test_no_message(tmp_path):
    refused(write(tmp_path / "a.grib"), "no variable that smoecast knows, but no message at all")
    refused(tmp_path / "b.grib", "there is no such file")


def test_cut_in_a_message(tmp_path):
    whole = temperature() + temperature(dataTime=600)
    refused(write(tmp_path / "a.grib", whole[:-9]), "message 2 is broken or cut")


def test_zeros_between_messages_are_padding(tmp_path):
    padded = temperature() + b"\0" * 20 + temperature(dataTime=600) + b"\0" * 7
    assert open_grib(write(tmp_path / "a.grib", padded)).sizes["time"] == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ((b"junk", temperature()), "4 bytes before message 1 belong to no GRIB message"),
        ((temperature(), b"junk!", temperature()), "5 bytes before message 2"),
        ((temperature(), b"junk!!"), "6 bytes after message 1"),
    ],
)
def test_foreign_bytes(tmp_path, content, words):
    refused(write(tmp_path / "a.grib", *content), words)


def test_several_fields_in_one_message(tmp_path):
    sample = "regular_ll_pl_grib2"
    first = message(sample, shortName="u", level=500)
    second = message(sample, shortName="v", level=500)
    tail = _after_section(second, 3)[:-4]
    both = first[:-4] + tail + b"7777"
    both = both[:8] + len(both).to_bytes(8, "big") + both[16:]
    refused(write(tmp_path / "a.grib", both), "message 1 holds 2 fields at once")


def _after_section(content: bytes, number: int) -> bytes:
    """Return what follows a section of a GRIB 2 message."""
    place = 16
    while content[place + 4] <= number:
        place += int.from_bytes(content[place : place + 4], "big")
    return content[place:]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"iDirectionIncrementInDegrees": 5.0}, "gives 4 longitudes over 30 degrees, but an incr"),
        ({"jDirectionIncrementInDegrees": 5.0}, "gives 3 latitudes over 20 degrees, but an incr"),
        ({"jScansPositively": 1}, "scans from 60 N to 40 N against its scanning mode"),
        ({"alternativeRowScanning": 1}, "rows of changing direction or length"),
    ],
)
def test_contradicting_grids(tmp_path, keys, words):
    one = message("regular_ll_pl_grib2", shortName="t", level=500, **keys)
    refused(write(tmp_path / "a.grib", one), rf"message 1 \(t\) .*{words}")


def test_gaussian_grid_on_other_parallels(tmp_path):
    one = message("regular_gg_pl_grib2", shortName="t", level=500, N=48)
    refused(write(tmp_path / "a.grib", one), "does not lie on the parallels of its Gaussian grid")


def test_other_grids(tmp_path):
    one = message("reduced_gg_pl_32_grib2", shortName="t", level=500)
    refused(write(tmp_path / "a.grib", one), r"message 1 \(t\) lies on the grid reduced_gg")


def test_increments_need_not_be_given(tmp_path):
    one = message("regular_ll_pl_grib2", shortName="t", level=500, ijDirectionIncrementGiven=0)
    assert open_grib(write(tmp_path / "a.grib", one)).sizes["longitude"] == 4


def test_two_grids(tmp_path):
    other = temperature(
        dataTime=600, longitudeOfLastGridPointInDegrees=60, iDirectionIncrementInDegrees=20
    )
    refused(write(tmp_path / "a.grib", temperature(), other), "messages 1 and 2 lie on different")


def test_the_same_field_twice(tmp_path):
    refused(
        write(tmp_path / "a.grib", temperature(), temperature(1.0)),
        "messages 1 and 2 both hold t500 for 2020-01-01T00:00: keep one",
    )


def test_two_experiments(tmp_path):
    local = {"setLocalDefinition": 1, "localDefinitionNumber": 1}
    one, two = (temperature(**local, experimentVersionNumber=v) for v in ("0001", "0005"))
    refused(write(tmp_path / "a.grib", one, two), "of the experiments 0001 and 0005")


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        (
            [temperature(), temperature(level=850), temperature(dataTime=600)],
            "the message of t850 at time 2020-01-01T06:00 is missing",
        ),
        (
            [
                temperature(),
                temperature(dataTime=600),
                message(shortName="u", level=500, dataDate=20200101, dataTime=0),
            ],
            "the message of u500 at time 2020-01-01T06:00 is missing",
        ),
        (
            [member(1), member(2), member(1, endStep=6)],
            "the message of t500 at init_time .*, lead_time 6 h, number 2 is missing",
        ),
    ],
)
def test_holes(tmp_path, messages, words):
    refused(write(tmp_path / "a.grib", *messages), words)


def test_with_and_without_members(tmp_path):
    path = write(tmp_path / "a.grib", temperature(dataType="fc"), member(1))
    refused(path, "messages 1 and 2 are one with and one without members")


def test_analysis_and_forecast(tmp_path):
    path = write(tmp_path / "a.grib", temperature(), temperature(dataType="fc", endStep=6))
    refused(path, "messages 1 and 2 are an analysis and a forecast")


def test_two_units_of_one_quantity(tmp_path):
    height = message(shortName="gh", level=850, dataDate=20200101, dataTime=0)
    geopotential = message(shortName="z", level=500, dataDate=20200101, dataTime=0)
    refused(
        write(tmp_path / "a.grib", geopotential, height),
        r"messages 1 and 2 give z850 in m\*\*2 s\*\*-2 and in gpm",
    )


def test_pressure_between_whole_hectopascals(tmp_path):
    keys = {"typeOfFirstFixedSurface": "pl", "scaleFactorOfFirstFixedSurface": 0}
    one = message("regular_ll_pl_grib2", shortName="t", **keys, scaledValueOfFirstFixedSurface=50)
    refused(write(tmp_path / "a.grib", one), "message 1 lies at 50 Pa, which is no whole number")


def test_pressure_and_model_levels(tmp_path):
    path = write(tmp_path / "a.grib", temperature(), temperature(typeOfLevel="hybrid", level=5))
    refused(path, "message 2 has t on hybrid, message 1 has it elsewhere")


def test_a_date_that_does_not_exist(tmp_path):
    broken = bytearray(temperature())
    broken[8 + 13] = 13  # month
    refused(write(tmp_path / "a.grib", bytes(broken)), "message 1 has the date 2.*does not exist")


def test_steps_in_months(tmp_path):
    refused(
        write(tmp_path / "a.grib", step_of_30(3)), "message 1 counts its step in the unit 3 of GRIB"
    )


def test_a_message_that_contradicts_itself(tmp_path, monkeypatch):
    def contradict(keys: object, what: str) -> None:
        raise eccodes.DecodingError(-13)

    monkeypatch.setattr(gribindex, "place_of", contradict)
    refused(write(tmp_path / "a.grib", temperature()), "message 1 contradicts itself")


def test_more_values_than_points(tmp_path):
    sample = "regular_ll_pl_grib2"
    three, four = (
        message(sample, shortName="t", level=500),
        message(sample, shortName="t", level=500, Nj=4, jDirectionIncrementInDegrees=20 / 3),
    )
    odd = three[: three.index(_after_section(three, 4))] + _after_section(four, 4)
    odd = odd[:8] + len(odd).to_bytes(8, "big") + odd[16:]
    dataset = open_grib(write(tmp_path / "a.grib", odd))
    with pytest.raises(InputError, match=r"a\.grib: a message "):
        dataset["t"].load()
