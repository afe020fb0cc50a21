"""`smoecast bench forecast`: a command beside the passes of its network, and writing NetCDF."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from smoecast.tasks.bench.made_files import CHANNELS, make_analyses
from smoecast.tasks.bench.measuring.case import OURS, Case, Setting, Task, Way, Work
from smoecast.tasks.bench.measuring.replay import record_passes, replay
from smoecast.tasks.bench.networks import passes

if TYPE_CHECKING:
    import xarray as xr

    from smoecast.config.run import Config

STORE = f"{OURS}, a WeatherBench 2 store"
STARTS, LEADS, STEP = 8, 10, 12


def config_of(setting: Setting) -> "Config":
    """Return the config of the run: 7 channels, 64 inside, five blocks, the last layer SMoE."""
    from smoecast.config import yaml_file

    size = "{width: 4, blocks: 1}" if setting.quick else "{width: 64, blocks: 5}"
    leads = ", ".join(str(STEP * (step + 1)) for step in range(2 if setting.quick else LEADS))
    text = f"""
name: bench
folder: {setting.folder}
data:
  source: files
  files: ["{setting.folder}/analyses.nc"]
  channels: [{", ".join(CHANNELS)}]
  step_hours: {STEP}
  split: {{train: 0.4, validation: 0.2, test: 0.4}}
sample: {{history_hours: [0, {STEP}], lead_hours: [{STEP}]}}
network: {size}
forecast:
  init_every_hours: 24
  lead_hours: [{leads}]
"""
    return yaml_file.parse(text, "bench.yaml", [])


def make_data(setting: Setting) -> None:
    """Write analyses, the store and a model whose weights are random."""
    from smoecast.fields.regrid import grid_by_name
    from smoecast.fields.store import store
    from smoecast.tasks.forecast_model import describe, inputs_of, new_network, samples_of
    from smoecast.tasks.preprocess.preprocess import preprocess
    from smoecast.training.model_files import save_model

    config = config_of(setting)
    grid = grid_by_name("f4" if setting.quick else "5.625")
    make_analyses(grid, 100, STEP).to_netcdf(setting.folder / "analyses.nc")
    preprocess(config)
    with store.open_store(config.store) as dataset:
        inputs = inputs_of(config.data, config.sample, dataset, config.store)
        rows = store.rows_of(config.store)
        samples = samples_of(config.sample, config.data.step_hours, dataset, inputs, rows)
        network = new_network(config.network, config.seed, dataset, samples["train"])
        save_model(config.model, network.state_dict(), describe(config, dataset, inputs))


def _forecast(form: str, setting: Setting) -> Work:
    from smoecast.tasks.forecast.forecast import forecast

    config = config_of(setting)
    section = config.forecast.model_copy(update={"format": form})
    config = config.model_copy(update={"forecast": section})
    last = 2 if setting.quick else STARTS

    def work(place: Path) -> Path:
        output = place / ("out.nc" if form == "netcdf" else "out.zarr")
        forecast(config, init_times=[f"2001-01-05/2001-01-{4 + last:02d}"], output=output)
        return output

    return work


def _bare_passes(setting: Setting) -> Work:
    first = setting.folder / "noted"
    first.mkdir(exist_ok=True)
    with record_passes() as seen:
        _forecast("netcdf", setting)(first)
    return replay(seen)


def _fields(setting: Setting) -> "xr.Dataset":
    """Return a forecast in memory."""
    import numpy as np

    from smoecast.fields.regrid import grid_by_name

    grid = grid_by_name("f4" if setting.quick else "1")
    leads = 2 if setting.quick else 40
    made = make_analyses(grid, leads, 6, {name: CHANNELS[name] for name in ("z500", "t850", "t2m")})
    hours = (6 * (1 + np.arange(leads))).astype("timedelta64[h]").astype("timedelta64[ns]")
    start = np.array(["2001-01-01"], "datetime64[ns]")
    renamed = made.rename(time="lead_time").assign_coords(lead_time=hours)
    return renamed.expand_dims(init_time=start)


def _write_by_smoecast(setting: Setting) -> Work:
    from smoecast.fields.write.netcdf import netcdf_writer

    fields = _fields(setting)

    def work(place: Path) -> Path:
        with netcdf_writer(fields, place / "out.nc") as append:
            append(fields)
        return place / "out.nc"

    return work


def _write_by_xarray(read_back: bool, setting: Setting) -> Work:
    import numpy as np
    import xarray as xr

    fields = _fields(setting)
    encoding = {
        name: {
            "zlib": True,
            "complevel": 4,
            "shuffle": True,
            "chunksizes": (1, 1, *array.shape[2:]),
        }
        for name, array in fields.data_vars.items()
    }

    def work(place: Path) -> Path:
        path = place / "out.nc"
        fields.to_netcdf(path, encoding=encoding)
        if read_back:
            with xr.open_dataset(path) as written:
                assert all(np.isfinite(written[name].values).all() for name in fields.data_vars)
        return path

    return work


def _tasks(setting: Setting) -> dict[str, Task]:
    command = {
        OURS: Way(partial(_forecast, "netcdf")),
        "the passes of its network alone": Way(_bare_passes),
        STORE: Way(partial(_forecast, "wb2")),
    }
    writing = {
        OURS: Way(_write_by_smoecast),
        "xr.to_netcdf, then read back": Way(partial(_write_by_xarray, True)),
        "xr.to_netcdf": Way(partial(_write_by_xarray, False)),
    }
    return {
        "8 starts of 10 steps as NetCDF": Task(command, (OURS, STORE)),
        **passes(setting),
        "31 MB written as NetCDF and verified": Task(writing),
    }


CASE = Case("forecasts", _tasks, make_data, rounds=3, uses_torch=True)
