"""A model called from Python: what the command writes, to the bit."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_models import CONFIG, GRID, classical_calibration, forecast_model
from same_result import check_same
from typer.testing import CliRunner

import smoecast
from smoecast.cli.main import app
from smoecast.errors import AbsentError, ConfigError, InputError, ModelError, NotPublishedError
from smoecast.fields.left_out import from_attribute

Make = Callable[..., Path]


def winds(times: int = 8) -> xr.Dataset:
    """Analyses of two channels, 6-hourly, as another might write them: levels, south first."""
    rng = np.random.default_rng(0)
    time = np.datetime64("2001-01-01", "ns") + np.arange(times) * np.timedelta64(6, "h")
    axes = {
        "time": time,
        "plev": ("plev", [25_000.0], {"units": "Pa", "standard_name": "air_pressure"}),
        "lat": ("lat", GRID.latitude[::-1], {"units": "degrees_north"}),
        "lon": ("lon", GRID.longitude, {"units": "degrees_east"}),
    }
    shape = (times, 1, *GRID.shape)
    words = {"ua": "eastward_wind", "va": "northward_wind"}
    fields = {
        name: (tuple(axes), rng.normal(size=shape), {"units": "m s-1", "standard_name": standard})
        for name, standard in words.items()
    }
    return xr.Dataset(fields, axes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its config, and a file of analyses with a variable that nobody knows."""
    made = tmp_path_factory.mktemp("model")
    forecast_model(made / "run" / "model", "sample.lead_hours=[6]")
    text = CONFIG.replace("lead_hours: [6, 12]", "lead_hours: [6]")
    (made / "run.yaml").write_text(f"name: run\nfolder: {made}\n{text}")
    given = winds()
    given.assign(zust=given["ua"].drop_attrs()).to_netcdf(made / "winds.nc")
    return made


def command(folder: Path, *more: str) -> xr.Dataset:
    """What `smoecast forecast` writes."""
    output = folder / "command.nc"
    output.unlink(missing_ok=True)
    given = ["-c", str(folder / "run.yaml"), "-i", str(folder / "winds.nc"), "-o", str(output)]
    done = CliRunner().invoke(app, ["forecast", *given, *more])
    assert done.exit_code == 0, done.output
    with xr.open_dataset(output, decode_timedelta=True) as written:
        return written.load()


@pytest.mark.parametrize("ensemble", [False, True])
def test_files_give_what_the_command_gives(folder: Path, ensemble: bool) -> None:
    settings = {"members": 3, "perturbation": 0.1} if ensemble else {}
    given = [part for k, v in settings.items() for part in ("--set", f"forecast.{k}={v}")]
    given += ["--set", "forecast.lead_hours=[6, 18]", "-t", "2001-01-01T06/2001-01-02"]
    written = command(folder, *given, "--set", "forecast.init_every_hours=6")
    starts = [str(one)[:16] for one in written["init_time"].values]
    made = smoecast.load(folder / "run").forecast(
        folder / "winds.nc", lead_hours=[6, 18], init_times=starts, **settings
    )
    assert made["u250"].shape == (7, 2, *((3,) if ensemble else ()), *GRID.shape)
    check_same(made, written)
    assert [one["name"] for one in from_attribute(made.attrs)] == ["zust"]


def test_a_dataset_in_memory_gives_the_same(folder: Path) -> None:
    written = command(folder, "-t", "latest", "--set", "forecast.lead_hours=[6, 12]")
    model = smoecast.load(folder / "run.yaml")
    with xr.open_dataset(folder / "winds.nc", chunks={"time": 3}) as chunked:
        opened = smoecast.open(folder / "winds.nc")
        for given in (winds(), chunked, opened, opened.load()):
            made = model.forecast(given, lead_hours=(6, np.int64(12)))
            np.testing.assert_array_equal(made["u250"].values, written["u250"].values)
            np.testing.assert_array_equal(made["v250"].values, written["v250"].values)
            np.testing.assert_array_equal(made["valid_time"].values, written["valid_time"].values)
    again = model.forecast(winds(), lead_hours=12)
    assert '"file": "the dataset 2001-01-02T18:00"' in again.attrs["inputs_manifest"]
    with xr.set_options(keep_attrs=True):
        other = model.forecast(winds() * 0.5, lead_hours=12)
    assert other.attrs["smoecast_identity"] != again.attrs["smoecast_identity"]
    with xr.open_dataset(folder / "winds.nc") as lazy:
        left = from_attribute(model.forecast(lazy).attrs)
    assert [one["name"] for one in left] == ["zust"]


