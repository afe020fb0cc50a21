"""Linear regression as a baseline: the fields at the start to the fields at each lead time.

WeatherBench 1 regresses every point of Z500 and T850 at the lead time on every point of both at
the start, by least squares over its training years (Rasp et al. 2020). Ours is the same from the
target channels to the target channels, with three differences that keep it within memory on any
grid and tame it on short series: departures from the hour-of-day climatology are written in at
most 500 principal components of the training times, the regression goes from components to
components, and it has a ridge, chosen on the last fifth of the training times and then fitted to
all of them. Nothing but training times is looked at.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from smoecast.errors import InputError
from smoecast.tasks.evaluate.climatology import Climatology

COMPONENTS = 500
BASIS_TIMES = 1000
BASIS_BYTES = 256 * 2**20
"""Of the training times from which the components are found."""

SCORED_TIMES = 131_072
"""Newest training times that are fitted to: 500 components of each are held (256 MiB)."""

ROWS, PART_BYTES = 128, 32 * 2**20
"""Times that are read together, or of small fields so many bytes: few large products."""

RIDGES = tuple(10.0**power for power in range(-6, 2))
"""Tried, as shares of the mean variance of a component."""

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Linear:
    """A regression from principal components at the start to those at each lead time.

    Attributes
    ----------
    climatology : Climatology
        By hour of day; its channels are both predictors and predicted.
    scale : (C, H, W) float32
        By which departures are divided: the channel's spread over the root of cos(latitude).
    basis : (k, C * H * W) float32
        Orthonormal rows.
    weights : dict of int to (k, k) float32
        By lead time in hours.
    ridges : dict of int to float
        By lead time in hours, as chosen.
    """

    climatology: Climatology
    scale: Array
    basis: Array
    weights: dict[int, Array]
    ridges: dict[int, float]

    def components(self, fields: Array, times: NDArray[np.datetime64]) -> Array:
        """Return the components (N, k) of fields (N, C, H, W) at their times."""
        return _departures(fields, times, self.climatology, self.scale) @ self.basis.T

    def field(self, components: Array, channel: str, valid: NDArray[np.datetime64]) -> Array:
        """Return one channel's forecasts.

        Parameters
        ----------
        components : (I, L, k) float32
            Forecast components.
        channel : str
            Which.
        valid : (I, L) datetime64
            When they hold.

        Returns
        -------
        (I, L, H, W) float32
        """
        index = self.climatology.channels.index(channel)
        shape = self.scale.shape
        own = self.basis.reshape(len(self.basis), *shape)[:, index]  # (k, C * H * W) -> (k, H, W)
        departures = np.tensordot(components, own, 1) * self.scale[index]
        fields: Array = (departures + self.climatology.at(channel, valid)).astype(np.float32)
        return fields

    def forecast(self, components: Array, lead_hours: list[int]) -> Array:
        """Return the components (I, L, k) at lead times from those at the start (I, k)."""
        return np.stack([components @ self.weights[hours] for hours in lead_hours], axis=1)


def fit(dataset: xr.Dataset, climatology: Climatology, lead_hours: list[int]) -> Linear:
    """Fit the regression to the training times of a store.

    Parameters
    ----------
    dataset : xr.Dataset
        A store: ``fields`` (time, channel, latitude, longitude) and the mask ``train`` (time).
    climatology : Climatology
        By hour of day, of the channels wanted.
    lead_hours : list of int
        Lead times.

    Raises
    ------
    InputError
        The training times hold too few pairs of a start and its lead time.
    """
    fields = dataset["fields"].sel(channel=list(climatology.channels))
    inside = np.flatnonzero(dataset["train"].values)
    scale = _scale(fields, inside, climatology)
    bare = Linear(climatology, scale, _basis(fields, inside, climatology, scale), {}, {})
    used = inside[-SCORED_TIMES:]
    parts = _parts(fields, used)
    scores = np.concatenate([bare.components(p.values, p["time"].values) for p in parts])
    when = dataset["time"].values[used]
    weights, ridges = {}, {}
    for hours in lead_hours:
        ahead = when + np.timedelta64(hours, "h")
        start = np.flatnonzero(np.isin(ahead, when))
        if len(start) < 10:
            raise InputError(
                f"the training times hold only {len(start)} starts with a truth {hours} h later; "
                "leave linear out of evaluate.baselines"
            )
        pairs = scores[start], scores[np.searchsorted(when, ahead[start])]
        weights[hours], ridges[hours] = _regression(*pairs)
    return Linear(climatology, scale, bare.basis, weights, ridges)


def _parts(fields: xr.DataArray, rows: NDArray[np.intp]) -> list[xr.DataArray]:
    size = max(ROWS, PART_BYTES // (4 * int(np.prod(fields.shape[1:]))))
    return [fields.isel(time=rows[i : i + size]) for i in range(0, len(rows), size)]


def _departures(
    fields: Array, times: NDArray[np.datetime64], climatology: Climatology, scale: Array
) -> Array:
    """Return scaled departures from the climatology: (N, C * H * W)."""
    normal = [climatology.at(channel, times) for channel in climatology.channels]
    scaled = (fields - np.stack(normal, axis=1)) / scale
    # (N, C, H, W) -> (N, C * H * W)
    flat: Array = scaled.astype(np.float32).reshape(len(fields), -1)
    return flat


def _some(rows: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return at most `count` rows, evenly spread."""
    picked: NDArray[np.intp] = rows[np.unique(np.linspace(0, len(rows) - 1, count).astype(np.intp))]
    return picked


