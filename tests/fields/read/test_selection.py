"""What is selected of a file: by keys of GRIB messages, by variables and coordinates of NetCDF."""

from pathlib import Path

import made_grib
import numpy as np
import pytest
import xarray as xr
from made_fields import surface, upper

from smoecast.data.readings import reading_of
from smoecast.errors import InputError
from smoecast.fields.left_out import left_out_of
from smoecast.fields.read.open import open_file, open_files
from smoecast.fields.read.reading import Reading
from smoecast.fields.read.selection import NotSelectedError

HOURS = np.array([0, 6], "timedelta64[h]").astype("timedelta64[ns]")


def of(**keys: object) -> Reading:
    return reading_of(keys, {}, "data")


@pytest.fixture
def gfs(tmp_path: Path) -> Path:
    """Temperature at 500 and 850 hPa and at 2 m, at the start and after six hours."""
    kinds = (
        ("t", "isobaricInhPa", 500),
        ("t", "isobaricInhPa", 850),
        ("2t", "heightAboveGround", 2),
    )
    common = {"dataDate": 20200101, "dataTime": 0, "dataType": "fc"}
    messages = [
        made_grib.message(
            "regular_ll_pl_grib2",
            10.0 * step + level,
            **common,
            shortName=name,
            typeOfLevel=kind,
            level=level,
            step=step,
        )
        for step in (0, 6)
        for name, kind, level in kinds
    ]
    return made_grib.write(tmp_path / "gfs.grib2", *messages)


def test_messages_by_their_keys(gfs: Path) -> None:
    found = open_file(gfs, reading=of(typeOfLevel="isobaricInhPa", level=[500, 700], step=6))
    assert list(found.data_vars) == ["t"]
    assert found["level"].values.tolist() == [500]
    assert found["lead_time"].values.tolist() == [HOURS[1]]
    assert float(found["t"].values.flat[0]) == 560
    assert {left.reason for left in left_out_of(found)} == {"not selected by data.select"}
    assert "2t on heightAboveGround" in {left.name for left in left_out_of(found)}


def test_messages_that_are_to_be_left(gfs: Path) -> None:
    found = open_file(gfs, reading=reading_of({"not": {"shortName": "2t"}, "step": 0}, {}, "data"))
    assert list(found.data_vars) == ["t"]
    assert "variable" not in open_file(gfs, reading=of(variable="2t")).dims


def test_the_starts_of_forecasts_are_analyses(gfs: Path) -> None:
    found = open_file(gfs, reading=of(step=0))
    assert "lead_time" not in found.dims
    assert found["time"].values.tolist() == [np.datetime64("2020-01-01", "ns").astype(int)]
    assert set(found.data_vars) == {"t", "t2m"}


def test_a_start_and_an_analysis_make_one_field(tmp_path: Path) -> None:
    both = made_grib.write(
        tmp_path / "f",
        made_grib.temperature(dataType="an"),
        made_grib.temperature(dataType="fc", level=850),
    )
    with pytest.raises(InputError, match="are an analysis and a forecast"):
        open_file(both)
    assert open_file(both, reading=of(step=0))["level"].values.tolist() == [500, 850]


def test_one_member_of_an_ensemble_is_no_ensemble(tmp_path: Path) -> None:
    members = [made_grib.member(number, 100.0 * number) for number in (1, 2)]
    path = made_grib.write(tmp_path / "f", *members)
    found = open_file(path, reading=of(number=2, step=0))
    assert found["t"].dims == ("time", "level", "latitude", "longitude")
    assert float(found["t"].values.flat[0]) == 200


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"typeOfLevel": "isobaricInPa"}, r"no message has typeOfLevel isobaricInPa, but there is "
         r"isobaricInhPa, heightAboveGround; correct data\.select"),
        ({"levelType": "pl", "typeOfLevl": "x"}, "no message has the key"),
        ({"level": 2, "shortName": "t"}, "no message meets all of data.select"),
        ({"not": {"shortName": ["t", "2t"]}}, "every message has shortName t or 2t, which is to"),
    ],
)  # fmt: skip
def test_where_no_message_is_selected_the_message_says_what_there_is(gfs, keys, words) -> None:
    with pytest.raises(NotSelectedError, match=words) as caught:
        open_file(gfs, reading=reading_of(keys, {}, "data"))
    assert str(caught.value).startswith(str(gfs))


