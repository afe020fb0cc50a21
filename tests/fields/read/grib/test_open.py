"""GRIB files read: real ones against plain ecCodes, made ones for every way to lie."""

from pathlib import Path

import eccodes
import numpy as np
import pytest
import xarray as xr
from made_grib import member, message, plain, pressure, refused, step_of_30, temperature, write
from read_checked import read_checked

from smoecast.errors import InputError
from smoecast.fields.channels import field_of
from smoecast.fields.read.grib import open as grib_open
from smoecast.fields.read.grib.open import open_grib
from smoecast.fields.times import as_hours

DATA = Path(__file__).parents[4] / "../shared/data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real data is not beside the repository, in ../shared/data"
)


def assert_whole(path: Path, dataset: xr.Dataset, names: dict[str, str]) -> None:
    """Every message of the file is in the dataset, at its place, value for value."""
    messages = plain(path)
    dataset = dataset.load()  # one decoding for all comparisons
    count = 0
    for found in messages:
        if found["shortName"] not in names:
            continue
        name = names[found["shortName"]]
        array = field_of(
            dataset, name if name == "fg10_3h" or name[-1] == "m" else f"{name}{found['level']}"
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
    assert_whole(path, dataset, {"z": "z", "t": "t"})


@needs_data
def test_ecmwf_ensemble_control_is_member_zero():
    path = DATA / "ecmwf-ens/z500_ens.grib"
    dataset = open_grib(path)
    assert dataset["z"].shape == (1, 1, 51, 1, 46, 71)
    assert dataset["number"].values.tolist() == list(range(51))
    assert_whole(path, dataset, {"z": "z"})


@needs_data
def test_ecmwf_ensemble_storm_with_other_lead_times_by_variable():
    path = DATA / "ecmwf-ens/ens_storm.grib"
    dataset = open_grib(path)
    assert as_hours(dataset["lead_time"].values).tolist() == [72, 78, 84]
    assert dataset["fg10_3h"].sizes["number"] == 51
    read_checked(dataset["fg10_3h"], path, "fg10_3h")
    read_checked(dataset["z"].sel(lead_time=np.timedelta64(78, "h")), path, "z")
    with pytest.raises(InputError, match="151776 of 227664 values of z are missing"):
        read_checked(dataset["z"], path, "z")
    assert_whole(path, dataset, {"10fg3": "fg10_3h", "z": "z"})


@needs_data
def test_ecmwf_zt():
    path = DATA / "ecmwf-zt/test4_zt_1deg_20070101.grib"
    dataset = open_grib(path)
    assert dataset["z"].shape == (1, 2, 181, 360)
    assert dataset["level"].values.tolist() == [500, 850]
    assert_whole(path, dataset, {"z": "z", "t": "t"})


# ---- values and places


def test_fields_stay_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(grib_open, "BLOCK_BYTES", 1)
    path = write(tmp_path / "a.grib", *(temperature(i, dataTime=600 * i) for i in range(4)))
    dataset = open_grib(path)
    assert dataset["t"].chunks[0] == (1, 1, 1, 1)
    path.write_bytes(path.read_bytes()[:-100])
    assert dataset["t"][2].values[0, 0, 0] == 2.0
    with pytest.raises(InputError, match=r"a\.grib: message 4 cannot be decoded"):
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
    path = write(tmp_path / "a.grib", pressure(85000), pressure(5000, -1, 7.0), pressure(1000, 1))
    found = open_grib(path)["t"]
    assert found["level"].values.tolist() == [1, 500, 850]
    assert found.squeeze().sel(level=500).values[0, 0] == pytest.approx(7.0)


def test_pascals_of_grib_1(tmp_path):
    path = write(tmp_path / "a.grib", temperature(indicatorOfTypeOfLevel=210, level=50000))
    assert open_grib(path)["level"].values.tolist() == [500]


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


@pytest.mark.parametrize("packing", ["grid_complex", "grid_complex_spatial_differencing"])
@pytest.mark.parametrize("marks", [1, 2])
def test_missing_values_without_a_bitmap(tmp_path, packing, marks):
    """As the NOAA packs them."""
    handle = eccodes.codes_new_from_message(
        message("regular_ll_pl_grib2", shortName="t", level=500)
    )
    eccodes.codes_set(handle, "packingType", packing)
    eccodes.codes_set(handle, "missingValueManagementUsed", marks)
    eccodes.codes_set(handle, "missingValue", -1.0)
    eccodes.codes_set_values(handle, np.array([-1.0] * 5 + [7.0, 8.0, 9.0, 6.0, 7.0, 9.0, 5.0]))
    path = write(tmp_path / "a.grib", eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    found = open_grib(path)["t"].squeeze().values
    np.testing.assert_array_equal(found.ravel()[5:], [7, 8, 9, 6, 7, 9, 5])
    assert np.isnan(found.ravel()[:5]).all()


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


@pytest.mark.parametrize(("step", "seconds"), [(90, 90), (5400, 5400), (2**31 - 1, 2**31 - 1)])
def test_steps_in_seconds(tmp_path, step, seconds):
    keys = {"indicatorOfUnitOfTimeRange": 13, "forecastTime": step, "dataType": "fc"}
    one = message("regular_ll_pl_grib2", shortName="t", level=500, **keys)
    found = open_grib(write(tmp_path / "a.grib", one))["lead_time"].values
    assert found.tolist() == [seconds * 10**9]


@pytest.mark.parametrize(
    ("member", "size", "wanted"),
    [(3, 20, [3]), (3, 255, [3]), (0, 1, None), (255, 255, None), (0, 0, None)],
)
def test_members_of_grib_2_that_are_not_told(tmp_path, member, size, wanted):
    keys = {"perturbationNumber": member, "numberOfForecastsInEnsemble": size}
    keys = {"productDefinitionTemplateNumber": 1, "typeOfProcessedData": 1} | keys
    one = message("regular_ll_pl_grib2", shortName="t", level=500, **keys)
    found = open_grib(write(tmp_path / "a.grib", one))
    assert (found["number"].values.tolist() if "number" in found.dims else None) == wanted


@pytest.mark.parametrize(
    "keys",
    [
        {"typeOfProcessedData": 4},
        {"productDefinitionTemplateNumber": 1, "typeOfProcessedData": 4, "perturbationNumber": 255},
    ],
)
def test_a_member_that_is_not_told(tmp_path, keys):
    one = message("regular_ll_pl_grib2", shortName="t", level=500, **keys)
    refused(write(tmp_path / "a.grib", one), "is of an ensemble, but does not tell its member")


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
