"""What a calibration network sees beside the ensemble itself: place, season and lead time."""

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast.data.inputs import LEAD_UNIT, Inputs, season_angle
from smoecast.data.time_selection import HOUR
from smoecast.fields.grid import Grid, ProjectedGrid

LEAD_UNIT_HOURS = LEAD_UNIT / np.timedelta64(1, "h")


_EARTH_RADIUS = 6.371e6


@dataclass(frozen=True, eq=False)
class Predictors:
    """The recipe for the inputs that are not the ensemble's, X of them, in this order.

    Attributes
    ----------
    place : Grid or ProjectedGrid
        Where the fields hold.
    inputs : Inputs or None
        Constants, sine of the latitude and clock, as forecasts have them; None: none of them.
    position : bool
        The three coordinates of each point on the unit sphere, as in the ENS-10 benchmark's code:
        sin(latitude), cos(latitude) sin(longitude), cos(latitude) cos(longitude). On a map
        projection metres over the Earth's radius stand for the angles.
    season : bool
        Cosine and sine of the day of the year on which it holds.
    lead : bool
        The lead time.
    """

    place: Grid | ProjectedGrid
    inputs: Inputs | None = None
    position: bool = False
    season: bool = False
    lead: bool = False

    def beside(
        self,
        fields: NDArray[np.float32],
        valid: NDArray[np.datetime64],
        lead_hours: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """Return network inputs, (B, [M] C + X, H, W).

        Parameters
        ----------
        fields : (B, [M,] C, H, W) float32
            Of the ensemble.
        valid : (B,) datetime64
            When they hold.
        lead_hours : (B,) float64
        """
        batch, *_, height, width = fields.shape
        flat = fields.reshape(batch, -1, height, width)  # (B, M, C, H, W) -> (B, M C, H, W)
        parts = [flat]
        if self.inputs is not None:
            extra = self.inputs.extra(valid)  # nosec B610
            parts.append(extra)
        if self.position:
            parts.append(np.broadcast_to(position(self.place), (batch, 3, height, width)))
        scalars = self._scalars(valid, lead_hours)[:, :, None, None]
        parts.append(np.broadcast_to(scalars, (*scalars.shape[:2], height, width)))
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _scalars(
        self, valid: NDArray[np.datetime64], lead_hours: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what is the same at all points, (B, 0 to 3)."""
        columns = []
        if self.season:
            angle = season_angle(valid)
            columns += [np.cos(angle), np.sin(angle)]
        if self.lead:
            columns.append(lead_hours / LEAD_UNIT_HOURS)
        return np.stack(columns, axis=1) if columns else np.empty((len(valid), 0))

    def statistics(
        self, lead_hours: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and spread of each of the X inputs.

        Parameters
        ----------
        lead_hours : (L,) float64
            That the network is fitted for.
        """
        means, stds = [np.empty(0)], [np.empty(0)]
        if self.inputs is not None:
            mean, std = self.inputs.statistics(np.empty(0), np.empty(0))
            means.append(mean)
            stds.append(std)
        if self.position:
            where = position(self.place).astype(np.float64)
            std = where.std(axis=(1, 2))
            means.append(where.mean(axis=(1, 2)))
            stds.append(np.where(std > 0, std, 1.0))
        if self.season:
            means.append(np.zeros(2))
            stds.append(np.ones(2))
        if self.lead:
            hours = lead_hours / LEAD_UNIT_HOURS
            means.append(np.array([hours.mean()]))
            stds.append(np.array([hours.std() or 1.0]))
        return np.concatenate(means), np.concatenate(stds)


def position(place: Grid | ProjectedGrid) -> NDArray[np.float32]:
    """Return the coordinates of each point on the unit sphere, (3, H, W)."""
    if isinstance(place, Grid):
        rows, columns = np.deg2rad(place.latitude), np.deg2rad(place.longitude)
    else:
        rows, columns = place.y / _EARTH_RADIUS, place.x / _EARTH_RADIUS
    north, east = np.meshgrid(rows, columns, indexing="ij")
    parallel = np.cos(north)
    axes = [np.sin(north), parallel * np.sin(east), parallel * np.cos(east)]
    return np.stack(axes).astype(np.float32)


@dataclass(frozen=True, eq=False)
class EnsembleSamples:
    """One sample for each start and lead time.

    Attributes
    ----------
    fields : (N, L, [M,] C, H, W) float32
        Moments of the ensemble, or its members; lazy ones are read sample by sample.
    truth : (N, L, D, H, W) float32
        What came.
    starts : (N,) datetime64
    lead_hours : (L,) float64
    predictors : Predictors
        What stands beside the ensemble.
    """

    fields: NDArray[np.float32] | xr.DataArray
    truth: NDArray[np.float32]
    starts: NDArray[np.datetime64]
    lead_hours: NDArray[np.float64]
    predictors: Predictors

    def __len__(self) -> int:
        """Return the number of samples, N * L."""
        return len(self.fields) * len(self.lead_hours)

    def batch(self, indices: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs (B, [M] C + X, H, W) and targets (B, D, H, W), SI units."""
        start, lead = np.divmod(indices, len(self.lead_hours))
        hours = self.lead_hours[lead]
        valid = self.starts[start] + hours.astype(np.int64) * HOUR
        fields = np.stack([np.asarray(self.fields[i, j]) for i, j in zip(start, lead, strict=True)])
        inputs = self.predictors.beside(fields, valid, hours)
        return torch.from_numpy(inputs), torch.from_numpy(self.truth[start, lead])
