"""The console script. Python itself, before this, answers an interrupt with a traceback."""

import os

try:
    from smoecast.cli.boundary import main
except KeyboardInterrupt:  # before anything is loaded that could say more
    os.write(2, b"smoecast: interrupted\n")
    os._exit(130)

__all__ = ["main"]
