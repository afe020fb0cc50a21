"""`smoecast forecast`: model and initial conditions to CF NetCDF, WeatherBench 2 or GRIB."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smoecast import console, run_record, zoo
from smoecast.config.run import Config
from smoecast.data.sources import files
from smoecast.fields.left_out import left_out_of_files
from smoecast.fields.read.opened import OpenedFiles
from smoecast.tasks import formats, provenance, retention
from smoecast.tasks.forecast.initial_conditions import select_starts
from smoecast.tasks.forecast.networks import Networks
from smoecast.tasks.forecast.run import Order, open_run
from smoecast.tasks.several import make_each, summarize


def forecast(
    config: Config,
    *,
    models: Sequence[Path] = (),
    inputs: Sequence[str] = (),
    init_times: Sequence[str] = (),
    output: Path | None = None,
    verify: bool = False,
    oldest: np.datetime64 | None = None,
    keep: np.timedelta64 | None = None,
    catch_up: np.timedelta64 | None = None,
    networks: Networks | None = None,
    opened_files: OpenedFiles | None = None,
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
        Overrides `forecast.output`; a pattern such as ``fc_{init_time:%Y%m%d%H}.nc`` makes a file
        a start. Default: ``forecast.nc`` in the run's folder; in the format ``wb2``
        ``forecast.zarr``, in ``grib`` ``forecast.grib``.
    verify : bool
        Whether a result that is there is read wholly, not in samples, before it counts as made.
    oldest : datetime64, optional
        That the latest analysis may be, where the latest is asked for.
    keep : timedelta64, optional
        Results of the pattern, and records, that are so much older than the newest are removed
        when all is made.
    catch_up : timedelta64, optional
        The latest stands for all starts so much earlier that have their history, too.
    networks : Networks, optional
        Of earlier calls, which need not be opened again.
    opened_files : OpenedFiles, optional
        Likewise.

    Returns
    -------
    dict
        See `several.summarize`.

    Raises
    ------
    ConfigError
        The name of `output` is no name of a result, or belongs to another format, which may not
        hold such a forecast, or a split has no start.
    InputError
        Initial conditions are missing or damaged.
    NotPublishedError
        A start is later than the newest analysis, or this is older than `oldest`.
    ModelError
        A model does not fit the input or the other models, or cannot reach a lead time.
    LockedError
        Another run makes the same result.
    OutputError
        A file could not be written whole, what has its name is no result, or an input changed
        meanwhile; or of several files some could not be made, for whatever reason.
    """
    name = formats.name_output(config.place, "forecast", config.forecast, output)
    run_record.set_folder(name.folder)
    retention.check_keep(name, keep)
    if not name.is_pattern:
        provenance.check_output(Path(name.text), folder=formats.is_store(config.forecast))
    said = provenance.arguments(models=models, inputs=inputs, init_times=init_times, output=output)
    config = provenance.resolve_arguments(config, "forecast", models=models, init_times=init_times)
    folders = [zoo.locate(name) for name in config.forecast.models] or [config.model]
    paths = files.expand(inputs, "--input") if inputs else []
    order = Order(config, name, tuple(folders), tuple(paths), said, verify)
    with open_run(order, networks, opened_files) as run:
        wanted, ensemble = config.forecast, run.ensemble
        starts = select_starts(wanted, config.store, run.analyses.times, ensemble, oldest, catch_up)
        jobs = name.split(starts)
        with console.progress("forecasting", len(starts)) as step:
            written = make_each(jobs, run, step)
    if keep is not None:
        gone = retention.remove_results(name, keep) + retention.remove_records(name.folder, keep)
        retention.tell(gone, keep)
    more = [] if ensemble.single else [f"{len(ensemble.members)} members ({ensemble.words})"]
    targets, leads = ensemble.model.config.targets, ensemble.plan.lead_hours
    left_out = left_out_of_files(run.analyses.left_out, paths)
    return summarize(name, jobs, written, targets, leads, more, left_out)
