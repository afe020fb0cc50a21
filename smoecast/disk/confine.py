"""Names that others have chosen, confined to a folder of ours."""

import os
from pathlib import Path

from smoecast.errors import InputError


def is_plain(name: str) -> bool:
    """Whether a name can be that of one file in any folder, visible and nowhere else."""
    letters = name.isprintable() and not any(sign in name for sign in "/\\:")
    return letters and bool(name) and not name.startswith(".") and len(name.encode()) <= 255


def confine(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder, by a name that others have chosen.

    Every name that comes from a server, an archive, a store or a result goes through here before
    anything is written under it.

    Parameters
    ----------
    folder : Path
        That it must not leave; it may itself be reached through a symbolic link.
    name : str
        Parts with ``/`` between them lead into folders below.

    Raises
    ------
    InputError
        The name is absolute or leads upwards, one of its parts is empty, hidden, too long or has
        signs that are no part of a name, or a symbolic link leads out of the folder.
    """
    if not all(map(is_plain, name.split("/"))):
        shown = f"{name[:80]}..." if len(name) > 80 else name
        raise InputError(
            f"{folder}: {shown!r} is no name of a file in this folder, so nothing is written under "
            "it: do not trust where it comes from, use another source"
        )
    path = folder / name
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise InputError(
            f"{path}: a symbolic link leads out of {folder}, where nothing is written: remove it"
        )
    return path
