"""`forecast` and `postprocess` with --format grib: from GRIB to GRIB, made once, whole."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from small_world import LATITUDE, LONGITUDE, analyses, only, small_run
from typer.testing import CliRunner, Result

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.products import products
from smoecast.config.run import Config
from smoecast.errors import ConfigError
from smoecast.fields.channels import field_of
from smoecast.fields.grid import Grid, ProjectedGrid
from smoecast.fields.read.open import open_file
from smoecast.fields.read.results import read_attributes
from smoecast.fields.write.grib.content import Content
from smoecast.fields.write.grib.grid import grid_keys
from smoecast.fields.write.grib.keys import products_of
from smoecast.fields.write.grib.message import pack, templates_of
from smoecast.tasks import formats
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast import blocks
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.postprocess import run as postprocess_run
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess


def changed(config: Config, section: str, **settings: Any) -> Config:
    new = getattr(config, section).model_copy(update=settings)
    return config.model_copy(update={section: new})


@pytest.fixture
def run_file(done: Config, tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(done))
    return path


def call(verb: str, *words: object) -> Result:
    return CliRunner().invoke(app, [verb, *map(str, words)])


def opened(path: Path, **keys: Any) -> xr.DataArray:
    found = xr.open_dataset(
        path,
        engine="cfgrib",
        decode_timedelta=True,
        backend_kwargs={"indexpath": "", "filter_by_keys": keys, "errors": "raise"},
    )
    (array,) = found.data_vars.values()
    return array.load()


def written(done: Config, name: str) -> xr.Dataset:
    with xr.open_dataset(done.place / name, decode_timedelta=True) as dataset:
        return dataset.load()


# ---- made once, and whole


@pytest.mark.parametrize("verb", ["forecast", "postprocess"])
def test_made_once_verified_and_mended(run_file: Path, tmp_path: Path, verb: str) -> None:
    path = tmp_path / "out.grib"
    line = [verb, "-c", run_file, "--format", "grib", "-o", path]
    first = call(*line)
    assert first.exit_code == 0, first.output
    content = path.read_bytes()
    assert "made before from the same model, config and input" in call(*line).stdout
    assert call("verify", path).stdout == f"{path}: whole, a result\n"
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"run.yaml", "out.grib", "out.config.yaml", "records"}
    said = read_attributes(path)
    beside = yaml_file.load(tmp_path / "out.config.yaml")
    assert json.loads(said["smoecast_config"]) == beside.model_dump(mode="json")
    assert getattr(beside, verb).format == "grib"
    damaged = bytearray(content)
    damaged[-20] ^= 1
    path.write_bytes(damaged)
    found = call("verify", path)
    assert found.exit_code == 5
    assert "was damaged or changed" in found.stdout
    again = call(*line)
    assert again.exit_code == 0
    assert "it is made again" in again.stderr
    assert call("verify", path).exit_code == 0
    fields = content.index(b"GRIB", 4)
    assert path.read_bytes()[-len(content) + fields :] == content[fields:]


def test_formats_have_names_of_their_own(done: Config, run_file: Path, tmp_path: Path) -> None:
    grib = changed(changed(done, "postprocess", format="grib"), "forecast", format="grib")
    found = call("forecast", "-c", run_file, "--format", "grib", "-o", tmp_path / "f.nc")
    assert found.exit_code == 2
    assert "give --format netcdf or a name that ends in .grib" in found.stderr
    found = call("postprocess", "-c", run_file, "-o", tmp_path / "f.grib")
    assert found.exit_code == 2
    assert "give --format grib or a name that ends in .nc" in found.stderr
    assert call("postprocess", "-c", run_file, "--format", "wb2").exit_code == 2
    found = call("postprocess", "-c", run_file, "-o", tmp_path / "f.zarr")
    assert "f.zarr: has the name of another format than netcdf; give a name" in found.stderr
    for ending in ("grib2", "GRB", "grb2"):
        found = call("forecast", "-c", run_file, "-o", tmp_path / f"f.{ending}")
        assert found.exit_code == 2
        assert "give --format grib or a name that ends in .nc" in found.stderr
        formats.name_output(tmp_path, "forecast", grib.forecast, tmp_path / f"f.{ending}")
    for name in ("../f_{init_time}.nc", "/f_{init_time}.nc", "~/f_{init_time}.nc"):
        out = changed(done, "forecast", output=name).forecast
        with pytest.raises(ConfigError, match=r"f_.*: leads out of the folder of the run"):
            formats.name_output(tmp_path, "forecast", out, None)
    assert formats.name_output(tmp_path, "forecast", out, Path("../f.nc")).text == "../f.nc"
    assert formats.name_output(tmp_path, "calibrated", grib.postprocess, None).text == str(
        tmp_path / "calibrated.grib"
    )


def test_the_format_and_the_hours_of_sums_make_another_result(done: Config) -> None:
    assert formats.describe_format(done.forecast) == {}
    assert formats.describe_format(changed(done, "forecast", format="wb2").forecast) == {
        "format": "wb2"
    }
    grib = changed(done, "postprocess", format="grib", accumulation_hours=3).postprocess
    assert formats.describe_format(grib) == {"format": "grib", "accumulation_hours": 3}


# ---- what is in it


def test_a_forecast_is_that_of_netcdf(done: Config, tmp_path: Path) -> None:
    forecast(changed(done, "forecast", format="grib"), output=tmp_path / "f.grib")
    made = written(done, "forecast.nc")
    for name, keys in (("t2m", {"shortName": "2t"}), ("z500", {"shortName": "z", "level": 500})):
        found = opened(tmp_path / "f.grib", **keys)
        np.testing.assert_array_equal(found["time"], made["init_time"])
        np.testing.assert_array_equal(found["step"], made["lead_time"])
        np.testing.assert_allclose(found, made[name], rtol=1e-7, atol=1e-3)


def test_an_ensemble_has_its_members(done: Config, tmp_path: Path) -> None:
    config = changed(done, "forecast", members=3, perturbation=0.1)
    forecast(config, output=tmp_path / "f.nc", init_times=["2001-02-20", "2001-02-21"])
    config = changed(config, "forecast", format="grib")
    forecast(config, output=tmp_path / "f.grib", init_times=["2001-02-20", "2001-02-21"])
    found = opened(tmp_path / "f.grib", shortName="2t")
    assert found["number"].values.tolist() == [0, 1, 2]
    assert found.attrs["GRIB_totalNumber"] == 3
    with xr.open_dataset(tmp_path / "f.nc") as made:
        same = found.transpose("time", "step", "number", ...)
        np.testing.assert_allclose(same, made["t2m"], rtol=1e-7)
    # and it goes on from there, with what it says of itself
    raw = changed(done, "postprocess", method="raw", lead_hours=(24,), format="grib")
    postprocess(raw, inputs=[str(tmp_path / "f.grib")], output=tmp_path / "r.grib")
    history = str(read_attributes(tmp_path / "r.grib")["history"]).splitlines()
    assert [line.split()[-1] for line in history] == ["forecast", "postprocess"]
    back = open_file(tmp_path / "r.grib")["t2m"]
    np.testing.assert_array_equal(
        back, open_file(tmp_path / "f.grib")["t2m"].sel(lead_time=back.lead_time)
    )


def test_a_calibrated_ensemble_is_that_of_netcdf(done: Config, tmp_path: Path) -> None:
    words = ("members", "mean", "std", "quantiles=0.1:0.9", "probabilities=t2m>280")
    config = changed(done, "postprocess", write=words)
    before = (done.calibration / "state.json").stat().st_mtime_ns
    postprocess(config, output=tmp_path / "c.nc")
    postprocess(changed(config, "postprocess", format="grib"), output=tmp_path / "c.grib")
    assert (done.calibration / "state.json").stat().st_mtime_ns == before  # nothing was fitted anew
    with xr.open_dataset(tmp_path / "c.nc", decode_timedelta=True) as made:
        for name, keys in (
            ("t2m_mean", {"derivedForecast": 0}),
            ("t2m_std", {"derivedForecast": 4}),
        ):
            found = opened(tmp_path / "c.grib", **keys)
            np.testing.assert_allclose(found, made[name], rtol=1e-6)
            assert found.attrs["GRIB_totalNumber"] == 5
        quantile = opened(tmp_path / "c.grib", percentileValue=90)
        np.testing.assert_allclose(quantile, made["t2m_quantile"][:, :, 1], rtol=1e-6)
        percent = opened(tmp_path / "c.grib", dataType="ep")
        wanted = 100 * made["t2m_probability_above"][:, :, 0]
        np.testing.assert_allclose(percent, wanted, rtol=1e-6, atol=1e-5)
        members = opened(tmp_path / "c.grib", dataType="pf").transpose("time", "step", ...)
        np.testing.assert_allclose(members, made["t2m"], rtol=1e-6)


def test_evaluate_judges_it_as_it_judges_netcdf(done: Config, tmp_path: Path) -> None:
    forecast(changed(done, "forecast", format="grib"), output=tmp_path / "f.grib")
    postprocess(changed(done, "postprocess", format="grib"), output=tmp_path / "c.grib")
    for netcdf, grib, kind, score in (
        ("forecast.nc", "f.grib", "forecast", "rmse"),
        ("calibrated.nc", "c.grib", "calibrated", "crps"),
    ):
        both = [
            evaluate(done, inputs=[str(path)], output=tmp_path / "s.json")["scores"]
            for path in (done.place / netcdf, tmp_path / grib)
        ]
        wanted = {"channel": "t2m", "lead_hours": 24, "region": "global", "forecast": kind}
        first, second = (only(records, **wanted)[score] for records in both)
        assert second == pytest.approx(first, rel=1e-5)


def grib_of(path: Path, dataset: xr.Dataset) -> Path:
    """Write analyses as GRIB 2, message by message."""
    content = Content(("z500", "t2m"), (0.0,))
    kinds = products_of(content)
    for product in kinds:
        product.keys["typeOfProcessedData"] = 0
    with templates_of(kinds, grid_keys(Grid(LATITUDE, LONGITUDE))) as templates:
        made = []
        for time in dataset["time"].values.astype("M8[s]").tolist():
            keys = {"dataDate": int(f"{time:%Y%m%d}"), "dataTime": int(f"{time:%H%M}")}
            for template, name in zip(templates, ("z500", "t2m"), strict=True):
                values = dataset[name].sel(time=time).values.astype(np.float64)
                made.append(pack(template, keys, values).message)
    path.write_bytes(b"".join(made))
    return path


def test_from_grib_to_grib(done: Config, tmp_path: Path) -> None:
    """Analyses in GRIB, a store, a forecast in GRIB, read again: as by way of NetCDF."""
    some = analyses()
    first = grib_of(tmp_path / "a.grib", some.isel(time=slice(None, 120)))
    second = grib_of(tmp_path / "b.grib", some.isel(time=slice(120, None)))
    config = small_run(tmp_path, tmp_path / "runs", f"data.files=['{first}','{second}']")
    preprocess(config.model_copy(update={"postprocess": done.postprocess}))
    config = changed(config, "forecast", format="grib")
    forecast(config, models=[done.model], output=tmp_path / "store.grib")
    forecast(
        config,
        models=[done.model],
        inputs=[str(second)],
        init_times=["2001-02-18/2001-02-28"],
        output=tmp_path / "input.grib",
    )
    made = written(done, "forecast.nc")
    for name in ("store.grib", "input.grib"):
        back = open_file(tmp_path / name)
        for channel in ("z500", "t2m"):
            field = field_of(back, channel)
            np.testing.assert_array_equal(field["init_time"], made["init_time"])
            np.testing.assert_array_equal(field["lead_time"], made["lead_time"])
            np.testing.assert_allclose(field, made[channel], rtol=1e-5)


# ---- what GRIB cannot say ends in 2, before any work


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("worked before the format was looked at")


def test_a_forecast_is_refused_at_once(
    run_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(blocks, "forecast_piece", refuse)
    more = ["-s", "forecast.members=300", "-s", "forecast.perturbation=0.1"]
    found = call("forecast", "-c", run_file, "--format", "grib", *more, "-o", tmp_path / "f.grib")
    assert found.exit_code == 2
    assert "up to 254, not to 300" in found.stderr


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (["postprocess.write=['quantiles=0.025']"], "0.025 is none"),
        (["postprocess.members=1000"], "up to 254, not to 1000"),
        (["postprocess.channels=[tp,t2m]", "postprocess.targets=[tp]"], "set accumulation_hours"),
    ],
)
def test_a_calibration_is_refused_before_it_is_fitted(
    run_file: Path, monkeypatch: pytest.MonkeyPatch, keys: list[str], words: str
) -> None:
    monkeypatch.setattr(postprocess_run, "fit", refuse)
    more = [word for key in keys for word in ("-s", key)]
    found = call("postprocess", "-c", run_file, "--format", "grib", *more)
    assert found.exit_code == 2, found.output
    assert words in found.stderr


def test_a_projection_is_refused_before_a_fit(done: Config) -> None:
    plane = ProjectedGrid(np.arange(3.0), np.arange(4.0), {"grid_mapping_name": "lambert"})
    settings = changed(done, "postprocess", format="grib").postprocess
    with pytest.raises(ConfigError, match="not on 3 x 4 points of lambert"):
        formats.check_calibrated(settings, ("t2m",), products(("mean",)), plane)
    formats.check_calibrated(done.postprocess, ("t2m",), products(("mean",)), plane)


def test_ecmwf_software_is_loaded_for_this_format_alone() -> None:
    code = (
        "import sys; from smoecast.tasks import verify\n"
        "from smoecast.tasks.forecast import forecast\n"
        "from smoecast.tasks.postprocess import postprocess; assert 'xarray' in sys.modules; "
        "assert not {'eccodes', 'cfgrib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_layout_for_cdo_is_a_file_a_start(done: Config, tmp_path: Path) -> None:
    settings = done.forecast.model_copy(update={"layout": "cdo"})
    found = formats.name_output(tmp_path, "forecast", settings, None)
    assert found.text == str(tmp_path / "forecast_{init_time:%Y%m%d%H}.nc")
    assert formats.describe_format(settings) == {"layout": "cdo"}
    assert formats.describe_format(done.forecast) == {}
    config = done.model_copy(update={"forecast": settings})
    with pytest.raises(ConfigError, match="not 11 starts of 2 lead times: name a file a start"):
        forecast(config, output=tmp_path / "all.nc")
