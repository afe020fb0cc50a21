"""Which file stands for a Zarr group: the one that is opened and held instead of its folder."""

from pathlib import Path

from smoecast.errors import InputError
from smoecast.fields.read.zarr.array import METADATA

METADATA_V3 = "zarr.json"
"""File with the metadata of a Zarr v3 group, and of all its arrays where they are consolidated."""

GROUP = ".zgroup"
"""File of a Zarr v2 group whose metadata are not consolidated."""

_ALL = (METADATA, METADATA_V3, GROUP)


def is_group_file(path: Path) -> bool:
    """Whether a path is the file that stands for the group in its folder."""
    return path.name in _ALL


def folder_of(path: Path) -> Path:
    """Return the folder of the group that a file stands for; any other file as it is."""
    return path.parent if is_group_file(path) else path


def group_file(folder: Path) -> Path | None:
    """Return the file that stands for the group in a folder; None where there is no group.

    Raises
    ------
    InputError
        There are two: groups of Zarr v2 and of v3 in one folder, which may differ.
    """
    there = [folder / name for name in _ALL if (folder / name).is_file()]
    if len(there) > 1 and folder / METADATA_V3 in there:
        raise InputError(
            f"{folder}: has metadata of Zarr v2 and of v3, which may differ: name the file of the "
            f"one that is meant, {there[0].name} or {METADATA_V3}"
        )
    return there[0] if there else None
