"""`smoecast forecast`: model and initial conditions to CF NetCDF, WeatherBench 2 or GRIB."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import console, zoo
from smoecast.config.forecast import Forecast
from smoecast.config.run import Config
from smoecast.data import time_selection
from smoecast.data.sources import files
from smoecast.data.time_selection import HOUR
from smoecast.data.unchanged import hold_inputs
from smoecast.disk.locks import lock
from smoecast.fields import channels, times
from smoecast.fields.write.blocks import blank
from smoecast.tasks import formats, provenance
from smoecast.tasks.forecast.ensemble import Ensemble, ensemble_of
from smoecast.tasks.forecast.initial_conditions import initial_conditions, select_starts
from smoecast.tasks.forecast.lead_times import predict
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.provenance import attributes, is_there, save_config, summarize
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
    wanted = config.forecast
    ensemble = ensemble_of(wanted, config.seed, opened, [str(folder) for folder in folders])
    paths = files.expand(inputs, "--input") if inputs else []
    split = set(wanted.init_times) & set(time_selection.PARTS)
    stores = [config.store] if split or not paths else []
    with hold_inputs(paths, stores) as held, lock(path.parent):
        fields, manifest = initial_conditions(ensemble.model, config.store, paths, held.manifest)
        starts = select_starts(wanted, config.store, fields, ensemble)
        sha256, made_from = _describe(wanted, config.seed, ensemble, starts)
        described = attributes(config, "forecast", sha256, manifest, made_from)
        described |= {} if ensemble.single else {"ensemble": ensemble.words}
        described |= provenance.arguments(
            models=models, inputs=inputs, init_times=init_times, output=output
        )
        written = not is_there(path, described, whole=verify)
        if written:
            template = _template(ensemble, starts).assign_attrs(described)
            open_writer = formats.writer_of(wanted)
            with (
                console.progress("forecasting", len(starts)) as step,
                open_writer(template, path, confirm=held.confirm) as append,
            ):
                for block in forecast_blocks(ensemble, fields, starts, step):
                    append(block)
        save_config(path)
    more = [] if ensemble.single else [f"{len(ensemble.members)} members ({ensemble.words})"]
    targets, leads = ensemble.model.config.targets, ensemble.plan.lead_hours
    return {**summarize(path, starts, targets, leads, more), "written": written}


def forecast_blocks(
    ensemble: Ensemble, fields: xr.DataArray, starts: NDArray[np.datetime64], step: console.Progress
) -> Iterator[xr.Dataset]:
    """Forecast, some starts of one member at a time.

    Parameters
    ----------
    ensemble : Ensemble
    fields : xr.DataArray
        Analyses (time, channel, latitude, longitude) that hold every history.
    starts : (I,) datetime64
    step : Progress
        Told the number of starts done.

    Yields
    ------
    xr.Dataset
        Each channel a variable (init_time, lead_time, [number,] latitude, longitude).

    Raises
    ------
    ModelError
        The analyses are not what a model was trained on: other units, another planet.
    """
    members = ensemble.members
    one = 4 * int(np.prod(_shape(ensemble)))
    batch = max(1, min(BATCH, BATCH_BYTES // one))
    for begin in range(0, len(starts), batch):
        some = starts[begin : begin + batch]
        for number, member in enumerate(members):
            own = some - member.lag_hours * HOUR
            values = predict(member.model, member.plan, member.read_history(fields, own), own)
            step(begin + len(some) * (number + 1) / len(members))
            yield _lay_out(ensemble, values[:, :, None], some, [number])


def _template(ensemble: Ensemble, starts: NDArray[np.datetime64]) -> xr.Dataset:
    """Return all that will be written but the values."""
    numbers = range(len(ensemble.members))
    leads, *field = _shape(ensemble)
    values = blank((len(starts), leads, len(numbers), *field))
    return _lay_out(ensemble, values, starts, numbers)


def _shape(ensemble: Ensemble) -> tuple[int, int, int, int]:
    """Return (L, D, H, W) of one start of one member."""
    model = ensemble.model
    return len(ensemble.plan.lead_hours), len(model.config.targets), *model.inputs.grid.shape


def _lay_out(
    ensemble: Ensemble,
    values: NDArray[np.float32],
    starts: NDArray[np.datetime64],
    numbers: Sequence[int],
) -> xr.Dataset:
    """Return forecasts (I, L, M, D, H, W) as variables; without `number` if it is no ensemble."""
    grid = ensemble.model.inputs.grid
    stacked = xr.DataArray(
        values,
        {
            "init_time": starts,
            "lead_time": times.as_lead(ensemble.plan.lead_hours),
            "number": np.array(numbers),
            "channel": list(ensemble.model.config.targets),
            "latitude": grid.latitude,
            "longitude": grid.longitude,
        },
        dims=("init_time", "lead_time", "number", "channel", "latitude", "longitude"),
    )
    return channels.unpack(stacked.isel(number=0, drop=True) if ensemble.single else stacked)


def _describe(
    settings: Forecast, seed: int, ensemble: Ensemble, starts: NDArray[np.datetime64]
) -> tuple[str, dict[str, Any]]:
    """Return the sha256 of the models, and what decides the content beside them."""
    made_from: dict[str, Any] = {
        "starts": starts.astype(str).tolist(),
        "leads": ensemble.plan.lead_hours,
    }
    made_from |= formats.describe_format(settings)
    if not ensemble.single:
        keys = {"members", "perturbation", "perturbation_km", "lags_hours"}
        made_from["ensemble"] = settings.model_dump(mode="json", include=keys)
        made_from["seed"] = seed
    models = {id(member.model): member.model for member in ensemble.members}
    return " ".join(identity_of(model.state) for model in models.values()), made_from
