"""What this process can say of itself: its command, where it runs, its versions and its memory."""

import os
import re
import resource
import sys
import time
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from smoecast import __version__

_LIBRARIES = ("torch", "numpy", "xarray", "netCDF4", "eccodes")


def describe() -> dict[str, Any]:
    """Return ``versions``, ``command`` (no secrets in it), ``folder``, ``host`` and ``pid``."""
    folder = ""
    with suppress(OSError):  # it was removed meanwhile
        folder = str(Path.cwd())
    return {
        "versions": dict(_versions()),
        "command": [without_secrets(word) for word in ["smoecast", *sys.argv[1:]]],
        "folder": folder,
        "host": os.uname().nodename,
        "pid": os.getpid(),
    }


def memory() -> dict[str, int]:
    """Return the most memory held so far: by this process, and by the largest child that ended."""
    unit = 1 if sys.platform == "darwin" else 1024
    most = [
        resource.getrusage(who).ru_maxrss * unit
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return dict(zip(("peak_memory_bytes", "peak_memory_bytes_of_a_child"), most, strict=True))


def age(*, least: float) -> float:
    """Return the seconds since this process was started; `least` where the system does not say."""
    with suppress(OSError, ValueError, IndexError, AttributeError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        began = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - began, least)
    return least


def without_secrets(word: str) -> str:
    """Return a word of a command line without the password and the tokens of an address."""
    word = re.sub(r"(?<=://)[^/@\s]*@", "...@", word)
    return re.sub(r"(://[^?\s]*\?)\S+", r"\1...", word)


@cache
def _versions() -> dict[str, str]:
    """Return the versions of what is installed, without loading any of it."""
    found = {"python": sys.version.split()[0], "smoecast": __version__}
    for name in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
