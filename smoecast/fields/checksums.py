"""Checksums that a result carries: of every byte, so that damage shows before anything is read.

A NetCDF file has the sha256 of each MiB after its last byte of HDF5. Readers do not look there,
and a program that changes the file cuts them off. A forecast store (Zarr) has size and sha256 of
each of its files in a hidden one beside the chunks of `time`: zarr would warn of one in the group
itself. An attribute says so in both. A GRIB file has the sha256 of each MiB in its first message
(`fields.local_section`).
"""

import hashlib
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import netCDF4
import numpy as np

from smoecast.disk.digests import sha256_of
from smoecast.disk.small_files import read_json
from smoecast.errors import InputError, OutputError
from smoecast.fields import header_digest, local_section
from smoecast.fields.read.netcdf import hdf5
from smoecast.fields.read.netcdf.headers import check_file
from smoecast.fields.read.netcdf.watchdog import watch
from smoecast.fields.read.results import read_attributes

MARK = "smoecast_checksums"
"""Global attribute of a result that carries checksums."""

IN_FILE = "sha256 of each MiB follow the data; smoecast verify checks them"
IN_GRIB = "section 2 of the first message has sha256 of each MiB; smoecast verify checks them"
IN_STORE = "time/.smoecast.json has sha256 of every file; smoecast verify checks them"

PIECE_BYTES = 2**20
SAMPLE_BYTES = 64 * 2**20
"""Read by a check that is not whole, at most, unless two files of a store are larger."""

LISTING = "time/.smoecast.json"
MOST_LISTING = 2**28
"""Bytes of it: 200 for each of a million chunks."""
_NOT_LISTED = (LISTING, ".lock")
_MAGIC = b"\nsmoecast-sums-1\n"
_DIGEST, _LENGTH = 64, 16
_TAIL = _DIGEST + _LENGTH + len(_MAGIC)


def seal_file(path: Path, header: str) -> None:
    """Add checksums to a NetCDF file that has been written and closed.

    Parameters
    ----------
    path : Path
    header : str
        Its `header_digest.digest`.

    Raises
    ------
    OSError
        The disk is full or refuses.
    """
    with path.open("r+b") as file:
        pieces = [_sha256(piece) for piece in iter(lambda: file.read(PIECE_BYTES), b"")]
        body = json.dumps({"header": header, "pieces": pieces}).encode()
        file.seek(0, os.SEEK_END)
        file.write(body + _sha256(body).encode() + b"%016d" % len(body) + _MAGIC)


def seal_store(path: Path) -> None:
    """Add checksums to a Zarr store that has been written.

    Raises
    ------
    OSError
        The disk is full or refuses.
    """
    sizes = _sizes(path)
    sums = {name: sha256_of(path / name) for name in sizes}
    (path / LISTING).write_text(json.dumps(_list_parts(sizes, sums)))


def seal_grib(path: Path, attributes: dict[str, Any]) -> None:
    """Add attributes and checksums to a GRIB file that has been written with room for them.

    Raises
    ------
    OSError
        The disk is full or refuses.
    """
    local_section.fill(path, attributes, PIECE_BYTES)


def check(path: Path, *, whole: bool) -> None:
    """Hold a result against the checksums that it carries.

    Parameters
    ----------
    path : Path
        A NetCDF or GRIB file, or the folder of a Zarr store.
    whole : bool
        Whether every byte is read; else what is larger than `SAMPLE_BYTES` is read in part: what
        describes the fields wholly, of the fields the first, the last and some between them.

    Raises
    ------
    InputError
        There is nothing, or it carries no checksums.
    OutputError
        It is not as it was written.
    """
    if not path.is_dir() and not path.is_file():
        raise InputError(f"{path}: there is no such result")
    try:
        if path.is_dir():
            _check_store(path, whole)
        elif local_section.is_grib(path):
            _check_grib(path, whole)
        else:
            _check_file(path, whole)
    except OSError as problem:
        reason = problem.strerror or problem
        raise OutputError(f"{path}: it cannot be read whole ({reason}): make it again") from None


def _check_file(path: Path, whole: bool) -> None:
    with path.open("rb") as file:
        said = _read_sums(file)
        if said is None:
            raise _without(path)
        sizes, pieces, header = said
        chosen = _choose_parts(sizes, whole)
        for number in chosen:
            first = file.seek(number * PIECE_BYTES)
            if _sha256(file.read(sizes[number])) != pieces[number]:
                raise _is_changed(path, f"between bytes {first} and {first + sizes[number]}")
    if len(chosen) < len(sizes) and header_digest.digest_checked(path) != header:
        raise _is_changed(path, "a coordinate or an attribute")


def _check_grib(path: Path, whole: bool) -> None:
    found = local_section.read(path)
    if found is None:
        raise _no_checksums(path)
    record, mark, begin = found
    if local_section.of_head(path, mark) != record.head:
        raise _is_changed(path, f"before byte {mark}")
    sizes = _pieces(path.stat().st_size - begin)
    if len(sizes) != len(record.pieces):
        raise _is_changed(path, "it was cut, or something follows it")
    with path.open("rb") as file:
        for number in _choose_parts(sizes, whole):
            first = file.seek(begin + number * PIECE_BYTES)
            if _sha256(file.read(sizes[number])) != record.pieces[number]:
                raise _is_changed(path, f"between bytes {first} and {first + sizes[number]}")


