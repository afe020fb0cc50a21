"""What a calibration network sees of an ensemble, and beside it: place, season and lead time."""

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast.data.inputs import LEAD_UNIT, Inputs, season_angle
from smoecast.data.members import moments
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
    counts : tuple of int
        Numbers of members that the network is fitted to: then 1 / M is an input, for the noise in
        mean and spread goes with it; none: it is not.
    """

    place: Grid | ProjectedGrid
    inputs: Inputs | None = None
    position: bool = False
    season: bool = False
    lead: bool = False
    counts: tuple[int, ...] = ()

    def beside(
        self,
        fields: NDArray[np.float32],
        valid: NDArray[np.datetime64],
        lead_hours: NDArray[np.float64],
        members: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Return network inputs, (B, [M] C + X, H, W).

        Parameters
        ----------
        fields : (B, [M,] C, H, W) float32
            Of the ensemble.
        valid : (B,) datetime64
            When they hold.
        lead_hours : (B,) float64
        members : (B,) int
            Of each ensemble.
        """
        batch, *_, height, width = fields.shape
        flat = fields.reshape(batch, -1, height, width)  # (B, M, C, H, W) -> (B, M C, H, W)
        parts = [flat]
        if self.inputs is not None:
            extra = self.inputs.extra(valid)  # nosec B610
            parts.append(extra)
        if self.position:
            parts.append(np.broadcast_to(position(self.place), (batch, 3, height, width)))
        scalars = self._scalars(valid, lead_hours, members)[:, :, None, None]
        parts.append(np.broadcast_to(scalars, (*scalars.shape[:2], height, width)))
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _scalars(
        self,
        valid: NDArray[np.datetime64],
        lead_hours: NDArray[np.float64],
        members: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Return what is the same at all points, (B, 0 to 4)."""
        columns = []
        if self.season:
            angle = season_angle(valid)
            columns += [np.cos(angle), np.sin(angle)]
        if self.lead:
            columns.append(lead_hours / LEAD_UNIT_HOURS)
        if self.counts:
            columns.append(1.0 / members)
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
        if self.counts:
            shares = 1.0 / np.array(self.counts)
            means.append(np.array([shares.mean()]))
            stds.append(np.array([shares.std() or 1.0]))
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


def count_members(members: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return how many members are there in every channel, (B, L), of (B, L, M, C, H, W)."""
    # a missing field is NaN throughout: a corner tells
    counts: NDArray[np.int64] = np.isfinite(members[..., 0, 0]).all(axis=-1).sum(axis=-1)
    return counts


@dataclass(frozen=True)
class MemberDraw:
    """Some of the members for each sample, and how many is drawn too.

    What is drawn depends on the seed and on the samples of the batch alone, which seed and epoch
    decide: a fit that was stopped goes on with the same. (So batches of one sample draw the same
    for it in each epoch.)

    Attributes
    ----------
    counts : tuple of int
        Numbers of members, each as likely as the others.
    seed : int
    """

    counts: tuple[int, ...]
    seed: int

    def begin(self, indices: NDArray[np.intp]) -> np.random.Generator:
        """Return the generator of a batch."""
        return np.random.default_rng([self.seed, *indices.tolist()])

    def choose(self, members: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Return some of the members (M, C, H, W) of a sample; all that are there, if too few."""
        there = np.flatnonzero(np.isfinite(members[..., 0, 0]).all(axis=-1))
        count = min(int(rng.choice(self.counts)), len(there))
        # as they stand in the ensemble: a sum in another order differs in the last digit
        some: NDArray[np.float32] = members[np.sort(rng.choice(there, count, replace=False))]
        return some


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
    draw : MemberDraw or None
        Samples are the moments of some of the members; None: `fields` as they are.
    units : (L, D) float32 or None
        In which the errors of each lead time are counted; they follow the truth as D channels
        more. None: one for all lead times, which the loss has.
    """

    fields: NDArray[np.float32] | xr.DataArray
    truth: NDArray[np.float32]
    starts: NDArray[np.datetime64]
    lead_hours: NDArray[np.float64]
    predictors: Predictors
    draw: MemberDraw | None = None
    units: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        """Return the number of samples, N * L."""
        return len(self.fields) * len(self.lead_hours)

    def batch(self, indices: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs (B, [M] C + X, H, W) and targets (B, D or 2 D, H, W), SI units."""
        start, lead = np.divmod(indices, len(self.lead_hours))
        hours = self.lead_hours[lead]
        valid = self.starts[start] + hours.astype(np.int64) * HOUR
        each = [np.asarray(self.fields[i, j]) for i, j in zip(start, lead, strict=True)]
        counts = np.array([len(one) for one in each])
        if self.draw is not None:
            rng = self.draw.begin(indices)
            some = [self.draw.choose(members, rng) for members in each]
            counts = np.array([len(members) for members in some])
            each = [moments(members[None, None])[0, 0] for members in some]
        inputs = self.predictors.beside(np.stack(each), valid, hours, counts)
        targets = self.truth[start, lead]
        if self.units is not None:
            units = np.broadcast_to(self.units[lead][:, :, None, None], targets.shape)
            targets = np.concatenate([targets, units], axis=1)
        return torch.from_numpy(inputs), torch.from_numpy(targets)
