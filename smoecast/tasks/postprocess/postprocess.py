"""`smoecast postprocess`: ensemble in, calibrated ensemble out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoecast import console
from smoecast.config.postprocess import Postprocess
from smoecast.config.products import Products, products
from smoecast.config.run import Config
from smoecast.data import raw
from smoecast.data.sources import files
from smoecast.data.unchanged import hold_inputs
from smoecast.disk.locks import lock
from smoecast.errors import ConfigError
from smoecast.fields.grid import place_of
from smoecast.fields.store import store
from smoecast.tasks import formats, provenance
from smoecast.tasks.postprocess.apply import CalibratedBlocks
from smoecast.tasks.postprocess.calibration import Calibration, open_calibration, raw_calibration
from smoecast.tasks.postprocess.fit import fit
from smoecast.tasks.postprocess.input import open_input
from smoecast.tasks.postprocess.schaake_dates import earlier_truth
from smoecast.tasks.provenance import attributes, is_there, save_config, summarize, with_lineage


def postprocess(
    config: Config,
    *,
    model: Path | None = None,
    inputs: Sequence[str] = (),
    output: Path | None = None,
    verify: bool = False,
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
        Default: ``calibrated.nc`` in the run's folder; in the format ``grib`` ``calibrated.grib``.
    verify : bool
        Whether a result that is there is read wholly, not in samples, before it counts as made.

    Returns
    -------
    dict
        ``output``, ``written``, ``starts``, ``first``, ``last``, ``what``.

    Raises
    ------
    ConfigError
        The probability of a channel is wanted that is not calibrated, or more members than came
        in of a calibration that corrects member by member; or the format cannot hold it, or the
        name of `output` belongs to another.
    InputError
        The ensemble or its truth is missing, damaged, or lacks a channel or lead time.
    ModelError
        The calibration does not fit the ensemble.
    OutputError
        The file could not be written whole, what has its name is no result, or an input changed
        meanwhile.
    """
    settings = config.postprocess
    path = formats.output_path(config.place, "calibrated", settings, output)
    provenance.check_output(path)
    wanted = products(settings.write)
    paths = files.expand(inputs, "--input") if inputs else []
    truth = files.expand(settings.truth, "postprocess.truth")
    # a fitted calibration that meets files reads no store
    alone = model is not None and paths and settings.reordering != "schaake"
    stores = [] if alone else [config.store, config.ensemble_store]
    with hold_inputs([*paths, *truth], stores) as held:
        if model is None and settings.method == "raw":
            calibration = raw_calibration(settings)
        else:
            if model is None:
                with store.open_store(config.ensemble_store) as ensembles:
                    place = place_of(ensembles)
                formats.check_calibrated(settings, settings.targets, wanted, place)
                fit(config, held)
            calibration = open_calibration(model or config.calibration)
        _check_events(wanted, calibration)
        manifest = held.manifest[: len(paths)]
        incoming = open_input(settings, calibration, config.ensemble_store, paths, manifest)
        hours, fields = incoming.lead_hours, incoming.fields
        history = None
        if settings.reordering == "schaake" and wanted.members:
            past = raw.truth_of(settings, config.store)
            history = earlier_truth(past, calibration.targets, hours, place_of(fields))
        came = fields.sizes["number"]
        count = settings.members or came
        if calibration.gives_members and count > came and history is None:
            raise ConfigError(
                f"{count} members cannot come of {came} by postprocess.method "
                f"{calibration.method}: lower postprocess.members, or take emos"
            )
        calibrated = CalibratedBlocks(
            calibration, fields, hours, wanted, count, settings.reordering, history, config.seed
        )
        made_from = _describe(settings, calibrated)
        described = attributes(
            config, "postprocess", calibration.sha256, incoming.manifest, made_from
        ) | {"protocol": calibration.protocol}
        described = with_lineage(described, fields.attrs, "calibrated")
        described |= provenance.arguments(model=model, inputs=inputs, output=output)
        starts = fields["init_time"].values
        with lock(path.parent):
            written = not is_there(path, described, whole=verify)
            if written:
                template = calibrated.template().assign_attrs(described)
                open_writer = formats.writer_of(
                    settings, members=count, calibrated=calibration.method != "raw"
                )
                with (
                    console.progress("calibrating", len(starts)) as step,
                    open_writer(template, path, incoming.gaps, confirm=held.confirm) as append,
                ):
                    for block in calibrated.blocks(step):
                        append(block)
            save_config(path)
    more = _list_products(wanted, count)
    return {**summarize(path, starts, calibration.targets, hours, more), "written": written}


def _check_events(wanted: Products, calibration: Calibration) -> None:
    strange = [event.channel for event in wanted.events if event.channel not in calibration.targets]
    if strange:
        raise ConfigError(
            f"postprocess.write asks for a probability of {strange[0]}, but what is calibrated is "
            f"{', '.join(calibration.targets)}: correct the one, or postprocess.targets"
        )


def _describe(settings: Postprocess, calibrated: CalibratedBlocks) -> dict[str, Any]:
    """Return what decides the content beside the calibration and its input."""
    calibration = calibrated.calibration
    made_from = {
        "starts": calibrated.fields["init_time"].values.astype(str).tolist(),
        "leads": calibrated.lead_hours,
        "targets": calibration.targets,
        "members": calibrated.count,
        "reordering": settings.reordering,
        "write": settings.write,
        "seed": calibrated.seed,
    }
    made_from |= formats.describe_format(settings)
    if calibration.protocol != "default":
        made_from["protocol"] = calibration.protocol
    return made_from


def _list_products(wanted: Products, count: int) -> list[str]:
    """Return in words what is written."""
    moments = [word for word in ("mean", "std") if getattr(wanted, word)]
    parts = [f"{count} members"] if wanted.members else moments
    if wanted.quantiles:
        parts.append(f"quantiles {', '.join(f'{level:g}' for level in wanted.quantiles)}")
    return parts + [
        f"P({e.channel} {'>' if e.above else '<'} {e.threshold:g})" for e in wanted.events
    ]
