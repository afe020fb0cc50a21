"""`smoecast cycle`: the operational chain of a run, once: every stage does what is missing."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from smoecast import console, run_record, zoo
from smoecast.config.run import Config
from smoecast.data.sources.files import manifest
from smoecast.data.sources.registry import requests_of, source_of
from smoecast.data.sources.source import Kind
from smoecast.data.time_selection import HOUR
from smoecast.disk.locks import lock_output
from smoecast.disk.small_files import read_small
from smoecast.errors import (
    AbsentError,
    ConfigError,
    InputError,
    Interrupted,
    LockedError,
    ModelError,
    NotPublishedError,
    OutputError,
    SmoecastError,
)
from smoecast.fields.channels import channels_of
from smoecast.fields.read.results import open_result
from smoecast.fields.read.zarr.group_file import group_file
from smoecast.tasks import retention
from smoecast.tasks.download import download
from smoecast.tasks.evaluate import score_files
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.formats import name_by_start
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.training.model_files import STATE

SCORES = "scores.json"
DUE = 24 * HOUR
"""Forecasts are scored whose last lead time holds in so many hours before the newest analysis."""

WORST: tuple[type[SmoecastError], ...] = (
    *(NotPublishedError, LockedError, AbsentError, InputError, OutputError, ModelError),
    ConfigError,
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
    ConfigError
        The config names one file for the results of all starts.
    SmoecastError
        A stage failed: the error of the worst, which names all that failed; the others were done.
    LockedError
        Another cycle of the run is under way.
    """
    forecasts = name_by_start(config.place, "forecast", config.forecast, "cycle")
    calibrated = name_by_start(config.place, "calibrated", config.postprocess, "cycle")
    recent = _reach_back(config.cycle.catch_up_hours, keep)
    run_record.set_folder(config.place)
    stages: dict[str, Any] = {}
    failures: dict[str, SmoecastError | OSError] = {}

    def do(name: str, work: Callable[[], dict[str, Any] | None]) -> None:
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

    with lock_output(config.place / "cycle"):
        do("download", lambda: _download(config))
        do("forecast", lambda: _forecast(config, forecasts, oldest, keep, recent))
        do("postprocess", lambda: _postprocess(config, calibrated, oldest, keep, recent))
        do("evaluate", lambda: _evaluate(config, forecasts, calibrated))
        if keep is not None and not failures:
            _remove_old(config, keep)
    _refuse(failures, len(stages))
    return {"stages": stages}


def _reach_back(hours: int, keep: np.timedelta64 | None) -> np.timedelta64:
    """Return how old starts may be: what is older would be made and removed again each time."""
    wanted = np.timedelta64(hours, "h")
    return keep if keep is not None and keep < wanted else wanted


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
            source = source_of(asked)
            return [str(path) for path in source.find_all(asked, source.find(asked))]
    return list(config.data.files) if kind == "analyses" else []


def _forecast(
    config: Config,
    name: OutputName,
    oldest: np.datetime64 | None,
    keep: np.timedelta64 | None,
    recent: np.timedelta64,
) -> dict[str, Any] | None:
    """Forecast from every recent analysis that has none yet, if any arrive or are stored."""
    arrived = _find_arrivals(config, "analyses")
    if not arrived and config.data.source == "none":
        return None
    return forecast(
        config,
        inputs=arrived,
        init_times=["latest"],
        output=Path(name.text),
        oldest=oldest,
        keep=keep,
        catch_up=recent,
    )


def _postprocess(
    config: Config,
    name: OutputName,
    oldest: np.datetime64 | None,
    keep: np.timedelta64 | None,
    recent: np.timedelta64,
) -> dict[str, Any] | None:
    """Calibrate every recent ensemble that is there, if any arrive."""
    arrived = _find_arrivals(config, "ensembles")
    if not arrived:
        return None
    own = config.calibration if (config.calibration / STATE).exists() else None
    named = config.cycle.calibration
    return postprocess(
        config,
        model=zoo.locate(named) if named else own,
        inputs=arrived,
        output=Path(name.text),
        oldest=oldest,
        keep=keep,
        catch_up=recent,
    )


