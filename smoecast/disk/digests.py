"""Size and sha256 of a result, be it a file or a folder."""

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(path: Path) -> str:
    """Return the sha256 of a file, or of a folder that over the sorted names and digests in it.

    Locks are left out: they are nobody's result.

    Raises
    ------
    OSError
        It cannot be read.
    """
    if not path.is_dir():
        return sha256_of(path)
    lines = (f"{file.relative_to(path).as_posix()}\0{digest(file)}\n" for file in _files(path))
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder that `digest` takes.

    Raises
    ------
    OSError
        It is not there.
    """
    files = _files(path) if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.rglob("*") if f.is_file() and not f.name.startswith(".lock"))
