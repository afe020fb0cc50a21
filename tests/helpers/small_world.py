"""A small world on disk: analyses and an ensemble with a known bias, and a run that uses them."""

from pathlib import Path

import numpy as np
import xarray as xr

from smoecast.config import yaml_file
from smoecast.config.run import Config

LATITUDE = np.linspace(78.75, -78.75, 8)
LONGITUDE = np.arange(16) * 22.5
BIAS = 1.5
DAY = np.timedelta64(1, "D")


def analyses(days: int = 60) -> xr.Dataset:
    """Waves that travel east, 6-hourly: predictable, periodic, with a diurnal cycle."""
    times = np.datetime64("2001-01-01", "ns") + np.arange(days * 4) * np.timedelta64(6, "h")
    phase = np.deg2rad(LONGITUDE)[None, None, :] - 0.15 * np.arange(len(times))[:, None, None]
    rows = np.cos(np.deg2rad(LATITUDE))[None, :, None]
    noise = np.random.default_rng(0).normal(0, 0.1, (len(times), 8, 16))
    coordinates = {"time": times, "latitude": LATITUDE, "longitude": LONGITUDE}
    dims = ("time", "latitude", "longitude")
    fields = {
        "z500": (54_000 + 1500 * rows * np.sin(2 * phase) + 10 * noise, "geopotential", "m2 s-2"),
        "t2m": (280 + 10 * rows * np.cos(phase) + noise, "2 metre temperature", "K"),
    }
    return xr.Dataset(
        {
            name: (dims, values.astype(np.float32), {"long_name": words, "units": units})
            for name, (values, words, units) in fields.items()
        },
        coordinates,
    )


def ensembles(truth: xr.Dataset) -> xr.Dataset:
    """Five members, one start a day, 24 and 48 h: biased, too sure of themselves."""
    rng = np.random.default_rng(1)
    starts = truth["time"].values[::4][:-2]
    leads = np.array([24, 48]) * np.timedelta64(3_600_000_000_000, "ns")
    valid = starts[:, None] + leads[None, :]
    out = {}
    for name, scale in (("z500", 50.0), ("t2m", 0.5)):
        true = truth[name].sel(time=valid.ravel()).values.reshape(*valid.shape, 8, 16)
        error = rng.normal(0, 2 * scale, true.shape)
        spread = rng.normal(0, scale, (*valid.shape, 5, 8, 16))
        members = (true + error)[:, :, None] + spread + (BIAS if name == "t2m" else 0.0)
        attributes = {"units": truth[name].attrs["units"], "long_name": name}
        dims = ("init_time", "lead_time", "number", "latitude", "longitude")
        out[name] = (dims, members.astype(np.float32), attributes)
    coordinates = {
        "init_time": ("init_time", starts, {"standard_name": "forecast_reference_time"}),
        "lead_time": ("lead_time", leads, {"standard_name": "forecast_period"}),
        "number": np.arange(5),
        "latitude": LATITUDE,
        "longitude": LONGITUDE,
    }
    return xr.Dataset(out, coordinates)


CONFIG = """
name: small
data:
  source: files
  channels: [z500, t2m]
  step_hours: 6
sample: {history_hours: [0, 6], lead_hours: [6]}
network: {width: 8, blocks: 1, smoe: {layers: last}}
training: {epochs: 2, batch_size: 16, threads: 1}
forecast: {init_every_hours: 24, lead_hours: [6, 24]}
postprocess:
  source: files
  channels: [z500, t2m]
  targets: [t2m]
  lead_hours: [24, 48]
  network: {width: 8, blocks: 1, smoe: {layers: last}}
  training: {epochs: 2, batch_size: 16, threads: 1}
"""


def write_world(folder: Path, days: int = 60) -> Path:
    """Write two files of analyses and one of ensembles; return their folder."""
    truth = analyses(days)
    truth.isel(time=slice(None, 2 * days)).to_netcdf(folder / "analyses_a.nc")
    truth.isel(time=slice(2 * days, None)).to_netcdf(folder / "analyses_b.nc")
    ensembles(truth).to_netcdf(folder / "ensembles.nc")
    return folder


def small_run(world: Path, folder: Path, *overrides: str) -> Config:
    """Return the config of a run on the small world that writes below `folder`."""
    return yaml_file.parse(
        CONFIG,
        "small.yaml",
        [
            f"folder={folder}",
            f"data.files=['{world}/analyses_*.nc']",
            f"postprocess.files=['{world}/ensembles.nc']",
            *overrides,
        ],
    )


def with_evaluate(config: Config, **changes: object) -> Config:
    """Return a config with other values in its section `evaluate`."""
    section = config.evaluate.model_copy(update=changes)
    return config.model_copy(update={"evaluate": section})


def only(records: list[dict], **wanted: object) -> dict:
    """Return the one record that has these values."""
    found = [r for r in records if all(r[key] == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]
