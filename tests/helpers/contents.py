"""What a folder holds, value by value, so that two runs can be compared where the clock differs."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import netCDF4
import numpy as np

from smoecast.fields import local_section

Leaves = dict[str, str]
"""Name of a value to the value, or to a digest of it."""


def names(folder: Path) -> set[str]:
    """Return the relative paths of everything in a folder, hidden or not, but records of runs.

    Of these each run leaves one of a name of its own.
    """
    every = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in every if not is_record(path)}


def is_record(path: Path) -> bool:
    """Whether a path is that of the record of a run, or of their folder."""
    return path.name == "records" or (path.parent.name == "records" and path.suffix == ".json")


def units(folder: Path) -> dict[str, Path]:
    """Return what a reader can open under a final name: files, and stores as a whole."""
    found = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        whole = [i for i, part in enumerate(parts) if part.endswith(".zarr")]
        parts = parts[: whole[0] + 1] if whole else parts
        hidden = any(part.startswith(".") for part in parts)
        if not hidden and not is_record(path) and (whole or path.is_file()):
            found["/".join(parts)] = folder.joinpath(*parts)
    return found


def read(path: Path) -> Leaves:
    """Read a file or a store; AssertionError where it is broken."""
    try:
        if path.is_dir():
            inside = (p for p in sorted(path.rglob("*")) if p.is_file())
            return {
                f"{file.relative_to(path)}:{key}": value
                for file in inside
                for key, value in _read_file(file).items()
            }
        return _read_file(path)
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise AssertionError(f"{path} is broken: {error}") from error


def _read_file(path: Path) -> Leaves:
    kinds = {
        ".nc": _netcdf,
        ".grib": _grib,
        ".json": _json,
        ".jsonl": _lines,
        ".safetensors": _safetensors,
        ".npz": _npz,
    }
    if path.name.startswith(".z"):
        return _json(path)
    return kinds.get(path.suffix, _plain)(path)


def _plain(path: Path) -> Leaves:
    return {"": _digest(path.read_bytes())}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _json(path: Path) -> Leaves:
    return dict(_flat(json.loads(path.read_text())))


def _lines(path: Path) -> Leaves:
    return dict(_flat([json.loads(line) for line in path.read_text().splitlines()]))


def _flat(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in items:
            yield from _flat(inner, f"{key}.{name}")
    else:
        yield key, repr(value)


def _safetensors(path: Path) -> Leaves:
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    about = header.pop("__metadata__", {})
    found = dict(_flat({k: json.loads(v) if v[:1] == "{" else v for k, v in about.items()}))
    for name, tensor in header.items():
        first, last = tensor["data_offsets"]
        if start + last > len(content):
            raise ValueError("it is cut short")
        found[f"tensor {name}"] = _digest(content[start + first : start + last])
    return found


def _npz(path: Path) -> Leaves:
    with np.load(path) as arrays:
        return {name: _digest(arrays[name].tobytes()) for name in arrays}


def _netcdf(path: Path) -> Leaves:
    found: Leaves = {}
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        groups = [file, *file.groups.values()]
        for group in groups:
            for name in group.ncattrs():
                found |= {f"{group.path}@{name}": str(group.getncattr(name))}
            for name, variable in group.variables.items():
                values = np.asarray(variable[...])
                content = str(values.tolist()).encode() if values.dtype == object else values
                found[f"{group.path}{name}"] = _digest(bytes(content))
                for mark in variable.ncattrs():
                    found[f"{group.path}{name}@{mark}"] = str(variable.getncattr(mark))
    return found


def _grib(path: Path) -> Leaves:
    found = local_section.read(path)
    if found is None:
        raise ValueError("it says nothing of itself")
    record, _, begin = found
    attributes = {f"@{name}": str(value) for name, value in record.attributes.items()}
    return {**attributes, "messages": _digest(path.read_bytes()[begin:])}
