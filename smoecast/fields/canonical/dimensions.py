"""Dimensions and coordinates of foreign files: which is which, and in our names and units."""

import re
from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical.units import hectopascals
from smoecast.names import DIMENSION_ALIASES, DIMENSIONS, PROJECTION

_DEEPEST = 10_000  # hPa, past any pressure of the atmosphere

_OF_THE_MODEL = re.compile(r"hybrid|sigma|model[ _]level", re.IGNORECASE)
"""Words for levels that are no pressures whatever their unit: CAM's hybrid levels have hPa."""
_NO_PRESSURES = re.compile(
    _OF_THE_MODEL.pattern + r"|height|altitude|depth|isentropic|potential[ _]temp", re.IGNORECASE
)
"""The same of levels without a unit; GrADS calls levels in millibar altitudes too."""

_OF_CMIP = re.compile(r"r(?P<realization>\d{1,9})(?P<kind>i\d+p\d+(f\d+)?)")
"""Labels of members of CMIP5 and 6: realization, initialization, physics, forcing."""
_BY_STANDARD_NAME = {
    "latitude": "latitude",
    "longitude": "longitude",
    "air_pressure": "level",
    "realization": "number",
    "forecast_reference_time": "init_time",
    "forecast_period": "lead_time",
    "time": "time",
    **{name: name for name in PROJECTION},
}
_BY_UNITS = {
    **dict.fromkeys(
        ("degrees_north", "degree_north", "degree_N", "degrees_N", "degreeN", "degreesN"),
        "latitude",
    ),
    **dict.fromkeys(
        ("degrees_east", "degree_east", "degree_E", "degrees_E", "degreeE", "degreesE"),
        "longitude",
    ),
}
_BY_AXIS = {"T": "time", "E": "number"}
_BY_NAME = {
    **{name: name for name in (*DIMENSIONS, *PROJECTION)},
    **{alias.lower(): role for alias, role in DIMENSION_ALIASES.items()},
}


def role_of(name: str, attributes: dict[Hashable, object]) -> str | None:
    """Return our name for a dimension or coordinate, or None when it is none that we know."""
    found = (
        _BY_STANDARD_NAME.get(str(attributes.get("standard_name")))
        or _BY_NAME.get(name.lower())
        or _BY_UNITS.get(str(attributes.get("units")))
        or _BY_AXIS.get(str(attributes.get("axis")))
    )
    if found == "level" and name.startswith("level_"):
        return None  # the scalar pressure of a channel in a file of ours (fields.layout)
    return found


def _candidates(dataset: xr.Dataset) -> dict[str, list[str]]:
    """Return, for each role, the dimensions and coordinates that play it."""
    roles: dict[str, list[str]] = {}
    for name in map(str, dict.fromkeys((*dataset.sizes, *dataset.coords))):
        attributes = dict(dataset[name].attrs) if name in dataset.coords else {}
        role = role_of(name, attributes)
        if role is not None:
            roles.setdefault(role, []).append(name)
    return roles


