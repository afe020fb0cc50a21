"""Damaged GRIB messages: values or a sentence, and this process lives."""

from functools import cache
from pathlib import Path

import eccodes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_grib import message, temperature

from smoecast.errors import InputError
from smoecast.fields.read.grib.index import describe
from smoecast.fields.read.open import open_file

KINDS = [
    (edition, grid, packing, bitmap)
    for edition, packings in {
        1: ("grid_simple", "grid_second_order"),
        2: (
            "grid_simple",
            "grid_complex",
            "grid_complex_spatial_differencing",
            "grid_jpeg",
            "grid_png",
            "grid_ccsds",
        ),
    }.items()
    for packing in packings
    for grid in ("ll", "gg")
    for bitmap in (False, True)
]
ROWS, COLUMNS = 18, 30  # of fewer points ecCodes cannot make a PNG


@cache
def packed(edition: int, grid: str, packing: str, bitmap: bool) -> bytes:
    """Return a wave of temperature in one packing, some values missing with a bitmap."""
    keys = {"shortName": "t", "level": 500, "dataDate": 20200101}
    if grid == "ll":
        keys |= {"Ni": COLUMNS, "Nj": ROWS}
        keys |= {"latitudeOfLastGridPointInDegrees": 60 - 5 * (ROWS - 1)}
        keys |= {"longitudeOfLastGridPointInDegrees": 5 * (COLUMNS - 1)}
        keys |= {f"{axis}DirectionIncrementInDegrees": 5 for axis in "ij"}
    plain = message(f"regular_{grid}_pl_grib{edition}", **keys)
    handle = eccodes.codes_new_from_message(plain)
    try:
        points = eccodes.codes_get_size(handle, "values")
        values = np.round(280 + 20 * np.sin(np.arange(points) / 5), 1)
        eccodes.codes_set(handle, "bitsPerValue", 12)
        eccodes.codes_set_values(handle, values)
        if bitmap:
            eccodes.codes_set(handle, "bitmapPresent", 1)
            eccodes.codes_set(handle, "missingValue", -1.0)
            values[3 : points // 3] = -1.0
        eccodes.codes_set(handle, "packingType", packing)
        eccodes.codes_set_values(handle, values)
        assert eccodes.codes_get(handle, "packingType") == packing
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


def heads(content: bytes) -> list[int]:
    """Return where the bytes stand that say what the others mean."""
    size, places = (3, list(range(8))) if content[7] == 1 else (4, list(range(16)))
    at = len(places)
    while at < len(content) - 4:
        length = int.from_bytes(content[at : at + size], "big")
        places += range(at, min(at + min(length, 72), len(content)))
        at += length
    return places


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a message some of whose bytes are changed, gone, or too many."""
    whole = packed(*draw(st.sampled_from(KINDS)))
    content, important = bytearray(whole), heads(whole)[4:]  # with other first bytes it is no GRIB
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 4)))):
        at = draw(st.sampled_from(important) | st.integers(4, len(whole) - 1))
        new = draw(
            st.sampled_from(
                (b"\0", b"\1", b"\x7f", b"\x80", b"\xff", b"\xff" * 4, b"\x7f" + b"\xff" * 3)
            )
            | st.binary(min_size=1, max_size=8)
        )
        gone = draw(st.sampled_from((len(new), len(new), len(new), 0, 8)))
        content[at : at + gone] = new
    cut = draw(st.sampled_from((None, None, None, None, draw(st.integers(0, len(content))))))
    return bytes(content[:cut])


def check(folder: Path, content: bytes, is_beside_another: bool) -> None:
    """Open and read a file, and understand its damaged message as the downloads do."""
    path = folder / "a.grib"
    path.write_bytes((temperature(level=850) if is_beside_another else b"") + content)
    for read in (
        lambda: open_file(path).load(scheduler="synchronous"),
        lambda: describe(content, 1, f"{path}: message 1"),
    ):
        try:
            read()
        except InputError as problem:
            assert str(problem).startswith(f"{path}: ")
            assert "\n" not in str(problem)


@given(content=damaged(), is_beside_another=st.booleans())
@settings(derandomize=True, deadline=None, max_examples=100)
def test_damaged_messages(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, is_beside_another: bool
) -> None:
    check(tmp_path_factory.getbasetemp(), content, is_beside_another)


@pytest.mark.slow
@given(content=damaged(), is_beside_another=st.booleans())
@settings(derandomize=True, deadline=None, max_examples=6000)
def test_thousands_of_damaged_messages(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, is_beside_another: bool
) -> None:
    check(tmp_path_factory.getbasetemp(), content, is_beside_another)
