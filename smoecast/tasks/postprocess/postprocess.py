"""`smoecast postprocess`: ensemble in, calibrated ensemble out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoecast import console
from smoecast.config.products import Products, products
from smoecast.config.run import Config
from smoecast.data.sources import files
from smoecast.data.unchanged import Inputs, hold_inputs
from smoecast.disk.locks import lock
from smoecast.errors import ConfigError
from smoecast.fields import times
from smoecast.fields.grid import place_of
from smoecast.fields.store import store
from smoecast.tasks import formats, provenance
from smoecast.tasks.postprocess.apply import CalibratedBlocks, calibrate
from smoecast.tasks.postprocess.calibration import Calibration, open_calibration, raw_calibration
from smoecast.tasks.postprocess.fit import fit
from smoecast.tasks.postprocess.input import EnsembleInput, open_input
from smoecast.tasks.postprocess.schaake_dates import earlier_truth
from smoecast.tasks.provenance import attributes, is_there, save_config, with_lineage


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
    wanted = products(config.postprocess.write)
    paths = files.expand(inputs, "--input") if inputs else []
    truth = files.expand(config.postprocess.truth, "postprocess.truth")
    with hold_inputs([*paths, *truth], _stores(config, model, paths)) as held:
        if model is None and settings.method != "raw":
            _check_format_before_fit(config, wanted)
            fit(config, held)
        calibration = _open_calibration(config, model)
        _check_events(wanted, calibration)
        formats.check_calibrated(settings, calibration.targets, wanted, place=None)
        incoming = open_input(config, calibration, paths, held.manifest[: len(paths)])
        calibrated = _new_blocks(config, calibration, incoming, wanted)
        described = _describe(calibrated, incoming) | provenance.arguments(
            model=model, inputs=inputs, output=output
        )
        return _make(calibrated, incoming, described, path, held, verify=verify)


def _make(
    calibrated: CalibratedBlocks,
    incoming: EnsembleInput,
    described: dict[str, Any],
    path: Path,
    held: Inputs,
    *,
    verify: bool,
) -> dict[str, Any]:
    """Calibrate what came in, unless that is there already."""
    starts = incoming.fields["init_time"].values
    summary = {
        "output": str(path),
        "starts": len(starts),
        "first": times.iso(starts[0]),
        "last": times.iso(starts[-1]),
        "what": _what(calibrated),
    }
    with lock(path.parent):
        if is_there(path, described, whole=verify):
            save_config(path)
            return {**summary, "written": False}
        with console.progress("calibrating", len(starts)) as step:
            dataset = calibrate(calibrated, incoming.fields, step).assign_attrs(described)
            corrected = calibrated.calibration.method != "raw"
            write = formats.writer_of(
                calibrated.config.postprocess, members=calibrated.count, calibrated=corrected
            )
            write(dataset, path, gaps=incoming.gaps, confirm=held.confirm)
        save_config(path)
    return {**summary, "written": True}


def _stores(config: Config, model: Path | None, paths: Sequence[Path]) -> list[Path]:
    """Return the stores that may be read: none where a fitted calibration meets files."""
    if model is not None and paths and config.postprocess.reordering != "schaake":
        return []
    return [config.store, config.ensemble_store]


def _check_format_before_fit(config: Config, wanted: Products) -> None:
    """Refuse what the format cannot hold before anything is fitted."""
    settings = config.postprocess
    if settings.format != "netcdf":
        place = place_of(store.open_store(config.ensemble_store))
        formats.check_calibrated(settings, settings.targets, wanted, place)


def _open_calibration(config: Config, model: Path | None) -> Calibration:
    if model is None and config.postprocess.method == "raw":
        return raw_calibration(config.postprocess)
    return open_calibration(model or config.calibration)


def _check_events(wanted: Products, calibration: Calibration) -> None:
    strange = [event.channel for event in wanted.events if event.channel not in calibration.targets]
    if strange:
        raise ConfigError(
            f"postprocess.write asks for a probability of {strange[0]}, but what is calibrated is "
            f"{', '.join(calibration.targets)}: correct the one, or postprocess.targets"
        )


def _new_blocks(
    config: Config, calibration: Calibration, incoming: EnsembleInput, wanted: Products
) -> CalibratedBlocks:
    hours, fields = incoming.lead_hours, incoming.fields
    history = None
    if config.postprocess.reordering == "schaake" and wanted.members:
        history = earlier_truth(config, calibration.targets, hours, place_of(fields))
    came = fields.sizes["number"]
    count = config.postprocess.members or came
    if calibration.gives_members and count > came and history is None:
        raise ConfigError(
            f"{count} members cannot come of {came} by postprocess.method {calibration.method}: "
            "lower postprocess.members, or take emos"
        )
    return CalibratedBlocks(config, calibration, hours, wanted, count, history)


def _describe(calibrated: CalibratedBlocks, incoming: EnsembleInput) -> dict[str, Any]:
    """Return the global attributes of the result."""
    config, settings = calibrated.config, calibrated.config.postprocess
    made_from = {
        "starts": incoming.fields["init_time"].values.astype(str).tolist(),
        "leads": calibrated.lead_hours,
        "targets": calibrated.calibration.targets,
        "members": calibrated.count,
        "reordering": settings.reordering,
        "write": settings.write,
        "seed": config.seed,
    }
    made_from |= formats.described(settings)
    protocol = calibrated.calibration.protocol
    if protocol != "default":
        made_from["protocol"] = protocol
    sha256, manifest = calibrated.calibration.sha256, incoming.manifest
    described = attributes(config, "postprocess", sha256, manifest, made_from)
    described["protocol"] = protocol
    return with_lineage(described, incoming.fields.attrs, "calibrated")


def _what(calibrated: CalibratedBlocks) -> str:
    """Return in words what is written."""
    leads = ", ".join(f"{hour} h" for hour in calibrated.lead_hours)
    parts = [f"{', '.join(calibrated.calibration.targets)} at {leads}"]
    wanted = calibrated.wanted
    if wanted.members:
        parts.append(f"{calibrated.count} members")
    else:
        parts += [word for word in ("mean", "std") if getattr(wanted, word)]
    if wanted.quantiles:
        parts.append(f"quantiles {', '.join(f'{level:g}' for level in wanted.quantiles)}")
    parts += [f"P({e.channel} {'>' if e.above else '<'} {e.threshold:g})" for e in wanted.events]
    return ", ".join(parts)