def _pieces(size: int) -> list[int]:
    """Return the size of each piece of so many bytes."""
    return [min(PIECE_BYTES, size - first) for first in range(0, size, PIECE_BYTES)]


def _read_sums(file: IO[bytes]) -> tuple[list[int], list[Any], str] | None:
    """Return sizes and checksums of the pieces, and that of the header; None if they are not whole.

    The file may come from anywhere: what stands there is not believed.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _TAIL))
    tail = file.read()
    length = tail[_DIGEST : -len(_MAGIC)]
    size = end - _TAIL - int(length) if length.isdigit() else -1
    if not tail.endswith(_MAGIC) or size < 0:
        return None
    file.seek(size)
    body = file.read(int(length))
    if _sha256(body).encode() != tail[:_DIGEST]:
        return None
    try:
        said = json.loads(body)
        pieces, header = list(said["pieces"]), str(said["header"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    sizes = _pieces(size)
    return (sizes, pieces, header) if len(pieces) == len(sizes) else None


def _without(path: Path) -> InputError | OutputError:
    """Return what is wrong with a file that has no checksums."""
    with path.open("rb") as file:
        if file.read(len(hdf5.MAGIC)) != hdf5.MAGIC:
            return InputError(f"{path}: is no result of smoecast")
    why = "another program changed it"
    try:
        check_file(path)
        with watch(path), netCDF4.Dataset(path) as opened:
            if MARK not in opened.ncattrs():
                return _no_checksums(path)
    except (OSError, RuntimeError, ValueError, InputError):
        why = "it is damaged"
    return OutputError(f"{path}: its checksums are gone, it was cut or {why}: make it again")


def _no_checksums(path: Path) -> InputError:
    return InputError(
        f"{path}: carries no checksums: an older smoecast or another program wrote it"
    )


def _check_store(path: Path, whole: bool) -> None:
    if not (path / LISTING).is_file():
        if MARK in read_attributes(path):
            raise OutputError(f"{path}: its checksums ({LISTING}) are gone: make it again")
        raise _no_checksums(path)
    try:
        said = read_json(path / LISTING, MOST_LISTING)
        sizes, sums = dict(said["bytes"]), dict(said["sha256"])
        intact = said == _list_parts(sizes, sums)
    except (OSError, ValueError, KeyError, TypeError):
        intact = False
    if not intact:
        raise OutputError(f"{path}: its checksums ({LISTING}) are damaged: make it again")
    found = _sizes(path)
    for name in sorted(found.keys() | sizes.keys()):
        if found.get(name) != sizes.get(name):
            how = "was added" if name not in sizes else "has another size"
            raise _is_changed(path, f"{name} {how if name in found else 'is missing'}")
    described = [name for name in sizes if _describes(name)]
    fields = [name for name in sizes if not _describes(name)]
    chosen = _choose_parts([sizes[name] for name in fields], whole)
    for name in (*described, *(fields[number] for number in chosen)):
        if sha256_of(path / name) != sums.get(name):
            raise _is_changed(path, f"{name} has other content")


def _is_changed(path: Path, what: str) -> OutputError:
    return OutputError(
        f"{path}: was damaged or changed after it was written ({what}): make it again"
    )


def _describes(name: str) -> bool:
    """Tell metadata and coordinates, whose chunks have one number, from fields."""
    _, in_v3, numbers = name.partition("/c/")
    if in_v3:
        return "/" not in numbers
    last = name.rpartition("/")[2]
    return last.startswith(".") or "." not in last


def _sizes(path: Path) -> dict[str, int]:
    """Return the size of every file in a store, by its path there."""
    found = {}
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            place = Path(folder, name)
            state = place.lstat()
            if stat.S_ISREG(state.st_mode):
                found[place.relative_to(path).as_posix()] = state.st_size
            elif not stat.S_ISDIR(state.st_mode):
                raise _is_changed(path, f"{place.relative_to(path)} is no regular file")
    return {name: found[name] for name in sorted(found) if name not in _NOT_LISTED}


def _list_parts(sizes: dict[str, int], sums: dict[str, str]) -> dict[str, Any]:
    said = {"bytes": sizes, "sha256": sums}
    return {**said, "of_this": _sha256(json.dumps(said, sort_keys=True).encode())}


def _choose_parts(sizes: Sequence[int], whole: bool) -> Sequence[int]:
    """Return which parts are read: all, or the first, the last and some between them."""
    if whole or sum(sizes) <= SAMPLE_BYTES:
        return range(len(sizes))
    count = max(2, SAMPLE_BYTES // max(sizes))
    places: list[int] = np.unique(
        np.linspace(0, len(sizes) - 1, count).round().astype(int)
    ).tolist()
    return places


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
