"""`smoecast cycle`: the operational chain of a run, once: every stage does what is missing."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np

from smoecast import console, run_record, zoo
from smoecast.config.forecast import Forecast
from smoecast.config.postprocess import Postprocess
from smoecast.config.run import Config
from smoecast.data.sources.files import manifest
from smoecast.data.sources.registry import requests_of, source_of
from smoecast.data.sources.source import Kind
from smoecast.data.time_selection import HOUR
from smoecast.disk.locks import lock_output
from smoecast.disk.small_files import read_small
from smoecast.errors import (
    ConfigError,
    InputError,
    Interrupted,
    LockedError,
    ModelError,
    NotPublishedError,
    OutputError,
    SmoecastError,
)
from smoecast.tasks import formats, retention
from smoecast.tasks.download import download
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.training.model_files import STATE

FORECASTS = "forecast_{init_time:%Y%m%d%H}"
CALIBRATED = "calibrated_{init_time:%Y%m%d%H}"
SCORES = "scores.json"
DUE = 24 * HOUR
"""Forecasts are scored whose last lead time holds in so many hours before the newest analysis."""

WORST: tuple[type[SmoecastError], ...] = (
    *(NotPublishedError, LockedError, InputError, OutputError, ModelError, ConfigError),
)
"""What a stage may end with, the least bad first; whatever else is worse."""

_MOST_BYTES = 2**28


def cycle(
    config: Config,
    *,
    oldest: np.datetime64 | None = None,
    keep: np.timedelta64 | None = None,
) -> dict[str, Any]:
    """Download, forecast, postprocess and evaluate what has come since the last time.

    Parameters
    ----------
    config : Config
        Its `cycle` section says in which files analyses and ensembles arrive.
    oldest : datetime64, optional
        That the latest analysis, and the latest ensemble, may be.
    keep : timedelta64, optional
        What is so much older than the newest is removed: results, records, runs of open data.

    Returns
    -------
    dict
        ``stages``: by name what each verb returns, or None where there was nothing for it.

    Raises
    ------
    SmoecastError
        A stage failed: the error of the worst, which names all that failed; the others were done.
    LockedError
        Another cycle of the run is under way.
    """
    run_record.set_folder(config.place)
    stages: dict[str, Any] = {}
    failures: dict[str, SmoecastError | OSError] = {}

    def do(name: str, work: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
        """Do a stage; what fails of it does not keep the next from what it can do."""
        stages[name] = None
        try:
            with run_record.stage(name):
                stages[name] = work()
        except Interrupted:
            raise
        except (SmoecastError, OSError) as problem:
            console.say(f"{name}: failed ({problem})")
            failures[name] = problem
        return cast("dict[str, Any] | None", stages[name])

    with lock_output(config.place / "cycle"):
        do("download", lambda: _download(config))
        made = do("forecast", lambda: _forecast(config, oldest, keep))
        calibrated = do("postprocess", lambda: _postprocess(config, oldest, keep))
        do("evaluate", lambda: _evaluate(config, made, calibrated))
        if keep is not None and not failures:
            _remove_old(config, keep)
    _refuse(failures, len(stages))
    return {"stages": stages}


def _download(config: Config) -> dict[str, Any] | None:
    fetched = [asked for asked in requests_of(config) if source_of(asked).remote]
    return download(config) if fetched else None


def _find_arrivals(config: Config, kind: Kind) -> list[str]:
    """Return where analyses or ensembles arrive; nothing: in the run's store, or nowhere."""
    named = config.cycle.analyses if kind == "analyses" else config.cycle.ensembles
    if named:
        return list(named)
    for asked in requests_of(config):
        if asked.kind == kind and source_of(asked).remote:
            return [str(path) for path in source_of(asked).find(asked)]
    return list(config.data.files) if kind == "analyses" else []


def _forecast(
    config: Config, oldest: np.datetime64 | None, keep: np.timedelta64 | None
) -> dict[str, Any]:
    return forecast(
        config,
        inputs=_find_arrivals(config, "analyses"),
        init_times=["latest"],
        output=_plain(config, FORECASTS, config.forecast),
        oldest=oldest,
        keep=keep,
        catch_up=config.cycle.catch_up_hours * HOUR,
    )


def _postprocess(
    config: Config, oldest: np.datetime64 | None, keep: np.timedelta64 | None
) -> dict[str, Any] | None:
    """Calibrate every ensemble that is there, if any arrive."""
    arrived = _find_arrivals(config, "ensembles")
    if not arrived:
        return None
    own = config.calibration if (config.calibration / STATE).exists() else None
    named = config.cycle.calibration
    return postprocess(
        config,
        model=zoo.locate(named) if named else own,
        inputs=arrived,
        output=None
        if config.postprocess.output
        else _plain(config, CALIBRATED, config.postprocess),
        oldest=oldest,
        keep=keep,
    )


def _plain(config: Config, name: str, settings: Forecast | Postprocess) -> Path | None:
    """Return the name of results where the config gives none."""
    if settings.output:
        return None
    return config.place / f"{name}{formats.SUFFIXES[settings.format]}"


def _evaluate(
    config: Config, made: dict[str, Any] | None, calibrated: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Score what has come due since yesterday, unless just this was scored before."""
    if made is None:
        return None
    newest = np.datetime64(made["last"], "ns")
    due = [
        str(path)
        for summary in (made, calibrated)
        if summary is not None
        for path in _due(summary, newest)
    ]
    if not due or _was_scored(config.place / SCORES, due):
        return None
    asked = config.evaluate
    if not config.store.exists():  # to whose training times other baselines are fitted
        known = tuple(name for name in asked.baselines if name == "persistence")
        asked = asked.model_copy(update={"baselines": known})
    return evaluate(
        config.model_copy(update={"evaluate": asked}),
        inputs=due,
        output=config.place / SCORES,
        truth=_find_arrivals(config, "analyses"),
    )


def _due(summary: dict[str, Any], newest: np.datetime64) -> list[Path]:
    name = OutputName(summary["output"])
    longest = max(summary["lead_hours"]) * HOUR
    return [path for path, start in name.find() if newest - DUE < start + longest <= newest]


def _was_scored(place: Path, results: Sequence[str]) -> bool:
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads(read_small(place, _MOST_BYTES))["files"]
        return bool(said == manifest([Path(path) for path in results]))
    return False


def _remove_old(config: Config, keep: np.timedelta64) -> None:
    gone = retention.remove_records(config.place, keep)
    for asked in requests_of(config):
        if source_of(asked).remote:
            gone += retention.remove_open_data(asked.folder, keep, source_of(asked).find(asked))
    retention.tell(gone, keep)


def _refuse(failures: dict[str, SmoecastError | OSError], count: int) -> None:
    """Raise the error of the worst stage, with a word on each that failed."""
    if not failures:
        return
    kinds = [type(e) if isinstance(e, SmoecastError) else OutputError for e in failures.values()]
    worst = max(kinds, key=lambda kind: WORST.index(kind) if kind in WORST else len(WORST))
    told = "; ".join(f"{name} ({problem})" for name, problem in failures.items())
    raise worst(f"{len(failures)} of {count} stages failed, the others are done: {told}")