def _scale(fields: xr.DataArray, inside: NDArray[np.intp], climatology: Climatology) -> Array:
    """Return each channel's spread over the root of cos(latitude), the poles apart: (C, H, W)."""
    part = fields.isel(time=_some(inside, ROWS))
    shape = (len(climatology.channels), *fields.shape[2:])
    one = np.ones(shape, np.float32)
    departures = _departures(part.values, part["time"].values, climatology, one)
    departures = departures.reshape(-1, *shape)  # (N, C * H * W) -> (N, C, H, W)
    spread = departures.std(axis=(0, 2, 3), dtype=np.float64)
    spread[spread == 0] = 1.0
    cosine = np.clip(np.cos(np.deg2rad(fields["latitude"].values)), 0.05, None)
    scale = spread[:, None, None] / np.sqrt(cosine)[None, :, None]
    return np.broadcast_to(scale, shape).astype(np.float32)


def _basis(
    fields: xr.DataArray, inside: NDArray[np.intp], climatology: Climatology, scale: Array
) -> Array:
    """Return principal components (k, C * H * W) from the Gram matrix of some training times."""
    count = min(BASIS_TIMES, max(10, BASIS_BYTES // (4 * scale.size)))
    parts = _parts(fields, _some(inside, count))
    how = (climatology, scale)
    departures = np.concatenate([_departures(p.values, p["time"].values, *how) for p in parts])
    gram = (departures @ departures.T).astype(np.float64)
    # LAPACK's many small steps: threads wait for each other at each, beside another program for
    # ten times as long as the work takes, and round differently
    with threadpool_limits(1, user_api="blas"):
        values, vectors = np.linalg.eigh(gram)
    kept = np.flatnonzero(values > 1e-6 * values[-1])[-COMPONENTS:]
    turned = (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)
    basis: Array = turned.T @ departures
    return basis


def _regression(start: Array, ahead: Array) -> tuple[Array, float]:
    """Return weights (k, k) and the ridge that served best on the last fifth."""
    first = slice(None, -(-4 * len(start) // 5))
    last = slice(first.stop, None)
    moments = [_moments(start[part], ahead[part]) for part in (first, last)]
    errors = [_error(_solve(*moments[0], ridge), *moments[1]) for ridge in RIDGES]
    ridge = RIDGES[int(np.argmin(errors))]
    inner, cross = (a + b for a, b in zip(*moments, strict=True))
    return _solve(inner, cross, ridge).astype(np.float32), ridge


def _moments(start: Array, ahead: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (start.T @ start).astype(np.float64), (start.T @ ahead).astype(np.float64)


def _solve(
    inner: NDArray[np.float64], cross: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    size = len(inner)
    damped = inner + ridge * np.trace(inner) / size * np.eye(size)
    with threadpool_limits(1, user_api="blas"):
        return np.asarray(np.linalg.solve(damped, cross))


def _error(
    weights: NDArray[np.float64], inner: NDArray[np.float64], cross: NDArray[np.float64]
) -> float:
    """Return the squared error but for the part that no weights change."""
    return float((weights * (inner @ weights)).sum() - 2 * (weights * cross).sum())
