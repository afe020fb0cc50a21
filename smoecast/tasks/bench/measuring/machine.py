"""What a measurement was made on: processor, cores, threads, versions."""

import os
import platform
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("torch", "numpy", "xarray")


def describe(threads: int) -> dict[str, Any]:
    """Return ``processor``, ``cores``, ``threads``, ``load`` and ``versions``, loading nothing."""
    found = {"smoecast": metadata.version("smoecast"), "Python": sys.version.split()[0]}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": threads,
        "load": round(os.getloadavg()[0], 1),
        "versions": found,
    }


def has_gpu() -> bool:
    """Whether there may be a GPU, which torch is asked about then."""
    return Path("/dev/nvidia0").exists()


def _processor() -> str:
    """Return the name of the processor, as the system has it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
