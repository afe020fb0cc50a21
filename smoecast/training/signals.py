"""Signals during training: noted, answered at the next step boundary, never in between."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from smoecast import stop

WATCHED = (signal.SIGTERM, signal.SIGINT)


class SignalWatcher:
    """Remembers the first signal that arrived.

    Attributes
    ----------
    signum : int
        Its number; 0 while none came.
    """

    def __init__(self) -> None:
        self.signum = 0

    def note(self, signum: int, _frame: FrameType | None) -> None:
        """Remember the signal; let a second one end the process at once."""
        self.signum = signum
        stop.give_way()


@contextmanager
def watch() -> Iterator[SignalWatcher]:
    """Note SIGTERM and SIGINT instead of dying of them, until the block ends.

    Outside the main thread Python delivers no signals, and nothing is watched.

    Yields
    ------
    SignalWatcher
        To be asked at every boundary at which stopping is safe.
    """
    noted = SignalWatcher()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = {signum: signal.signal(signum, noted.note) for signum in WATCHED}
    try:
        yield noted
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
