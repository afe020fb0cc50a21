"""Signals that ask for an end: which they are, who hears them, and what comes of a second one."""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_SECONDS = 0.05
"""In which a second signal is the same one: `timeout` and service managers send it to the process
and to its group."""


def give_way() -> None:
    """Let the next signal end the process at once; to be called from the handler of the first.

    A signal that was ignored, as under ``nohup``, stays so.
    """
    caught = [s for s in SIGNALS if signal.getsignal(s) != signal.SIG_IGN]
    for signum in caught:
        signal.signal(signum, signal.SIG_IGN)
    time.sleep(_SECONDS)
    for signum in caught:
        signal.signal(signum, signal.SIG_DFL)


@contextmanager
def leave_to_parent() -> Iterator[None]:
    """Have processes that are started in the block not hear the signals: their parent ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


WATCHED = (signal.SIGTERM, signal.SIGINT)
"""Those that `watch` notes: `train` asks at every step, the verb `watch` after every file."""


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
        give_way()


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