def rename_dimensions(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Return `dataset` with its dimensions and coordinates under our names.

    Raises
    ------
    InputError
        If two dimensions play the same role, or the labels of one lie along another.
    """
    beside = [
        given.get(key)
        for array in (*dataset.data_vars.values(), *dataset.coords.values())
        for given in (array.encoding, array.attrs)
        for key in ("grid_mapping", "bounds")
    ]
    named_there = [name for name in beside if isinstance(name, str) and name in dataset.data_vars]
    dataset = dataset.set_coords(named_there)
    renames: dict[str, str] = {}
    dropped: list[Hashable] = []
    for role, names in _candidates(dataset).items():
        dimensions = [name for name in names if name in dataset.sizes]
        if len(dimensions) > 1:
            raise InputError(
                f"{source}: the dimensions {' and '.join(dimensions)} are both {role}: "
                "split the file by dimension"
            )
        chosen = dimensions[0] if dimensions else names[0]
        renames[chosen] = role
        dropped += [name for name in names if name != chosen]
        if role in dataset.data_vars:
            dropped.append(role)
    changed = {old: new for old, new in renames.items() if old != new}
    found = _swap_dimensions(dataset.drop_vars(dropped, errors="ignore").rename(changed))
    for name in found.sizes:
        if name in found.coords and found[name].dims != (name,):
            along = " and ".join(map(str, found[name].dims)) or "nothing"
            raise InputError(f"{source}: the labels of the dimension {name} lie along {along}")
    return found


def _swap_dimensions(dataset: xr.Dataset) -> xr.Dataset:
    """Make latitude(y) and longitude(x) dimensions of their own where y and x mean nothing."""
    for role in ("latitude", "longitude", "level", "number"):
        if role in dataset.coords and role not in dataset.sizes and dataset[role].ndim == 1:
            other = dataset[role].dims[0]
            if other not in _BY_NAME.values():
                dataset = dataset.swap_dims({other: role})
                if other in dataset.coords:
                    dataset = dataset.drop_vars([other])
    return dataset


def normalize_levels(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Return `dataset` with `level` in whole hPa, ascending where it is a dimension.

    Raises
    ------
    InputError
        If the levels are no pressures, no whole hPa, or are there twice.
    """
    if "level" not in dataset.coords:
        if "level" in dataset.sizes:
            raise InputError(f"{source}: the dimension level has no values, so no pressures")
        return dataset
    level = dataset["level"]
    if level.dtype.kind not in "iuf" or not level.size:
        raise InputError(f"{source}: level has no pressures but {level.size} of {level.dtype}")
    values = np.atleast_1d(np.asarray(level.values, dtype=np.float64))
    hpa = values * _level_factor(values, level.attrs, source)
    whole = np.round(hpa)
    wrong = ~np.isclose(hpa, whole, atol=1e-4) | ~((whole >= 1) & (whole <= _DEEPEST))
    if wrong.any():
        raise InputError(
            f"{source}: the level {hpa[wrong][0]:g} hPa is no whole number of hPa: leave it with "
            f"data.select: {{not: {{level: {values[wrong][0]:g}}}}}"
        )
    if len(set(whole.tolist())) < len(whole):
        raise InputError(f"{source}: a level is there twice among {whole.astype(int).tolist()} hPa")
    levels = whole.astype(np.int32)
    if level.ndim == 0:
        return dataset.assign_coords(level=levels[0])
    dataset = dataset.assign_coords(level=levels)
    return dataset if (np.diff(levels) > 0).all() else dataset.isel(level=np.argsort(levels))


def _level_factor(values: np.ndarray, attributes: dict[Hashable, object], source: str) -> float:
    """Return the factor to hPa; levels without a unit are hPa, or Pa when they are that large."""
    unit = attributes.get("units")
    factor = hectopascals(unit)
    strange = _OF_THE_MODEL if factor is not None else _NO_PRESSURES
    words = [str(attributes.get(key, "")) for key in ("standard_name", "long_name")]
    named = next((text for text in words if strange.search(text)), "")
    if factor is not None and not named:
        return factor
    # 1, 2 and 3 hPa follow each other, and no more than these
    counted = (np.diff(np.sort(values)) == 1).all() and len(values) > (2 if values.min() > 1 else 3)
    if unit is None and not (counted or named):
        return 0.01 if values.max() > 1100 else 1.0
    stated = f"has the unit {str(unit)!r}" if unit is not None else "counts model levels"
    stated = f"is called {named!r}" if named else stated
    raise InputError(
        f"{source}: level {stated}, which is no pressure: give pressure levels in hPa, or take the "
        "variables without level alone with data.select ({variable: [...]})"
    )


def normalize_members(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Return `dataset` with whole numbers, ascending, for its ensemble members.

    CMIP's labels are numbers where they differ in the realization alone: ``r2i1p1f1`` is 2.

    Raises
    ------
    InputError
        If the members have no whole numbers or one is there twice.
    """
    if "number" not in dataset.sizes:
        return dataset.drop_vars("number", errors="ignore")
    if "number" not in dataset.coords:
        return dataset.assign_coords(number=np.arange(dataset.sizes["number"], dtype=np.int32))
    values = dataset["number"].values
    labels = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values]
    mend = f"take one of them with data.select: {{number: {labels[0]}}}, or number them"
    try:
        numbers = np.asarray(_realizations(labels) or values).astype(np.float64)
    except (ValueError, TypeError):
        raise InputError(
            f"{source}: the ensemble members have no numbers, but {values}: {mend}"
        ) from None
    if not (np.isfinite(numbers) & (numbers == np.round(numbers)) & (abs(numbers) < 2**31)).all():
        raise InputError(
            f"{source}: the ensemble members have no whole numbers, but {values}: {mend}"
        )
    if len(set(numbers.tolist())) < len(numbers):
        raise InputError(f"{source}: an ensemble member is there twice among {numbers.tolist()}")
    dataset = dataset.assign_coords(number=numbers.astype(np.int32))
    return dataset.isel(number=np.argsort(numbers, kind="stable"))


def _realizations(labels: Sequence[str]) -> list[int]:
    """Return the realizations of CMIP's labels; none where these are others, or of two kinds."""
    found = [_OF_CMIP.fullmatch(label) for label in labels]
    if not all(found) or len({one["kind"] for one in found if one}) != 1:
        return []
    return [int(one["realization"]) for one in found if one]


def without_expver(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Return `dataset` without the `expver` of the Climate Data Store.

    Its older files hold final (1) and preliminary (5) ERA5 along a dimension of its own, each
    field in one of the two and missing in the other; the two are then laid over each other.

    Raises
    ------
    InputError
        When the data is read, if a value is there in both.
    """
    if "expver" not in dataset.sizes:
        return dataset.drop_vars("expver", errors="ignore")
    merged = {}
    for name, array in dataset.data_vars.items():
        if "expver" in array.dims:
            parts = [array.isel(expver=i, drop=True) for i in range(dataset.sizes["expver"])]
            for part in parts[1:]:
                parts[0] = xr.apply_ufunc(
                    _overlay,
                    parts[0],
                    part,
                    kwargs={"what": f"{source}: {name}"},
                    dask="parallelized",
                    output_dtypes=[part.dtype],
                    keep_attrs="override",
                )
            merged[name] = parts[0]
        else:
            merged[name] = array
    return dataset.drop_dims("expver").assign(merged)


def _overlay(first: np.ndarray, second: np.ndarray, what: str) -> np.ndarray:
    """Return the values that are there in one of two experiments; refuse those in both."""
    both = int((~np.isnan(first) & ~np.isnan(second)).sum())
    if both:
        raise InputError(
            f"{what} has {both} values in two experiments (expver) at once: "
            "select one of them when downloading"
        )
    return np.where(np.isnan(first), second, first)
