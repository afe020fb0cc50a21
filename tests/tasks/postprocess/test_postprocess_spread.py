"""Calibrations applied by several processes: the same to the byte."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from distributed import LocalCluster
from same_data import assert_same, with_compute

from smoecast.config.run import Config
from smoecast.errors import ModelError
from smoecast.tasks.fan_out.per_worker import PerWorker
from smoecast.tasks.postprocess import apply, blocks
from smoecast.tasks.postprocess.postprocess import postprocess

PATTERN = "cal_{init_time:%Y%m%d%H}.nc"


@pytest.fixture
def spread(done: Config, cluster: LocalCluster) -> Config:
    return with_compute(done, scheduler=cluster.scheduler_address)


def test_one_file_is_the_same(
    done: Config, spread: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "BATCH", 3)
    assert postprocess(done, output=tmp_path / "here.nc")["starts"] > 6
    assert postprocess(spread, output=tmp_path / "there.nc")["written"]
    assert_same(tmp_path / "here.nc", tmp_path / "there.nc")


def test_a_file_a_start_is_the_same(
    world: Path, done: Config, spread: Config, tmp_path: Path
) -> None:
    """From files, by members that are drawn at random."""
    with xr.open_dataset(world / "ensembles.nc", decode_timedelta=False) as whole:
        whole.isel(init_time=slice(40, 45)).to_netcdf(tmp_path / "some.nc")
    update = {"postprocess": done.postprocess.model_copy(update={"reordering": "ecc-r"})}
    for name, config in (("here", done), ("there", spread)):
        made = postprocess(
            config.model_copy(update=update),
            model=done.calibration,
            inputs=[str(tmp_path / "some.nc")],
            output=tmp_path / name / PATTERN,
        )
        assert made["made"] == 5
    for path in (tmp_path / "here").glob("*.nc"):
        assert_same(path, tmp_path / "there" / path.name)


def test_a_calibration_that_is_replaced_meanwhile_is_refused() -> None:
    there = SimpleNamespace(calibration=SimpleNamespace(sha256="new"))
    with pytest.raises(ModelError, match="replaced while this run began: run again"):
        blocks._calibrate_there(
            PerWorker(lambda: nullcontext(there)), "old", np.array([], "datetime64[ns]")
        )
