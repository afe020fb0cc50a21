"""A store under construction: filled chunk by chunk, taken up again where a run was killed.

Beside the store stands a folder of its own until every chunk is there: the store's Zarr metadata,
the chunks that are done, and for each of them a note (its checksum and what the worker wants to
remember, such as sums for the statistics). A chunk without a note is made again. Nothing depends
on who made which chunk, or in which order, so the store is the same to the byte in any case.
"""

import json
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.disk import sync, write_atomic
from smoecast.errors import OutputError
from smoecast.fields.store import DETAILS, FIELDS, SCHEMA, rows_of
from smoecast.fields.zarrarray import METADATA
from smoecast.fields.zarrmetadata import check_files, group_attributes

CHUNK_BYTES = 32_000_000
"""Of the float32 values in one chunk, at most, unless one row is larger."""

_READY = "identity"


@dataclass(frozen=True)
class Draft:
    """A store that is being made.

    Attributes
    ----------
    path : Path
        Where it will stand, ending in ``.zarr``.
    rows, chunk_rows : int
        In all, and in one chunk.
    identity : str
        Of what it is made from; a draft of another identity is thrown away.
    """

    path: Path
    rows: int
    chunk_rows: int
    identity: str

    @property
    def part(self) -> Path:
        """The folder in which it grows, with its notes."""
        return self.path.with_name(f".{self.path.name}.draft")

    @property
    def group(self) -> Path:
        """What will be the store."""
        return self.part / self.path.name

    @property
    def chunks(self) -> range:
        """Numbers of all chunks."""
        return range(-(-self.rows // self.chunk_rows))

    def slice_of(self, chunk: int) -> slice:
        """Return the rows of a chunk."""
        begin = chunk * self.chunk_rows
        return slice(begin, min(begin + self.chunk_rows, self.rows))

    def missing(self) -> list[int]:
        """Return the chunks that are still to be made."""
        return [chunk for chunk in self.chunks if not self._note(chunk).is_file()]

    def write(self, chunk: int, values: NDArray[np.float32], note: dict[str, Any]) -> None:
        """Put a chunk on disk, then its note.

        Parameters
        ----------
        chunk : int
            Its number.
        values : (rows of the chunk, ..., C, H, W) float32
            SI units.
        note : dict
            JSON values, given back by `notes`.

        Raises
        ------
        OutputError
            The disk is full or refuses.
        """
        with storing(self.path):
            rows = rows_of(self.group)
            padded = np.zeros((self.chunk_rows, *rows.shape[1:]), rows.stored)
            padded[: len(values)] = rows.pack(values)
            write_atomic(rows.chunk_file(chunk), padded.tobytes())
            content = {"crc32": zlib.crc32(padded.data), **note}
            write_atomic(self._note(chunk), json.dumps(content).encode())

    def notes(self) -> list[dict[str, Any]]:
        """Return the note of every chunk, in order."""
        return [json.loads(self._note(chunk).read_bytes()) for chunk in self.chunks]

    def finish(self, summary: xr.Dataset) -> None:
        """Read every chunk once more, add small variables, put the store in its place.

        Raises
        ------
        OutputError
            A chunk does not read back as it was written, or the disk refuses.
        """
        with storing(self.path):
            rows = rows_of(self.group)
            for chunk, note in zip(self.chunks, self.notes(), strict=True):
                if zlib.crc32(rows.chunk_file(chunk).read_bytes()) != note["crc32"]:
                    self._note(chunk).unlink()
                    raise OutputError(
                        f"{self.path}: part {chunk + 1} of {len(self.chunks)} did not read back "
                        "as written: look after the disk, then run the same command again"
                    )
            check_files(self.group)  # zarr opens it to append; it may be an older run's
            attributes = group_attributes(self.group / METADATA)  # appending replaces them
            summary.assign_attrs(attributes).to_zarr(
                self.group, mode="a", consolidated=True, zarr_format=2
            )
            sync(self.group)
            _swap(self.group, self.path)
            self.discard()

    def discard(self) -> None:
        """Throw away all that was made and is no store yet."""
        shutil.rmtree(self.part, ignore_errors=True)

    def _note(self, chunk: int) -> Path:
        return self.part / "notes" / f"{chunk}.json"


def rows_per_chunk(rows: int, row_bytes: int) -> int:
    """Return how many of all rows go into one chunk."""
    return min(max(1, CHUNK_BYTES // row_bytes), rows)


def begin(template: xr.Dataset, path: Path, details: dict[str, Any]) -> Draft:
    """Begin a store, or take up the draft of the same identity.

    Parameters
    ----------
    template : xr.Dataset
        ``fields`` (row, ..., channel, latitude, longitude), of which only shape, type and
        coordinates are looked at, and small variables beside it; with ``offset`` and ``scale``
        (channel) the fields are stored as float16 of (value - offset) / scale.
    path : Path
        Where the store will stand; an older one there stays until the new one is whole.
    details : dict
        JSON values: what the store is made from, with its ``identity``.

    Raises
    ------
    OutputError
        The disk is full or refuses.
    """
    fields = template[FIELDS]
    row_bytes = 4 * int(np.prod(fields.shape[1:]))
    rows = fields.shape[0]
    draft = Draft(path, rows, rows_per_chunk(rows, row_bytes), details["identity"])
    ready = draft.part / _READY
    if ready.is_file() and ready.read_text() == draft.identity:
        return draft
    with storing(path):
        shutil.rmtree(draft.part, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        _lay_out(template, draft, details)
        (draft.part / "notes").mkdir()
        write_atomic(ready, draft.identity.encode())
    return draft


def _lay_out(template: xr.Dataset, draft: Draft, details: dict[str, Any]) -> None:
    """Write everything of a store but its chunks."""
    fields = template[FIELDS]
    stored = "float16" if "scale" in template else "float32"
    chunks = (draft.chunk_rows, *fields.shape[1:])
    empty = fields.copy(data=da.zeros(fields.shape, chunks=chunks, dtype=stored))
    described = template.assign({FIELDS: empty}).drop_encoding()
    described.attrs = {DETAILS: json.dumps({"schema": SCHEMA, **details})}
    hours = {"dtype": "int64", "units": "hours since 1970-01-01"}
    times = [n for n, c in described.coords.items() if np.issubdtype(c.dtype, np.datetime64)]
    encoding: dict[str, dict[str, Any]] = {str(name): hours for name in times}
    encoding[FIELDS] = {"compressors": None, "chunks": chunks}
    described.to_zarr(
        draft.group, mode="w", compute=False, consolidated=True, zarr_format=2, encoding=encoding
    )


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn what the file system complains of into an OutputError for `path`."""
    try:
        yield
    except OSError as problem:
        raise OutputError(
            f"{path}: the store could not be written ({problem.strerror or problem}); free space "
            "or choose another folder, then run the same command again: what is done stays done"
        ) from problem


def _swap(group: Path, path: Path) -> None:
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    group.rename(path)
    sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)
