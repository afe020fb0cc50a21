"""Signals that ask for an end: which they are, and what comes of a second one."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

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
