"""Analyses of today on another regular grid are brought to the model's."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_world import LONGITUDE, analyses, small_run

from smoecast.config.run import Config
from smoecast.errors import InputError, ModelError
from smoecast.fields.left_out import from_attribute
from smoecast.fields.read.results import read_attributes
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.preprocess.preprocess import preprocess


def finer(dataset: xr.Dataset) -> xr.Dataset:
    """The same fields on twice the meridians, straight lines in between."""
    around = dataset.pad(longitude=(0, 1), mode="wrap")
    around = around.assign_coords(longitude=np.append(LONGITUDE, 360.0))
    made = around.interp(longitude=np.arange(0, 360, 11.25)).astype("float32")
    for name in made.data_vars:
        made[name].attrs = dataset[name].attrs
    return made


def test_fields_on_a_finer_grid_are_regridded(done: Config, tmp_path: Path) -> None:
    dataset = analyses(days=3)
    plain, fine = tmp_path / "plain.nc", tmp_path / "fine.nc"
    dataset.to_netcdf(plain)
    finer(dataset).to_netcdf(fine)
    made = {}
    for path in (plain, fine):
        output = tmp_path / f"forecast_{path.name}"
        forecast(done, inputs=[str(path)], init_times=["latest"], output=output)
        with xr.open_dataset(output, decode_timedelta=True) as written:
            made[path] = written["t2m"].load()
    assert made[fine].shape == made[plain].shape
    # every other column of the finer grid is the model's own
    np.testing.assert_allclose(made[fine], made[plain], atol=1e-3)


def test_a_region_that_the_model_outreaches_is_refused(done: Config, tmp_path: Path) -> None:
    path = tmp_path / "part.nc"
    analyses(days=3).isel(latitude=slice(1, 5)).to_netcdf(path)
    with pytest.raises(InputError, match="does not reach latitude"):
        forecast(done, inputs=[str(path)], init_times=["latest"], output=tmp_path / "f.nc")


def test_a_store_on_another_grid_is_no_store_of_the_model(done: Config, tmp_path: Path) -> None:
    finer(analyses()).to_netcdf(tmp_path / "fine.nc")
    other = small_run(
        tmp_path, tmp_path / "runs", f"data.files=['{tmp_path}/fine.nc']", "postprocess.files=[]"
    )
    preprocess(other)
    with pytest.raises(ModelError, match=r"8 x 32 points.*the model wants 8 x 16"):
        forecast(other, models=[done.model])


def test_what_is_left_out_of_files_stands_in_the_result(done: Config, tmp_path: Path) -> None:
    dataset = analyses(days=3)
    more, plain = tmp_path / "more.nc", tmp_path / "plain.nc"
    dataset.isel(time=slice(2)).to_netcdf(plain)
    later = dataset.isel(time=slice(2, None))
    later.assign(zust=later["t2m"].drop_attrs()).to_netcdf(more)
    output, files = tmp_path / "f.nc", [str(more), str(plain)]
    found = forecast(done, inputs=files, init_times=["latest"], output=output)
    assert found["left_out"] == [{"name": "zust", "reason": "", "file": "more.nc"}]
    assert from_attribute(read_attributes(output)) == found["left_out"]
    pattern, first = tmp_path / "f_{init_time:%Y%m%d%H}.nc", str(later["time"].values[-1])[:13]
    one = forecast(done, inputs=files, init_times=[first], output=pattern)["outputs"][0]
    assert from_attribute(read_attributes(Path(one))) == found["left_out"]
    start = str(dataset["time"].values[1])[:13]
    of_plain = forecast(done, inputs=files, init_times=[start], output=pattern)["outputs"][0]
    assert "smoecast_left_out" not in read_attributes(Path(of_plain))
