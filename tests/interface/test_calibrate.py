"""An ensemble calibrated from Python: what the command writes, to the bit."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_models import CONFIG, classical_calibration, forecast_model
from same_result import check_same
from small_world import analyses, ensembles
from typer.testing import CliRunner

import smoecast
from smoecast.cli.main import app
from smoecast.errors import ConfigError, InputError, ModelError
from smoecast.fields.left_out import from_attribute

WRITE = ["members", "mean", "quantiles=0.1:0.9", "probabilities=t2m>280"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibration, its config, and a file of an ensemble with a variable that nobody knows."""
    made = tmp_path_factory.mktemp("calibration")
    classical_calibration(made / "run" / "calibration", "emos")
    (made / "run.yaml").write_text(f"name: run\nfolder: {made}\n{CONFIG}")
    given = ensembles(analyses(days=6))
    given.assign(zust=given["t2m"].drop_attrs()).to_netcdf(made / "ens.nc")
    return made


def test_files_and_datasets_give_what_the_command_gives(folder: Path) -> None:
    output = folder / "command.nc"
    given = ["-c", str(folder / "run.yaml"), "-m", str(folder / "run" / "calibration")]
    given += ["-i", str(folder / "ens.nc"), "--write", ",".join(WRITE), "-o", str(output)]
    done = CliRunner().invoke(app, ["postprocess", *given])
    assert done.exit_code == 0, done.output
    with xr.open_dataset(output, decode_timedelta=True) as opened:
        written = opened.drop_vars("realization", errors="ignore").load()
    made = smoecast.calibrate(folder / "ens.nc", folder / "run", write=WRITE)
    assert set(made.data_vars) == {"t2m", "t2m_mean", "t2m_quantile", "t2m_probability_above"}
    check_same(made, written)
    for dataset in (ensembles(analyses(days=6)), smoecast.open(folder / "ens.nc")):
        of_memory = smoecast.calibrate(dataset, folder / "run.yaml", write=WRITE)
        for name in made.data_vars:
            np.testing.assert_array_equal(of_memory[name].values, made[name].values)
    with xr.open_dataset(folder / "ens.nc", decode_timedelta=True) as lazy:
        few = smoecast.calibrate(lazy, folder / "run", write=["members"], members=3)
    assert few["t2m"].sizes["number"] == 3
    assert [one["name"] for one in from_attribute(few.attrs)] == ["zust"]
    assert '"file": "the ensemble 2001-01-01T00:00"' in few.attrs["inputs_manifest"]


def test_lead_times_that_were_not_fitted(folder: Path) -> None:
    given = ensembles(analyses(days=6))
    made = smoecast.calibrate(given, folder / "run", any_lead=True)
    assert made["lead_time"].values.astype("timedelta64[h]").astype(int).tolist() == [24, 48]


def test_refusals(folder: Path, tmp_path: Path) -> None:
    given = ensembles(analyses(days=4))
    with pytest.raises(ConfigError, match=r"smoecast.postprocess: postprocess.write"):
        smoecast.calibrate(given, folder / "run", write=["median"])
    with pytest.raises(ModelError, match="holds no ensemble members"):
        smoecast.calibrate(given.isel(number=0, drop=True), folder / "run")
    with pytest.raises(ModelError, match="the calibration was fitted for lead times of 24 h"):
        smoecast.calibrate(given.isel(lead_time=[1]), folder / "run")
    with pytest.raises(InputError, match="the ensemble: "):
        smoecast.calibrate(given[["t2m"]], folder / "run")
    holed = given.copy(deep=True)
    holed["t2m"][0, 0, 1, 2, 3] = np.nan
    with pytest.raises(InputError, match="the ensemble: t2m has 1 missing values"):
        smoecast.calibrate(holed, folder / "run")
    with pytest.raises(ModelError, match="no calibration"):
        smoecast.calibrate(given, forecast_model(tmp_path / "forecast"))
