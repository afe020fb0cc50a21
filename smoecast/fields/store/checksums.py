"""Checksums of a store: a hidden file in it names size and CRC-32 of every other one.

It lies among the chunks, where no Zarr reader looks for anything that it does not know.
"""

import hashlib
import json
import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smoecast.disk.atomic import write_atomic
from smoecast.disk.small_files import read_json
from smoecast.errors import InputError

NAME = ".smoecast.json"
MOST_BYTES = 2**28
"""Of it: 60 for each of a million chunks."""
SAMPLE_BYTES = 64 * 2**20
"""Of the chunks that a cheap check reads, at most, unless the first one is larger."""
_BLOCK = 2**20
_MEND = "delete the store and run `smoecast preprocess` again"


@dataclass(frozen=True)
class Sum:
    """What a file of a store was when it was made.

    Attributes
    ----------
    size : int
        Bytes.
    crc32 : int
    """

    size: int
    crc32: int

    def fits(self, path: Path) -> bool:
        """Whether a file has this content."""
        try:
            return path.stat().st_size == self.size and crc32_of(path) == self.crc32
        except OSError:
            return False


def crc32_of(path: Path) -> int:
    """Return the CRC-32 of a file's content."""
    value = 0
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(_BLOCK):
            value = zlib.crc32(block, value)
    return value


def write(store: Path, fields: str, known: Mapping[str, int]) -> None:
    """Write the checksums of a whole store into it.

    Parameters
    ----------
    store : Path
        The folder.
    fields : str
        The array in it whose chunks the file lies among.
    known : mapping
        CRC-32 of some files by their name in the store; the others are read.

    Raises
    ------
    OSError
        The disk is full or refuses.
    """
    place = store / fields / NAME
    sums = {}
    for path in sorted(store.rglob("*")):
        if path.is_file() and path != place:
            name = path.relative_to(store).as_posix()
            sums[name] = [path.stat().st_size, known.get(name) or crc32_of(path)]
    content = {"files": sums, "sha256": _digest(sums)}
    write_atomic(place, json.dumps(content, indent=0, sort_keys=True).encode())


def read(store: Path, fields: str) -> dict[str, Sum] | None:
    """Return the checksum of every file of a store by its name; None if it keeps none.

    Raises
    ------
    InputError
        The file with them is damaged.
    """
    place = store / fields / NAME
    try:
        content = read_json(place, MOST_BYTES)
        sums = {name: Sum(*map(int, entry)) for name, entry in content["files"].items()}
        within = not any(Path(name).is_absolute() or ".." in Path(name).parts for name in sums)
        if within and content["sha256"] == _digest(content["files"]):
            return sums
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InputError(f"{place}: the checksums of the store are damaged; {_MEND}")


def _digest(sums: object) -> str:
    return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()


def verify(store: Path, sums: Mapping[str, Sum], chunks: Sequence[str], *, whole: bool) -> None:
    """Compare the files of a store with their checksums.

    Parameters
    ----------
    store : Path
        The folder.
    sums : mapping
        Of `read`.
    chunks : sequence of str
        Names of the files with the fields.
    whole : bool
        Whether all of them are read; otherwise some by chance, `SAMPLE_BYTES` of them. Their sizes
        are looked at in any case, and all other files are read.

    Raises
    ------
    InputError
        A file is missing, or is not as it was made.
    """
    for name, wanted in sums.items():
        path = store / name
        if not path.is_file():
            raise InputError(f"{path}: a file of the store is missing; {_MEND}")
        if path.stat().st_size != wanted.size:
            raise InputError(f"{path}: a file of the store has another size than once; {_MEND}")
    spared = set() if whole else _choose_spared(chunks, sums)
    for name, wanted in sums.items():
        if name not in spared and not wanted.fits(store / name):
            raise InputError(f"{store / name}: a file of the store is damaged; {_MEND}")


def _choose_spared(chunks: Sequence[str], sums: Mapping[str, Sum]) -> set[str]:
    """Return the chunks that a cheap check does not read: others each time."""
    order, left = random.Random().sample(chunks, len(chunks)), SAMPLE_BYTES  # nosec B311
    spared = set()
    for count, name in enumerate(order):
        left -= sums[name].size
        if left < 0 and count:
            spared.add(name)
    return spared
