"""`smoecast forecast`: model and initial conditions to CF NetCDF, WeatherBench 2 or GRIB."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from smoecast import console, zoo
from smoecast.config.run import Config
from smoecast.data import time_selection
from smoecast.data.sources import files
from smoecast.data.unchanged import hold_inputs
from smoecast.disk.locks import lock
from smoecast.fields import channels, times
from smoecast.tasks import formats, provenance
from smoecast.tasks.forecast.ensemble import Ensemble, Member, ensemble_of
from smoecast.tasks.forecast.initial_conditions import initial_conditions, select_starts
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.provenance import attributes, is_there, save_config
from smoecast.training.model_files import identity_of

BATCH = 16
"""Starts that go through the network together, at most."""

BATCH_BYTES = 128 * 2**20
"""Of the forecasts of one batch, at most, unless one start has more."""


def forecast(
    config: Config,
    *,
    models: Sequence[Path] = (),
    inputs: Sequence[str] = (),
    init_times: Sequence[str] = (),
    output: Path | None = None,
    verify: bool = False,
) -> dict[str, Any]:
    """Forecast from one or many starts, with one model or as an ensemble.

    Parameters
    ----------
    config : Config
        Its `forecast` section says what is written.
    models : sequence of Path
        Folders of models, each a member; none: `forecast.models`, or the run's own.
    inputs : sequence of str
        Analysis files, folders or globs; none: the run's store.
    init_times : sequence of str
        Override `forecast.init_times`.
    output : Path, optional
        Default: ``forecast.nc`` in the run's folder; in the format ``wb2`` ``forecast.zarr``, in
        ``grib`` ``forecast.grib``.
    verify : bool
        Whether a result that is there is read wholly, not in samples, before it counts as made.

    Returns
    -------
    dict
        ``output``, ``written``, ``starts``, ``first``, ``last``, ``what``.

    Raises
    ------
    ConfigError
        The name of `output` belongs to another format, which may not hold such a forecast, or a
        split has no start.
    InputError
        Initial conditions are missing or damaged.
    NotPublishedError
        A start is later than the newest analysis.
    ModelError
        A model does not fit the input or the other models, or cannot reach a lead time.
    OutputError
        The file could not be written whole, what has its name is no result, or an input changed
        meanwhile.
    """
    path = formats.output_path(config.place, "forecast", config.forecast, output)
    provenance.check_output(path, folder=config.forecast.format == "wb2")
    config = provenance.resolve_arguments(config, "forecast", models=models, init_times=init_times)
    folders = [zoo.locate(name) for name in config.forecast.models] or [config.model]
    opened = [open_model(folder) for folder in folders]
    ensemble = ensemble_of(config, opened, [str(folder) for folder in folders])
    _check_format(config, ensemble)
    asked = config.forecast.init_times
    paths = files.expand(inputs, "--input") if inputs else []
    stores = [config.store] if not paths or set(asked) & set(time_selection.PARTS) else []
    with hold_inputs(paths, stores) as held, lock(path.parent):
        fields, manifest = initial_conditions(config, ensemble.model, paths, held)
        starts = select_starts(config, asked, fields, ensemble)
        described = _describe(config, ensemble, manifest, starts) | provenance.arguments(
            models=models, inputs=inputs, init_times=init_times, output=output
        )
        summary = _summary(path, starts, ensemble)
        if is_there(path, described, whole=verify):
            save_config(path)
            return {**summary, "written": False}
        with console.progress("forecasting", len(starts)) as step:
            dataset = _lazy(ensemble, fields, starts, step)
            write = formats.writer_of(config.forecast)
            write(dataset.assign_attrs(described), path, confirm=held.confirm)
        save_config(path)
    return {**summary, "written": True}


def _check_format(config: Config, ensemble: Ensemble) -> None:
    members = None if ensemble.single else len(ensemble.members)
    model, hours = ensemble.model, ensemble.plan.lead_hours
    grid = model.inputs.grid
    formats.check_forecast(config.forecast, model.config.targets, hours, members, grid)


def _describe(
    config: Config, ensemble: Ensemble, manifest: Any, starts: NDArray[np.datetime64]
) -> dict[str, Any]:
    """Return the global attributes of the result."""
    settings = config.forecast
    made_from: dict[str, Any] = {
        "starts": starts.astype(str).tolist(),
        "leads": ensemble.plan.lead_hours,
    }
    made_from |= formats.described(settings)
    if not ensemble.single:
        keys = {"members", "perturbation", "perturbation_km", "lags_hours"}
        made_from["ensemble"] = settings.model_dump(mode="json", include=keys)
        made_from["seed"] = config.seed
    models = dict.fromkeys(id(member.model) for member in ensemble.members)
    found = {id(m.model): identity_of(m.model.state) for m in ensemble.members}
    sha256 = " ".join(found[model] for model in models)
    described = attributes(config, "forecast", sha256, manifest, made_from)
    return described if ensemble.single else {**described, "ensemble": ensemble.words}


def _lazy(
    ensemble: Ensemble,
    fields: xr.DataArray,
    starts: NDArray[np.datetime64],
    step: console.Progress,
) -> xr.Dataset:
    """Return the forecasts as a dataset whose blocks run the networks when they are written."""
    grid, targets = ensemble.model.inputs.grid, ensemble.model.config.targets
    leads = ensemble.plan.lead_hours
    field_shape = (len(leads), len(targets), *grid.shape)
    batch = max(1, min(BATCH, BATCH_BYTES // (4 * int(np.prod(field_shape)))))
    blocks = []
    for begin in range(0, len(starts), batch):
        some = starts[begin : begin + batch]
        done = np.linspace(begin, begin + len(some), len(ensemble.members) + 1)[1:]
        runs = [
            da.from_delayed(
                delayed(_block)(member, fields, some, step, share),
                (len(some), *field_shape),
                dtype=np.float32,
            )
            for member, share in zip(ensemble.members, done.tolist(), strict=True)
        ]
        blocks.append(runs[0] if ensemble.single else da.stack(runs, axis=2))
    number = {} if ensemble.single else {"number": np.arange(len(ensemble.members))}
    stacked = xr.DataArray(
        da.concatenate(blocks),
        dims=("init_time", "lead_time", *number, "channel", "latitude", "longitude"),
        coords={
            "init_time": starts,
            "lead_time": times.as_lead(leads),
            **number,
            "channel": list(targets),
            "latitude": grid.latitude,
            "longitude": grid.longitude,
        },
    )
    return channels.unpack(stacked)


def _block(
    member: Member,
    fields: xr.DataArray,
    starts: NDArray[np.datetime64],
    step: console.Progress,
    done: float,
) -> NDArray[np.float32]:
    result = member.forecast(fields, starts)
    step(done)
    return result


def _summary(path: Path, starts: NDArray[np.datetime64], ensemble: Ensemble) -> dict[str, Any]:
    leads = ", ".join(f"{h} h" for h in ensemble.plan.lead_hours)
    what = f"{', '.join(ensemble.model.config.targets)} at {leads}"
    if not ensemble.single:
        what += f", {len(ensemble.members)} members ({ensemble.words})"
    return {
        "output": str(path),
        "starts": len(starts),
        "first": times.iso(starts[0]),
        "last": times.iso(starts[-1]),
        "what": what,
    }
