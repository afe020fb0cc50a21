"""An index is what a server answers: pieces of a file, or one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoecast.data.sources.opendata.index import MOST_BYTES, lines_of, select
from smoecast.errors import InputError

RIGHT = {"param": "2t", "levtype": "sfc", "step": "0", "_offset": 0, "_length": 600_000}


def index(folder: Path, *lines: Any) -> Path:
    path = folder / "a.index"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"_offset": -1},
        {"_offset": float("inf")},
        {"_offset": 2**60},
        {"_length": 0},
        {"_length": -600_000},
        {"_length": 2**40},
        {"_length": None},
        {"_length": [1]},
    ],
)
def test_pieces_that_no_file_can_have(tmp_path: Path, change: dict[str, Any]) -> None:
    assert select(index(tmp_path, RIGHT), 0, ["t2m"]) == [(0, 600_000)]
    with pytest.raises(InputError, match="this is no index of GRIB messages"):
        select(index(tmp_path, RIGHT, RIGHT | change), 0, ["t2m"])


@pytest.mark.parametrize("text", ["[" * 100_000, "1", "[]", '"x"', "9" * 5000, "{}"])
def test_lines_that_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.index"
    path.write_text(text)
    with pytest.raises(InputError, match="this is no index of GRIB messages"):
        list(lines_of(path))


def test_an_index_without_end(tmp_path: Path) -> None:
    path = tmp_path / "a.index"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(InputError, match="this is no index of GRIB messages"):
        list(lines_of(path))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
CHANGES = st.dictionaries(st.sampled_from([*RIGHT, "number", "levelist"]), VALUES, max_size=3)


def check(folder: Path, changes: list[dict[str, Any]], raw: bytes) -> None:
    path = index(folder, *(RIGHT | change for change in changes))
    path.write_bytes(path.read_bytes() + raw)
    try:
        pieces = select(path, 0, ["t2m"])
    except InputError as problem:
        assert "\n" not in str(problem)
    else:
        assert all(first >= 0 and 16 <= length <= 2**28 for first, length in pieces)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(CHANGES, max_size=3), st.binary(max_size=4))
def test_changed_indexes(tmp_path_factory: pytest.TempPathFactory, changes, raw) -> None:
    check(tmp_path_factory.getbasetemp(), changes, raw)


@pytest.mark.slow
@settings(deadline=None, max_examples=5000)
@given(st.lists(CHANGES, max_size=3), st.binary(max_size=4))
def test_thousands_of_changed_indexes(tmp_path_factory, changes, raw) -> None:
    check(tmp_path_factory.getbasetemp(), changes, raw)
