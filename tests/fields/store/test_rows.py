"""Any selection of a store is that of an array; a file that changes under a run is told."""

import copy
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from smoecast.errors import InputError
from smoecast.fields.store import rows as rows_module
from smoecast.fields.store.rows import Rows, variable

ANALYSES = (10, 2, 3, 4)
ENSEMBLES = (5, 2, 3, 3, 4, 2)
DIMS = ("init_time", "lead_time", "number", "channel", "latitude", "longitude")


def on_disk(folder: Path, shape: tuple[int, ...], chunk_rows: int = 4, half: bool = False) -> Rows:
    """Write fields 0, 1, 2 ... as a store has them, each value its own place."""
    values = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    channels = shape[-3]
    packing = (np.full((channels, 1, 1), 4, "f4"), np.full((channels, 1, 1), 2, "f4"))
    rows = Rows(
        folder, shape, chunk_rows, np.dtype("f2" if half else "f4"), packing if half else None
    )
    folder.mkdir(parents=True, exist_ok=True)
    for chunk in range(-(-shape[0] // chunk_rows)):
        part = values[chunk * chunk_rows : (chunk + 1) * chunk_rows]
        padded = np.zeros((chunk_rows, *shape[1:]), rows.stored)
        padded[: len(part)] = rows.pack(part)
        rows.chunk_file(chunk).write_bytes(padded.tobytes())
    return rows


def as_array(shape: tuple[int, ...]) -> xr.DataArray:
    values = np.arange(np.prod(shape), dtype="f4").reshape(shape)
    return xr.DataArray(values, dims=DIMS[-len(shape) :])


def selections(shape: tuple[int, ...]) -> st.SearchStrategy:
    def along(size: int) -> st.SearchStrategy:
        place = st.integers(0, size - 1)
        some = st.slices(size).filter(lambda s: range(size)[s])  # xarray fails at others by itself
        return st.one_of(place, st.lists(place, max_size=4), some)

    dims = DIMS[-len(shape) :]
    return st.fixed_dictionaries(
        {}, optional={d: along(n) for d, n in zip(dims, shape, strict=True)}
    )


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("shape", [ANALYSES, ENSEMBLES], ids=["analyses", "ensembles"])
def test_every_selection_is_that_of_an_array(
    tmp_path: Path, shape: tuple[int, ...], half: bool
) -> None:
    rows = on_disk(tmp_path, shape, half=half)
    stored = xr.DataArray(variable(rows, DIMS[-len(shape) :]))
    wanted = as_array(shape)

    @settings(derandomize=True, deadline=None, max_examples=100)
    @given(selections(shape))
    def check(key: dict) -> None:
        found, there = stored.isel(key), wanted.isel(key)
        assert found.dims == there.dims
        np.testing.assert_array_equal(found.values, there.values)

    check()


def test_channels_of_a_row_are_read_as_they_are_stored(tmp_path: Path) -> None:
    rows = on_disk(tmp_path, (6, 5, 3, 4))
    for channels in (slice(None), slice(1, 3), np.array([4, 0, 1, 2]), np.array([3])):
        there = as_array((6, 5, 3, 4)).values[5][channels]
        out = np.empty(there.shape, "f4")
        rows.read(5, channels, out)
        np.testing.assert_array_equal(out, there)


def test_fields_side_by_side_are_read_at_once_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, asked = on_disk(tmp_path, (4, 6, 3, 4)), []
    real = rows_module._Chunk.read

    def read(self: object, into: memoryview, begin: int) -> None:
        asked.append((begin, len(into)))
        real(self, into, begin)

    monkeypatch.setattr(rows_module._Chunk, "read", read)
    field = 4 * 3 * 4
    rows.read(1, np.array([1, 2, 5]), np.empty((3, 3, 4), "f4"))
    assert asked == [(7 * field, 2 * field), (11 * field, field)]
    asked.clear()
    xr.DataArray(variable(rows, DIMS[-4:]))[2, 1, 1, 2].load()
    assert asked == [(13 * field + 4 * 6, 4)]


def test_no_more_files_are_open_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "FILES", 2)

    def opened() -> list[str]:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
        return sorted(p.name for link in links if (p := link.resolve()).parent == tmp_path)

    rows = on_disk(tmp_path, ANALYSES)
    for index in (0, 9, 5, 1, 8):
        out = np.empty(ANALYSES[1:], "f4")
        rows.read(index, slice(None), out)
        np.testing.assert_array_equal(out, as_array(ANALYSES)[index])
    assert opened() == ["0.0.0.0", "2.0.0.0"]
    del rows
    assert opened() == []


def test_rows_go_to_another_process_and_can_be_copied(tmp_path: Path) -> None:
    rows = on_disk(tmp_path, ANALYSES, half=True)
    for other in (pickle.loads(pickle.dumps(rows)), copy.deepcopy(rows)):
        found = xr.DataArray(variable(other, DIMS[-4:]))
        np.testing.assert_array_equal(found, as_array(ANALYSES))


def test_a_file_that_is_cut_while_it_is_open_is_told(tmp_path: Path) -> None:
    rows = on_disk(tmp_path, ANALYSES)
    fields = xr.DataArray(variable(rows, DIMS[-4:]))
    fields[4].load()  # opens it
    file = tmp_path / "1.0.0.0"
    for size in (100, 0):
        with file.open("r+b") as stream:
            stream.truncate(size)
        assert fields[0].load().shape == (2, 3, 4)
        with pytest.raises(InputError, match=r"1\.0\.0\.0: a part of the store is cut; delete the"):
            fields[6].load()


def test_a_file_that_is_gone_or_unreadable_is_told(tmp_path: Path) -> None:
    fields = xr.DataArray(variable(on_disk(tmp_path, ANALYSES), DIMS[-4:]))
    file = tmp_path / "1.0.0.0"
    file.unlink()
    with pytest.raises(InputError, match=r"1\.0\.0\.0: a part of .* \(No such file or directory\)"):
        fields[6].load()
    file.mkdir()
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        fields[6].load()


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    """A link would bring in what its reader alone may see; a pipe is silent for ever."""
    rows = on_disk(tmp_path / "fields", ANALYSES)
    file = rows.chunk_file(0)
    moved = file.rename(tmp_path / "elsewhere")
    file.symlink_to(moved) if kind == "link" else os.mkfifo(file)
    with pytest.raises(InputError, match="a part of the store cannot be read"):
        rows.read(0, slice(0, 2), np.empty((2, 3, 4), "f4"))


def test_an_array_that_could_not_be_filled_in_place_is_refused(tmp_path: Path) -> None:
    out = np.empty((4, 3, 2), "f4").T
    with pytest.raises(ValueError, match="memory that is contiguous"):
        on_disk(tmp_path, ANALYSES).read(0, slice(None), out)
