"""`smoecast watch`: a warm process that forecasts and calibrates what appears in folders.

Results are the only state: what they were made from stands in them, so that the next watch goes on
where this one ended.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from smoecast import console, signals
from smoecast.config.run import Config
from smoecast.data.readings import of_analyses, of_ensembles
from smoecast.errors import ConfigError, Interrupted, OutputError
from smoecast.signals import SignalWatcher
from smoecast.tasks.formats import name_by_start
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.provenance import config_sha256
from smoecast.tasks.watch.arrivals import Arrivals, read_analyses, read_ensembles
from smoecast.tasks.watch.attempts import Attempt
from smoecast.tasks.watch.folder import Folder
from smoecast.tasks.watch.result_kinds import Calibrated, Forecasts, ResultKind
from smoecast.tasks.watch.schedule import Publish, Schedule

WORDS = {"forecast": "forecasts", "postprocess": "calibrations"}
"""What each verb makes."""


def watch(
    config: Config,
    *,
    analyses: str | None = None,
    ensembles: str | None = None,
    models: Sequence[Path] = (),
    calibration: Path | None = None,
    every: float = 10.0,
    keep: np.timedelta64 | None = None,
    once: bool = False,
    attempt: Attempt,
    publish: Publish = lambda record: None,
    pause: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Forecast and calibrate what appears in folders until a signal comes.

    Parameters
    ----------
    config : Config
    analyses, ensembles : str, optional
        Folders or globs of the files to forecast from, and to calibrate.
    models : sequence of Path
        Folders of models, each a member; none: `forecast.models`, or the run's own.
    calibration : Path, optional
        Folder of a fitted calibration; none: the run's own.
    every : float
        Seconds between two looks.
    keep : timedelta64, optional
        What is so much older than the newest is not made, and removed where it was.
    once : bool
        End when all that is there is made.
    attempt : Attempt
        Around every piece of work.
    publish : callable
        Told the record of every file made, and of every failure.
    pause : callable, optional
        In the place of sleeping between two looks; given the seconds.

    Returns
    -------
    dict
        ``forecast`` and ``postprocess``: results made.

    Raises
    ------
    Interrupted
        A signal came; what was in hand is made.
    ConfigError
        No folder is named, or the config names one file for all starts, or the same for both.
    ModelError
        A model, or the calibration, is missing or damaged before anything was made.
    InputError
        A folder is not there at the beginning.
    OutputError
        With `once`: some results could not be made.
    """
    schedules = _open(config, analyses, ensembles, models, calibration, keep, attempt, publish)
    with signals.watch() as noted:
        rest = pause or noted.sleep
        look = 0
        while not noted.signum:
            look += 1
            for schedule in schedules:
                schedule.look(look, impatient=once)
            is_done = _work(schedules, look, every, noted)
            if once and is_done and look > 1:
                break
            if is_done and not noted.signum:
                rest(every)
    made = {schedule.kind.verb: schedule.made for schedule in schedules}
    if noted.signum:
        words = ", ".join(f"{WORDS[verb]}: {count}" for verb, count in made.items())
        raise Interrupted(noted.signum, f"what was in hand is whole ({words})")
    for path in sorted(path for schedule in schedules for path in schedule.arrivals.folder.grow):
        console.say(f"{path}: is still being written, and left for the next time")
    _refuse_failures(schedules)
    return made


def _open(
    config: Config,
    analyses: str | None,
    ensembles: str | None,
    models: Sequence[Path],
    calibration: Path | None,
    keep: np.timedelta64 | None,
    attempt: Attempt,
    publish: Publish,
) -> list[Schedule]:
    """Return what is to be done, once its folders and models are there."""
    own = config.place.absolute()  # as the paths of files that are looked at
    names = [
        name_by_start(own, "forecast", config.forecast, "watch"),
        name_by_start(own, "calibrated", config.postprocess, "watch"),
    ]
    if names[0] == names[1]:
        raise ConfigError(
            f"{names[0].text}: forecast.output and postprocess.output are the same: change one"
        )
    forecasts = Forecasts(config, names[0], tuple(models))
    calibrated = Calibrated(config, names[1], calibration)
    wanted: list[tuple[str, ResultKind, Any]] = []
    if analyses:
        reading = of_analyses(config.data)
        read_one = partial(read_analyses, forecasts.opened_files, reading)
        wanted.append((analyses, forecasts, read_one))
    if ensembles:
        reading = of_ensembles(config.postprocess)
        wanted.append((ensembles, calibrated, partial(read_ensembles, reading)))
    if not wanted:
        raise ConfigError("no folder was named to watch: give the one of the analyses, --ensembles")
    schedules = []
    notes = {"run": config.name, "config_sha256": config_sha256(config), "seed": config.seed}
    for place, kind, read in wanted:
        # what is calibrated may well be a forecast of ours, but nothing is made of its own results
        ours = names if kind is forecasts else names[1:]
        folder = Folder(place, partial(_is_result, ours))
        folder.check()
        kind.list_jobs({}, keep)
        arrivals = Arrivals(folder, read, attempt)
        schedules.append(Schedule(kind, arrivals, keep, notes, attempt, publish))
    return schedules


def _is_result(names: Sequence[OutputName], path: Path) -> bool:
    return any(name.start_of(path) is not None for name in names)


def _work(schedules: Sequence[Schedule], look: int, every: float, noted: SignalWatcher) -> bool:
    """Make what is due, for so long as a pause is; whether nothing is left for this look."""
    end = time.monotonic() + every
    for schedule in schedules:
        for job in schedule.due(look):
            if noted.signum or time.monotonic() > end:
                return False
            schedule.make(job, look)
        schedule.remove_old()
    return True


def _refuse_failures(schedules: Sequence[Schedule]) -> None:
    failures = [failure for schedule in schedules for failure in schedule.failures.values()]
    if failures:
        more = f"; and {len(failures) - 1} more" if len(failures) > 1 else ""
        raise OutputError(
            f"some results were not made ({failures[0].sentence}{more}): run the same command "
            "again for these alone"
        )
