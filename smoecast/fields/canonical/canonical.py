"""One form for every field, whatever file it came from.

Dimensions (time, [level], latitude, longitude) for analyses and (init_time, lead_time, [number],
[level], latitude, longitude) for forecasts; latitude north to south, longitude west to east in
[0, 360) or, where a region crosses Greenwich, in [-180, 180); level in whole hPa, ascending;
float32 in SI units under short ECMWF names. Only coordinates are read; fields stay on disk.
"""

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical.dimensions import (
    normalize_levels,
    normalize_members,
    rename_dimensions,
    without_expver,
)
from smoecast.fields.canonical.orientation import check_regular, orient
from smoecast.fields.canonical.time_axes import decode_time
from smoecast.fields.canonical.units import conversion, unit_refusal
from smoecast.fields.canonical.variables import Match, identify
from smoecast.fields.channels import LEVEL_PREFIX, attributes_of
from smoecast.fields.left_out import LeftOut, describe, note_left_out
from smoecast.names import COORDINATE_ATTRIBUTES, DIMENSIONS, PROJECTION

KEPT_ATTRIBUTES = (
    "title",
    "institution",
    "source",
    "history",
    "references",
    "license",
    "comment",
)
HUGE = 1e15
"""Beyond every quantity of the table; fill values that a file does not declare lie above."""
_FILLS = (-9999.0, -32767.0, -32768.0)


def canonical(dataset: xr.Dataset, source: str, any_grid: bool = False) -> xr.Dataset:
    """Return a decoded foreign dataset in canonical form, lazy where it is lazy.

    Parameters
    ----------
    dataset : xarray.Dataset
        As `xarray.open_dataset` gives it, times and packing decoded.
    source : str
        File name for messages.
    any_grid : bool
        Whether a map projection may pass with its own dimensions.

    Returns
    -------
    xarray.Dataset
        With a note of the variables without use for smoecast (`fields.left_out`).

    Raises
    ------
    InputError
        In one sentence, if the file has no variable that smoecast knows, or something in it is
        missing, ambiguous or damaged.
    """
    dataset = without_expver(rename_dimensions(dataset, source), source)
    dataset = normalize_members(normalize_levels(_squeeze(dataset), source), source)
    check_regular(dataset, source, any_grid)
    chosen, attributes, left_out = _choose_variables(dataset, source)
    finished = _finalize(orient(decode_time(chosen, source), source), attributes)
    return note_left_out(finished, left_out)


def _squeeze(dataset: xr.Dataset) -> xr.Dataset:
    """Turn foreign dimensions of one point, such as a height, into scalars."""
    ours = (*DIMENSIONS, *PROJECTION, "expver")
    foreign = [name for name in dataset.sizes if name not in ours]
    return dataset.squeeze([name for name in foreign if dataset.sizes[name] == 1])


def _choose_variables(
    dataset: xr.Dataset, source: str
) -> tuple[xr.Dataset, dict[str, str], list[LeftOut]]:
    """Return the known variables in SI units under our names, the attributes, and the others."""
    taken: dict[str, str] = {}
    fields: dict[str, xr.DataArray] = {}
    left_out = []
    for name, array in dataset.data_vars.items():
        found = identify(str(name), array, dataset, source)
        if not isinstance(found, LeftOut):
            _check_values(array, source)
            if reason := unit_refusal(found.variable, array.attrs.get("units")):
                found = LeftOut(str(name), f"{found.name} {reason}", found.name)
        if isinstance(found, LeftOut):
            left_out.append(found)
            continue
        if found.name in taken:
            raise InputError(
                f"{source}: {taken[found.name]} and {name} are both {found.variable.long_name}: "
                "keep one of them"
            )
        taken[found.name] = str(name)
        fields[found.name] = _field(array, found, source)
    if not fields:
        unknown = [left.name for left in left_out if not left.reason]
        mend = "; say what it is with data.assume ({'*.nc': {variable: t2m}})"
        raise InputError(
            f"{source}: no variable that smoecast knows among {describe(left_out) or 'none'}"
            + mend * (len(unknown) == len(left_out) == 1)
        )
    given = {key: dataset.attrs.get(key) for key in KEPT_ATTRIBUTES}
    attributes = {key: text for key, text in given.items() if isinstance(text, str)}
    return dataset.drop_vars(list(dataset.data_vars)).assign(fields), attributes, left_out


def _check_values(array: xr.DataArray, source: str) -> None:
    """Refuse what is no block of numbers along dimensions that are known."""
    strange = [str(name) for name in array.dims if name not in (*DIMENSIONS, *PROJECTION)]
    if strange:
        raise InputError(
            f"{source}: {array.name} has the dimension {strange[0]}, which means nothing here: "
            "select one of its points"
        )
    if array.dtype.kind not in "biuf":
        raise InputError(f"{source}: the values of {array.name} are {array.dtype}, no numbers")
    if len(set(array.dims)) < array.ndim:
        raise InputError(
            f"{source}: {array.name} has a dimension twice: {' '.join(map(str, array.dims))}"
        )
    if not array.size:
        raise InputError(f"{source}: {array.name} has no values at all: fetch the file again")


