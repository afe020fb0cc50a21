"""The console script: what must be said before anything is loaded.

Until then Python answers an interrupt with a traceback. And libraries read when they are loaded how
long a thread may spin while it waits for the others: on a busy machine the spinning takes the
processors from those that are waited for (docs/decisions/0063-threads-that-wait.md). The C library
is told to keep freed memory for the next array (docs/decisions/0069-memory-that-is-kept.md).
"""

import os
import signal
from contextlib import suppress

_FIRST = {signal.SIGTERM: "stopped by SIGTERM", signal.SIGHUP: "stopped by SIGHUP"}
_KEPT = {
    "MALLOC_MMAP_THRESHOLD_": (-3, 32 << 20),
    "MALLOC_TRIM_THRESHOLD_": (-1, 256 << 20),
}
"""By the variable that says otherwise, its number in `malloc.h`. Arrays up to 32 MiB come from
memory that is kept, of which 256 MiB may be free; larger ones from the system."""


def _stop(signum: int, _frame: object) -> None:
    words = _FIRST.get(signal.Signals(signum), "interrupted")
    os.write(2, f"smoecast: {words}\n".encode())
    os._exit(128 + signum)


def _keep_memory() -> None:
    """Have glibc hand out again what was freed, where nothing in the environment says otherwise."""
    if any(name in os.environ for name in _KEPT):
        return
    import ctypes

    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for what, size in _KEPT.values():
            mallopt(what, size)


if "OMP_WAIT_POLICY" not in os.environ:
    # turns of a loop, of 300,000: enough to bridge the gap between two small operations
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

try:
    for _signum in _FIRST:
        if signal.getsignal(_signum) is signal.SIG_DFL:
            signal.signal(_signum, _stop)
    _keep_memory()
    from smoecast.cli.boundary import main
except KeyboardInterrupt:  # before anything is loaded that could say more
    _stop(signal.SIGINT, None)

__all__ = ["main"]
