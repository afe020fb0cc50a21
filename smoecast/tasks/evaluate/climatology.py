"""What is normal: means over the training times, by hour of day or by week of the year."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.errors import InputError

ROWS = 256
"""Times that are read together."""

Labels = Callable[[NDArray[np.datetime64]], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Climatology:
    """Means of the training times, one for each label of time.

    Attributes
    ----------
    name : str
        ``hour of day`` or ``week``, for messages.
    label : callable
        From times to labels.
    labels : (K,) int
        Those that the training times hold, ascending.
    means : (K, C, H, W) float64
    channels : tuple of str
        C.
    """

    name: str
    label: Labels
    labels: NDArray[np.int64]
    means: NDArray[np.float64]
    channels: tuple[str, ...]

    def at(self, channel: str, valid: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Return what is normal at times of any shape: (..., H, W).

        Raises
        ------
        InputError
            No training time has the label of one of these times.
        """
        wanted = self.label(valid)
        where = np.searchsorted(self.labels, wanted).clip(max=len(self.labels) - 1)
        missing = wanted[self.labels[where] != wanted]
        if missing.size:
            raise InputError(
                f"the training times hold no {self.name} {missing.flat[0]}, so there is no "
                "climatology for it; train on more times, or leave the starts out"
            )
        means: NDArray[np.float64] = self.means[where, self.channels.index(channel)]
        return means


def hourly(dataset: xr.Dataset, channels: tuple[str, ...]) -> Climatology:
    """Return the mean at each hour of day, over all training times of the year.

    Parameters
    ----------
    dataset : xr.Dataset
        A store: ``fields`` (time, channel, latitude, longitude) and the mask ``train`` (time).
    channels : tuple of str
        Of it.

    Raises
    ------
    InputError
        The store holds no training times.
    """
    return _over_training(dataset, channels, "hour of day", hour_of)


def weekly(dataset: xr.Dataset, channels: tuple[str, ...]) -> Climatology:
    """Return the mean of each ISO week, as WeatherBench's weekly climatology; see `hourly`."""
    return _over_training(dataset, channels, "week", week_of)


def hour_of(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the hour of day."""
    into_day = times - times.astype("datetime64[D]")
    return np.asarray(into_day // np.timedelta64(1, "h"), np.int64)


def week_of(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Return the ISO week: that of the year in which its Thursday lies."""
    day = times.astype("datetime64[D]")
    weekday = (day.astype(np.int64) + 3) % 7  # 0 is Monday; 1970-01-01 was a Thursday
    thursday = day - weekday + 3
    first = thursday.astype("datetime64[Y]").astype("datetime64[D]")
    return np.asarray((thursday - first).astype(np.int64) // 7 + 1)


def _over_training(
    dataset: xr.Dataset, channels: tuple[str, ...], name: str, label: Labels
) -> Climatology:
    inside = np.flatnonzero(dataset["train"].values)
    if not len(inside):
        raise InputError(
            "the store holds no training times, so there is no climatology to score against; "
            "change data.split and run `smoecast preprocess` again"
        )
    fields = dataset["fields"].sel(channel=list(channels))
    of_time = label(dataset["time"].values[inside])
    labels, counts = np.unique(of_time, return_counts=True)
    sums: NDArray[Any] = np.zeros((len(labels), *fields.shape[1:]))
    for begin in range(0, len(inside), ROWS):
        some = slice(begin, begin + ROWS)
        values = fields.isel(time=inside[some]).values
        for one in np.unique(of_time[some]):
            chosen = values[of_time[some] == one]
            sums[np.searchsorted(labels, one)] += chosen.sum(axis=0, dtype=np.float64)
    return Climatology(name, label, labels, sums / counts[:, None, None, None], channels)
