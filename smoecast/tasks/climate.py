"""The climate of an ensemble itself, against which EFI and Shift of Tails are measured."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.scores.pointwise import Values
from smoecast.scores.quantiles import member_quantiles

LEVELS = np.linspace(0.0, 1.0, 101)
"""Of the climate's quantiles: those that ECMWF uses."""

LEAST = 50
"""Values of a point below which they are no climate."""

BAND_BYTES = 128 * 2**20
"""Of the values of a band of rows, at most, unless one row has more."""

YEAR_DAYS = 365.25


class ModelClimate:
    """Quantiles of what an ensemble usually forecasts at a point, at that time of the year.

    Parameters
    ----------
    fields : xr.DataArray
        ``(init_time, lead_time, number, channel, y, x)``, lazy.
    inside : ndarray of bool, shape (init_time,)
        Which of its starts make the climate.
    days : int
        By how much their day of the year may differ from that of the start in question.
    """

    def __init__(self, fields: xr.DataArray, inside: NDArray[np.bool_], days: int) -> None:
        self.fields = fields.isel(init_time=np.flatnonzero(inside))
        self.days = days
        self._of: bytes = b""
        self._known: dict[str, Values | None] = {}

    def members(self, starts: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Return which starts make the climate of each of some others: (I, T)."""
        own, others = _day_of_year(starts), _day_of_year(self.fields["init_time"].values)
        apart = np.abs(own[:, None] - others[None, :])
        near: NDArray[np.bool_] = np.minimum(apart, YEAR_DAYS - apart) <= self.days
        return near

    def quantiles(
        self, start: np.datetime64, leads: NDArray[np.timedelta64], channel: str
    ) -> Values | None:
        """Return the quantiles at `LEVELS`, (101, L, H, W); None where there are too few values.

        They are kept until another climate is asked for.
        """
        near = self.members(np.array([start]))[0]
        if near.tobytes() != self._of:
            self._of, self._known = near.tobytes(), {}
        if channel not in self._known:
            self._known[channel] = self._read(near, leads, channel)
        return self._known[channel]

    def _read(
        self, near: NDArray[np.bool_], leads: NDArray[np.timedelta64], channel: str
    ) -> Values | None:
        chosen = self.fields.isel(init_time=np.flatnonzero(near))
        chosen = chosen.sel(channel=channel, lead_time=leads)
        count = chosen.sizes["init_time"] * chosen.sizes["number"]
        if count < LEAST:
            return None
        rows, columns = chosen.dims[-2:]
        one = 4 * count * len(leads) * chosen.sizes[columns]
        step = max(1, BAND_BYTES // one)
        bands: list[Values] = []
        for begin in range(0, chosen.sizes[rows], step):
            values = chosen.isel({rows: slice(begin, begin + step)}).values
            values = values.swapaxes(1, 2)  # (N, L, M, h, W) -> (N, M, L, h, W)
            pooled = values.reshape(count, *values.shape[2:])
            bands.append(member_quantiles(pooled, LEVELS))
        return np.asarray(np.concatenate(bands, axis=2))


def _day_of_year(times: NDArray[np.datetime64]) -> Values:
    days = times.astype("datetime64[D]") - times.astype("datetime64[Y]").astype("datetime64[D]")
    return np.asarray(days.astype(np.float64))


def groups_of(
    starts: NDArray[np.datetime64], climates: Sequence[ModelClimate]
) -> list[NDArray[np.intp]]:
    """Return positions of starts that share their climates, so that each is made once."""
    if not climates:
        return [np.arange(len(starts))]
    together = np.concatenate([climate.members(starts) for climate in climates], axis=1)
    numbers = np.unique(together, axis=0, return_inverse=True)[1].ravel()
    return [np.flatnonzero(numbers == number) for number in range(numbers.max() + 1)]
