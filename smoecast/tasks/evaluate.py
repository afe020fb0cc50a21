"""`smoecast evaluate`: scores of forecasts and ensembles against truth and baselines."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoecast import console, names
from smoecast.config import Config
from smoecast.configfile import dump
from smoecast.data.files import manifest
from smoecast.disk import write_atomic
from smoecast.errors import InputError
from smoecast.fields.reader import open_file
from smoecast.tasks.scoring import score_ensemble, score_forecast

Record = dict[str, Any]

FORECAST_COLUMNS = ("rmse", "mae", "bias", "acc")
PURE_NUMBERS = ("acc", "crpss", "spread_skill_ratio")
ENSEMBLE_COLUMNS = ("crps", "rmse", "bias", "spread", "spread_skill_ratio", "crpss")


def evaluate(
    config: Config, *, inputs: Sequence[str] = (), output: Path | None = None
) -> dict[str, Any]:
    """Score result files against the run's truth, beside their baselines.

    Parameters
    ----------
    config : Config
        Names the store with the truth and the baselines.
    inputs : sequence of str
        Result files; none: ``forecast.nc`` and ``calibrated.nc`` of the run, those that exist.
    output : Path, optional
        Default: ``scores.json`` in the run's folder; a ``.csv`` goes beside it.

    Returns
    -------
    dict
        ``output``, ``truth``, and ``scores``: one record per forecast, channel and lead time.

    Raises
    ------
    InputError
        There is nothing to score, or no truth for it.
    """
    own = [config.place / "forecast.nc", config.place / "calibrated.nc"]
    paths = [Path(p) for p in inputs] or [p for p in own if p.exists()]
    if not paths:
        raise InputError(
            f"{config.place}: there is no forecast.nc and no calibrated.nc to score; "
            "run `smoecast forecast` or `smoecast postprocess` first, or give --input"
        )
    records: list[Record] = []
    for path in paths:
        result = open_file(path)
        score = score_ensemble if "number" in result.dims else score_forecast
        records += score(config, result, str(path))
    place = output or config.place / "scores.json"
    summary = {
        "output": str(place),
        "truth": f"{config.data.source}: {config.store}",
        "files": manifest(paths),
        "scores": records,
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(place, (json.dumps(summary, indent=1) + "\n").encode())
    write_atomic(place.with_suffix(".csv"), _csv(records).encode())
    write_atomic(place.with_suffix(".config.yaml"), dump(config).encode())
    return summary


def _csv(records: list[Record]) -> str:
    columns = list(dict.fromkeys(key for record in records for key in record))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()


def tables(summary: dict[str, Any]) -> str:
    """Return the scores as tables for a person, and where they are."""
    parts = []
    for columns in (FORECAST_COLUMNS, ENSEMBLE_COLUMNS):
        chosen = [r for r in summary["scores"] if ("crps" in r) == ("crps" in columns)]
        if chosen:
            header = ["channel", "lead", "forecast", *columns, "starts"]
            parts.append(console.table(header, [_row(r, columns) for r in chosen]))
    return "\n\n".join([*parts, f"scores: {summary['output']} (truth: {summary['truth']})"])


def _row(record: Record, columns: Sequence[str]) -> list[str]:
    channel = names.parse_channel(record["channel"])
    unit = f" [{channel.variable.units}]" if channel else ""
    digits = max(0, 3 - math.floor(math.log10(record["rmse"] or 1.0)))
    values = [_number(record.get(column), column, digits) for column in columns]
    lead = f"{record['lead_hours']} h"
    return [record["channel"] + unit, lead, record["forecast"], *values, str(record["starts"])]


def _number(value: float | None, column: str, digits: int) -> str:
    """Write a score to as many decimals as four digits of the RMSE beside it."""
    if value is None:
        return "-"
    decimals = 3 if column in PURE_NUMBERS else digits
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0 turns -0 into 0
