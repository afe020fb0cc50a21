"""`smoecast postprocess`: ensemble in, calibrated ensemble out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smoecast import console, run_record
from smoecast.config.products import products
from smoecast.config.run import Config
from smoecast.data import time_selection
from smoecast.data.sources import files
from smoecast.fields.left_out import left_out_of_files
from smoecast.tasks import formats, provenance, retention
from smoecast.tasks.postprocess.calibration import Calibrations
from smoecast.tasks.postprocess.content import list_products, tell_short
from smoecast.tasks.postprocess.run import Order, open_run
from smoecast.tasks.several import make_each, summarize


def postprocess(
    config: Config,
    *,
    model: Path | None = None,
    inputs: Sequence[str] = (),
    output: Path | None = None,
    verify: bool = False,
    oldest: np.datetime64 | None = None,
    keep: np.timedelta64 | None = None,
    calibrations: Calibrations | None = None,
    catch_up: np.timedelta64 | None = None,
) -> dict[str, Any]:
    """Calibrate an ensemble; fit first where the run has no calibration yet.

    Parameters
    ----------
    config : Config
        Its `postprocess` section says how.
    model : Path, optional
        Folder of a fitted calibration; then nothing is fitted.
    inputs : sequence of str
        Ensemble files, folders or globs; none: the test part of the run's ensemble store.
    output : Path, optional
        Overrides `postprocess.output`; a pattern such as ``cal_{init_time:%Y%m%d%H}.nc`` makes a
        file a start. Default: ``calibrated.nc`` in the run's folder; in the format ``grib``
        ``calibrated.grib``.
    verify : bool
        Whether a result that is there is read wholly, not in samples, before it counts as made.
    oldest : datetime64, optional
        That the latest start of the ensemble may be.
    keep : timedelta64, optional
        Results of the pattern, and records, so much older than the newest are removed at the end.
    calibrations : Calibrations, optional
        Of earlier calls, which need not be loaded again.
    catch_up : timedelta64, optional
        Of a pattern, only the newest start and those so much earlier are made.

    Returns
    -------
    dict
        See `several.summarize`; and ``fitted_to``, for each channel and lead time what its
        coefficients rest on, where they are of emos or mbm.

    Raises
    ------
    ConfigError
        An event of a channel is wanted that is not calibrated, or more members than came in of a
        calibration member by member; or the format cannot hold it, or `output` is no name for it.
    InputError
        The ensemble or its truth is missing, damaged, or lacks a channel or lead time.
    NotPublishedError
        The latest start of the ensemble is older than `oldest`.
    ModelError
        The calibration does not fit the ensemble.
    LockedError
        Another run makes the same result.
    OutputError
        A file could not be written whole, what has its name is no result, an input changed
        meanwhile, or some of several could not be made.
    """
    settings = config.postprocess
    name = formats.name_output(config.place, "calibrated", settings, output)
    run_record.set_folder(name.folder)
    retention.check_keep(name, keep)
    if not name.is_pattern:
        provenance.check_output(Path(name.text))
    said = provenance.arguments(model=model, inputs=inputs, output=output)
    wanted = products(settings.write)
    paths = files.expand(inputs, "--input") if inputs else []
    truth = files.expand(settings.truth, "postprocess.truth")
    order = Order(config, name, model, tuple(paths), tuple(truth), said, verify)
    with open_run(order, calibrations) as run:
        incoming, calibration = run.incoming, run.calibration
        starts = incoming.fields["init_time"].values
        time_selection.check_age(starts[-1], oldest)
        if catch_up is not None and name.is_pattern:
            starts = starts[starts >= starts[-1] - catch_up]
        jobs = name.split(starts)
        with console.progress("calibrating", len(starts)) as step:
            written = make_each(jobs, run, step)
    short = tell_short(calibration.record)
    if short and any(written):
        console.say(short, level="warning")
    if keep is not None:
        gone = retention.remove_results(name, keep) + retention.remove_records(name.folder, keep)
        retention.tell(gone, keep)
    more = list_products(wanted, run.count)
    hours, left_out = incoming.lead_hours, left_out_of_files(incoming.left_out, paths)
    summary = summarize(name, jobs, written, calibration.targets, hours, more, left_out)
    return summary | {"fitted_to": [r.model_dump() for r in calibration.record]}
