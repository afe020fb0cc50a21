"""What this process and its children have used so far: CPU time and memory."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of all its children, those that live included."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    tick = os.sysconf("SC_CLK_TCK")
    living = sum(_ticks(pid) for pid in _descendants(os.getpid())) / tick
    return time.process_time() + ended.ru_utime + ended.ru_stime + living


def peak_bytes() -> int:
    """Return the most memory that this process, or the largest of its children, has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    own = _peak("self") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return max([own, ended, *(_peak(str(pid)) for pid in _descendants(os.getpid()))])


def _descendants(pid: int) -> Iterator[int]:
    """Give the processes below one, as far as the system says."""
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                yield child
                yield from _descendants(child)


def _ticks(pid: int) -> int:
    """Return the CPU time of a process and of its children that ended."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))
    return 0


def _peak(pid: str) -> int:
    """Return the most memory a process has held, without that of the program it was made from."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0
