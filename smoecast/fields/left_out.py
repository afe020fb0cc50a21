"""What a file has that is not read, and why; it is told once.

The worker of ecCodes imports this: it needs no xarray.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoecast import console, run_record
from smoecast.text_table import name_some

if TYPE_CHECKING:
    import xarray as xr

ATTRIBUTE = "smoecast_left_out"
"""Of a dataset in memory, and as JSON of a store or a result."""
UNSELECTED = "not selected by"
"""How the reason begins of what was left out on purpose (`fields.read.selection`)."""
SHOWN = 5
"""Things of a reason, and reasons, that the line on stderr names."""

_told: dict["LeftOut", None] = {}
"""What this process has told."""
_gathering: list[dict["LeftOut", None]] = []


@dataclass(frozen=True)
class LeftOut:
    """A variable of a NetCDF or Zarr file, or a kind of GRIB message, that is not read.

    Attributes
    ----------
    name : str
        As the file has it: ``swvl1``, ``pres on maxWind``.
    reason : str
        Why, in a few words; empty where smoecast has no name for it.
    channel : str
        The channel of ours that it nearly is, whose absence it explains: ``sp``; a variable,
        ``t``, where it is of any level.
    file : str
        Name of the first file that has it; the same in another is the same thing.
    keys : mapping of str to str
        By which it is known: of GRIB keys of ecCodes, with their values as text, else ``variable``;
        empty where `name` is the name of a variable in the file, and no more.
    """

    name: str
    reason: str = ""
    channel: str = ""
    file: str = field(default="", compare=False)
    keys: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        """Return the name, and the reason where there is one."""
        return f"{self.name} ({self.reason})" if self.reason else self.name


def left_out_of(dataset: "xr.Dataset") -> tuple[LeftOut, ...]:
    """Return what is not read of the files of which `dataset` was opened."""
    found = dataset.attrs.get(ATTRIBUTE, ())
    return found if isinstance(found, tuple) else ()  # of a store it is text


def note_left_out(dataset: "xr.Dataset", left_out: Iterable[LeftOut]) -> "xr.Dataset":
    """Return `dataset` with a note, in memory alone, of what is not read of its files."""
    return dataset.assign_attrs({ATTRIBUTE: tuple(dict.fromkeys(left_out))})


def name_file(dataset: "xr.Dataset", path: Path) -> "xr.Dataset":
    """Return `dataset`, opened of one file, with a note that it is this file that has it."""
    left_out = left_out_of(dataset)
    return note_left_out(dataset, [replace(left, file=path.name) for left in left_out])


def note_more(dataset: "xr.Dataset", left_out: Iterable[LeftOut]) -> "xr.Dataset":
    """Return `dataset` with more in its note of what is not read."""
    more = tuple(left_out)
    return note_left_out(dataset, (*left_out_of(dataset), *more)) if more else dataset


def left_out_of_files(
    by_file: Mapping[Path, Iterable[LeftOut]], paths: Iterable[Path]
) -> list[LeftOut]:
    """Return what is not read of some of the files; nothing of a file that is not known."""
    return [left for path in paths for left in by_file.get(path, ())]


def describe(left_out: Iterable[LeftOut]) -> str:
    """Return what is not read in one line."""
    return ", ".join(map(str, left_out))


def to_plain(left_out: Iterable[LeftOut]) -> list[dict[str, str]]:
    """Return what is not read as JSON has it: ``name``, ``reason`` and ``file``, the first."""
    found = dict.fromkeys(left_out)
    return [{"name": one.name, "reason": one.reason, "file": one.file} for one in found]


def to_attribute(left_out: Iterable[LeftOut]) -> dict[str, str]:
    """Return the attribute of a store or a result; none where nothing is left out."""
    found = to_plain(left_out)
    return {ATTRIBUTE: json.dumps(found)} if found else {}


def from_attribute(attributes: Mapping[Any, Any]) -> list[dict[str, str]]:
    """Return what `to_attribute` wrote; empty where there is no such attribute."""
    try:
        found = json.loads(attributes.get(ATTRIBUTE, "[]"))
        return [{key: str(one[key]) for key in ("name", "reason", "file")} for one in found]
    except (ValueError, TypeError, KeyError, RecursionError):  # of another's making
        return []


@contextmanager
def gather() -> Iterator[Iterable[LeftOut]]:
    """Give what is told in the block, whether it was told before or not."""
    found: dict[LeftOut, None] = {}
    _gathering.append(found)
    try:
        yield found
    finally:
        _gathering.remove(found)


def tell(left_out: Iterable[LeftOut], paths: Sequence[Path]) -> None:
    """Say what is not read of some files, each thing once in this process, and record it.

    In a worker process nothing is said: the one that waits for it has opened the same files.

    Parameters
    ----------
    left_out : iterable of LeftOut
    paths : sequence of Path
        The files.
    """
    found = dict.fromkeys(left_out)
    for gathered in _gathering:
        gathered.update(found)
    new = sorted((one for one in found if one not in _told), key=lambda one: not one.reason)
    if console.is_heard():
        return
    _told.update(dict.fromkeys(new))
    if new:
        # its own name, where a file stands for the Zarr group around it
        files = (new[0].file or paths[0].name) if len(paths) == 1 else f"{len(paths)} files"
        said = _summarize(new)
        console.say(f"left out of {files}: {said} (`smoecast inspect` tells more)")
    if found:
        run_record.note(left_out=to_plain(_told))


def _summarize(left_out: Sequence[LeftOut]) -> str:
    """Return the first things in words, by their reasons, and how many were left on purpose."""
    by_reason: dict[str, list[str]] = {}
    for one in left_out:
        by_reason.setdefault(one.reason, []).append(one.name)
    chosen = [
        f"{len(names)} kind{'s' if len(names) > 1 else ''} of field {reason}"
        for reason, names in by_reason.items()
        if reason.startswith(UNSELECTED)
    ]
    others = {r: names for r, names in by_reason.items() if not r.startswith(UNSELECTED)}
    said = [
        name_some(names, SHOWN) + (f" ({reason})" if reason else "")
        for reason, names in others.items()
    ]
    rest = sum(len(names) for names in list(others.values())[SHOWN:])
    return "; ".join([*said[:SHOWN], *([f"{rest} more"] if rest else []), *chosen])
