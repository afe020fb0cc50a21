"""Scores as files: JSON, CSV and NetCDF."""

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast import names
from smoecast.disk import sync, write_atomic
from smoecast.errors import ConfigError
from smoecast.fields.times import as_lead
from smoecast.fields.writing import storing

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


def check_name(output: Path | None) -> None:
    """Refuse the name of a file that scores cannot be written to.

    Raises
    ------
    ConfigError
        It ends in none of `SUFFIXES`.
    """
    if output is not None and output.suffix not in SUFFIXES:
        raise ConfigError(f"{output}: scores are written to names that end in .json, .csv or .nc")


def write(summary: dict[str, Any], output: Path) -> None:
    """Write a summary of scores in the format that the name of the file asks for.

    Parameters
    ----------
    summary : dict
        Of `tasks.evaluate.evaluate`.
    output : Path
        ``.json`` (all of the summary, the files of ``.csv`` beside it), ``.csv`` (the records; of
        events in ``.events.csv``, of histograms and reliability tables in ``.curves.csv``) or
        ``.nc`` (these in groups of the same names).

    Raises
    ------
    OutputError
        The disk does not take it.
    """
    with storing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.suffix == ".nc":
            _write_netcdf(summary, output)
            return
        if output.suffix == ".json":
            write_atomic(output, (json.dumps(summary, indent=1) + "\n").encode())
        write_atomic(output.with_suffix(".csv"), _csv(summary["scores"]).encode())
        for part in PARTS:
            beside = output.with_suffix(f".{part}.csv")
            if summary[part]:
                write_atomic(beside, _csv(summary[part]).encode())
            else:
                beside.unlink(missing_ok=True)  # of an earlier run that had some


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
    dims = ("forecast", "channel", "lead_time", "region", "season")
    variables: dict[str, Any] = {
        name: (dims, array, {"long_name": LONG_NAMES.get(name, name.replace("_", " "))})
        for name, array in values.items()
    }
    variables["starts"] = (dims, starts, {"long_name": "starts that were scored"})
    return xr.Dataset(variables, _labels(labels))


def _labels(labels: dict[str, list[Any]]) -> dict[str, Any]:
    parsed = [names.parse_channel(channel) for channel in labels["channel"]]
    units = [p.variable.units if p else "" for p in parsed]
    levels = [float(p.level) if p and p.level else np.nan for p in parsed]
    lead = ("lead_time", as_lead(labels["lead_hours"]), {"standard_name": "forecast_period"})
    plain: dict[str, Any] = {n: np.array(labels[n]) for n in AXES if n != "lead_hours"}
    return plain | {
        "lead_time": lead,
        "units": ("channel", np.array(units), {"long_name": "unit of the scores of a channel"}),
        "level": ("channel", np.array(levels), {"units": "hPa", "standard_name": "air_pressure"}),
    }


def _write_netcdf(summary: dict[str, Any], output: Path) -> None:
    dataset = cube(summary["scores"])
    dataset.attrs = {
        "title": "scores of forecasts",
        "truth": summary["truth"],
        "files": json.dumps(summary["files"]),
        "published": json.dumps(summary.get("published", [])),
    }
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    hours = {"units": "hours", "dtype": "int32"}
    try:
        dataset.to_netcdf(temporary, engine="netcdf4", encoding={"lead_time": hours})
        for part in PARTS:
            if summary[part]:
                table = _table(summary[part])
                table.to_netcdf(temporary, mode="a", group=part, engine="netcdf4")
        sync(temporary)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    sync(output.parent)


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
