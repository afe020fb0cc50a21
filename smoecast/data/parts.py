"""Where the bytes of a file go while it is fetched."""

from pathlib import Path


class Part:
    """A file on disk to which every byte is appended as it comes.

    Another class may keep less of what comes: `data.fetch` only asks how much of the remote file
    is done with, not how much of it is on disk.

    Parameters
    ----------
    path : Path
        The file; ``{name}.json`` beside it is for the marks by which the server knows the version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def marks(self) -> Path:
        """Where the marks of the version that is fetched are kept."""
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def there(self) -> int:
        """Bytes of the remote file, from its first on, that need not be fetched again."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def append(self, chunk: bytes) -> None:
        """Take what has come; the file is there afterwards, be the chunk ever so empty.

        Raises
        ------
        OSError
            The disk does not take it; what it took is counted in `there`.
        InputError
            It is not what such a file holds.
        """
        with self.path.open("ab", buffering=0) as file:
            written = 0
            while written < len(chunk):
                written += file.write(chunk[written:])

    def unfinished(self) -> str:
        """Return in words why the file cannot end here; empty if it can."""
        return ""

    def forget(self) -> None:
        """Throw away what has come."""
        self.marks.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
