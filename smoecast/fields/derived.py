"""Channels that are computed from others, or from time and place alone.

`tp6h` is the sum of six hours of `tp`, `lntp6h` its logarithm (Rasp & Thuerey 2021,
doi:10.1029/2020MS002405), `tisr` the solar radiation at the top of the atmosphere, `lat2d` the
latitude as a field. The orography needs no making: every reader takes the geopotential of the
ground (GRIB 129 at the surface, ``z`` without a level, ``geopotential_at_surface``, or heights in
metres times 9.80665) for `orography`.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import xarray as xr
from dask.base import is_dask_collection

from smoecast.errors import InputError
from smoecast.fields.channels import attributes_of
from smoecast.fields.grid import grid_of
from smoecast.fields.times import HOUR, iso

SOLAR_CONSTANT = 1361.0
"""W m-2 at the mean distance of the Sun."""


_NOON_2000 = np.datetime64("2000-01-01T12:00:00", "ns")


_DAY = np.timedelta64(86_400, "s")


def sun(times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where the Sun stands.

    Parameters
    ----------
    times : numpy.ndarray
        (T,) datetime64, UTC.

    Returns
    -------
    tuple of numpy.ndarray
        Declination in radians, the hour angle at Greenwich in radians (zero at its noon), and
        the distance in astronomical units, each (T,) float64.
    """
    days = (times.astype("datetime64[ns]") - _NOON_2000) / _DAY
    mean_longitude = np.deg2rad((280.460 + 0.9856474 * days) % 360.0)
    anomaly = np.deg2rad((357.528 + 0.9856003 * days) % 360.0)
    longitude = mean_longitude + np.deg2rad(1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    tilt = np.deg2rad(23.439 - 4e-7 * days)
    declination = np.arcsin(np.sin(tilt) * np.sin(longitude))
    ascension = np.arctan2(np.cos(tilt) * np.sin(longitude), np.cos(longitude))
    # the equation of time, mean longitude less right ascension, is what a sundial runs ahead
    hour_angle = 2 * np.pi * (days % 1.0) + mean_longitude - ascension
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)
    return declination, hour_angle, distance


def top_radiation(
    times: np.ndarray, latitude: np.ndarray, longitude: np.ndarray, hours: float = 1.0
) -> np.ndarray:
    """Return the solar radiation that came in at the top of the atmosphere.

    The cosine of the zenith angle is integrated in closed form from sunrise to sunset; the Sun's
    declination and distance are those of the middle of the interval.

    Parameters
    ----------
    times : numpy.ndarray
        (T,) datetime64, UTC: ends of the intervals, as in ERA5.
    latitude, longitude : numpy.ndarray
        (H,) and (W,) degrees.
    hours : float
        Length of the intervals, at most a day.

    Returns
    -------
    numpy.ndarray
        (T, H, W) float32, J m-2 on a horizontal surface.
    """
    length = np.timedelta64(round(hours * 3600), "s")
    declination, hour_angle, distance = sun(times - length / 2)
    rows = np.deg2rad(latitude)
    level = np.sin(rows) * np.sin(declination)[:, np.newaxis]  # (T, H)
    swing = np.cos(rows) * np.cos(declination)[:, np.newaxis]  # (T, H), cos(zenith) less `level`
    half_day = np.arccos(np.clip(-level / np.maximum(swing, 1e-12), -1.0, 1.0))
    middle = hour_angle[:, np.newaxis] + np.deg2rad(longitude)  # (T, W)
    half = np.pi * hours / 24.0
    parts = [part[..., np.newaxis] for part in (level, swing, half_day)]  # (T, H, 1)
    turned = _risen(middle[:, np.newaxis] + half, *parts)
    turned -= _risen(middle[:, np.newaxis] - half, *parts)
    joules = SOLAR_CONSTANT / distance**2 * 86_400.0 / (2 * np.pi)  # for each radian of the day
    return np.asarray(np.clip(turned * joules[:, np.newaxis, np.newaxis], 0.0, None), np.float32)


def _risen(
    angle: np.ndarray, level: np.ndarray, swing: np.ndarray, half_day: np.ndarray
) -> np.ndarray:
    """Integrate max(0, level + swing cos(angle)) over the hour angle, from a noon long ago."""
    turns = np.floor((angle + np.pi) / (2 * np.pi))
    lit = np.clip(angle - 2 * np.pi * turns, -half_day, half_day)
    whole_day = 2 * (level * half_day + swing * np.sin(half_day))
    return np.asarray(level * lit + swing * np.sin(lit) + turns * whole_day)


LOG_SCALE = 0.001
"""m of precipitation, in log(1 + tp6h / LOG_SCALE)."""


_HOURS = 6


_POINTS = 2**18
"""Radiation is computed for so many points at once, in float64."""


_FROM: dict[str, tuple[str, ...]] = {"tp6h": ("tp",), "lntp6h": ("tp6h",), "tisr": (), "lat2d": ()}


def sources_of(names: Iterable[str], has: Callable[[str], bool]) -> list[str]:
    """Return the channels and constants that a source must give so that `names` can be had.

    Parameters
    ----------
    names : iterable of str
        Channels and constants wanted.
    has : callable
        Whether the source has a channel of this name itself.

    Returns
    -------
    list of str
        Each once; a name that can neither be had nor computed stands for itself.
    """
    found: dict[str, None] = {}
    for name in names:
        given = has(name) or name not in _FROM
        found |= dict.fromkeys([name] if given else sources_of(_FROM[name], has))
    return list(found)


