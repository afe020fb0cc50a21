"""`smoecast bench calibrate`: a global ensemble calibrated, beside the passes of its network."""

from pathlib import Path
from typing import TYPE_CHECKING

from smoecast.tasks.bench.measuring.case import OURS, Case, Setting, Task, Way, Work
from smoecast.tasks.bench.measuring.replay import record_passes, replay

if TYPE_CHECKING:
    from smoecast.config.run import Config
    from smoecast.fields.grid import Grid

MEMBERS = 10
TYPICAL = {
    "t2m": (280, 15),
    "skt": (280, 15),
    "sst": (285, 8),
    "tcw": (20, 8),
    "tcwv": (20, 8),
    "cp": (5e-4, 1e-4),
    "tp": (1e-3, 2e-4),
    "msl": (101_000, 1000),
    "tcc": (0.5, 0.1),
    "u10": (0, 5),
    "v10": (0, 5),
}
"""Mean and spread of the predictors of ENS-10."""


def config_of(setting: Setting) -> "Config":
    """Return the zoo's config ens10-smoe-t2m, its results in a folder of our own."""
    from smoecast import zoo
    from smoecast.config import yaml_file

    settings = [
        f"folder={setting.folder}",
        "name=bench",
        f"postprocess.training.threads={setting.threads}",
    ]
    return yaml_file.load(zoo.locate("ens10-smoe-t2m", zoo.CONFIG), settings)


def make_data(setting: Setting) -> None:
    """Write an ensemble of one start, and a calibration whose network has random weights."""
    import numpy as np

    from smoecast.fields.grid import Grid

    rows, columns = (9, 16) if setting.quick else (361, 720)
    grid = Grid(np.linspace(90, -90, rows), np.arange(columns) * 360 / columns)
    _write_ensemble(setting.folder / "ensemble.nc", grid)
    _save_untrained(config_of(setting), grid)


def _write_ensemble(path: Path, grid: "Grid") -> None:
    import numpy as np
    import xarray as xr

    from smoecast.tasks.bench.made_files import variable_of

    rng = np.random.default_rng(0)
    wave = np.sin(np.deg2rad(3 * grid.longitude)) * np.cos(np.deg2rad(grid.latitude))[:, None]
    dims = ("init_time", "lead_time", "number", "latitude", "longitude")
    fields = {}
    for name, (mean, spread) in TYPICAL.items():
        noise = 0.1 * rng.standard_normal((1, 1, MEMBERS, *grid.shape), np.float32)
        values = (mean + spread * (wave + noise)).astype(np.float32)
        fields[name] = (dims, values, {"units": variable_of(name).units})
    coordinates = {
        "init_time": np.array(["2017-06-01"], "datetime64[ns]"),
        "lead_time": np.array([48], "timedelta64[h]").astype("timedelta64[ns]"),
        "number": np.arange(MEMBERS),
        "latitude": grid.latitude,
        "longitude": grid.longitude,
    }
    encoding = {name: {"chunksizes": (1, 1, 1, *grid.shape)} for name in fields}
    xr.Dataset(fields, coordinates).to_netcdf(path, encoding=encoding)


def _save_untrained(config: "Config", grid: "Grid") -> None:
    import numpy as np
    import torch

    from smoecast.nn.normalize import Statistics
    from smoecast.tasks.descriptions import CONSTANTS
    from smoecast.tasks.postprocess.network import new_correction, predictors_of
    from smoecast.training.model_files import save_model

    settings = config.postprocess
    constants = {name: np.ones(grid.shape, np.float32) for name in config.data.constants}
    predictors = predictors_of(settings, grid, constants)
    typical = np.array([TYPICAL[name] for name in settings.channels])
    beside = predictors.statistics(np.array(settings.lead_hours, float))
    mean = np.concatenate([typical[:, 0], 0 * typical[:, 0], beside[0]])
    std = np.concatenate([typical[:, 1], typical[:, 1], beside[1]])
    statistics = Statistics(
        input_mean=torch.from_numpy(mean),
        input_std=torch.from_numpy(std),
        target_scale=torch.ones(1),
        base=torch.zeros(1, dtype=torch.int64),
        target_mean=torch.zeros(1),
    )
    torch.manual_seed(0)
    network = new_correction(settings, predictors, statistics)
    state = {
        "kind": settings.method,
        "config": config.model_dump(mode="json", exclude={"folder"}),
        "grid": grid.to_dict(),
        "constants": tuple(constants),
    }
    fields = torch.from_numpy(np.array(list(constants.values()), np.float32))
    save_model(config.calibration, {**network.state_dict(), CONSTANTS: fields}, state)


def _calibrate(setting: Setting) -> Work:
    from smoecast.tasks.postprocess.postprocess import postprocess

    config = config_of(setting)

    def work(place: Path) -> Path:
        inputs = [str(setting.folder / "ensemble.nc")]
        output = place / "calibrated.nc"
        postprocess(config, model=config.calibration, inputs=inputs, output=output)
        return output

    return work


def _bare_pass(setting: Setting) -> Work:
    first = setting.folder / "noted"
    first.mkdir(exist_ok=True)
    with record_passes() as seen:
        _calibrate(setting)(first)
    return replay(seen)


def _tasks(_: Setting) -> dict[str, Task]:
    ways = {OURS: Way(_calibrate), "the pass of its network alone": Way(_bare_pass)}
    return {"10 members of 11 fields, 361 x 720 points": Task(ways)}


CASE = Case("calibration by a network", _tasks, make_data, rounds=3, uses_torch=True)
