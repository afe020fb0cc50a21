"""The console script. Before this, Python answers an interrupt with a traceback."""

import os
import signal

_FIRST = {signal.SIGTERM: "stopped by SIGTERM", signal.SIGHUP: "stopped by SIGHUP"}


def _stop(signum: int, _frame: object) -> None:
    words = _FIRST.get(signal.Signals(signum), "interrupted")
    os.write(2, f"smoecast: {words}\n".encode())
    os._exit(128 + signum)


try:
    for _signum in _FIRST:
        if signal.getsignal(_signum) is signal.SIG_DFL:
            signal.signal(_signum, _stop)
    from smoecast.cli.boundary import main
except KeyboardInterrupt:  # before anything is loaded that could say more
    _stop(signal.SIGINT, None)

__all__ = ["main"]
