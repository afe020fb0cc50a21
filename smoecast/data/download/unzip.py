"""Taking single files out of an archive that came over the network, trusting nothing in it.

What an archive may cost is bounded before it is opened: its list of members is read at once, and
of the ways to compress only deflate can be undone bit by bit (`zipfile` undoes a whole block of
the others, however large it becomes).
"""

import io
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from smoecast.disk.atomic import stage
from smoecast.disk.confine import confine
from smoecast.errors import InputError, OutputError

_BLOCK = 1 << 20
_LIST_BYTES = 4 * 2**20
"""Of the list of members, at most: tens of thousands of them."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_RATIO = 100
"""By which a file may grow, at most; NetCDF of weather grows to twice its size."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class _Bounded(io.FileIO):
    """A file of which nobody reads more at once than the list of members may have."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LIST_BYTES:
            raise zipfile.BadZipFile(f"it has a list of members of {size} bytes")
        return super().read(size) or b""


def extract(path: Path, wanted: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Take files out of a zip, however deep they lie in it.

    Each is written to a temporary file beside the archive, whole and with the right checksum
    before it is handed over. Nothing else of the archive reaches the disk, and no name in it
    decides where anything is written.

    Parameters
    ----------
    path : Path
        The archive.
    wanted : sequence of str
        Names without folders.

    Yields
    ------
    tuple of str and Path
        A name and its temporary file, to be moved into place before the next one is asked for.

    Raises
    ------
    InputError
        The archive is damaged or cut, has a name that leads out of its folder, has a wanted file
        twice or not at all, or would grow beyond all measure.
    OutputError
        The disk has no room for the files or refuses them; the archive is kept.
    """
    try:
        with _Bounded(path) as file, zipfile.ZipFile(file) as archive:
            members = _members(archive, path, wanted)
            for member in members.values():
                _check_growth(member, path)
            _check_room(path, sum(member.file_size for member in members.values()))
            for name, member in members.items():
                place = confine(path.parent, name)
                with archive.open(member) as source, _room(place) as part:
                    yield name, _copy(source, part)
    except _DAMAGED as problem:
        raise InputError(
            f"{path}: the archive is damaged ({problem}): run again, it is fetched anew"
        ) from None


def _members(
    archive: zipfile.ZipFile, path: Path, wanted: Sequence[str]
) -> dict[str, zipfile.ZipInfo]:
    """Find each wanted file by its name alone."""
    found: dict[str, list[zipfile.ZipInfo]] = {name: [] for name in wanted}
    for member in archive.infolist():
        place = PurePosixPath(member.filename.replace("\\", "/"))
        if place.is_absolute() or ".." in place.parts or ":" in member.filename:
            raise InputError(
                f"{path}: the archive has the member {member.filename[:80]!r}, which leads out of "
                "its folder: it is not to be trusted, use another mirror (download.url)"
            )
        if place.name in found and not member.is_dir():
            found[place.name].append(member)
    for name, members in found.items():
        if len(members) != 1:
            what = "twice" if members else f"not among its {len(archive.infolist())} members"
            raise InputError(f"{path}: {name} is {what}: use another mirror (download.url)")
    return {name: members[0] for name, members in found.items()}


def _check_growth(member: zipfile.ZipInfo, path: Path) -> None:
    if member.compress_type not in _METHODS:
        reason = "is compressed in a way that cannot be undone bit by bit"
    elif member.file_size > _RATIO * member.compress_size + _BLOCK:
        reason = f"has {member.compress_size} bytes that promise {member.file_size}"
    else:
        return
    raise InputError(f"{path}: {member.filename} {reason}: use another mirror (download.url)")


def _check_room(path: Path, size: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise OutputError(
            f"{path}: its files need {size / 1e9:.1f} GB, the disk has {free / 1e9:.1f}: make room "
            "and run again, the archive is kept"
        )


@contextmanager
def _room(target: Path) -> Iterator[Path]:
    """Give a file a place to grow in (`disk.atomic.stage`)."""
    with ExitStack() as room:
        try:
            part = room.enter_context(stage(target))
        except OSError as problem:
            raise _disk(target, problem) from None
        yield part


def _copy(source: IO[bytes], target: Path) -> Path:
    """Write all of `source`, whose checksum zipfile compares at its end, and have it on disk."""
    try:
        file = target.open("wb")
    except OSError as problem:
        raise _disk(target, problem) from None
    with file:
        while block := source.read(_BLOCK):
            try:
                file.write(block)
            except OSError as problem:
                raise _disk(target, problem) from None
        try:
            file.flush()
            os.fsync(file.fileno())
        except OSError as problem:
            raise _disk(target, problem) from None
    return target


def _disk(target: Path, problem: OSError) -> OutputError:
    return OutputError(
        f"{target}: the disk does not take the file ({problem.strerror}): make room and run again"
    )
