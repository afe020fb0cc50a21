"""Which results can be made of the files that are there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smoecast.data.time_selection import is_on_step
from smoecast.fields.derived import sources_of
from smoecast.fields.times import HOUR
from smoecast.tasks.watch.arrivals import Contents, Time
from smoecast.tasks.watch.folder import Mark

Files = Mapping[Path, Contents]
HOURLY = "tp"
"""What is summed over six hours: of it every hour is needed."""


@dataclass(frozen=True)
class Job:
    """One call of a verb.

    Attributes
    ----------
    starts : tuple of datetime64
        Of which it makes results, ascending.
    files : tuple of Path and Mark
        That it reads; of others, or of the same with another mark, it is another job.
    is_complete : bool
        Whether they hold all that is needed, as far as their headers tell.
    """

    starts: tuple[Time, ...]
    files: tuple[tuple[Path, Mark], ...]
    is_complete: bool

    @property
    def paths(self) -> list[Path]:
        """The files."""
        return [path for path, _ in self.files]


def forecast_jobs(
    files: Files,
    channels: Sequence[str],
    history: Sequence[int],
    step_hours: int,
    keep: np.timedelta64 | None = None,
    offset: np.timedelta64 = 0 * HOUR,
) -> Iterator[Job]:
    """Yield a job for each start whose history is there, the newest first.

    Parameters
    ----------
    files : mapping of Path to Contents
    channels : sequence of str
        That a model starts from.
    history : sequence of int
        Hours before a start for which an analysis is needed.
    step_hours : int
        Starts are at multiples of it from midnight.
    keep : timedelta64, optional
        By which a start may be older than the newest.
    offset : timedelta64
        By which starts are later than those multiples.
    """
    holders: dict[Time, list[Path]] = {}
    for path, contents in files.items():
        for time in contents.times:
            holders.setdefault(time, []).append(path)
    starts = sorted((t for t in holders if is_on_step(t, step_hours, offset)), reverse=True)
    for start in _young(starts, keep):
        needed = {start - hours * HOUR for hours in history}
        if not needed <= holders.keys():
            continue
        had = _channels({path: files[path] for t in needed for path in holders[t]})
        wanted = set(sources_of(channels, had.__contains__))
        if HOURLY in wanted and HOURLY not in channels:
            span = (max(needed) - min(needed)) // HOUR + 6
            needed = {max(needed) - hours * HOUR for hours in range(int(span))}
        chosen = _choose({p: files[p] for t in needed for p in holders.get(t, ())}, needed, wanted)
        is_complete = all(
            wanted <= _channels({p: c for p, c in chosen.items() if time in c.times})
            for time in needed
        )
        yield _job([start], chosen, is_complete)


def calibration_jobs(
    files: Files,
    channels: Sequence[str],
    lead_hours: Sequence[int],
    keep: np.timedelta64 | None = None,
) -> Iterator[Job]:
    """Yield a job for the files that share starts with each other, the newest first.

    Parameters
    ----------
    files : mapping of Path to Contents
    channels : sequence of str
        That the calibration reads.
    lead_hours : sequence of int
        That must be there.
    keep : timedelta64, optional
        By which a start may be older than the newest.
    """
    young = set(_young(sorted({t for c in files.values() for t in c.times}, reverse=True), keep))
    left = {path: contents for path, contents in files.items() if contents.times & young}
    made = []
    while left:
        path, contents = left.popitem()
        group, starts = {path: contents}, set(contents.times)
        while more := {p: c for p, c in left.items() if c.times & starts}:
            group |= more
            starts |= {time for c in more.values() for time in c.times}
            left = {p: c for p, c in left.items() if p not in more}
        is_complete = all(_has_all(group, start, channels, lead_hours) for start in starts)
        made.append(_job(sorted(starts), group, is_complete))
    yield from sorted(made, key=lambda job: job.starts[-1], reverse=True)


def _has_all(group: Files, start: Time, channels: Sequence[str], lead_hours: Sequence[int]) -> bool:
    there = {path: c for path, c in group.items() if start in c.times}
    leads = {hours for c in there.values() for hours in c.lead_hours}
    return set(channels) <= _channels(there) and set(lead_hours) <= leads


def _choose(found: Files, needed: set[Time], channels: set[str]) -> Files:
    """Return one file alone where it has all that is needed, the newest of such, else all."""
    alone = [path for path, c in found.items() if needed <= c.times and channels <= c.channels]
    if not alone:
        return found
    path = max(alone, key=lambda path: (found[path].mark.modified, path))
    return {path: found[path]}


def _young(starts: Sequence[Time], keep: np.timedelta64 | None) -> Iterable[Time]:
    return [t for t in starts if keep is None or starts[0] - t <= keep]


def _channels(files: Files) -> set[str]:
    return {name for contents in files.values() for name in contents.channels}


def _job(starts: Sequence[Time], files: Files, is_complete: bool) -> Job:
    marks = tuple(sorted((path, contents.mark) for path, contents in files.items()))
    return Job(tuple(starts), marks, is_complete)
