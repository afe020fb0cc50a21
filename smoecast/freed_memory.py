"""What becomes of memory that was freed (docs/decisions/0069-memory-that-is-kept.md)."""

import os
from contextlib import suppress

VARIABLES = {"MALLOC_MMAP_THRESHOLD_": 32 << 20, "MALLOC_TRIM_THRESHOLD_": 256 << 20}
"""For glibc. Arrays up to 32 MiB come from memory that is kept, of which 256 MiB may be free;
larger ones from the system, to which they go back."""
_NUMBERS = {"MALLOC_MMAP_THRESHOLD_": -3, "MALLOC_TRIM_THRESHOLD_": -1}
"""Of the same in `malloc.h`."""


def keep() -> None:
    """Have glibc keep what is freed for the next array, unless the environment says otherwise."""
    if any(name in os.environ for name in VARIABLES):
        return
    import ctypes  # noqa: PLC0415  # milliseconds

    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for name, size in VARIABLES.items():
            mallopt(_NUMBERS[name], size)
