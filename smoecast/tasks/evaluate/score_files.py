"""Scores as files: JSON, CSV and NetCDF."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast import __version__, names
from smoecast.config.yaml_file import dump_values
from smoecast.disk.atomic import put, refuse_special, write_atomic
from smoecast.disk.explain import explain_errors
from smoecast.errors import ConfigError
from smoecast.fields import checksums, header_digest
from smoecast.fields.times import as_lead
from smoecast.fields.write.blocks import check_place, stage_result
from smoecast.tasks.provenance import ARGUMENTS, CONFIG, compact

Record = dict[str, Any]

SUFFIXES = (".json", ".csv", ".nc")

PARTS = ("events", "curves")
"""Records of a summary beside its scores."""

AXES = ("forecast", "channel", "lead_hours", "region", "season")
_BESIDE = ("variable", "level", "starts", "truth", "protocol", "event")
LONG_NAMES = {
    "rmse": "root of the latitude-weighted mean squared error, root last",
    "rmse_mean_of_roots": "mean over starts of the root of each one's mean squared error (ClimaX)",
    "mae": "mean absolute error",
    "bias": "mean error, forecast minus truth",
    "acc": "anomaly correlation coefficient, uncentred",
    "activity": "standard deviation of the forecast's anomalies",
    "activity_truth": "standard deviation of the truth's anomalies",
    "pearson": "correlation of the anomalies about their means",
    "crps": "continuous ranked probability score of the members",
    "spread": "root of the mean ensemble variance",
    "spread_skill_ratio": "spread over error of the ensemble mean",
    "crpss": "continuous ranked probability skill score against the raw ensemble",
    "log_score": "negative log density of the normal distribution at the truth",
    "eecrps": "CRPS weighted by the absolute Extreme Forecast Index of the raw ensemble",
    "eecrps_ens10": "CRPS weighted by the absolute 21-quantile EFI of the authors of ENS-10",
    "efi": "mean Extreme Forecast Index (ECMWF)",
    "efi_abs": "mean absolute Extreme Forecast Index (ECMWF)",
    "efi_ens10": "mean 21-quantile EFI of the authors of ENS-10",
    "sot10": "mean Shift of Tails, lower tail",
    "sot90": "mean Shift of Tails, upper tail",
    "flat_points": "share of points whose rank or PIT histogram is flat at the 5 % level",
    "brier": "Brier score",
    "brier_skill": "Brier skill score against the raw ensemble",
}


def check_output(output: Path) -> None:
    """Refuse, before anything is scored, a name that scores cannot be written to.

    Raises
    ------
    ConfigError
        It ends in none of `SUFFIXES`.
    OutputError
        Something that is no regular file has it, or one of those beside it.
    """
    if output.suffix not in SUFFIXES:
        raise ConfigError(f"{output}: scores are written to names that end in .json, .csv or .nc")
    check_place(output)
    for path in _beside(output):
        refuse_special(path)


def write(summary: dict[str, Any], made_from: dict[str, Any], output: Path) -> list[Path]:
    """Write a summary of scores in the format that the name of the file asks for.

    What stands beside that file goes before it is replaced and comes anew after it, so that a run
    that is killed leaves files missing and never those of two runs together.

    Parameters
    ----------
    summary : dict
        Of `tasks.evaluate.evaluate.evaluate`.
    made_from : dict
        ``config``, resolved, which comes beside it as YAML, and ``arguments``.
    output : Path
        ``.json`` (all of the summary, the files of ``.csv`` beside it), ``.csv`` (the records; of
        events in ``.events.csv``, of histograms and reliability tables in ``.curves.csv``) or
        ``.nc`` (these in groups of the same names).

    Returns
    -------
    list of Path
        What was written, `output` first.

    Raises
    ------
    OutputError
        The disk does not take it.
    """
    texts = _texts(summary, made_from, output)
    with stage_result(output) as part, explain_errors(output):
        if output.suffix == ".nc":
            _write_netcdf(summary, made_from, part)
        else:
            part.write_text(texts.pop(output), encoding="utf-8")
        for path in _beside(output):
            path.unlink(missing_ok=True)
        put(part, output)
        for path, text in texts.items():
            write_atomic(path, text.encode())
    return [output, *texts]


def name_files(summary: dict[str, Any], output: Path) -> list[Path]:
    """Return the files that `write` writes of a summary, `output` first."""
    endings = [".config.yaml"]
    if output.suffix != ".nc":
        endings += [".csv", *(f".{part}.csv" for part in PARTS if summary[part])]
    return list(dict.fromkeys([output, *map(output.with_suffix, endings)]))


def _beside(output: Path) -> list[Path]:
    """Return what may stand beside a file of scores and is of the same run."""
    endings = [".config.yaml"]
    if output.suffix != ".nc":
        endings += [".csv", *(f".{part}.csv" for part in PARTS)]
    return [path for path in map(output.with_suffix, endings) if path != output]


def _texts(summary: dict[str, Any], made_from: dict[str, Any], output: Path) -> dict[Path, str]:
    """Return what is written as text, by its path."""
    texts = {".config.yaml": dump_values(made_from["config"])}
    if output.suffix != ".nc":
        texts[".csv"] = _csv(summary["scores"])
        texts |= {f".{part}.csv": _csv(summary[part]) for part in PARTS if summary[part]}
    if output.suffix == ".json":
        texts[".json"] = (
            json.dumps({**summary, **made_from, "smoecast": __version__}, indent=1) + "\n"
        )
    return {output.with_suffix(ending): text for ending, text in texts.items()}


def _csv(records: Sequence[Record]) -> str:
    columns = list(dict.fromkeys(key for record in records for key in record))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()


def cube(records: Sequence[Record]) -> xr.Dataset:
    """Lay records out along forecast, channel, lead time, region and season.

    Returns
    -------
    xr.Dataset
        One variable a score, NaN where there is none; `units` stands beside `channel`, since the
        channels of one score differ in it.
    """
    labels = {axis: list(dict.fromkeys(r[axis] for r in records)) for axis in AXES}
    labels["lead_hours"].sort()
    shape = tuple(len(found) for found in labels.values())
    scores = dict.fromkeys(k for r in records for k in r if k not in (*AXES, *_BESIDE))
    values = {name: np.full(shape, np.nan) for name in scores}
    starts = np.zeros(shape, np.int32)
    for record in records:
        place = tuple(labels[axis].index(record[axis]) for axis in AXES)
        starts[place] = record["starts"]
        for name in values.keys() & record.keys():
            values[name][place] = record[name]
    dims = [name if name != "lead_hours" else "lead_time" for name in AXES]
    variables: dict[str, Any] = {
        name: (dims, array, {"long_name": LONG_NAMES.get(name, name.replace("_", " "))})
        for name, array in values.items()
    }
    variables["starts"] = (dims, starts, {"long_name": "starts that were scored"})
    parsed = [names.parse_channel(channel) for channel in labels["channel"]]
    units = np.array([p.variable.units if p else "" for p in parsed])
    levels = np.array([float(p.level) if p and p.level else np.nan for p in parsed])
    lead = as_lead(labels.pop("lead_hours"))
    coordinates: dict[str, Any] = {name: np.array(found) for name, found in labels.items()} | {
        "lead_time": ("lead_time", lead, {"standard_name": "forecast_period"}),
        "units": ("channel", units, {"long_name": "unit of the scores of a channel"}),
        "level": ("channel", levels, {"units": "hPa", "standard_name": "air_pressure"}),
    }
    return xr.Dataset(variables, coordinates)


def _write_netcdf(summary: dict[str, Any], made_from: dict[str, Any], path: Path) -> None:
    dataset = cube(summary["scores"])
    dataset.attrs = {
        "title": "scores of forecasts",
        "truth": summary["truth"],
        "files": json.dumps(summary["files"]),
        "published": json.dumps(summary.get("published", [])),
        "smoecast": __version__,
        CONFIG: compact(made_from["config"]),
        ARGUMENTS: compact(made_from["arguments"]),
        checksums.MARK: checksums.IN_FILE,
    }
    hours = {"units": "hours", "dtype": "int32"}
    dataset.to_netcdf(path, engine="netcdf4", encoding={"lead_time": hours})
    for part in PARTS:
        if summary[part]:
            table = _table(summary[part])
            table.to_netcdf(path, mode="a", group=part, engine="netcdf4")
    checksums.seal_file(path, header_digest.digest(path))


def _table(records: Sequence[Record]) -> xr.Dataset:
    """Lay records out along `row`, a variable a column; NaN or nothing where one has none."""
    columns = dict.fromkeys(key for record in records for key in record)
    found = {}
    for column in columns:
        values = [record.get(column) for record in records]
        text = any(isinstance(value, str) for value in values)
        kept = [str(v or "") if text else (np.nan if v is None else v) for v in values]
        found[column] = ("row", np.array(kept))
    return xr.Dataset(found)
