"""Results opened with all that they say of an ensemble: members, mean and spread, probabilities."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from smoecast.disk.small_files import read_json
from smoecast.errors import InputError
from smoecast.events import Event
from smoecast.fields import local_section
from smoecast.fields.canonical.variables import MEMBERS, SCALARS
from smoecast.fields.grid import place_of, same_place
from smoecast.fields.left_out import LeftOut, note_more
from smoecast.fields.read.netcdf import hdf5
from smoecast.fields.read.netcdf.headers import check_file
from smoecast.fields.read.netcdf.open import open_raw
from smoecast.fields.read.netcdf.watchdog import watch
from smoecast.fields.read.open import open_file
from smoecast.fields.read.reading import AS_IT_IS, Reading
from smoecast.fields.read.zarr.group_file import METADATA_V3
from smoecast.fields.read.zarr.metadata import METADATA_BYTES
from smoecast.names import PROJECTION, parse_channel


def read_attributes(path: Path) -> dict[str, Any]:
    """Return the global attributes of a NetCDF file, a Zarr group or a GRIB result.

    They are empty when it is none of these.

    Parameters
    ----------
    path : pathlib.Path
        A file, or the folder of a group.
    """
    described = path / ".zattrs" if path.is_dir() else path
    if path.is_dir() and (path / METADATA_V3).is_file():
        described = path / METADATA_V3
    try:
        if not described.is_file():
            return {}
        if path.is_dir():
            found = read_json(described, METADATA_BYTES)
            found = found.get("attributes") if described.name == METADATA_V3 else found
            return found if isinstance(found, dict) else {}
        if local_section.is_grib(path):
            return local_section.attributes_of(path)
        check_file(path)
        with watch(path), netCDF4.Dataset(path) as file:
            return {name: file.getncattr(name) for name in file.ncattrs()}
    except (OSError, RuntimeError, AttributeError, ValueError, RecursionError, InputError):
        return {}


MOMENTS = ("mean", "std")


_PRODUCT = re.compile(
    r"(?P<channel>[a-z]\w*)_(?P<what>mean|std|probability_above|probability_below)"
)


_PLACES = (("latitude", "longitude"), PROJECTION)


def open_result(path: Path, reading: Reading = AS_IT_IS) -> xr.Dataset:
    """Open a result file as a canonical dataset that has its moments and probabilities too.

    Parameters
    ----------
    path : pathlib.Path
        Any file of fields, or the ``.zmetadata`` of a Zarr group.
    reading : Reading
        What of the fields is selected, and what is assumed.

    Returns
    -------
    xarray.Dataset
        What `fields.read.open.open_file` gives, on any grid, and beside it the variables
        ``t2m_mean``, ``t2m_std``, ``t2m_probability_above`` (along ``t2m_threshold_above``) and the
        like that `postprocess` writes, as they are in the file; these alone where the file has
        no others.

    Raises
    ------
    InputError
        The file cannot be read, or such a variable has other dimensions than ours.
    """
    made = _products(path) if path.is_file() else xr.Dataset()
    return _join(made, path, lambda: open_file(path, any_grid=True, reading=reading))


def take_result(
    dataset: xr.Dataset, name: str, take: Callable[[xr.Dataset], xr.Dataset]
) -> xr.Dataset:
    """Return a result in memory as `open_result` opens its file.

    Parameters
    ----------
    dataset : xr.Dataset
    name : str
        What messages call it.
    take : callable
        Returns its fields in canonical form.

    Raises
    ------
    InputError
        See `open_result`.
    """
    return _join(_products_of(dataset.copy(), Path(name)), Path(name), lambda: take(dataset))


def _join(made: xr.Dataset, path: Path, read: Callable[[], xr.Dataset]) -> xr.Dataset:
    """Return products alone, or beside the fields where there are any."""
    if not made.data_vars or made.attrs.pop("others", False):
        fields = read()
        return _beside(fields, made, path) if made.data_vars else fields
    return made


def moments_of(result: xr.Dataset, channel: str) -> tuple[xr.DataArray, xr.DataArray] | None:
    """Return mean and spread of a channel, or None where a result lacks one of them."""
    wanted = [f"{channel}_{what}" for what in MOMENTS]
    there = [result[name] for name in wanted if name in result.data_vars]
    return (there[0], there[1]) if len(there) == len(wanted) else None


def probabilities_of(result: xr.Dataset, channel: str) -> dict[Event, xr.DataArray]:
    """Return the probabilities of a channel's events that a result holds."""
    found = {}
    for above in (True, False):
        name = f"{channel}_probability_{_side(above)}"
        if name in result.data_vars:
            along = f"{channel}_threshold_{_side(above)}"
            for threshold in result[along].values.tolist():
                field = result[name].sel({along: threshold}, drop=True)
                found[Event(channel, above, threshold)] = field
    return found


