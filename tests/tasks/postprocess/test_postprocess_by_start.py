"""Calibrations, a file a start."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_world import analyses, ensembles

from smoecast.config.run import Config
from smoecast.errors import NotPublishedError, OutputError
from smoecast.fields.left_out import from_attribute
from smoecast.fields.read.results import read_attributes
from smoecast.tasks.postprocess.postprocess import postprocess

PATTERN = "cal_{init_time:%Y%m%d%H}.nc"


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    """Ensembles, a file a start."""
    folder = tmp_path / "starts"
    folder.mkdir()
    made = ensembles(analyses())
    for index in range(40, 44):
        made.isel(init_time=[index]).to_netcdf(folder / f"ens{index}.nc")
    return folder


def call(done: Config, starts: Path, output: Path, **more: object) -> dict:
    return postprocess(done, model=done.calibration, inputs=[str(starts)], output=output, **more)


def test_each_start_has_its_file_of_its_own_inputs(
    done: Config, starts: Path, tmp_path: Path
) -> None:
    found = call(done, starts, tmp_path / PATTERN)
    assert found["made"] == 4
    whole = call(done, starts, tmp_path / "whole.nc")
    with xr.open_dataset(whole["output"]) as together:
        for index, path in enumerate(found["outputs"]):
            with xr.open_dataset(path) as one:
                xr.testing.assert_equal(one, together.isel(init_time=[index]))
    said = json.loads(read_attributes(Path(found["outputs"][1]))["inputs_manifest"])
    assert [entry["file"] for entry in said] == ["ens41.nc"]
    made = ensembles(analyses())
    made.isel(init_time=[44]).to_netcdf(starts / "ens44.nc")
    assert call(done, starts, tmp_path / PATTERN)["made"] == 1
    assert call(done, starts, tmp_path / PATTERN)["made"] == 0


def test_of_a_store_it_is_the_fields(done: Config, tmp_path: Path) -> None:
    assert postprocess(done, output=tmp_path / PATTERN)["made"] == 12
    first = sorted(tmp_path.glob("*.nc"))[0]
    (entry,) = json.loads(read_attributes(first)["inputs_manifest"])
    assert entry["file"].startswith("ensemble.zarr 2001-02-")
    first.unlink()
    assert postprocess(done, output=tmp_path / PATTERN)["made"] == 1


def test_a_start_that_fails_leaves_the_others(done: Config, starts: Path, tmp_path: Path) -> None:
    broken = xr.open_dataset(starts / "ens41.nc").load()
    broken["t2m"][0, 0, 2, 3, 4] = np.nan
    broken.to_netcdf(tmp_path / "new.nc")
    (tmp_path / "new.nc").replace(starts / "ens41.nc")
    with pytest.raises(OutputError, match=r"1 of 4 results were not made.*cal_2001021100"):
        call(done, starts, tmp_path / PATTERN)
    assert len(list(tmp_path.glob("cal_*.nc"))) == 3


def test_an_old_ensemble_is_4(done: Config, starts: Path, tmp_path: Path) -> None:
    newest = np.datetime64("2001-02-13")
    assert call(done, starts, tmp_path / PATTERN, oldest=newest)["made"] == 4
    with pytest.raises(NotPublishedError, match="older than the 2001-02-14"):
        call(done, starts, tmp_path / PATTERN, oldest=newest + 1)


def test_old_results_are_removed(done: Config, starts: Path, tmp_path: Path) -> None:
    call(done, starts, tmp_path / PATTERN, keep=np.timedelta64(1, "D"))
    assert {p.name for p in tmp_path.glob("*.nc")} == {"cal_2001021200.nc", "cal_2001021300.nc"}


def test_nothing_to_do_loads_no_pytorch(done: Config, starts: Path, tmp_path: Path) -> None:
    call(done, starts, tmp_path / PATTERN)
    postprocess(done)
    code = (
        "import sys\nfrom pathlib import Path\nfrom smoecast.config import yaml_file\n"
        "from smoecast.tasks.postprocess.postprocess import postprocess\n"
        "config, model, inputs, output = sys.argv[1:]\n"
        "config = yaml_file.load(Path(config))\n"
        "found = postprocess(config, model=Path(model), inputs=[inputs], output=Path(output))\n"
        "assert not found['written'], found\n"
        "assert not postprocess(config)['written']\n"
        "assert 'torch' not in sys.modules\n"
    )
    place = done.place / "calibrated.config.yaml"
    out = tmp_path / PATTERN
    subprocess.run([sys.executable, "-c", code, place, done.calibration, starts, out], check=True)


def test_what_is_left_out_stands_in_the_result(done: Config, tmp_path: Path) -> None:
    made = ensembles(analyses()).isel(init_time=[40])
    made.assign(zust=made["t2m"].drop_attrs()).to_netcdf(tmp_path / "ens.nc")
    found = call(done, tmp_path / "ens.nc", tmp_path / "cal.nc")
    assert found["left_out"] == [{"name": "zust", "reason": "", "file": "ens.nc"}]
    assert from_attribute(read_attributes(tmp_path / "cal.nc")) == found["left_out"]