def _evaluate(
    config: Config, forecasts: OutputName, calibrated: OutputName
) -> dict[str, Any] | None:
    """Score what has come due since yesterday, unless just this was scored before."""
    starts = [start for _, start in forecasts.find()]
    if not starts:
        return None
    newest = max(starts)  # whose analysis is there, and so the truth of what ends by then
    due = [str(path) for name in (forecasts, calibrated) for path in _due(name, newest)]
    config = _with_channels(config, forecasts)
    asked = config.evaluate
    if not config.store.exists():  # to whose training times other baselines are fitted
        known = tuple(name for name in asked.baselines if name == "persistence")
        asked = asked.model_copy(update={"baselines": known})
    config = config.model_copy(update={"evaluate": asked})
    if not due or _was_scored(config, due):
        return None
    truth = _find_arrivals(config, "analyses")
    return evaluate(config, inputs=due, output=config.place / SCORES, truth=truth)


def _with_channels(config: Config, forecasts: OutputName) -> Config:
    """Return a config whose channels the forecasts have: a model of the zoo may have its own."""
    first, _ = next(iter(forecasts.find()))
    there = channels_of(open_result(_file(first)))
    if set(config.targets) & set(there):
        return config
    data = config.data.model_copy(update={"channels": tuple(there)})
    sample = config.sample.model_copy(update={"targets": ()})
    return config.model_copy(update={"data": data, "sample": sample})


def _due(name: OutputName, newest: np.datetime64) -> list[Path]:
    """Return the results whose last lead time holds in the day before the newest analysis."""
    found = [(path, start) for path, start in name.find() if start <= newest]
    if not found:
        return []
    longest = open_result(_file(found[-1][0]))["lead_time"].values.max()
    return [path for path, start in found if newest - DUE < start + longest <= newest]


def _file(path: Path) -> Path:
    """Return the file to open of a result: of a Zarr store, its metadata."""
    return group_file(path) or path


def _was_scored(config: Config, results: Sequence[str]) -> bool:
    """Whether the scores that are there are whole, of these results and of this config."""
    place = config.place / SCORES
    with suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads(read_small(place, _MOST_BYTES))
        return bool(
            [entry["sha256"] for entry in said["files"]]
            == [entry["sha256"] for entry in manifest([_file(Path(path)) for path in results])]
            and said["config"] == config.in_one_process().model_dump(mode="json")
            and all(path.exists() for path in score_files.name_files(said, place))
        )
    return False


def _remove_old(config: Config, keep: np.timedelta64) -> None:
    gone = retention.remove_records(config.place, keep)
    for asked in requests_of(config):
        source = source_of(asked)
        if source.remote:
            gone += source.remove_old(asked, source.find(asked), keep)
    retention.tell(gone, keep)


def _refuse(failures: dict[str, SmoecastError | OSError], count: int) -> None:
    """Raise the error of the worst stage, with a word on each that failed."""
    if not failures:
        return
    kinds = [_kind(problem) for problem in failures.values()]
    if isinstance(failures.get("download"), NotPublishedError):
        # what was to come with it is not there either, and will come with it
        kinds = [NotPublishedError if kind is AbsentError else kind for kind in kinds]
    worst = max(kinds, key=lambda kind: WORST.index(kind) if kind in WORST else len(WORST))
    told = "; ".join(f"{name} ({problem})" for name, problem in failures.items())
    raise worst(f"{len(failures)} of {count} stages failed, the others are done: {told}")


def _kind(problem: SmoecastError | OSError) -> type[SmoecastError]:
    if isinstance(problem, OSError):
        return OutputError
    return next((kind for kind in WORST if isinstance(problem, kind)), SmoecastError)
