"""The members of an ensemble, and the mean and spread that stand for them."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.errors import InputError
from smoecast.scores.ensemble import ensemble_moments

_OF_THE_SEA = ("sst", "siconc")


def moments(members: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return mean and standard deviation over members.

    Parameters
    ----------
    members : (B, L, M, C, H, W) float32
        NaN where a member is missing.

    Returns
    -------
    (B, L, 2 C, H, W) float32
        C means, then C standard deviations (over M - 1).

    Raises
    ------
    InputError
        There are fewer than two members.
    """
    check_several(members)
    batch, leads, _, channels, *space = members.shape
    made = np.empty((batch, leads, 2 * channels, *space), np.float32)
    for channel in range(channels):  # one at a time stays in the cache: 6 times faster
        mean, variance, _ = ensemble_moments(members[:, :, :, channel], axis=2)
        made[:, :, channel], made[:, :, channels + channel] = mean, np.sqrt(variance)
    return made


def check_several(members: NDArray[np.floating]) -> None:
    """Refuse an ensemble (B, L, M, ...) that cannot have a spread.

    Raises
    ------
    InputError
        There are fewer than two members.
    """
    if members.shape[2] < 2:
        raise InputError("a calibration needs at least two members; the ensemble has one")


def check_sizes(ensemble: xr.Dataset | xr.DataArray, source: str) -> None:
    """Refuse, naming `source`, an opened ensemble of a single member.

    Raises
    ------
    InputError
        There are fewer than two members.
    """
    if ensemble.sizes.get("number", 2) < 2:
        raise InputError(
            f"{source}: a calibration needs at least two members; the ensemble has one: name the "
            "files of the others too (postprocess.files, or -i)"
        )


def moment_names(channels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of an ensemble's moments: means, then spreads."""
    return (*(f"{c}_mean" for c in channels), *(f"{c}_std" for c in channels))


def is_moments(fields: xr.DataArray) -> bool:
    """Whether an ensemble store holds mean and spread in the place of members."""
    return "number" not in fields.dims


def members_of(fields: xr.DataArray, lead: int, channel: str) -> NDArray[np.floating]:
    """Return the members of one channel at one lead time, (N, M, H, W).

    Mean m and spread s stand for two members, m - s / sqrt(2) and m + s / sqrt(2), which have
    them: all that EMOS asks of an ensemble.

    Parameters
    ----------
    fields : xr.DataArray
        Of an ensemble store, ``(init_time, lead_time, [number,] channel, latitude, longitude)``.
    lead : int
        Index of the lead time.
    channel : str
        Name of the channel.
    """
    at = fields.isel(lead_time=lead)
    if not is_moments(fields):
        members: NDArray[np.floating] = at.sel(channel=channel).values
        return members
    mean, std = (at.sel(channel=n).values.astype(np.float64) for n in moment_names((channel,)))
    half = std / np.sqrt(2.0)
    return np.stack([mean - half, mean + half], axis=1)


def with_members(fields: xr.DataArray, count: int = 10) -> xr.DataArray:
    """Return an ensemble that has members, lazily; one that has them comes back as it is.

    From mean and spread come `count` quantiles of a normal distribution at each point, stretched
    to have that mean and that spread (over M - 1). They say nothing of how points or lead times
    belong together: member 0 is the lowest everywhere.

    Parameters
    ----------
    fields : xr.DataArray
        Of an ensemble store, see `members_of`.
    count : int
        M, at least 2.

    Returns
    -------
    xr.DataArray
        ``(init_time, lead_time, number, channel, latitude, longitude)`` float32.
    """
    if not is_moments(fields):
        return fields
    half = fields.sizes["channel"] // 2
    names = [str(name).removesuffix("_mean") for name in fields["channel"].values[:half]]
    lazy = fields.chunk(init_time=1)
    mean = lazy.isel(channel=slice(half)).assign_coords(channel=names)
    std = lazy.isel(channel=slice(half, None)).assign_coords(channel=names)
    from scipy.special import ndtri  # noqa: PLC0415  # a third of a second

    quantiles = ndtri((np.arange(count) + 0.5) / count)
    steps = xr.DataArray(
        quantiles / quantiles.std(ddof=1), dims="number", coords={"number": np.arange(count)}
    )
    order = ("init_time", "lead_time", "number", "channel", "latitude", "longitude")
    return (mean + std * steps).astype(np.float32).transpose(*order)


def over_land(dataset: xr.Dataset) -> xr.Dataset:
    """Give what only the sea has a value on land too, lazily: neither networks nor stores take NaN.

    The value is the mean over sea and members of the same forecast: it tells a network nothing,
    and its spread is 0.
    """
    filled = {}
    for name in _OF_THE_SEA:
        if name in dataset:
            array = dataset[name]
            over = [d for d in array.dims if d not in ("time", "init_time", "lead_time")]
            filled[name] = array.fillna(array.mean(over, dtype=np.float64).astype(array.dtype))
    return dataset.assign(filled)
