"""`smoecast.evaluate`: scores of forecasts and ensembles against a truth."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask
import xarray as xr

from smoecast import zoo
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.data.readings import of_analyses
from smoecast.data.time_selection import as_analyses
from smoecast.data.unchanged import hold_inputs
from smoecast.errors import InputError
from smoecast.fields.channels import channels_of, pack
from smoecast.fields.missing import name_files
from smoecast.fields.read.open import open_files
from smoecast.fields.read.results import take_result
from smoecast.fields.write.cf import channel_name
from smoecast.interface.given import Given, take, take_dataset, with_section
from smoecast.tasks.evaluate.evaluate import score_results
from smoecast.tasks.evaluate.result_files import (
    ResultFile,
    one_protocol,
    open_results,
    result_file,
)
from smoecast.tasks.evaluate.score_files import cube
from smoecast.tasks.evaluate.scoring import Order, Scoring
from smoecast.tasks.evaluate.tables import tables
from smoecast.tasks.evaluate.truth import label_of

NAME, TRUTH = "the forecast", "the truth"
"""What messages call datasets in memory."""
NO_RUN = "no run"
"""Folder in which a store is looked for, where there is no run."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores; `print` shows the tables that ``smoecast evaluate`` prints.

    Attributes
    ----------
    records : list of dict
        A record for each forecast, channel, lead time, region and season.
    events : list of dict
        Likewise of events: Brier score and its parts.
    curves : list of dict
        Rank and PIT histograms, and reliability.
    truth : str
        What they are taken against.
    protocol : str
        Under which an ensemble was calibrated.
    bootstrap : str
        How intervals are made.
    """

    records: list[dict[str, Any]]
    events: list[dict[str, Any]]
    curves: list[dict[str, Any]]
    truth: str
    protocol: str
    bootstrap: str

    @property
    def table(self) -> xr.Dataset:
        """The scores along ``(forecast, channel, lead_time, region, season)``, NaN where none."""
        return cube(self.records)

    def __str__(self) -> str:
        """Return tables for a person."""
        summary = {"scores": self.records, "events": self.events, "curves": self.curves}
        said = {"truth": self.truth, "protocol": self.protocol, "bootstrap": self.bootstrap}
        return tables({**summary, **said, "output": "in memory"})


def evaluate(
    forecast: Given,
    truth: Given | None = None,
    *,
    run: str | os.PathLike[str] | None = None,
    baselines: Sequence[str] | None = None,
    regions: Sequence[str] | None = None,
    boxes: Mapping[str, Sequence[float]] | None = None,
    seasons: bool | None = None,
    events: Sequence[str] | None = None,
    resamples: int | None = None,
) -> Scores:
    """Score a forecast, an ensemble or a calibrated one, as ``smoecast evaluate`` does.

    Parameters
    ----------
    forecast : xarray.Dataset, path, or sequence of paths
        What `ForecastModel.forecast`, `calibrate` or anybody else made.
    truth : xarray.Dataset, path, or sequence of paths, optional
        Analyses; none: the store of `run`.
    run : str or path, optional
        Config of a run, or a name of the zoo: its store is the truth, and baselines are fitted to
        its training times. Its section ``evaluate`` says what is not said here.
    baselines : sequence of str, optional
        Beside the forecast: ``persistence``, and with a run ``climatology``,
        ``weekly_climatology``, ``linear``. None given: those of the run, else persistence.
    regions : sequence of str, optional
        Such as ``global``, ``tropics``, ``europe``, or names in `boxes`.
    boxes : mapping, optional
        Regions of your own: name to ``(north, west, south, east)`` in degrees.
    seasons : bool, optional
        Whether seasons are scored for themselves, too.
    events : sequence of str, optional
        Of ensembles, such as ``t2m>273.15``.
    resamples : int, optional
        Of the bootstrap, 0 for none.

    Returns
    -------
    Scores

    Raises
    ------
    ConfigError
        An option is none, or there is no such run.
    InputError
        Forecast or truth is damaged, they have no channel, time or grid in common, or a baseline
        has no training times.

    Examples
    --------
    >>> import smoecast
    >>> scores = smoecast.evaluate("forecast.nc", "analyses.nc")  # doctest: +SKIP
    >>> scores.table["rmse"].sel(forecast="forecast", channel="t2m")  # doctest: +SKIP
    """
    paths, given = take(forecast, NAME, read=_take_result)
    truths, known = take(truth, TRUTH, any_grid=True) if truth is not None else ((), None)
    config = None if run is None else yaml_file.load(zoo.locate(os.fspath(run), zoo.CONFIG))
    stores = [] if config is None else [config.store, config.ensemble_store]
    # in this thread: netCDF-C is not asked from several
    with hold_inputs([*paths, *truths], stores) as held, dask.config.set(scheduler="synchronous"):
        if given and isinstance(forecast, xr.Dataset):
            scored = [result_file(given[1], forecast.attrs, Path(NAME))]
        else:
            scored = list(open_results(paths).values())
        if truths:
            reading = of_analyses((config or Config()).data)
            known = name_files(truths), open_files(truths, any_grid=True, reading=reading)
        if config is None:
            config = _make_config(scored, known)
        wanted = {
            "baselines": baselines, "regions": regions, "boxes": boxes, "seasons": seasons,
            "events": events, "resamples": resamples,
        }  # fmt: skip
        said = {key: _plain(value) for key, value in wanted.items() if value is not None}
        config = with_section(config, "evaluate", said)
        protocol = one_protocol(scored)
        order = Order(config, tuple(one.paths for one in scored), (), protocol)
        fields = None if known is None else _pack_truth(config, scored, *known, truths)
        found = score_results(Scoring(order, dict(enumerate(scored)), fields), scored)
        held.confirm()
    return Scores(
        found["scores"], found["events"], found["curves"], found["truth"], protocol,
        found["bootstrap"],
    )  # fmt: skip


def _take_result(dataset: xr.Dataset, name: str) -> xr.Dataset:
    return take_result(dataset, name, partial(take_dataset, name=name, any_grid=True))


def _plain(value: Any) -> Any:
    """Return a value of a config: lists in the place of other sequences."""
    if isinstance(value, Mapping):
        return {key: list(box) for key, box in value.items()}
    return value if isinstance(value, bool | int) else list(value)


def _make_config(scored: Sequence[ResultFile], known: tuple[str, xr.Dataset] | None) -> Config:
    """Return a config for results and a truth that belong to no run.

    Raises
    ------
    InputError
        There is no truth, or it has no channel of the results.
    """
    if known is None:
        raise InputError(
            f"{scored[0].source}: there is no truth to score it against: give analyses, or the run "
            "whose store has them"
        )
    there = {channel_name(str(n)) for one in scored for n in one.fields.data_vars}
    there |= {channel for one in scored for channel in channels_of(one.fields)}
    both = [channel for channel in channels_of(known[1]) if channel in there]
    if not both:
        raise InputError(
            f"{scored[0].source}: has no channel that {known[0]} has, but "
            f"{', '.join(sorted(there))}: give analyses of these"
        )
    data = {"source": "files", "files": [known[0]], "channels": both}
    ensembles = {"channels": both, "targets": both}
    asked = {"baselines": ["persistence"]}
    values = {"name": "none", "folder": NO_RUN, "data": data, "postprocess": ensembles}
    return yaml_file.validate({**values, "evaluate": asked}, "smoecast.evaluate")


def _pack_truth(
    config: Config,
    scored: Sequence[ResultFile],
    source: str,
    dataset: xr.Dataset,
    paths: Sequence[Path],
) -> tuple[xr.DataArray, str]:
    """Return the truth of all channels that are scored, and what it is."""
    names: list[str] = []
    for one in scored:
        names += config.postprocess.targets if one.beside_raw else config.targets
    label = label_of(config.data, [str(path) for path in paths]) if paths else source
    return pack(as_analyses(dataset, source), list(dict.fromkeys(names)), source), label
