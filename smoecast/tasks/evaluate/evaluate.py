"""`smoecast evaluate`: scores of forecasts and ensembles against truth and baselines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast.config.run import Config
from smoecast.data.sources.files import expand
from smoecast.data.unchanged import Inputs, hold_inputs
from smoecast.disk.atomic import resolve
from smoecast.disk.locks import lock
from smoecast.errors import InputError
from smoecast.fields.grid import grid_of
from smoecast.fields.read.results import read_attributes
from smoecast.fields.read.zarr.array import METADATA
from smoecast.tasks.evaluate import score_files
from smoecast.tasks.evaluate import tables as evaluate_tables
from smoecast.tasks.evaluate import truth as evaluate_truth
from smoecast.tasks.evaluate.records import curves_of, events_of, records_of
from smoecast.tasks.evaluate.reference import Reference, open_reference
from smoecast.tasks.evaluate.result_files import (
    drop_duplicates,
    label_by_file,
    one_protocol,
    open_scored,
)
from smoecast.tasks.evaluate.score_forecast import collect

tables = evaluate_tables.tables

OWN = ("forecast.nc", "forecast.zarr", "forecast.grib", "calibrated.nc", "calibrated.grib")
"""Results of a run that are scored where none is named."""

AGAINST = ("weatherbench",)
"""Words that `against` may be in the place of files."""


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
        ``weatherbench``: show the published scores beside ours. Or an ensemble (path, folder or
        glob) that calibrated ones are compared with, in the place of the run's raw one.

    Returns
    -------
    dict
        ``output``, ``truth``, ``protocol``, ``files``, and ``scores``: records as
        `records.records_of` has them; ``events`` and ``curves`` as `curves` has them; with
        ``weatherbench`` also ``published`` and ``comparable``, whether they may be compared.

    Raises
    ------
    ConfigError
        Scores cannot be written under the name of `output`.
    InputError
        There is nothing to score, or no truth for it; or results were calibrated under different
        protocols.
    OutputError
        The scores cannot be written, or what is scored changed meanwhile.
    """
    place = output or config.place / "scores.json"
    score_files.check_output(place)
    given = list(inputs) or [str(path) for path in _own(config)]
    arguments = {"inputs": list(inputs), "output": str(output or ""), "against": against}
    made_from = {"config": config.model_dump(mode="json"), "arguments": arguments}
    results = [path for pattern in given for path in _files(pattern)]
    others = [] if against is None or against in AGAINST else expand([against], "--against")
    truth_files = expand(config.postprocess.truth, "postprocess.truth")
    stores = config.store, config.ensemble_store
    with lock(place.parent), hold_inputs([*results, *others, *truth_files], stores) as held:
        summary = _summary(config, results, others, against)
        summary |= {"output": str(place), "files": _manifest(results, held)}
        held.confirm()
        score_files.write(summary, made_from, place)
    return summary


def _summary(
    config: Config, results: list[Path], others: list[Path], against: str | None
) -> dict[str, Any]:
    """Score results, and say beside what."""
    scored = [open_scored(path) for path in results]
    protocol = one_protocol(scored)
    reference = _reference(config, others, protocol)
    found = [collect(config, one, reference) for one in scored]
    label_by_file(found, results)
    truth = "; ".join(dict.fromkeys(one.truth for one in found))
    summary: dict[str, Any] = {
        "output": "",
        "truth": f"{truth} ({config.store})" if config.store.exists() else truth,
        "protocol": protocol,
        "files": [],
        "bootstrap": f"{config.evaluate.resamples} resamples of blocks of "
        f"{config.evaluate.block_days} days, seed {config.seed}",
        "scores": drop_duplicates([r for one in found for r in records_of(config, one)]),
        "events": drop_duplicates([r for one in found for r in events_of(config, one)]),
        "curves": drop_duplicates([r for one in found for r in curves_of(config, one)]),
    }
    if against in AGAINST:
        plain = [s.fields for s in scored if not s.ensemble]
        comparable = (
            _comparable(config, plain[-1], evaluate_truth.label_of(config)) if plain else ""
        )
        summary |= {"published": _published_records(), "comparable": comparable}
    return summary


def _reference(config: Config, paths: list[Path], protocol: str) -> Reference | None:
    """Open the ensemble that ``--against`` names, if it names files."""
    if not paths:
        return None
    for path in paths:
        theirs = read_attributes(path).get("protocol", protocol)
        if theirs != protocol:
            raise InputError(
                f"{path}: was calibrated under the protocol {theirs}, the results under "
                f"{protocol}: their scores do not compare; give --against one of the same"
            )
    return open_reference(config, paths, config.postprocess.targets, protocol)


def _own(config: Config) -> list[Path]:
    there = [config.place / name for name in OWN if (config.place / name).exists()]
    if not there:
        raise InputError(
            f"{config.place}: there is no forecast.nc and no calibrated.nc to score; "
            "run `smoecast forecast` or `smoecast postprocess` first, or give --input"
        )
    return there


def _manifest(paths: Sequence[Path], held: Inputs) -> list[dict[str, Any]]:
    """Return the manifest of result files; a store goes by its own name and its metadata."""
    entries = held.manifest[: len(paths)]
    for path, entry in zip(paths, entries, strict=True):
        if path.name == METADATA:
            entry["file"] = f"{path.parent.name}/{METADATA}"
    return entries


def _files(pattern: str) -> list[Path]:
    """Return the files to open: of a Zarr store, its metadata."""
    metadata = resolve(pattern) / METADATA
    return [metadata] if metadata.is_file() else expand([pattern], "--input")


def _published_records() -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "rmse": entry.rmse,
            "mark": entry.mark,
            "source": entry.source,
            "truth": evaluate_tables.TRUTH,
        }
        for entry in evaluate_tables.WEATHERBENCH
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
