"""An end to reading that does not come back: HDF5 walks in circles on some damaged headers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from smoecast import console
from smoecast.errors import InputError

CPU_SECONDS = 8.0
"""Of the thread that opens a file; a healthy one takes some hundredths."""
_LOOK_SECONDS = 0.5


@contextmanager
def watch(path: Path) -> Iterator[None]:
    """End the process, in one sentence and with exit code 3, if the block computes without end.

    Only for opening files: nothing can call HDF5 back from its circles, and what waits for a slow
    disk computes nothing.

    Parameters
    ----------
    path : pathlib.Path
        Named in the sentence.
    """
    seconds = _clock_of_this_thread()
    begun, done = seconds(), threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_SECONDS):
            if seconds() - begun > CPU_SECONDS:
                words = f"{path}: its header leads HDF5 in circles: fetch the file again"
                console.die(words, InputError.exit_code)

    watch = threading.Thread(target=look, name="watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()


def _clock_of_this_thread() -> Callable[[], float]:
    if hasattr(time, "pthread_getcpuclockid"):
        clock = time.pthread_getcpuclockid(threading.get_ident())
        return lambda: time.clock_gettime(clock)
    return time.process_time  # not Linux: of the whole process
