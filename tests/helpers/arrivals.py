"""Analyses and ensembles of the small world that arrive as files, and a run that awaits them."""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import xarray as xr
from made_models import GRID, Moments, classical_calibration, forecast_model
from small_world import analyses, ensembles

from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.fields.grid import Grid

MOMENTS = {"z500": (54_000.0, 700.0), "t2m": (280.0, 5.0)}
MODEL = ("data.channels=[z500, t2m]", "data.constants=[]", "sample.lead_hours=[6]")

CONFIG = """
name: ops
folder: runs
data: {source: none, channels: [z500, t2m], step_hours: 6}
sample: {history_hours: [0, 6], lead_hours: [6]}
forecast: {lead_hours: [6, 12]}
postprocess: {channels: [z500, t2m], targets: [t2m], lead_hours: [24]}
evaluate: {resamples: 20}
cycle: {analyses: [analyses], ensembles: [ensembles], calibration: emos}
"""


@cache
def _world() -> tuple[xr.Dataset, xr.Dataset]:
    truth = analyses(8)
    return truth, ensembles(truth)


def config_of(*overrides: str) -> Config:
    """Return the config of the run; its paths are relative to the folder of `prepare`."""
    return yaml_file.parse(CONFIG, "run.yaml", overrides)


def prepare(folder: Path, moments: Moments = MOMENTS, grid: Grid = GRID) -> None:
    """Make models, ``run.yaml`` and empty folders for what arrives."""
    forecast_model(folder / "runs/ops/model", *MODEL, moments=moments, grid=grid)
    classical_calibration(folder / "emos", "emos", grid=grid)
    (folder / "run.yaml").write_text(CONFIG)
    for name in ("analyses", "ensembles"):
        (folder / name).mkdir()


def bring_analyses(folder: Path, *numbers: int) -> None:
    """Have analyses arrive: number i is that of 6 i hours after 2001-01-01."""
    for i in numbers:
        bring(_world()[0].isel(time=[i]), folder / "analyses")


def bring_ensembles(folder: Path, *numbers: int) -> None:
    """Have ensembles arrive: number i is that of i days after 2001-01-01."""
    for i in numbers:
        bring(_world()[1].isel(init_time=[i]), folder / "ensembles")


def bring(fields: xr.Dataset, folder: Path) -> None:
    """Write fields of one time and give them their name when they are whole, as a feed should."""
    when = fields["time" if "time" in fields.dims else "init_time"].values[0]
    name = np.datetime_as_string(when, "h").replace("-", "").replace("T", "")
    fields.to_netcdf(folder / f".{name}")
    (folder / f".{name}").rename(folder / f"{name}.nc")


def copy(source: Path, folder: Path) -> None:
    """Copy a whole folder, times of files and all, into one that is there."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
