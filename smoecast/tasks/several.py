"""Several results of one run: one that fails does not take the others along."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast import console
from smoecast.errors import (
    Interrupted,
    LockedError,
    NotPublishedError,
    OutputError,
    SmoecastError,
)
from smoecast.fields.times import iso
from smoecast.tasks.output_names import OutputName

Starts = NDArray[np.datetime64]
Make = Callable[[Path, Starts, console.Progress], bool]
"""Makes one result of some starts, telling how many are done; whether it was not there yet."""

SHOWN = 5
"""Failed results that a message names."""


def make_each(jobs: Mapping[Path, Starts], make: Make, step: console.Progress) -> list[bool]:
    """Make every result; what fails of several is told when all others are made.

    Parameters
    ----------
    jobs : mapping of Path to (I,) datetime64
        Results and their starts.
    make : callable
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
    written, failures, done = [], dict[Path, SmoecastError | OSError](), 0
    for path, starts in jobs.items():
        try:
            written.append(make(path, starts, partial(_add, step, done)))
        except Interrupted:
            raise
        except (SmoecastError, OSError) as problem:
            if len(jobs) == 1:
                raise
            console.say(f"{path}: failed ({problem})")
            failures[path] = problem
        done += len(starts)
        step(done)
    refuse_failures(failures, len(jobs))
    return written


def _add(
    step: console.Progress, before: float, done: float, note: str = "", *, begun: float = 0.0
) -> None:
    step(before + done, note, begun=begun)


def refuse_failures(failures: Mapping[Path, SmoecastError | OSError], count: int) -> None:
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
) -> dict[str, Any]:
    """Return what a verb says of its results: where they are, of which starts, what they hold.

    Returns
    -------
    dict
        ``output`` (the name or pattern), ``outputs`` (each file), ``written`` (whether any was),
        ``made`` (how many were), ``starts`` (how many), ``first``, ``last``, ``lead_hours``,
        ``what``.
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
    }
