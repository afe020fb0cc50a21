"""Small Zarr groups, and what a stranger may do to them."""

import json
import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

TIMES = np.arange("2001-01-01", "2001-01-03", np.timedelta64(6, "h"), dtype="datetime64[ns]")
LATITUDE = np.linspace(60, -60, 5)
LONGITUDE = np.arange(8) * 45.0


def fields() -> xr.Dataset:
    values = np.random.default_rng(0).normal(280, 5, (len(TIMES), 5, 8)).astype("f4")
    dims = ("time", "latitude", "longitude")
    coordinates = {"time": TIMES, "latitude": LATITUDE, "longitude": LONGITUDE}
    return xr.Dataset({"t2m": (dims, values, {"units": "K"})}, coordinates)


def mixed() -> xr.Dataset:
    """Fields, and every other kind of value that xarray stores without objects."""
    made = fields()
    valid = made["time"].values[:, None] + np.arange(8) * np.timedelta64(3_600_000_000_000, "ns")
    lead = np.arange(8).astype("timedelta64[h]").astype("timedelta64[ns]")
    return made.assign(
        counts=(("time", "longitude"), np.arange(64, dtype="i2").reshape(8, 8)),
        mask=("time", np.arange(8) % 2 == 0),
        scalar=((), np.float64(3.5)),
        names=("name", np.array(["abc", "de", "ü"])),
        letters=("name", np.array([b"abc", b"de", b"f"])),
        lead=("time", lead),
    ).assign_coords(valid=(("time", "longitude"), valid))


def group(folder: Path, dataset: xr.Dataset | None = None, **encoding: Any) -> Path:
    """Write a group; return its metadata file."""
    made = fields() if dataset is None else dataset
    encoding = {"chunks": (3, 5, 4)} | encoding
    made.to_zarr(folder, mode="w", zarr_format=2, consolidated=True, encoding={"t2m": encoding})
    return folder / ".zmetadata"


def group_v3(
    folder: Path, dataset: xr.Dataset | None = None, *, one: bool = True, **how: Any
) -> Path:
    """Write a group of Zarr v3; return the file that stands for it."""
    made = fields() if dataset is None else dataset
    encoding = {"t2m": {"chunks": (2, 5, 4)} | how}
    with warnings.catch_warnings():  # of types and consolidated metadata, which others may not read
        warnings.simplefilter("ignore")
        made.to_zarr(folder, mode="w", zarr_format=3, consolidated=one, encoding=encoding)
    return folder / "zarr.json"


def described(path: Path) -> dict[str, Any]:
    """Return the metadata of a group."""
    return json.loads(path.read_bytes())["metadata"]


def describe(path: Path, metadata: Mapping[str, Any], *, beside: bool = True) -> None:
    """Write the metadata of a group, also into the files beside its arrays."""
    whole = {"zarr_consolidated_format": 1, "metadata": metadata}
    path.write_text(json.dumps(whole))
    for name, content in metadata.items() if beside else ():
        (path.parent / name).write_text(json.dumps(content))


def changed(path: Path, name: str, **changes: Any) -> None:
    """Change what the metadata say of one array."""
    metadata = described(path)
    metadata[f"{name}/.zarray"] |= changes
    describe(path, metadata)


def chunks(path: Path, name: str) -> Iterator[Path]:
    """Walk the chunk files of an array."""
    return (file for file in (path.parent / name).iterdir() if not file.name.startswith("."))


class _Call:
    """What, unpickled, makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (Path.touch, (self.marker,))


def trap(marker: Path) -> bytes:
    """Return a pickle that makes a file when it is read."""
    return pickle.dumps(_Call(marker))
