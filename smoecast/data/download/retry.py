"""How long a download puts up with a bad network before it gives up."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from smoecast import console
from smoecast.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What a download may ask of the network and of the clock.

    Attributes
    ----------
    parallel : int
        Files under way at once.
    retry_seconds : float
        Time that may be lost to failures over a whole download, not counting time in which
        bytes arrive; failures of several files at the same time count once.
    timeout_seconds : float
        Silence after which a connection counts as dead.
    first_wait, longest_wait : float
        Seconds before the first repetition and at most; each wait is up to twice the one before.
    """

    parallel: int = 4
    retry_seconds: float = 600.0
    timeout_seconds: float = 60.0
    first_wait: float = 1.0
    longest_wait: float = 60.0


class TransientError(Exception):
    """An attempt failed in a way that another one may not; never leaves `retry`.

    Parameters
    ----------
    why : str
        In words, without the address.
    wait : float, optional
        Seconds for which the server asks to be left alone.
    where : str
        Address that failed, fit to be shown; none given: what `retry` is told to ask for.
    """

    def __init__(self, why: str, wait: float | None = None, where: str = "") -> None:
        super().__init__(why)
        self.wait, self.where = wait, where


class BusyError(TransientError):
    """A server serves nobody just now; another one that has the same file may."""


class StoppedError(Exception):
    """Another file of the same download has failed, or a person asked for an end."""


class RetryBudgetError(InputError):
    """More time was lost to failures than a download may lose."""


class RetryBudget:
    """Waits between attempts, and gives up when too much time has been lost; shared by threads.

    Parameters
    ----------
    limits : Limits
        How much is too much.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._lost = self._counted_until = 0.0

    def wait(self, failures: int, why: str, since: float, asked: float | None = None) -> float:
        """Wait before another attempt.

        Parameters
        ----------
        failures : int
            How many attempts in a row have brought nothing, 1 or more.
        why : str
            What went wrong, for the message.
        since : float
            `time.monotonic` when the time that is lost began.
        asked : float, optional
            Seconds that the server asks for (Retry-After): never less than this.

        Returns
        -------
        float
            Seconds waited.

        Raises
        ------
        RetryBudgetError
            The wait would end after more time is lost than `Limits.retry_seconds`.
        StoppedError
            See `check`.
        """
        longest = min(self.limits.longest_wait, self.limits.first_wait * 2.0 ** (failures - 1))
        seconds = max(random.uniform(0.5, 1.0) * longest, asked or 0.0)  # nosec B311
        asks = f" and asks for {asked:.0f} s of rest" if asked else ""
        self._spend(f"{why}{asks}", since, time.monotonic() + seconds)
        self.pause(seconds)
        return seconds

    def count(self, why: str, since: float) -> None:
        """Count what a failure has cost that no wait follows, for another address is asked.

        Parameters
        ----------
        why : str
            What went wrong, for the message.
        since : float
            `time.monotonic` when the time that is lost began.

        Raises
        ------
        RetryBudgetError
            More time is lost than `Limits.retry_seconds`.
        """
        self._spend(why, since, time.monotonic())

    def _spend(self, why: str, since: float, end: float) -> None:
        with self._lock:
            lost = self._lost + max(0.0, end - max(since, self._counted_until))
            if lost > self.limits.retry_seconds:
                raise RetryBudgetError(
                    f"{why}; given up, for no more than {self.limits.retry_seconds / 60:g} "
                    "minutes may be lost (download.retry_minutes): the same command goes on from "
                    "what has come"
                )
            self._lost, self._counted_until = lost, max(end, self._counted_until)

    def pause(self, seconds: float) -> None:
        """Wait for something that goes as it should; costs no patience."""
        self._stopped.wait(seconds)
        self.check()

    def stop(self) -> None:
        """Have every thread end at its next chunk or wait."""
        self._stopped.set()

    def check(self) -> None:
        """Raise `StoppedError` once `stop` was called."""
        if self._stopped.is_set():
            raise StoppedError


def retry(
    attempt: Callable[[], T],
    what: str,
    patience: RetryBudget,
    there: Callable[[], int] = lambda: 0,
) -> T:
    """Attempt until nothing is in the way any more; bytes that came in between count as success.

    Parameters
    ----------
    attempt : callable
        Raises TransientError where another attempt may bring more.
    what : str
        What is asked for, for messages.
    patience : RetryBudget
        Shared by all that a download asks for.
    there : callable
        Returns how many bytes have come.

    Raises
    ------
    RetryBudgetError
        Too much time was lost.
    """
    failures, most, since = 0, there(), time.monotonic()
    while True:
        try:
            return attempt()
        except TransientError as trouble:
            if there() > most:
                failures, most, since = 0, there(), time.monotonic()
            failures += 1
            why = f"{trouble.where or what}: {trouble}"
            waited = patience.wait(failures, why, since, trouble.wait)
            console.say(f"{why}; waited {waited:.1f} s, trying again")
            since = time.monotonic()