def forecasts(path: Path) -> Path:
    """Write forecasts of 2 m temperature as WeatherBench names their dimensions."""
    one = surface().isel(time=[0]).expand_dims(step=HOURS, axis=1)
    values = one["t2m"].values.copy()
    values[:, 1] += 5
    one.assign(t2m=one["t2m"].copy(data=values)).to_netcdf(path)
    return path


def test_steps_of_a_netcdf_file(tmp_path: Path) -> None:
    path = forecasts(tmp_path / "f.nc")
    whole = open_file(path)
    later = open_file(path, reading=of(step=6))
    assert later["init_time"].values.tolist() == whole["init_time"].values.tolist()
    assert later["lead_time"].values.tolist() == [HOURS[1]]
    np.testing.assert_array_equal(later["t2m"].values, whole["t2m"].values[:, 1:])
    assert [str(left) for left in left_out_of(later)] == ["step 0 (not selected by data.select)"]
    rest = open_file(path, reading=reading_of({"not": {"prediction_timedelta": 6}}, {}, "data"))
    np.testing.assert_array_equal(rest["t2m"].values, whole["t2m"].values[:, :1])


def test_a_member_a_height_and_a_variable_of_a_netcdf_file(tmp_path: Path) -> None:
    one = surface().expand_dims(number=[0, 1], heightAboveGround=[2.0, 80.0])
    one.assign(other=one["t2m"]).to_netcdf(tmp_path / "f.nc")
    keys = {"number": 1, "heightAboveGround": 2, "variable": ["t2m"]}
    found = open_file(tmp_path / "f.nc", reading=reading_of(keys, {}, "data"))
    assert found["t2m"].dims == ("time", "latitude", "longitude")
    names = [left.name for left in left_out_of(found)]
    assert names == ["number 0", "heightAboveGround 80", "other"]


def test_keys_of_messages_that_stand_in_a_netcdf_file(tmp_path: Path) -> None:
    one = upper().assign(t2m=surface()["t2m"])
    one["t"].attrs["GRIB_typeOfLevel"] = "isobaricInhPa"
    one["t2m"].attrs["GRIB_typeOfLevel"] = "heightAboveGround"
    one.to_netcdf(tmp_path / "f.nc")
    found = open_file(tmp_path / "f.nc", reading=of(typeOfLevel="isobaricInhPa"))
    assert list(found.data_vars) == ["t"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"variable": "x"}, "no variable is called x, but there is t2m; correct data.select"),
        ({"not": {"variable": "t2m"}}, "every variable is called t2m, which is to be left"),
        ({"step": 12}, "no point has step 12, but there is 0, 6"),
        ({"steps": 6}, "no steps to select by, but variable, .*step"),
        ({"valid": 1}, "valid changes along time and step"),
    ],
)
def test_where_nothing_of_a_netcdf_file_is_selected(tmp_path, keys, words) -> None:
    path = forecasts(tmp_path / "f.nc")
    with xr.open_dataset(path, decode_timedelta=True) as dataset:
        valid = dataset["time"] + dataset["step"]
        dataset.load().assign_coords(valid=valid).to_netcdf(tmp_path / "g.nc")
    with pytest.raises(NotSelectedError, match=words):
        open_file(tmp_path / "g.nc", reading=reading_of(keys, {}, "data"))


