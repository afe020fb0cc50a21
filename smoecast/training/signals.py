"""Signals in long work: noted, answered where stopping is safe, never in between.

`train` asks at every step, `watch` after every file.
"""

import os
import select
import signal
import threading
import time
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
        self._bell: int | None = None

    def sleep(self, seconds: float) -> None:
        """Sleep, but not on when a signal comes."""
        if self._bell is None:
            time.sleep(seconds)
        elif not self.signum and select.select([self._bell], [], [], seconds)[0]:
            os.read(self._bell, 4096)

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
    # the kernel may give a signal to any thread: what it writes here wakes the one that sleeps
    noted._bell, write = os.pipe()
    os.set_blocking(write, False)
    woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    before = {signum: signal.signal(signum, noted.note) for signum in WATCHED}
    try:
        yield noted
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(woken)
        os.close(noted._bell)
        os.close(write)
        noted._bell = None
