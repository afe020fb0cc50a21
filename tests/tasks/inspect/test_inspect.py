"""What `smoecast inspect` says of files: read, left out, refused, of our own making."""

import json
from pathlib import Path

import inspect_page
import made_anemoi
import made_stores
import numpy as np
import pytest
import xarray as xr
from made_fields import surface, upper
from made_grib import member, message, temperature, write
from small_world import analyses
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config.run import Config
from smoecast.errors import AbsentError, InputError
from smoecast.fields.left_out import LeftOut, note_left_out
from smoecast.tasks.inspect import contents, values
from smoecast.tasks.inspect.inspect import find, inspect, open_channel
from smoecast.tasks.inspect.tables import show

PAGE = Path(__file__).parents[3] / "docs" / "inspect.md"
DATA = PAGE.parents[2] / "shared" / "data"
run = CliRunner().invoke


@pytest.fixture
def grib(tmp_path: Path) -> Path:
    """Two levels of temperature at two times, 2 m temperature, and soil that is not read."""
    times = ({"dataTime": 0}, {"dataTime": 1200})
    return write(
        tmp_path / "a.grib",
        *(temperature(250.0, level=level, **time) for level in (500, 850) for time in times),
        *(
            temperature(280.0, shortName="2t", typeOfLevel="surface", level=0, **time)
            for time in times
        ),
        message(shortName="stl1", typeOfLevel="depthBelowLandLayer", dataDate=20200101),
    )


def only(*patterns: Path | str, **options: bool) -> dict:
    (found,) = inspect([str(pattern) for pattern in patterns], **options)["files"]
    return found


def variables(found: dict) -> dict[str, dict]:
    return {variable["in_file"]: variable for variable in found["variables"]}


def test_a_grib_file_is_told_by_variable(grib: Path):
    found = only(grib)
    assert (found["format"], found["holds"], found["problem"]) == ("GRIB 1", "analyses", "")
    assert found["times"] == {
        "first": "2020-01-01T00:00",
        "last": "2020-01-01T12:00",
        "count": 2,
        "step_hours": 12.0,
    }
    assert found["grid"] == "3 x 4 points, 60 to 40 N, 0 to 30 E"
    assert (found["channels"], found["constants"]) == (["t500", "t850", "t2m"], [])
    told = variables(found)
    assert told["t"]["name"] == "t"
    assert told["t"]["level"] == "isobaricInhPa 500, 850"
    assert (told["t"]["fields"], told["t"]["step"], told["t"]["missing"]) == (4, "instant", 0)
    assert (told["2t"]["name"], told["2t"]["lowest"], told["2t"]["highest"]) == ("t2m", 280, 291)
    assert (told["stl1"]["name"], told["stl1"]["read"], told["stl1"]["missing"]) == (
        "",
        False,
        None,
    )
    assert [left["name"] for left in found["left_out"]] == ["stl1 on depthBelowLandLayer"]


def test_a_level_that_is_left_out_costs_no_other(tmp_path: Path):
    """t500 is there twice: t850 is read, and so is the kind of field; t2m is left out whole."""
    ground = {"shortName": "2t", "typeOfLevel": "surface", "level": 0}
    found = only(
        write(
            tmp_path / "a.grib",
            *(temperature(250.0 + i, level=level) for i, level in enumerate((500, 500, 850))),
            *(temperature(280.0 + i, **ground) for i in range(2)),
        )
    )
    told = variables(found)
    assert found["channels"] == ["t850"]
    assert (told["t"]["read"], told["t"]["reason"]) == (True, "")
    assert not told["2t"]["read"]
    assert "both hold t2m" in told["2t"]["reason"]


def test_means_over_a_month_are_told_as_left_out(tmp_path: Path):
    month = {"setLocalDefinition": 1, "localDefinitionNumber": 1, "stream": "moda"}
    soil = message(shortName="t", level=850, dataDate=20200101, **month)
    path = write(tmp_path / "a.grib", temperature(250.0), soil)
    told = {(v["level"], v["read"]): v["reason"] for v in only(path)["variables"]}
    assert told == {
        ("isobaricInhPa 500", True): "",
        ("isobaricInhPa 850", False): "it is a mean over a month",
    }


def test_a_netcdf_file_is_told_in_its_own_words(tmp_path: Path):
    dataset = upper(levels=(500, 850)).rename(t="air", level="lev")
    dataset["air"].attrs["units"] = "degC"
    dataset = dataset.assign(zust=surface()["t2m"].assign_attrs(units="m s-1"))
    dataset.to_netcdf(tmp_path / "a.nc")
    found = only(tmp_path / "a.nc")
    told = variables(found)
    assert (told["air"]["name"], told["air"]["level"]) == ("t", "lev 500, 850 hPa")
    assert (told["air"]["units"], told["air"]["converted_to"]) == ("degC", "K")
    assert told["air"]["fields"] == 8
    assert not told["zust"]["read"]
    assert "degC > K" in show(inspect([str(tmp_path / "a.nc")]))