def test_files_of_which_nothing_is_selected_are_left_out(tmp_path: Path, gfs: Path) -> None:
    six = made_grib.write(
        tmp_path / "six.grib2", made_grib.temperature(dataType="fc", step=6, edition=2)
    )
    found = open_files([six, gfs], reading=of(step=0))
    assert found["level"].values.tolist() == [500, 850]
    assert left_out_of(found)[-1].name == "six.grib2"
    with pytest.raises(NotSelectedError, match="no message has step 12"):
        open_files([six, gfs], reading=of(step=12))


def test_a_dimension_of_what_is_left_out_goes_with_it(tmp_path: Path) -> None:
    members = surface().expand_dims(number=[0, 1], axis=1)
    members.assign(msl=surface("msl", "Pa")["msl"]).to_netcdf(tmp_path / "f.nc")
    found = open_file(tmp_path / "f.nc", reading=of(variable="msl"))
    assert found["msl"].dims == ("time", "latitude", "longitude")


def test_the_mend_of_a_level_between_two_is_one(tmp_path: Path) -> None:
    """Levels in Pa, of which one is half a hectopascal."""
    path = tmp_path / "a.nc"
    made = upper((50.0, 85000.0), "Pa")
    made["t"].attrs["units"] = "K"
    made.to_netcdf(path)
    with pytest.raises(InputError, match=r"level 0\.5 hPa .* data\.select: {not: {level: 50}}"):
        open_file(path)
    without = {"not": {"level": 50}}
    found = open_file(path, reading=reading_of(without, {}, "data"))
    assert found["level"].values.tolist() == [850]


# ---- what is to be left, and is nowhere


def nothing(path: Path | list[Path], leave: dict[str, object], **keys: object) -> list[str]:
    """Return what is told of it."""
    reading = reading_of({**keys, "not": leave}, {}, "data")
    found = open_files(path if isinstance(path, list) else [path], reading=reading)
    assert "smoecast_leaving" not in found.attrs
    return [str(left) for left in left_out_of(found) if left.name.startswith("nothing")]


def test_messages_to_leave_that_are_not_there_are_told(gfs: Path) -> None:
    assert nothing(gfs, {"variable": "tt"}) == [
        "nothing called tt (data.select has it under not, but there is t, 2t: correct it)"
    ]
    assert nothing(gfs, {"stepRange": [3, 9]}, level=500) == [
        "nothing with stepRange 3 or 9 (data.select has it under not, but there is 0, 6: "
        "correct it)"
    ]
    assert nothing(gfs, {"shortName": ["2t", "tt"]}) == []


def test_variables_and_points_to_leave_that_are_not_there_are_told(tmp_path: Path) -> None:
    path = forecasts(tmp_path / "f.nc")
    assert nothing(path, {"variable": "tt", "step": 12}) == [
        "nothing called tt (data.select has it under not, but there is t2m: correct it)",
        "nothing with step 12 (data.select has it under not, but there is 0, 6: correct it)",
    ]
    assert nothing(path, {"step": 6}) == []


def test_what_one_of_the_files_has_to_leave_is_no_slip(tmp_path: Path, gfs: Path) -> None:
    twelve = made_grib.write(
        tmp_path / "12.grib2",
        *(
            made_grib.temperature(dataType="fc", step=12, edition=2, level=level)
            for level in (500, 850)
        ),
    )
    assert nothing([gfs, twelve], {"shortName": "2t"}) == []
    assert nothing([twelve, gfs], {"shortName": "2t"}, step=0) == []
    assert len(nothing([twelve, gfs], {"shortName": "tt"}, step=0)) == 1
    wind = surface("u10", "m s-1")
    wind.to_netcdf(tmp_path / "w.nc")
    surface().to_netcdf(tmp_path / "t.nc")
    both = [tmp_path / "t.nc", tmp_path / "w.nc"]
    assert nothing(both, {"variable": "u10"}) == []  # of w.nc nothing is left then
    assert len(nothing(both, {"variable": "v10"})) == 1
