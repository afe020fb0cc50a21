"""`smoecast evaluate`: scores of forecasts and ensembles against truth and baselines."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast import run_record
from smoecast.config.run import Config
from smoecast.data.sources.files import expand
from smoecast.data.unchanged import Inputs, hold_inputs
from smoecast.disk.locks import lock
from smoecast.errors import InputError
from smoecast.fields.grid import grid_of
from smoecast.fields.left_out import gather, to_plain
from smoecast.fields.read.zarr.group_file import is_group_file
from smoecast.run_record import stage
from smoecast.tasks.evaluate import score_files
from smoecast.tasks.evaluate.published import WEATHERBENCH
from smoecast.tasks.evaluate.records import YEAR, curves_of, records_of
from smoecast.tasks.evaluate.result_files import (
    ResultFile,
    drop_duplicates,
    label_by_file,
    one_protocol,
    open_results,
)
from smoecast.tasks.evaluate.scoring import Order, Scoring
from smoecast.tasks.evaluate.truth import label_of

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
    truth: Sequence[str] = (),
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
    truth : sequence of str
        Files of analyses (paths, folders or globs) that are the truth in the place of the run's
        store; baselines are fitted to its training times still.

    Returns
    -------
    dict
        ``output``, ``truth``, ``protocol``, ``files``, ``bootstrap``; ``scores`` and ``events``,
        records as `records.records_of` has them; ``curves``, see `records.curves_of`; with
        ``weatherbench`` also ``published``, ``grid`` (of the run, in points) and ``comparable``,
        whether they may be compared;
        ``left_out``: what of the files of a truth and of ``--against`` is not read.

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
    run_record.set_folder(place.parent)
    score_files.check_output(place)
    given = list(inputs) or _own_results(config.place)
    arguments = {"inputs": list(inputs), "output": str(output or ""), "against": against}
    arguments |= {"truth": list(truth)} if truth else {}
    made_from = {"config": config.in_one_process().model_dump(mode="json"), "arguments": arguments}
    results = [path for pattern in given for path in expand([pattern], "--input")]
    others = [] if against is None or against in AGAINST else expand([against], "--against")
    wanted = config.postprocess
    if truth:
        wanted = wanted.model_copy(update={"truth": tuple(truth)})
    truth_files = expand(wanted.truth, "--truth" if truth else "postprocess.truth")
    stores = config.store, config.ensemble_store
    read = [*results, *others, *truth_files]
    with lock(place.parent), ExitStack() as opened:
        left_out = opened.enter_context(gather())
        with stage("inputs"):
            held = opened.enter_context(hold_inputs(read, stores))
            run_record.add_inputs(held.manifest, read)
            run_record.add_stores(stores)
            scored = list(open_results(results).values())
            protocol = one_protocol(scored)
            order = Order(
                config.model_copy(update={"postprocess": wanted}),
                tuple(one.paths for one in scored),
                tuple(others),
                protocol,
                tuple(truth_files) if truth else (),
            )
            scoring = Scoring(order, dict(enumerate(scored)))
            if others:
                scoring.reference  # noqa: B018  # what is wrong with it is said first
        with stage("score"):
            made = score_results(scoring, scored)
        summary: dict[str, Any] = {"output": str(place), "truth": made.pop("truth")}
        summary |= {"protocol": protocol, "files": _manifest(results, held), **made}
        if against in AGAINST:
            plain = [one.fields for one in scored if not one.ensemble]
            where = (config.data.source, label_of(config.data))
            summary["published"] = [entry.to_plain() for entry in WEATHERBENCH]
            summary["comparable"] = _compare_truths(plain[-1], *where) if plain else ""
            summary["grid"] = " x ".join(map(str, grid_of(plain[-1]).shape)) if plain else ""
        with stage("write"):
            held.confirm()
            written = score_files.write(summary, made_from, place)
        for path in written:
            run_record.add_output(path)
        run_record.note(scores=_main_scores(summary["scores"]))
    return {**summary, "left_out": to_plain(left_out)}


def score_results(scoring: Scoring, scored: Sequence[ResultFile]) -> dict[str, Any]:
    """Score opened results.

    Parameters
    ----------
    scoring : Scoring
    scored : sequence of ResultFile
        Those of `scoring`, in its order.

    Returns
    -------
    dict
        ``truth``, ``bootstrap``, ``scores``, ``events`` and ``curves`` of `evaluate`.

    Raises
    ------
    InputError
        There is no truth for one of them.
    """
    config = scoring.order.config
    how = (config.evaluate, config.seed)
    found = label_by_file(scoring.score(), [one.paths[0] for one in scored])
    labels = "; ".join(dict.fromkeys(one.truth for one in found))
    records = drop_duplicates([r for one in found for r in records_of(one, *how)])
    curves = [r for one in found for r in curves_of(one, config.evaluate)]
    return {
        "truth": f"{labels} ({config.store})" if config.store.exists() else labels,
        "bootstrap": f"{config.evaluate.resamples} resamples of blocks of "
        f"{config.evaluate.block_days} days, seed {config.seed}",
        "scores": [r for r in records if "event" not in r],
        "events": [r for r in records if "event" in r],
        "curves": drop_duplicates(curves),
    }


def _main_scores(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of the whole year and the first region: those that are watched."""
    first = records[0]["region"] if records else ""
    return [r for r in records if r["region"] == first and r["season"] == YEAR]


def _own_results(folder: Path) -> list[str]:
    there = [str(folder / name) for name in OWN if (folder / name).exists()]
    if not there:
        raise InputError(
            f"{folder}: there is no forecast.nc and no calibrated.nc to score; "
            "run `smoecast forecast` or `smoecast postprocess` first, or give --input"
        )
    return there


def _manifest(paths: Sequence[Path], held: Inputs) -> list[dict[str, Any]]:
    """Return the manifest of result files; a store goes by its own name and its metadata."""
    entries = held.manifest[: len(paths)]
    for path, entry in zip(paths, entries, strict=True):
        if is_group_file(path):
            entry["file"] = f"{path.parent.name}/{path.name}"
    return entries


def _compare_truths(result: xr.Dataset, source: str, truth: str) -> str:
    """Return whether a run's scores may stand beside those published at WeatherBench."""
    starts = result["init_time"].values
    years = np.unique(starts.astype("datetime64[Y]").astype(int) + 1970).tolist()
    height, width = grid_of(result).shape
    if source != "weatherbench" or (height, width) != (32, 64):
        return f"NOT COMPARABLE: this run has another truth ({truth}; {height} x {width} points)."
    span = f"{years[0]} to {years[-1]}" if len(years) > 1 else str(years[0])
    if years != [2017, 2018]:
        return f"NOT COMPARABLE: the same truth, but the starts of this run are in {span}."
    return (
        f"Comparable: the same truth and grid as the lines of {height} x {width} points; "
        f"{len(starts)} starts of this run in {span}."
    )
