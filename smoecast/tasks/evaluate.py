"""`smoecast evaluate`: scores of forecasts and ensembles against truth and baselines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast.config import Config
from smoecast.configfile import dump
from smoecast.data.files import expand, manifest
from smoecast.disk import write_atomic
from smoecast.errors import ConfigError, InputError
from smoecast.fields.grid import grid_of
from smoecast.fields.reader import open_file
from smoecast.fields.zarrarray import METADATA
from smoecast.scores import published
from smoecast.tasks import scorefiles, scoretables
from smoecast.tasks.records import Record, records_of
from smoecast.tasks.scoring import collect

tables = scoretables.tables

OWN = ("forecast.nc", "forecast.zarr", "calibrated.nc")
"""Results of a run that are scored where none is named."""

AGAINST = ("weatherbench",)


def evaluate(
    config: Config,
    *,
    inputs: Sequence[str] = (),
    output: Path | None = None,
    against: str | None = None,
) -> dict[str, Any]:
    """Score results against the run's truth, beside their baselines.

    Parameters
    ----------
    config : Config
        Names the store with the truth; its `evaluate` section the baselines, regions and seasons.
    inputs : sequence of str
        Result files (paths, folders or globs) or WeatherBench 2 stores; none: those of `OWN` that
        the run has.
    output : Path, optional
        Default: ``scores.json`` in the run's folder, and a ``.csv`` beside it; a name that ends in
        ``.csv`` or ``.nc`` is written in that format.
    against : str, optional
        ``weatherbench``: show the published scores beside ours.

    Returns
    -------
    dict
        ``output``, ``truth``, ``files``, and ``scores``: records as `records.records_of` has them;
        with `against` also ``published`` and ``comparable``, whether they may be compared.

    Raises
    ------
    ConfigError
        The name of `output` or `against` is not known.
    InputError
        There is nothing to score, or no truth for it.
    OutputError
        The scores cannot be written.
    """
    scorefiles.check_name(output)
    if against is not None and against not in AGAINST:
        raise ConfigError(f"--against {against}: only {', '.join(AGAINST)} is known")
    given = inputs or [str(path) for path in _own(config)]
    results = [path for pattern in given for path in _files(pattern)]
    records: list[Record] = []
    truths: list[str] = []
    comparable = ""
    for path in results:
        result = open_file(path)
        collected = collect(config, result, str(path))
        records += records_of(config, collected)
        truths.append(collected.truth)
        if "number" not in result.dims:
            comparable = _comparable(config, result, collected.truth)
    place = output or config.place / "scores.json"
    named = "; ".join(dict.fromkeys(truths))
    summary: dict[str, Any] = {
        "output": str(place),
        "truth": f"{named} ({config.store})" if config.store.exists() else named,
        "files": _manifest(results),
        "bootstrap": f"{config.evaluate.resamples} resamples of blocks of "
        f"{config.evaluate.block_days} days, seed {config.seed}",
        "scores": records,
    }
    if against:
        summary |= {"published": _published(), "comparable": comparable}
    scorefiles.write(summary, place)
    write_atomic(place.with_suffix(".config.yaml"), dump(config).encode())
    return summary


def _own(config: Config) -> list[Path]:
    there = [config.place / name for name in OWN if (config.place / name).exists()]
    if not there:
        raise InputError(
            f"{config.place}: there is no forecast.nc and no calibrated.nc to score; "
            "run `smoecast forecast` or `smoecast postprocess` first, or give --input"
        )
    return there


def _manifest(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the manifest of result files; a store goes by its own name and its metadata."""
    entries = manifest(paths)
    for path, entry in zip(paths, entries, strict=True):
        if path.name == METADATA:
            entry["file"] = f"{path.parent.name}/{METADATA}"
    return entries


def _files(pattern: str) -> list[Path]:
    """Return the files to open: of a Zarr store, its metadata."""
    metadata = Path(pattern).expanduser() / METADATA
    return [metadata] if metadata.is_file() else expand([pattern], "--input")


def _published() -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "rmse": entry.rmse,
            "mark": entry.mark,
            "source": entry.source,
            "truth": published.TRUTH,
        }
        for entry in published.WEATHERBENCH
    ]


def _comparable(config: Config, result: xr.Dataset, truth: str) -> str:
    """Return whether a run's scores may stand beside those published at WeatherBench."""
    starts = result["init_time"].values
    years = np.unique(starts.astype("datetime64[Y]").astype(int) + 1970).tolist()
    same = config.data.source == "weatherbench" and grid_of(result).shape == (32, 64)
    if not same:
        height, width = grid_of(result).shape
        return f"NOT COMPARABLE: this run has another truth ({truth}; {height} x {width} points)."
    span = f"{years[0]} to {years[-1]}" if len(years) > 1 else str(years[0])
    if years != [2017, 2018]:
        return f"NOT COMPARABLE: the same truth, but the starts of this run are in {span}."
    return f"Comparable: the same truth and grid; {len(starts)} starts of this run in {span}."