def derive(
    dataset: xr.Dataset,
    channels: Sequence[str],
    constants: Sequence[str] = (),
    source: str = "the data",
) -> xr.Dataset:
    """Add the wanted channels and constants that are absent and can be computed, lazily.

    Parameters
    ----------
    dataset : xarray.Dataset
        Canonical analyses at every hour that their files have: `tp6h` needs them hourly.
    channels, constants : sequence of str
        Names wanted. Those that are there, and those that cannot be computed, are left alone.
    source : str
        File name for messages.

    Returns
    -------
    xarray.Dataset
        With `tp6h` or `lntp6h` computed, every series begins five hours later: the first sum
        needs six values.

    Raises
    ------
    InputError
        If `tp6h` is wanted and `tp` is not hourly without gaps, or shorter than six hours.
    """
    for name in (*channels, *constants):
        dataset = _with(dataset, name, source)
    return dataset


def _with(dataset: xr.Dataset, name: str, source: str) -> xr.Dataset:
    """Return `dataset` with one name more, if it is absent and can be computed."""
    if name not in _FROM or name in dataset.data_vars:
        return dataset
    for other in _FROM[name]:
        dataset = _with(dataset, other, source)
    if any(other not in dataset.data_vars for other in _FROM[name]):
        return dataset
    if name != "lat2d" and "time" not in dataset.dims:
        return dataset
    array = _MAKERS[name](dataset, source).astype(np.float32)
    array.attrs = attributes_of(name)
    if name == "tp6h":
        dataset = dataset.isel(time=slice(_HOURS - 1, None))
    return dataset.assign({name: array})


def _six_hours(dataset: xr.Dataset, source: str) -> xr.DataArray:
    """Return sums of six hours from the sixth time on; NaN where one of the six is."""
    _check_hourly(dataset["time"].values, source)
    hourly = dataset["tp"].transpose("time", ...)
    data = hourly.data
    if is_dask_collection(data):
        from dask.array.overlap import overlap  # noqa: PLC0415  # half a second

        # every block with the last five times of the one before it: rolling() would cut in space
        data = overlap(data, depth={0: (_HOURS - 1, 0)}, boundary={0: "none"})
        sizes = tuple(size - _HOURS + 1 for size in data.chunks[0])
        summed = data.map_blocks(_sums, dtype=hourly.dtype, chunks=(sizes, *data.chunks[1:]))
    else:
        summed = _sums(data)
    return hourly.isel(time=slice(_HOURS - 1, None)).copy(data=summed)


def _sums(values: np.ndarray) -> np.ndarray:
    """Return the sums of six in a row along the first axis, (T, ...) to (T - 5, ...)."""
    count = max(len(values) - _HOURS + 1, 0)
    made = values[:count].copy()
    for later in range(1, _HOURS):
        made += values[later : later + count]
    return made


def _check_hourly(times: np.ndarray, source: str) -> None:
    """Refuse times of which six in a row are not six hours."""
    what = f"{source}: tp6h is the sum of six hourly values of tp"
    if len(times) < _HOURS:
        raise InputError(f"{what}, but there are {len(times)} times: give a longer series")
    wrong = np.flatnonzero(np.diff(times) != HOUR)
    if len(wrong):
        before, after = times[wrong[0]], times[wrong[0] + 1]
        raise InputError(
            f"{what}, but after {iso(before)} comes {iso(after)}: give hourly data without gaps, "
            "or precipitation that is already summed, named total_precipitation_6hr"
        )


def _logarithm(dataset: xr.Dataset, _source: str) -> xr.DataArray:
    """Return log(1 + x / LOG_SCALE); values a little below zero are noise of packing."""
    made: xr.DataArray = xr.apply_ufunc(
        lambda x: np.log1p(np.maximum(x, np.float32(0.0)) / np.float32(LOG_SCALE)),
        dataset["tp6h"],
        dask="parallelized",
        output_dtypes=[np.float32],
    )
    return made


def _latitude(dataset: xr.Dataset, _source: str) -> xr.DataArray:
    rows = dataset["latitude"].expand_dims(longitude=dataset["longitude"])
    return rows.transpose("latitude", "longitude")


def _radiation(dataset: xr.Dataset, _source: str) -> xr.DataArray:
    """Return the radiation of the hour up to each time, in the blocks of the other fields."""
    grid = grid_of(dataset)
    blocks = [a.chunksizes["time"] for a in dataset.data_vars.values() if "time" in a.chunksizes]
    size = max(1, 4 * _POINTS // (grid.shape[0] * grid.shape[1]))
    # a coordinate that is an index does not chunk: the times go as a plain array
    times = xr.DataArray(dataset["time"].values, dims="time").chunk(
        time=blocks[0] if blocks else size
    )
    made: xr.DataArray = xr.apply_ufunc(
        _in_pieces,
        times,
        kwargs={"latitude": grid.latitude, "longitude": grid.longitude},
        output_core_dims=[("latitude", "longitude")],
        dask="parallelized",
        output_dtypes=[np.float32],
        dask_gufunc_kwargs={
            "output_sizes": {"latitude": grid.shape[0], "longitude": grid.shape[1]}
        },
    )
    return made.assign_coords({name: dataset[name] for name in made.dims})


def _in_pieces(times: np.ndarray, latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Return (T, H, W), computed for a few times at once."""
    made = np.empty((len(times), len(latitude), len(longitude)), dtype=np.float32)
    size = max(1, _POINTS // (len(latitude) * len(longitude)))
    for begin in range(0, len(times), size):
        piece = slice(begin, begin + size)
        made[piece] = top_radiation(times[piece], latitude, longitude)
    return made


_MAKERS: dict[str, Callable[[xr.Dataset, str], xr.DataArray]] = {
    "tp6h": _six_hours,
    "lntp6h": _logarithm,
    "tisr": _radiation,
    "lat2d": _latitude,
}
