"""Several results of one run: one that fails does not take the others along."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smoecast import console, run_record
from smoecast.config.run import Compute
from smoecast.errors import (
    LockedError,
    NotPublishedError,
    OutputError,
    SmoecastError,
)
from smoecast.fields.left_out import LeftOut, to_plain
from smoecast.fields.times import iso
from smoecast.tasks.fan_out.per_worker import PerWorker
from smoecast.tasks.fan_out.spread import Outcome, attempt, is_spread, spread
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.provenance import inputs_of

Starts = NDArray[np.datetime64]
Failure = SmoecastError | OSError
Outcomes = Iterator[tuple[Path, Outcome[bool]]]


class Maker(Protocol):
    """What makes results."""

    @property
    def compute(self) -> Compute:
        """In which processes."""

    @property
    def for_workers(self) -> "PerWorker[Maker]":
        """The same for another process."""

    def find(self, path: Path, starts: Starts) -> bool:
        """Tell whether one result of some starts is there; needs no PyTorch."""

    def make(self, path: Path, starts: Starts, step: console.Progress) -> bool:
        """Make one result of some starts, telling how many are done; whether it was not there."""


SHOWN = 5
"""Failed results that a message names."""


def make_each(jobs: Mapping[Path, Starts], maker: Maker, step: console.Progress) -> list[bool]:
    """Make every result; what fails of several is told when all others are made.

    Where there are other processes, this one finds what is missing, and each of them makes whole
    results. If no more than one is missing, it is made from here.

    Parameters
    ----------
    jobs : mapping of Path to (I,) datetime64
        Results and their starts.
    maker : Maker
    step : Progress
        Told the number of starts done.

    Returns
    -------
    list of bool
        Whether each was written, or else was there.

    Raises
    ------
    SmoecastError
        The only one failed: its error. Of several see `refuse_failures`.
    """
    written, failures, done = dict[Path, bool](), dict[Path, Failure](), 0
    with _make(jobs, maker, step) as outcomes:
        for path, outcome in outcomes:
            if outcome.problem is None:
                written[path] = outcome.get()
                run_record.add_output(path, made=written[path])
            elif len(jobs) == 1:
                raise outcome.problem
            else:
                console.say(f"{path}: failed ({outcome.problem})")
                failures[path] = outcome.problem
            done += len(jobs[path])
            step(done)
    refuse_failures(failures, len(jobs))
    return [written[path] for path in jobs]


@contextmanager
def _make(jobs: Mapping[Path, Starts], maker: Maker, step: console.Progress) -> Iterator[Outcomes]:
    """Give what comes of each result, as it comes."""
    if len(jobs) == 1 or not is_spread(maker.compute, len(jobs)):
        yield _make_here(jobs, maker, step)
        return
    found = {path: attempt(_find, maker, *job) for job in jobs.items() for path in job[:1]}
    missing = {path: jobs[path] for path, outcome in found.items() if outcome.value is False}
    # one that is there was not written
    there = ((path, replace(o, value=False)) for path, o in found.items() if path not in missing)
    if len(missing) <= 1:
        yield chain(there, _make_here(missing, maker, partial(_add, step, len(jobs) - 1)))
        return
    work = partial(_make_there, maker.for_workers)
    with spread(work, list(missing.items()), maker.compute) as outcomes:
        # one that was put in its place by a worker that died before it could tell was made too
        made = (o if o.problem else replace(o, value=True) for o in outcomes)
        yield chain(there, _note_inputs(zip(missing, made, strict=True)))


def _note_inputs(outcomes: Outcomes) -> Outcomes:
    """Have the record of this process name what results were made from in others."""
    for path, outcome in outcomes:
        if outcome.problem is None:
            run_record.add_inputs(inputs_of(path))
        yield path, outcome


def _make_here(jobs: Mapping[Path, Starts], maker: Maker, step: console.Progress) -> Outcomes:
    done = 0
    for path, starts in jobs.items():
        yield path, attempt(maker.make, path, starts, partial(_add, step, done))
        done += len(starts)


def _find(maker: Maker, path: Path, starts: Starts) -> bool:
    return path.exists() and maker.find(path, starts)


def _make_there(maker: PerWorker[Maker], job: tuple[Path, Starts]) -> bool:
    """Make one result in a worker process."""
    return maker.get().make(*job, _say_nothing)


def _say_nothing(done: float, note: str = "", *, begun: float = 0.0) -> None:
    """Leave it to the process that waits to say how far the work is."""


def _add(
    step: console.Progress, before: float, done: float, note: str = "", *, begun: float = 0.0
) -> None:
    step(before + done, note, begun=begun)


def refuse_failures(failures: Mapping[Path, Failure], count: int) -> None:
    """Say which of several results failed.

    Parameters
    ----------
    failures : mapping of Path to error
        None: all is well.
    count : int
        Of all results.

    Raises
    ------
    SmoecastError
        `NotPublishedError` or `LockedError` where nothing else went wrong; what all failed of
        where none was made; else `OutputError`.
    """
    if not failures:
        return
    kinds = {type(problem) for problem in failures.values()}
    kind = kinds.pop() if len(kinds) == 1 else OutputError
    early = kind in (NotPublishedError, LockedError)
    if not issubclass(kind, SmoecastError) or not (early or len(failures) == count):
        kind = OutputError
    first, problem = next(iter(failures.items()))
    others = [str(path) for path in failures if path != first]
    more = f"; and {', '.join(others[: SHOWN - 1])}" if others else ""
    more += f" and {len(others) - SHOWN + 1} more" if len(others) >= SHOWN else ""
    raise kind(
        f"{len(failures)} of {count} results were not made, the others are whole: {first} "
        f"({problem}){more}: run the same command again for these alone"
    )


def summarize(
    name: OutputName,
    jobs: Mapping[Path, Starts],
    written: Sequence[bool],
    targets: Sequence[str],
    lead_hours: Sequence[int],
    more: Sequence[str],
    left_out: Iterable[LeftOut] = (),
) -> dict[str, Any]:
    """Return what a verb says of its results: where they are, of which starts, what they hold.

    Returns
    -------
    dict
        ``output`` (the name or pattern), ``outputs`` (each file), ``written`` (whether any was),
        ``made`` (how many were), ``starts`` (how many), ``first``, ``last``, ``lead_hours``,
        ``what``, and ``left_out``: what of its input files is not read.
    """
    leads = ", ".join(f"{hours} h" for hours in lead_hours)
    starts = np.concatenate(list(jobs.values()))
    return {
        "output": name.text,
        "outputs": [str(path) for path in jobs],
        "written": any(written),
        "made": sum(written),
        "starts": len(starts),
        "first": iso(starts[0]),
        "last": iso(starts[-1]),
        "lead_hours": list(lead_hours),
        "what": ", ".join([f"{', '.join(targets)} at {leads}", *more]),
        "left_out": to_plain(left_out),
    }
