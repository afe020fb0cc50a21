"""Types and numbers in Zarr metadata: those of plain values, and no objects."""

import base64
import math
import re
from typing import Any

import numpy as np

_PLAIN = re.compile(r"[<>|](b1|[iu][1248]|f[248]|[SU][1-9]\d{0,2})|[<>][Mm]8\[(D|h|m|s|ms|us|ns)\]")
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_LARGEST = np.finfo(np.float64).max.item()


def dtype_of(text: Any) -> np.dtype[Any]:
    """Return the type that metadata name: booleans, numbers, times, short texts of fixed length.

    Raises
    ------
    ValueError
        It is another one: objects, which are texts of any length in Zarr v2, or records.
    """
    if not isinstance(text, str) or not _PLAIN.fullmatch(text):
        raise ValueError(
            f"holds values of the type {str(text)[:40]!r}, which are not read: only booleans, "
            "numbers, times and texts of fixed length are"
        )
    return np.dtype(text)


def number_of(value: Any) -> float:
    """Return a finite number.

    Raises
    ------
    ValueError
        It is none.
    """
    if type(value) not in (int, float) or not abs(value) <= _LARGEST:
        raise ValueError(f"has {str(value)[:40]!r} where a number must be")
    return float(value)


def size_of(value: Any, least: int, most: int) -> int:
    """Return a whole number within bounds.

    Raises
    ------
    ValueError
        It is none, or outside.
    """
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"has a size of {str(value)[:40]}, not {least} to {most}")
    return value


def fill_of(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return the value of what is not stored, of the type of the array; None where none is named.

    Raises
    ------
    ValueError
        The metadata name one that the array cannot hold.
    """
    if value is None:
        return None
    if dtype.kind == "S":
        value = base64.b64decode(value or "", validate=True)
    elif dtype.kind == "U":
        value = value or ""
    elif dtype.kind in "mM":
        value = np.iinfo(np.int64).min if value == "NaT" else value
        if type(value) is not int:
            raise ValueError(f"has the fill value {str(value)[:40]!r}, which it cannot hold")
        return np.array(value, np.int64).astype(dtype)[()]
    elif dtype.kind == "f":
        value = _WORDS.get(value, value) if isinstance(value, str) else value
    kinds = {"S": (bytes,), "U": (str,), "b": (bool,), "f": (int, float)}
    if type(value) not in kinds.get(dtype.kind, (int,)):
        raise ValueError(f"has the fill value {str(value)[:40]!r}, which it cannot hold")
    with np.errstate(over="ignore"):
        return np.array(value, None if dtype.kind == "f" else dtype).astype(dtype)[()]
