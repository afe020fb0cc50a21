"""What can be made of the files that are there, as far as their headers tell."""

from pathlib import Path

import numpy as np

from smoecast.tasks.watch.arrivals import Contents
from smoecast.tasks.watch.folder import Mark
from smoecast.tasks.watch.jobs import Job, calibration_jobs, forecast_jobs

BOTH = frozenset({"z500", "t2m"})


def time(hours: int) -> np.datetime64:
    return np.datetime64("2001-01-01", "ns") + np.timedelta64(hours, "h")


def holds(
    *hours: int, channels: frozenset[str] = BOTH, age: int = 0, leads: tuple = ()
) -> Contents:
    mark = Mark(1, age, 1)
    return Contents(mark, frozenset(map(time, hours)), channels, frozenset(leads))


def jobs(files: dict[str, Contents], **wanted: object) -> list[Job]:
    asked = {"channels": ["z500", "t2m"], "history": [0, 6], "step_hours": 6} | wanted
    return list(forecast_jobs({Path(name): c for name, c in files.items()}, **asked))


def names(job: Job) -> list[str]:
    return [str(path) for path in job.paths]


def test_a_model_of_noon_starts_at_noon() -> None:
    files = {"a": holds(0), "b": holds(12), "c": holds(24), "d": holds(36)}
    noon = {"history": [0, 24], "step_hours": 24, "offset": np.timedelta64(12, "h")}
    assert [job.starts for job in jobs(files, **noon)] == [(time(36),)]


def test_a_start_needs_its_history_and_stands_on_the_step() -> None:
    files = {"a": holds(0), "b": holds(6), "c": holds(7), "d": holds(12), "e": holds(24)}
    assert [job.starts for job in jobs(files)] == [(time(12),), (time(6),)]
    assert [names(job) for job in jobs(files)] == [["b", "d"], ["a", "b"]]
    assert [job.starts for job in jobs(files, history=[0])] == [(time(h),) for h in (24, 12, 6, 0)]


def test_another_mark_is_another_job() -> None:
    old, new = ({"a": holds(0, 6, age=age)} for age in (1, 2))
    assert jobs(old) != jobs(new)
    assert jobs(old) == jobs(old)


def test_of_files_that_hold_the_same_the_newest_is_taken_alone() -> None:
    files = {"a": holds(0, 6, age=1), "b": holds(6, 12, age=2), "c": holds(6, 12, age=3)}
    assert [names(job) for job in jobs(files)] == [["c"], ["a"]]


def test_channels_in_files_of_their_own_are_complete_together() -> None:
    upper = {f"z{h}": holds(h, channels=frozenset({"z500"})) for h in (0, 6)}
    near = {f"t{h}": holds(h, channels=frozenset({"t2m"})) for h in (0, 6)}
    assert [job.is_complete for job in jobs(upper)] == [False]
    assert [job.is_complete for job in jobs(upper | {"t6": near["t6"]})] == [False]
    assert [job.is_complete for job in jobs(upper | near)] == [True]


def test_sums_of_six_hours_need_every_hour() -> None:
    rain = frozenset({"tp"})
    hourly = {f"{h:02}": holds(h, channels=rain) for h in range(13)}
    wanted = {"channels": ["tp6h", "tisr"], "history": [0, 6], "step_hours": 6}
    latest, earlier = jobs(hourly, **wanted)
    assert names(latest) == [f"{h:02}" for h in range(1, 13)]
    assert latest.is_complete
    assert not earlier.is_complete
    del hourly["04"]
    assert not jobs(hourly, **wanted)[0].is_complete
    summed = {"a": holds(0, 6, channels=frozenset({"tp6h"}))}
    assert [job.is_complete for job in jobs(summed, **wanted)] == [True]


def test_what_is_too_old_is_no_job() -> None:
    files = {str(h): holds(h) for h in (0, 6, 12, 18, 24)}
    kept = jobs(files, keep=np.timedelta64(6, "h"))
    assert [job.starts for job in kept] == [(time(24),), (time(18),)]
    ens = {Path(str(h)): holds(h, leads=(24,)) for h in (0, 24, 48)}
    found = list(calibration_jobs(ens, ["t2m"], [24], np.timedelta64(24, "h")))
    assert [job.starts for job in found] == [(time(48),), (time(24),)]


def test_files_that_share_starts_are_calibrated_together() -> None:
    files = {
        Path("a"): holds(0, 24, leads=(24,)),
        Path("b"): holds(24, 48, leads=(24, 48)),
        Path("c"): holds(72, leads=(24, 48)),
        Path("d"): holds(96, leads=(24, 48), channels=frozenset({"z500"})),
    }
    found = list(calibration_jobs(files, ["t2m"], [24, 48]))
    assert [names(job) for job in found] == [["d"], ["c"], ["a", "b"]]
    assert [job.is_complete for job in found] == [False, True, False]
    assert found[2].starts == (time(0), time(24), time(48))