def test_missing_values_are_counted_and_would_be_refused(tmp_path: Path):
    dataset = surface()
    dataset["t2m"][1, 2, 3] = np.nan
    dataset.to_netcdf(tmp_path / "a.nc")
    found = only(tmp_path / "a.nc")
    assert found["variables"][0]["missing"] == 1
    assert found["notes"][0].startswith("t2m: missing values are refused")
    dataset["t2m"][:] = np.nan
    dataset.to_netcdf(tmp_path / "b.nc")
    nothing = only(tmp_path / "b.nc")["variables"][0]
    assert (nothing["missing"], nothing["lowest"]) == (48, None)


def test_large_fields_are_read_where_asked_for(grib: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(values, "CHEAP", 10)
    found = inspect([str(grib)])
    assert not found["files"][0]["values_read"]
    assert found["files"][0]["variables"][0]["missing"] is None
    assert "--values counts" in show(found)
    monkeypatch.setattr(values, "_BLOCK", 1)
    assert only(grib, read_values=True)["variables"][0]["highest"] == 261


def test_what_has_not_every_lead_time_is_told(tmp_path: Path):
    ahead = [member(number, step=step) for number in (1, 2) for step in (6, 12)]
    gusts = [
        member(number, 3.0, shortName="2t", typeOfLevel="surface", level=0, step=6)
        for number in (1, 2)
    ]
    found = only(write(tmp_path / "a.grib", *ahead, *gusts))
    assert (found["holds"], found["members"], found["lead_hours"]) == (
        "ensemble forecasts",
        2,
        [6, 12],
    )
    told = variables(found)["2t"]
    assert (told["absent"], told["missing"], told["fields"]) == (2, 0, 2)
    assert "t2m: only at some of the lead times" in found["notes"][0]
    assert "postprocess.channels: [t500, t2m]" in show({"files": [found], "together": None})


def test_a_gap_in_time_is_told(tmp_path: Path):
    surface().isel(time=[0, 1, 3]).to_netcdf(tmp_path / "a.nc")
    found = only(tmp_path / "a.nc")
    assert found["times"]["step_hours"] is None
    assert found["notes"][0].startswith("with data.step_hours: 6: ")
    assert "unevenly spaced, 3 in all" in show({"files": [found], "together": None})


def test_files_that_continue_each_other_are_shown_as_one(tmp_path: Path):
    for name, times in (("a.nc", [0, 1]), ("b.nc", [2, 3])):
        surface().isel(time=times).to_netcdf(tmp_path / name)
    found = inspect([str(tmp_path)])
    assert found["together"]["times"]["count"] == 4
    assert found["together"]["problem"] == ""
    text = show(found)
    assert "2 files alike" in text
    assert text.count("data.channels: [t2m]") == 2  # of each, and of both
    assert "4 in all" in text


def test_files_that_do_not_fit_say_why(tmp_path: Path):
    surface().to_netcdf(tmp_path / "a.nc")
    surface().isel(latitude=[0, 1]).to_netcdf(tmp_path / "b.nc")
    found = inspect([str(tmp_path / "a.nc"), str(tmp_path / "b.nc")])
    assert "different grids" in found["together"]["problem"]
    assert found["exit_code"] == 0  # each of them is good
    assert "they do not fit: " in show(found)


def test_a_refused_file_stops_no_other(tmp_path: Path, grib: Path):
    other = write(tmp_path / "b.grib", temperature(), temperature()[:-20])
    result = run(app, ["inspect", str(other), "nowhere.nc", str(grib)], env={"COLUMNS": "80"})
    assert result.exit_code == 3
    assert "refused: message 2 is broken or cut" in result.output
    assert "nowhere.nc: 0 bytes\n  refused: there is no such file" in result.output
    assert "data.channels: [t500, t850, t2m]" in result.output
    assert max(map(len, result.output.splitlines())) <= 80 + len(str(tmp_path))
    said = only(other)
    assert (said["variables"][0]["name"], said["variables"][0]["read"]) == ("t", False)


@pytest.mark.parametrize("content", [b"", b"neither"])
def test_what_is_no_file_of_fields_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a.nc").write_bytes(content)
    found = only(tmp_path / "a.nc")
    assert (found["format"], found["variables"]) == ("", [])
    assert "the file is" in found["problem"]


def test_a_folder_without_files_is_named(tmp_path: Path):
    with pytest.raises(AbsentError, match="the folder holds no GRIB and no NetCDF file"):
        find(str(tmp_path))
    with pytest.raises(AbsentError, match="there is no such file"):
        find(str(tmp_path / "a.nc"))


def test_a_file_that_cannot_be_read_is_refused(grib: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_path: Path) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(contents, "open_result", refuse)
    assert only(grib)["problem"].endswith("it cannot be read (Permission denied)")


def test_fields_that_are_damaged_are_told(grib: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise InputError("message 3 cannot be decoded: fetch it again")

    monkeypatch.setattr(values, "summarize", refuse)
    found = only(grib)
    assert found["problem"].startswith("message 3")
    assert not found["values_read"]
    assert found["variables"][0]["read"]


def test_a_reason_stands_below_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path / "a.grib", temperature(), message(shortName="stl1"))
    keys = {"shortName": "stl1"}
    reason = LeftOut("stl1 on isobaricInhPa", "soil is not read", "t2m", keys=keys)
    real = contents.open_result
    monkeypatch.setattr(contents, "open_result", lambda p: note_left_out(real(p), [reason]))
    found = inspect([str(path)])
    assert variables(found["files"][0])["stl1"]["reason"] == "soil is not read"
    assert "  left out: stl1 on isobaricInhPa (soil is not read)" in show(found)


def test_what_smoecast_made_is_known(done: Config, tmp_path: Path):
    analysis, forecast, calibrated = (
        only(path)
        for path in (done.store, done.place / "forecast.nc", done.place / "calibrated.nc")
    )
    assert analysis["made_by"] == "smoecast preprocess"
    assert (analysis["holds"], analysis["channels"]) == ("analyses", ["z500", "t2m"])
    assert variables(analysis)["z500"]["fields"] == 240
    assert "run small" in forecast["made_by"]
    assert (forecast["holds"], forecast["left_out"]) == ("forecasts", [])
    assert (calibrated["members"], calibrated["channels"]) == (5, ["t2m"])
    together = inspect([str(done.store), str(done.ensemble_store)])["together"]
    assert "do not make one block" in together["problem"]


def test_what_was_left_out_of_a_store_is_told(tmp_path: Path, done: Config):
    with xr.open_zarr(done.store) as dataset:
        text = json.dumps([{"name": "zust", "reason": "", "file": "a.nc"}])
        copy = dataset.load().assign_attrs(smoecast_left_out=text)
    copy.drop_encoding().to_zarr(tmp_path / "s.zarr", zarr_format=2, consolidated=True)
    found = inspect([str(tmp_path / "s.zarr")])
    assert found["files"][0]["left_out_before"][0]["name"] == "zust"


def test_a_damaged_store_is_refused(tmp_path: Path):
    folder = tmp_path / "s.zarr"
    xr.Dataset(attrs={"smoecast": "{}"}).to_zarr(folder, zarr_format=2, consolidated=True)
    assert "another version of smoecast" in only(folder)["problem"]


def test_a_foreign_zarr_group_is_told(tmp_path: Path):
    surface().to_zarr(tmp_path / "g.zarr", zarr_format=2, consolidated=True)
    found = only(tmp_path / "g.zarr")
    assert (found["format"], found["file"]) == ("Zarr", str(tmp_path / "g.zarr"))
    assert found["channels"] == ["t2m"]


def test_every_kind_of_zarr_group_is_told(tmp_path: Path):
    made_stores.group_v3(tmp_path / "v3.zarr")
    made_anemoi.store(tmp_path / "training.zarr")
    later, training = only(tmp_path / "v3.zarr"), only(tmp_path / "training.zarr")
    assert (later["format"], later["channels"], later["problem"]) == ("Zarr", ["t2m"], "")
    assert {*training["channels"], *training["constants"]} == {*made_anemoi.KEPT}
    told = variables(training)
    assert not told["insolation"]["read"]
    assert sum(variable["read"] for variable in told.values()) == len(made_anemoi.KEPT)


def test_the_first_file_with_a_channel_is_drawn(tmp_path: Path, grib: Path):
    surface("d2m").to_netcdf(tmp_path / "b.nc")
    assert open_channel([str(grib), str(tmp_path / "b.nc")], "d2m")[1].endswith("b.nc")
    assert open_channel([str(grib)], "d2m")[1] == str(grib)
    (tmp_path / "c.nc").write_bytes(b"x")
    with pytest.raises(InputError, match="neither GRIB nor NetCDF"):
        open_channel([str(tmp_path / "c.nc")], "d2m")


def test_the_command_draws_a_map_and_speaks_json(tmp_path: Path):
    analyses(days=1).to_netcdf(tmp_path / "a.nc")
    picture = tmp_path / "z.png"
    call = ["inspect", str(tmp_path / "a.nc"), "--plot", str(picture)]
    drawn = run(app, [*call, "--channel", "z500"])
    assert drawn.output.endswith(f"{picture}: z500, 2001-01-01T18:00\n")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run(app, call).exit_code == 2
    said = json.loads(run(app, [*call, "--channel", "z500", "--json"]).output)
    assert said["plot"] == {"file": str(picture), "field": "z500, 2001-01-01T18:00"}
    page = PAGE.read_text()
    keys = {*said, *said["files"][0], *said["files"][0]["variables"][0]}
    assert not [key for key in keys if f"`{key}`" not in page]


@pytest.mark.slow
@pytest.mark.parametrize("name", [inspect_page.FIRST, *inspect_page.FILES])
def test_the_page_shows_what_is_said_of_real_files(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not DATA.is_dir():
        pytest.skip(f"{DATA} with real files is not there")
    monkeypatch.chdir(DATA)
    assert inspect_page.output(name) in PAGE.read_text()