def test_times_of_any_kind_are_starts(folder: Path) -> None:
    model = smoecast.load(folder / "run" / "model")
    wanted = np.datetime64("2001-01-02T06", "ns")
    east = timezone(timedelta(hours=2))
    for time in (
        "2001-01-02T06",
        wanted,
        datetime(2001, 1, 2, 6),
        datetime(2001, 1, 2, 6, tzinfo=UTC),
        datetime(2001, 1, 2, 8, tzinfo=east),
        [wanted, wanted],
        np.array([wanted]),
    ):
        assert model.forecast(winds(), init_times=time)["init_time"].values.tolist() == [
            wanted.astype(int)
        ]


def test_a_model_says_what_it_wants(folder: Path) -> None:
    model = smoecast.load(folder / "run")
    assert model.folder == folder / "run" / "model"
    assert repr(model).startswith("<smoecast model planet: u250, v250 at 6 h on 8 x 16 points")
    said = str(model.inputs).splitlines()
    assert said[1].strip().startswith("u250: ")
    assert said[3] == "at the start and 6 h before, every 6 h from midnight UTC"
    assert said[-1] == "it forecasts u250, v250 6 h ahead"
    assert model.inputs.units["v250"] == "m s-1"


def test_refusals(folder: Path, tmp_path: Path) -> None:
    model = smoecast.load(folder / "run")
    for strange in (3.5, None, np.datetime64("NaT")):
        with pytest.raises(ConfigError, match="no time of a start"):
            model.forecast(winds(), init_times=[strange])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match=r"smoecast.forecast: forecast.lead_hours"):
        model.forecast(winds(), lead_hours=[6.5])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="names no file"):
        model.forecast(winds()["ua"])  # type: ignore[arg-type]
    with pytest.raises(AbsentError, match="there is no such file"):
        model.forecast(tmp_path / "none.nc")
    with pytest.raises(InputError, match=r"the dataset: .*v"):
        model.forecast(winds()[["ua"]])
    with pytest.raises(InputError, match=r"is missing .*6 h before the start"):
        model.forecast(winds(), init_times="2001-01-01")
    with pytest.raises(NotPublishedError, match="the analyses end at"):
        model.forecast(winds(), init_times="2001-03-01")
    with pytest.raises(ModelError, match="cannot forecast"):
        model.forecast(winds(), lead_hours=7)
    holed = winds()
    holed["ua"][-1, 0, 2, 3] = np.nan
    with pytest.raises(InputError, match="the dataset: u250 has 1 missing values"):
        model.forecast(holed)
    wrong = winds()
    wrong["ua"].attrs["units"] = "K"
    with pytest.raises(InputError, match="the dataset"):
        model.forecast(wrong)
    with pytest.raises(ConfigError, match="no such model in the zoo"):
        smoecast.load("no-such-model")
    with pytest.raises(ModelError, match="no forecast model"):
        smoecast.load(classical_calibration(tmp_path / "emos", "emos"))


def test_a_model_gives_the_example_that_it_comes_with(folder: Path) -> None:
    model = smoecast.load("ncep-air-6h")
    with xr.open_dataset(model.example) as air:
        assert air["air"].sizes["time"] == 124
    with pytest.raises(ConfigError, match="has no example of its input; there is one of ncep-air"):
        _ = smoecast.load(folder / "run.yaml").example
