"""The header of a safetensors file: whether it fits the file, before the file fills the memory.

Format: https://huggingface.co/docs/safetensors (eight bytes of length, JSON, then the tensors).
"""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

MOST_HEADER = 2**24
"""Bytes: 150 for each of a hundred thousand tensors."""
_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 8),
}


def is_whole(path: Path) -> bool:
    """Whether the tensors that a header names fill its file, each as its shape and type say.

    Of a file that is no file, or cannot be read, nothing is said: whoever reads it will.

    Parameters
    ----------
    path : Path
        What may be a safetensors file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return True
        length = int.from_bytes(os.pread(descriptor, 8, 0), "little")
        if length > MOST_HEADER:
            return False
        head = os.pread(descriptor, length, 8)
    finally:
        os.close(descriptor)
    try:
        described = json.loads(head)
        end = _end_of(described)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return False
    return 8 + length + end == status.st_size


def _end_of(described: dict[str, Any]) -> int:
    """Return the bytes of all tensors; raise where one does not follow another or has no size."""
    tensors = [facts for name, facts in described.items() if name != "__metadata__"]
    end = 0
    for facts in sorted(tensors, key=lambda facts: tuple(facts["data_offsets"])):
        first, last = facts["data_offsets"]
        sizes = facts["shape"]
        if not all(type(number) is int and number >= 0 for number in (first, last, *sizes)):
            raise ValueError("no whole numbers")
        if first != end or last - first != math.prod(sizes) * _BYTES[facts["dtype"]]:
            raise ValueError("other bytes than its shape has")
        end = last
    return end
