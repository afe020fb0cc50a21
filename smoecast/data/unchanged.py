"""Inputs of a run: at its end they must be what they were at its beginning.

A file is known by size, times and inode. Where one of these has changed, its checksum decides, so
that a touched or copied file is no other one. A store is held besides
(`disk.read_locks.hold_for_reading`), so that no run of smoecast puts another in its place
meanwhile.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast.data.sources import files as raw
from smoecast.disk.digests import sha256_of
from smoecast.disk.file_state import FileState, state_of
from smoecast.disk.read_locks import hold_for_reading
from smoecast.errors import InputError, ModelError, OutputError
from smoecast.fields.read.zarr.group_file import is_group_file
from smoecast.fields.store import checksums, store


class ChangedError(OutputError):
    """An input is another one than at the beginning of the run."""


_CHANGED = (
    "{}: changed while this run was reading it, so the result would be of two versions and was not "
    "kept: run again when nothing writes to the file any more"
)


@dataclass
class Inputs:
    """What a run reads.

    Attributes
    ----------
    manifest : list of dict
        Name, size and sha256 of each file, in order, as they were at the beginning; empty if the
        inputs are held without (`hold_inputs`).
    """

    manifest: list[dict[str, Any]]
    _before: dict[Path, FileState] = field(default_factory=dict)
    _entries: dict[Path, dict[str, Any]] = field(default_factory=dict)
    _same: dict[Path, Callable[[Path], bool]] = field(default_factory=dict)

    def describe(self, files: Sequence[Path], memory: Path | None = None) -> list[dict[str, Any]]:
        """Return name, size and sha256 of some of the files that are held, in order.

        Each is read once. `memory` remembers the digests for later runs, see `files.manifest`.

        Raises
        ------
        ChangedError
            One has changed since it is held.
        """
        new = [path for path in files if path not in self._entries]
        for path, entry in zip(new, raw.manifest(new, memory), strict=True):
            self._entries[path] = entry
            self._same[path] = partial(_has, entry["sha256"])
            if state_of(path) != self._before[path]:
                raise ChangedError(_CHANGED.format(path))
        return [self._entries[path] for path in files]

    def confirm(self, *spoiled: Path) -> None:
        """Look whether every file still has its content.

        Parameters
        ----------
        *spoiled : Path
            Files that were made of what was read, and are removed if that has changed.

        Raises
        ------
        ChangedError
            One is gone or has changed: what was made of it is of two versions.
        """
        for path, before in self._before.items():
            if state_of(path) == before:
                continue
            if path not in self._same or not path.is_file() or not self._same[path](path):
                for made in spoiled:
                    made.unlink(missing_ok=True)
                raise ChangedError(_CHANGED.format(path))

    @contextmanager
    def tell_changes(self) -> Iterator[None]:
        """Have what fails in the block be told as the change of a file, where one has changed.

        Raises
        ------
        ChangedError
            See `confirm`; a file that is overwritten fails its reader, or its model, in any way.
        """
        try:
            yield
        except (InputError, ModelError, OSError, RuntimeError, ValueError):
            self.confirm()
            raise


@contextmanager
def hold_inputs(
    files: Sequence[Path] = (),
    stores: Iterable[Path] = (),
    memory: Path | None = None,
    *,
    describe: bool = True,
) -> Iterator[Inputs]:
    """Hold the inputs of a run while it reads them, and check the stores cheaply.

    Parameters
    ----------
    files : sequence of Path
        As `fields.read.open` opens them: `group_file` says what stands for a Zarr group.
    stores : iterable of Path
        Made by `preprocess`; one that is not there is none to hold.
    memory : Path, optional
        Remembers the digests of files, see `files.manifest`.
    describe : bool
        Whether all files are read for their digests at once; else `Inputs.describe` reads those
        that are used.

    Yields
    ------
    Inputs
        `Inputs.confirm` is to be called before a result takes its place.

    Raises
    ------
    InputError
        A store is damaged, see `store.verify_store`.
    ChangedError
        What went wrong while the inputs were held went wrong with one that had changed.
    """
    with ExitStack() as held:
        inputs = Inputs([])
        for path in filter(Path.exists, stores):
            held.enter_context(hold_for_reading(path))
            inputs._before |= _states(path.rglob("*"))
            store.verify_store(path, whole=False)
            if sums := store.sums_of(path):
                kept = path / store.FIELDS / checksums.NAME
                inputs._same |= {path / name: known.fits for name, known in sums.items()}
                inputs._same[kept] = partial(_has, sha256_of(kept))
        for path in files:
            group = is_group_file(path)
            if group:
                held.enter_context(hold_for_reading(path.parent))
            inputs._before |= _states(path.parent.rglob("*") if group else [path])
        if describe:
            inputs.manifest = inputs.describe(files, memory)
        with inputs.tell_changes():
            yield inputs


def describe_fields(name: str, fields: xr.DataArray) -> dict[str, Any]:
    """Return what `Inputs.describe` says of a file of fields in a store: their own sha256."""
    content = np.ascontiguousarray(fields.values).tobytes()
    return {"file": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _states(paths: Iterable[Path]) -> dict[Path, FileState]:
    return {path: state_of(path) for path in paths if path.is_file()}


def _has(digest: str, path: Path) -> bool:
    return raw.digest_of(path) == digest