def _field(array: xr.DataArray, found: Match, source: str) -> xr.DataArray:
    """Return one variable in SI units with its own dimensions only."""
    factor, offset = conversion(found.variable, array.attrs.get("units"), source)
    array = xr.apply_ufunc(
        _si,
        array,
        kwargs={"factor": factor, "offset": offset, "valid": _valid_range(array, source)},
        dask="parallelized",
        output_dtypes=[np.float32],
    )
    if found.name != found.variable.name or found.variable.vertical != "pressure":
        return array.drop_vars("level", errors="ignore")
    return array if "level" in array.dims else array.expand_dims("level")


def _valid_range(array: xr.DataArray, source: str) -> tuple[float, float] | None:
    """Return the least and the most that is no missing value, as the file says (CF 2.5.1).

    Packed values are bounded as they are packed, if the bounds have their type.
    """
    attributes = array.attrs
    given = [attributes.get("valid_min", -np.inf), attributes.get("valid_max", np.inf)]
    if "valid_range" in attributes:
        given = np.atleast_1d(attributes["valid_range"]).tolist()
    elif "valid_min" not in attributes and "valid_max" not in attributes:
        return None
    try:
        low, high = (float(bound) for bound in given)
    except (TypeError, ValueError):
        raise InputError(
            f"{source}: {array.name} has bounds of its values that are no two numbers: take "
            "valid_range, valid_min and valid_max away"
        ) from None
    types = {np.asarray(attributes[k]).dtype for k in attributes if str(k).startswith("valid_")}
    if types == {array.encoding.get("dtype")} and "_Unsigned" not in array.encoding:
        scale = float(array.encoding.get("scale_factor", 1.0))
        shift = float(array.encoding.get("add_offset", 0.0))
        low, high = sorted((low * scale + shift, high * scale + shift))
        rounding = abs(scale) / 2
        return low - rounding, high + rounding
    return low, high


def _plain(values: np.ndarray) -> bool:
    """Whether no value can be missing, by the extremes alone; they are NaN where one is."""
    if values.size == 0:
        return True
    # row by row: each comes from memory once for both
    return all(row.min() > max(_FILLS) and row.max() <= HUGE for row in np.atleast_2d(values))


def _si(
    values: np.ndarray, factor: float, offset: float, valid: tuple[float, float] | None = None
) -> np.ndarray:
    """Return values in SI units as float32; undeclared fills and what is out of range as NaN."""
    outside = (values < valid[0]) | (values > valid[1]) if valid is not None else None
    if outside is not None and outside.any():
        values = np.where(outside, np.nan, values)
    if np.issubdtype(values.dtype, np.floating) and not _plain(values):
        filled = (np.abs(values) > HUGE) | np.isin(values, _FILLS)
        if filled.any():
            values = np.where(filled, np.nan, values)
    if (factor, offset) != (1.0, 0.0):
        values = values.astype(np.float64) * factor + offset
    return values.astype(np.float32, copy=False)


def _finalize(dataset: xr.Dataset, attributes: dict[str, str]) -> xr.Dataset:
    """Put dimensions into order, give attributes, forget foreign coordinates and encodings."""
    order = (*DIMENSIONS, *PROJECTION)
    fields: dict[str, xr.DataArray] = {}
    mappings: dict[str, xr.Variable] = {}
    for name, array in dataset.data_vars.items():
        field = array.transpose(*(dimension for dimension in order if dimension in array.dims))
        kept = [n for n in field.coords if n in field.dims or str(n).startswith(LEVEL_PREFIX)]
        field = field.drop_vars([n for n in field.coords if n not in kept])
        mapping = array.attrs.get("grid_mapping")
        field.attrs = attributes_of(str(name))
        if isinstance(mapping, str) and mapping in dataset.coords:
            mappings[str(mapping)] = dataset[mapping].variable
            field.attrs["grid_mapping"] = str(mapping)
        field.encoding = {}
        fields[str(name)] = field
    ordered = {name: dataset[name].variable for name in order if name in dataset.indexes}
    dressed = xr.Dataset(coords=ordered, attrs=attributes).assign(fields).assign_coords(mappings)
    for name, coordinate in dressed.coords.items():
        coordinate.encoding = {}
        if name in COORDINATE_ATTRIBUTES:
            coordinate.attrs = dict(COORDINATE_ATTRIBUTES[str(name)])
        elif name not in mappings:
            coordinate.attrs.pop("bounds", None)
    return dressed.transpose(*(name for name in order if name in dressed.dims))
