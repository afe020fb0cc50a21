"""Several addresses of one file: while the source's own serves nobody, a mirror is asked."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from smoecast import console
from smoecast.data.download.remote_file import shown
from smoecast.data.download.retry import BusyError, RetryBudget, TransientError
from smoecast.errors import InputError, NotPublishedError

T = TypeVar("T")


class Addresses:
    """Where a file is: at the source's own address, and with the same bytes at its mirrors.

    What the own address says counts: that the file is not there, or is refused. A mirror that
    says so is passed over, for it may be late or have other rules.

    Parameters
    ----------
    urls : sequence of str
        The own address first.
    may_lack : bool
        Whether a mirror is believed that the file does not exist yet, while the own address is
        busy: else nobody could tell.
    """

    def __init__(self, urls: Sequence[str], *, may_lack: bool = False) -> None:
        self._own, self._urls, self._may_lack = urls[0], list(urls), may_lack
        self._rest: dict[str, float] = {}

    def ask(
        self,
        attempt: Callable[[str], T],
        patience: RetryBudget,
        begun: str = "",
        stay: bool = False,
    ) -> T:
        """Ask one address after the other until one is not busy.

        Parameters
        ----------
        attempt : callable
            Given an address; raises BusyError where another one may serve.
        patience : RetryBudget
            In which the time counts that a busy address has cost.
        begun : str
            Address, as it is shown, from which bytes have come: asked first.
        stay : bool
            Whether it alone is asked, since another one would have to begin anew.

        Raises
        ------
        TransientError
            All of them are busy, or the one that served was cut off.
        InputError, NotPublishedError
            The own address does not have the file or refuses it.
        RetryBudgetError
            Too much time was lost.
        """
        first = [url for url in self._urls if shown(url) == begun]
        order = [*first, *(url for url in self._urls if url not in first)]
        asked = first if first and stay else order
        now = time.monotonic()
        ready = [url for url in asked if self._ready_at(url) <= now]
        ready = ready or [min(asked, key=self._ready_at)]
        trouble: BusyError | None = None
        absent: NotPublishedError | None = None
        for place, url in enumerate(ready, 1):
            since = time.monotonic()
            try:
                return attempt(url)
            except BusyError as busy:
                trouble = trouble or BusyError(f"{busy}", busy.wait, shown(url))
                self._rest[url] = time.monotonic() + (busy.wait or 0.0)
                if place < len(ready):
                    why = f"{shown(url)}: {busy}"
                    patience.count(why, since)
                    console.say(f"{why}; asking {shown(ready[place])}")
            except (InputError, NotPublishedError) as problem:
                if url == self._own:
                    raise
                if self._may_lack and isinstance(problem, NotPublishedError):
                    absent = absent or problem
                else:
                    console.say(f"{problem}; this mirror is passed over")
                    self._urls.remove(url)
        if absent is not None:
            raise absent
        if trouble is None:  # it was a mirror alone, and no part of it is of use elsewhere
            raise TransientError("the mirror from which it came serves it no more")
        rest = min(self._ready_at(url) for url in asked if url in self._urls) - time.monotonic()
        raise TransientError(f"{trouble}", max(rest, 0.0) or None, trouble.where)

    def _ready_at(self, url: str) -> float:
        """Return from when on, by `time.monotonic`, an address may be asked again."""
        return self._rest.get(url, 0.0)