def has_products(result: xr.Dataset, channel: str) -> bool:
    """Whether a result holds mean and spread, or a probability, of a channel."""
    return moments_of(result, channel) is not None or bool(probabilities_of(result, channel))


def _side(above: bool) -> str:
    return "above" if above else "below"


def _products(path: Path) -> xr.Dataset:
    """Return the moments and probabilities in a file, lazily; empty where it is none of ours."""
    with path.open("rb") as file:
        if file.read(4) != hdf5.MAGIC:
            return xr.Dataset()
    try:
        dataset = open_raw(path)
    except InputError:
        return xr.Dataset()  # the reader says what is wrong with it
    return _products_of(dataset, path)


def _products_of(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    named = {str(name): _PRODUCT.fullmatch(str(name)) for name in dataset.data_vars}
    ours = {n: m for n, m in named.items() if m is not None and parse_channel(m["channel"])}
    found = _by_start(dataset[list(ours)]).drop_vars(MEMBERS, errors="ignore")
    for name, match in ours.items():
        _check(found[name], match, path)
        found[name].attrs.pop(SCALARS, None)
    quantiles = [n for n in named if n.endswith("_quantile")]
    others = [n for n in named if n not in ours and n not in quantiles]
    noted = note_more(found, [LeftOut(name, "quantiles are not read") for name in quantiles])
    return noted.assign_attrs(others=bool(others))


def _by_start(dataset: xr.Dataset) -> xr.Dataset:
    """Bring fields along ``time``, as the layout ``cdo`` has them, to the dimensions of others."""
    along = {name: dataset[name].dims for name in ("init_time", "lead_time") if name in dataset}
    if sorted(along.values()) != [(), ("time",)]:
        return dataset
    single, other = sorted(along, key=lambda name: along[name])
    fields = dataset.drop_vars("time").swap_dims(time=other).expand_dims([single])
    return fields.transpose("init_time", "lead_time", ...)


def _check(array: xr.DataArray, match: re.Match[str], path: Path) -> None:
    side = match["what"].removeprefix("probability_")
    extra = [f"{match['channel']}_threshold_{side}"] if side != match["what"] else []
    known = [("init_time", "lead_time", *extra, *place) for place in _PLACES]
    if array.dims not in known:
        raise InputError(
            f"{path}: {array.name} has the dimensions {', '.join(map(str, array.dims))}, not "
            f"{', '.join(known[0])}: give the file as `smoecast postprocess` wrote it"
        )


def _beside(fields: xr.Dataset, made: xr.Dataset, path: Path) -> xr.Dataset:
    """Put products beside the fields of the same file."""
    same = same_place(place_of(fields), place_of(made)) and all(
        np.array_equal(fields[name].values, made[name].values)
        for name in ("init_time", "lead_time")
        if name in fields.dims
    )
    if not same or "init_time" not in fields.dims:
        raise InputError(
            f"{path}: its means and probabilities are of other times or places than its members: "
            "give the file as `smoecast postprocess` wrote it"
        )
    thresholds = {n: made[n].variable for n in made.dims if str(n).endswith(("_above", "_below"))}
    variables = {name: array.variable for name, array in made.data_vars.items()}
    return fields.assign(variables).assign_coords(thresholds)
