"""What is due of one kind of results, what failed, and when that is tried again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smoecast import console, run_record
from smoecast.errors import AbsentError, ConfigError, InputError, SmoecastError
from smoecast.tasks import retention
from smoecast.tasks.watch.arrivals import Arrivals
from smoecast.tasks.watch.attempts import Attempt, Failure
from smoecast.tasks.watch.jobs import Job
from smoecast.tasks.watch.result_kinds import ResultKind

Publish = Callable[[Mapping[str, Any]], None]
"""Told the record of every run, as `run_record.finish` returns it."""

PATIENCE = 3
"""Looks for which what seems to lack something is waited for."""
LONGEST_PAUSE = 32
"""Looks between two tries of what failed for no fault of its files."""


@dataclass
class _Try:
    """What is known of a job.

    Attributes
    ----------
    since : int
        The look at which it was first seen.
    next : int or None
        The look from which it is due; None: not until its files change.
    failure : Failure, optional
        How it went last.
    pause : int
        Looks to wait after the next failure.
    """

    since: int
    next: int | None
    failure: Failure | None = None
    pause: int = 1


@dataclass
class Schedule:
    """Results of one kind that a folder asks for, and how making them went.

    Attributes
    ----------
    kind : ResultKind
    arrivals : Arrivals
    keep : timedelta64 or None
        What is so much older than the newest is not made, and removed.
    notes : mapping
        For every record.
    attempt : Attempt
    publish : callable
    made : int
        Results.
    """

    kind: ResultKind
    arrivals: Arrivals
    keep: np.timedelta64 | None
    notes: Mapping[str, Any]
    attempt: Attempt
    publish: Publish
    made: int = 0
    _tries: dict[Job, _Try] = field(default_factory=dict)
    _is_listed: bool = False
    _told: str = ""
    _is_swept: bool = True

    def look(self, number: int, *, impatient: bool) -> None:
        """See what has come, and what can be made of it.

        Parameters
        ----------
        number : int
            Of this look.
        impatient : bool
            Whether what seems to lack something is tried at once.
        """
        if not self.arrivals.look() and self._is_listed:
            return
        files = self.arrivals.files
        jobs = self.attempt(lambda: self.kind.list_jobs(files, self.keep) if files else [])
        self._is_listed = not isinstance(jobs, Failure)
        if isinstance(jobs, Failure):  # a model on its way to its place, most likely
            if jobs.sentence != self._told:
                console.fail(f"{jobs.sentence} (it is tried again)")
            self._told = jobs.sentence
            return
        self._told = ""
        patience = 0 if impatient else PATIENCE
        fresh = {j: _Try(number, number if j.is_complete else number + patience) for j in jobs}
        self._tries = {job: self._tries.get(job, fresh[job]) for job in jobs}

    def due(self, number: int) -> Iterator[Job]:
        """Walk what is to be made at a look."""
        for job, known in list(self._tries.items()):
            if known.next is not None and known.next <= number:
                yield job

    def make(self, job: Job, number: int) -> None:
        """Make the results of a job, unless they are there; a failure is told and recorded once."""
        known = self._tries[job]
        run_record.begin(self.kind.verb)
        run_record.note(**self.notes)
        run_record.set_folder(self.kind.name.folder)
        try:
            made = self.attempt(lambda: self.kind.make(job))
        except Exception as error:  # nobody foresaw it: it is recorded, and ends the process
            words = f"unexpected {type(error).__name__}: {error}"
            self._finish(SmoecastError.exit_code, words)
            raise
        before, known.failure = known.failure, made if isinstance(made, Failure) else None
        if not isinstance(made, Failure):
            known.next = None
            if made["written"]:
                record = self._finish(0, "")
                console.say(f"{_name(made)}: {made['what']}, {record['seconds']:.1f} s")
                self.made, self._is_swept = self.made + made["made"], False
            return
        its_own = isinstance(made.error, InputError | ConfigError)
        if its_own and not isinstance(made.error, AbsentError):
            known.next = None
        else:
            known.next, known.pause = number + known.pause, min(2 * known.pause, LONGEST_PAUSE)
        if before is None or before.exit_code != made.exit_code:
            then = "left alone until its files change" if known.next is None else "tried again"
            console.fail(f"{made.sentence} ({then})")
            self._finish(made.exit_code, made.sentence)

    def _finish(self, exit_code: int, sentence: str) -> dict[str, Any]:
        record = run_record.finish(exit_code, sentence)
        self.publish(record)
        return record

    def remove_old(self) -> None:
        """Remove results and records that are older than is kept, where any was made since."""
        if self._is_swept or self.keep is None:
            return
        self._is_swept = True
        swept = self.attempt(self._remove_old)
        if isinstance(swept, Failure):
            console.fail(f"{swept.sentence} (--keep tries again with the next result)")

    def _remove_old(self) -> None:
        name, keep = self.kind.name, self.keep
        starts = [start for _, start in name.find()]
        if keep is None or not starts or max(starts) - min(starts) <= keep:
            return
        gone = retention.remove_results(name, keep) + retention.remove_records(name.folder, keep)
        retention.tell(gone, keep)

    @property
    def failures(self) -> dict[Job, Failure]:
        """What failed last time."""
        return {job: t.failure for job, t in self._tries.items() if t.failure is not None}


def _name(made: Mapping[str, Any]) -> str:
    """Return the results of a summary in words."""
    several = len(made["outputs"])
    return f"{made['outputs'][0]}" if several == 1 else f"{made['output']} ({made['made']} made)"
