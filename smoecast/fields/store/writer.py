"""A store under construction: filled chunk by chunk, taken up again where a run was killed.

Beside the store stands a folder of its own until every chunk is there: the store's Zarr metadata,
laid out anew by each run, the chunks that are done, and for each of them a note (its checksum and
what the worker wants to remember, such as sums for the statistics). A chunk without a note is made
again. Nothing depends on who made which chunk, or in which order, so the store is the same to the
byte in any case; and nothing is ever changed that another attempt begins with, so that a run may be
killed at any step.
"""

import json
import shutil
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.disk.atomic import put, write_atomic
from smoecast.disk.explain import explain_errors
from smoecast.disk.leftovers import remove
from smoecast.errors import OutputError
from smoecast.fields.left_out import left_out_of, to_attribute
from smoecast.fields.read.zarr.array import METADATA
from smoecast.fields.read.zarr.metadata import check_files, group_attributes
from smoecast.fields.store import checksums
from smoecast.fields.store.checksums import crc32_of
from smoecast.fields.store.rows import Rows
from smoecast.fields.store.store import DETAILS, FIELDS, SCHEMA, rows_of

CHUNK_BYTES = 32_000_000
"""Of the float32 values in one chunk, at most, unless one row is larger."""

_RESUME = "run the same command again: what is done stays done"
_READY = "identity"
_SUMMED = "summed"


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
        return part_of(self.path)

    @property
    def group(self) -> Path:
        """What will be the store: its chunks, and at the end all else."""
        return self.part / self.path.name

    @property
    def metadata(self) -> Path:
        """All of the store that is known from the beginning, but no chunk."""
        return self.part / "metadata"

    @property
    def fields(self) -> Rows:
        """The fields that grow."""
        return replace(rows_of(self.metadata), folder=self.group / FIELDS)

    @property
    def chunks(self) -> range:
        """Numbers of all chunks."""
        return range(-(-self.rows // self.chunk_rows))

    def slice_of(self, chunk: int) -> slice:
        """Return the rows of a chunk."""
        begin = chunk * self.chunk_rows
        return slice(begin, min(begin + self.chunk_rows, self.rows))

    def missing_chunks(self) -> list[int]:
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
        with explain_errors(self.path, _RESUME):
            rows = self.fields
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
        LockedError
            Another run is reading the older store; the same command goes on here later.
        """
        with explain_errors(self.path, _RESUME):
            known = self._checksums()
            remove(self.group / FIELDS / checksums.NAME)
            for name in self._lay_out(summary):
                (self.group / name).parent.mkdir(exist_ok=True)
                (self.part / _SUMMED / name).replace(self.group / name)
                known[name] = crc32_of(self.group / name)
            for path in sorted(self.group.rglob("*")):
                if path.is_file() and path.relative_to(self.group).as_posix() not in known:
                    path.unlink()  # half a chunk of a killed worker
            checksums.write(self.group, FIELDS, known)
            put(self.group, self.path)
            discard(self.path)

    def _checksums(self) -> dict[str, int]:
        """Return the CRC-32 of every chunk by its name in the store, each read once more."""
        known, wrong, rows = {}, [], self.fields
        for chunk, note in zip(self.chunks, self.notes(), strict=True):
            path = rows.chunk_file(chunk)
            known[path.relative_to(self.group).as_posix()] = note["crc32"]
            if not path.is_file() or crc32_of(path) != note["crc32"]:
                wrong.append(chunk)
        for chunk in wrong:
            self._note(chunk).unlink()
        if wrong:
            raise OutputError(
                f"{self.path}: part {wrong[0] + 1} of {len(self.chunks)} did not read back "
                "as written: look after the disk, then run the same command again"
            )
        return known

    def _lay_out(self, summary: xr.Dataset) -> list[str]:
        """Lay out all but the chunks, with the small variables; return the names of its files."""
        place = self.part / _SUMMED
        remove(place)
        shutil.copytree(self.metadata, place)
        check_files(place)  # zarr opens it to append; it may be an older run's
        attributes = group_attributes(place / METADATA)  # appending replaces them
        summary.assign_attrs(attributes).to_zarr(place, mode="a", consolidated=True, zarr_format=2)
        return [p.relative_to(place).as_posix() for p in sorted(place.rglob("*")) if p.is_file()]

    def _note(self, chunk: int) -> Path:
        return self.part / "notes" / f"{chunk}.json"


def discard(path: Path) -> None:
    """Throw away all that was made of a store and is none yet."""
    part = part_of(path)
    (part / _READY).unlink(missing_ok=True)  # first: a run killed here leaves no half a draft
    remove(part)


def part_of(path: Path) -> Path:
    """Return the folder in which a store grows, with its notes."""
    return path.with_name(f".{path.name}.draft")


def rows_per_chunk(rows: int, row_bytes: int) -> int:
    """Return how many of all rows go into one chunk."""
    return min(max(1, CHUNK_BYTES // row_bytes), rows)


def start_draft(template: xr.Dataset, path: Path, details: dict[str, Any]) -> Draft:
    """Begin a store, or take up the draft of the same identity.

    Parameters
    ----------
    template : xr.Dataset
        ``fields`` (row, ..., channel, latitude, longitude), of which only shape, type and
        coordinates are looked at, and small variables beside it; with ``offset`` and ``scale``
        (channel) the fields are stored as float16 of (value - offset) / scale. What was left
        out of the raw files (`fields.left_out`) is written into an attribute.
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
    with explain_errors(path, _RESUME):
        if not (ready.is_file() and ready.read_text() == draft.identity):
            discard(path)
            (draft.part / "notes").mkdir(parents=True)
            write_atomic(ready, draft.identity.encode())
        remove(draft.metadata)
        _lay_out(template, draft, details)
        (draft.group / FIELDS).mkdir(parents=True, exist_ok=True)
    return draft


def _lay_out(template: xr.Dataset, draft: Draft, details: dict[str, Any]) -> None:
    """Write everything of a store but its chunks."""
    fields = template[FIELDS]
    stored = "float16" if "scale" in template else "float32"
    chunks = (draft.chunk_rows, *fields.shape[1:])
    import dask.array as da  # noqa: PLC0415  # half a second

    empty = fields.copy(data=da.zeros(fields.shape, chunks=chunks, dtype=stored))
    described = template.assign({FIELDS: empty}).drop_encoding()
    described.attrs = {DETAILS: json.dumps({"schema": SCHEMA, **details})}
    described.attrs |= to_attribute(left_out_of(template))
    hours = {"dtype": "int64", "units": "hours since 1970-01-01"}
    times = [n for n, c in described.coords.items() if np.issubdtype(c.dtype, np.datetime64)]
    encoding: dict[str, dict[str, Any]] = {str(name): hours for name in times}
    encoding[FIELDS] = {"compressors": None, "chunks": chunks}
    described.to_zarr(
        draft.metadata, mode="w", compute=False, consolidated=True, zarr_format=2, encoding=encoding
    )
