"""The console script: what must be said before anything is loaded.

Until then Python answers an interrupt with a traceback. And libraries read when they are loaded how
long a thread may spin while it waits for the others: on a busy machine the spinning takes the
processors from those that are waited for (docs/decisions/0063-threads-that-wait.md). The C library
is told to keep freed memory for the next array (docs/decisions/0069-memory-that-is-kept.md).
"""

import os
import signal

_FIRST = {signal.SIGTERM: "stopped by SIGTERM", signal.SIGHUP: "stopped by SIGHUP"}


def _stop(signum: int, _frame: object) -> None:
    words = _FIRST.get(signal.Signals(signum), "interrupted")
    os.write(2, f"smoecast: {words}\n".encode())
    os._exit(128 + signum)


if "OMP_WAIT_POLICY" not in os.environ:
    # turns of a loop, of 300,000: enough to bridge the gap between two small operations
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

try:
    for _signum in _FIRST:
        if signal.getsignal(_signum) is signal.SIG_DFL:
            signal.signal(_signum, _stop)
    from smoecast import freed_memory

    freed_memory.keep()
    from smoecast.cli.boundary import main
except KeyboardInterrupt:  # before anything is loaded that could say more
    _stop(signal.SIGINT, None)

__all__ = ["main"]
