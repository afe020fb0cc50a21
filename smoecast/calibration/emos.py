"""Ensemble model output statistics (EMOS): a distribution from ensemble mean and variance.

Normal: mean = a + b x ensemble mean and variance = c^2 + d^2 x ensemble variance, the coefficients
those of least CRPS (Gneiting, Raftery, Westveld and Goldman 2005, doi:10.1175/MWR2904.1). For wind
speed the same, cut off below 0 (Thorarinsdottir & Gneiting 2010,
doi:10.1111/j.1467-985X.2009.00616.x); for precipitation a censored, shifted gamma distribution
(Scheuerer & Hamill 2015, doi:10.1175/MWR-D-15-0061.1, see `families.csg_moments`). Any grid: the
horizontal axes come last, however many and whatever they are. All points are fitted at once.

Two things make it safe with few dates, see `smoecast.calibration.fitting.shrinkage`: local
coefficients are drawn towards the pooled ones, and c and d are fitted to errors on held-out dates.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from smoecast.calibration.distributions import Distribution, Name
from smoecast.calibration.fitting.families import csg_moments, family_of
from smoecast.calibration.fitting.fit_data import (
    moments,
    name_coefficients,
    prepare,
)
from smoecast.calibration.fitting.season import at_dates, season_columns
from smoecast.calibration.fitting.short_records import Record, solve_safely
from smoecast.errors import ModelError

Values = NDArray[np.float64]
Season = Literal["none", "harmonic"]
Where = Literal["pooled", "local"]


@dataclass(frozen=True, eq=False)
class Emos:
    """A fitted calibration.

    Attributes
    ----------
    a, b, c, d : ndarray of float64, shape () or (*space)
        mean = a + b x ensemble mean; variance = c^2 + d^2 x ensemble variance. With a season
        another axis comes first: factors of 1, sine and cosine of the day of the year.
    e, g : ndarray of float64, optional
        More coefficients of distribution csg.
    distribution : {"normal", "truncated_normal", "csg"}
        What is forecast.
    season : {"none", "harmonic"}
        What the coefficients follow.
    record : Record, optional
        What they rest on, where they were fitted just now.
    """

    a: Values
    b: Values
    c: Values
    d: Values
    e: Values | None = None
    g: Values | None = None
    distribution: Name = "normal"
    season: Season = "none"
    record: Record | None = None

    def forecast(self, members: ArrayLike, starts: ArrayLike | None = None) -> Distribution:
        """Return the distributions for an ensemble.

        Parameters
        ----------
        members : array_like, shape (N, M, *space)
            M need not be the number of the fit; a member that is NaN is missing.
        starts : array_like of datetime64, shape (N,), optional
            Needed where the coefficients follow the season.

        Returns
        -------
        Distribution
            Of shape (N, *space), in the unit of the members. The scale of a normal distribution
            is 0 only where the members are all equal and c is 0.

        Raises
        ------
        InputError
            If a point has fewer than two members, or a start is not given.
        ModelError
            If the coefficients are of another grid.
        """
        mean, variance = moments(members)
        values = [at_dates(v, self.season, mean.shape, starts) for v in self.to_tensors().values()]
        if self.distribution == "csg":
            parts = (torch.from_numpy(np.array(v)) for v in np.broadcast_arrays(*values, mean))
            *theta, wet = parts
            moved = csg_moments(torch.stack(theta), wet, torch.from_numpy(variance))
            return Distribution("csg", *(v.numpy() for v in moved))
        a, b, c, d = values
        scale = np.sqrt(c**2 + d**2 * variance)
        return Distribution(self.distribution, a + b * mean, scale, np.zeros_like(mean))

    def predict(self, members: ArrayLike, starts: ArrayLike | None = None) -> tuple[Values, Values]:
        """Return mean and standard deviation of `forecast`, (N, *space) each; it says the rest."""
        return self.forecast(members, starts).moments()

    def to_tensors(self) -> dict[str, Values]:
        """Return the coefficients by name, as safetensors stores them."""
        every = zip("abcdeg", (self.a, self.b, self.c, self.d, self.e, self.g), strict=True)
        return {name: value for name, value in every if value is not None}

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, Values], distribution: Name = "normal", season: Season = "none"
    ) -> "Emos":
        """Read what `to_tensors` gave.

        Raises
        ------
        ModelError
            If a coefficient is missing, or they differ in shape.
        """
        names = family_of(distribution).names
        missing = [name for name in names if name not in tensors]
        if missing:
            raise ModelError(f"the EMOS file lacks {missing}; fit it again")
        found = {name: np.asarray(tensors[name], np.float64) for name in names}
        if len({value.shape for value in found.values()}) > 1:
            raise ModelError("the coefficients of the EMOS file differ in shape; fit it again")
        return cls(**found, distribution=distribution, season=season, record=None)


def fit(
    members: ArrayLike,
    truth: ArrayLike,
    *,
    where: Where,
    distribution: Name = "normal",
    season: Season = "none",
    starts: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    shrinkage: float | None = None,
    folds: int = 5,
    to_raw: bool = False,
) -> Emos:
    """Fit the coefficients of least CRPS.

    Parameters
    ----------
    members : array_like, shape (N, M, *space)
        Forecasts of N dates by M members; a member that is NaN is missing.
    truth : array_like, shape (N, *space)
        What happened, in the same unit; NaN leaves a case out.
    where : {"pooled", "local"}
        One set of coefficients for all points, or one for each.
    distribution : {"normal", "truncated_normal", "csg"}
        What is forecast: csg and truncated_normal where nothing is below 0.
    season : {"none", "harmonic"}
        Whether coefficients follow sine and cosine of the day of the year.
    starts : array_like of datetime64, shape (N,), optional
        Needed for a season.
    weights : array_like, optional
        Of the cases, such as cos(latitude) of shape (H, 1); broadcasts to `truth`. In a local
        fit only their ratios between dates matter.
    groups : array_like of int, shape (*space), optional
        Points of one number share the pooled coefficients: land and sea, for instance. Local
        coefficients are then drawn to those of their group.
    shrinkage : float, optional
        How many dates the pooled coefficients are worth beside the N of a point. Chosen on
        held-out dates if not given. Ignored by a pooled fit.
    folds : int
        Blocks of successive dates that are held out in turn, at most one per date. 0 fits c and
        d to the same dates as a and b: the plain minimum, faster, too sure when dates are few.
        (That of csg is always plain.)
    to_raw : bool
        Draw the coefficients of a short record to those that change nothing, see
        `smoecast.calibration.fitting.short_records`.

    Returns
    -------
    Emos
        With coefficients of shape () if pooled without groups, else (*space).

    Raises
    ------
    ConfigError
        If a word is not known, a strength is negative, or one is to be chosen without two dates
        and folds to choose it on.
    InputError
        If shapes do not fit, a point has fewer than two members, or no truth is left.
    """
    family = family_of(distribution)
    columns = season_columns(season, starts, len(np.asarray(members)))
    data, space = prepare(members, truth, weights, groups, columns)
    theta, record = solve_safely(family, data, where, shrinkage, folds, to_raw=to_raw)
    one_set = where == "pooled" and groups is None
    found = name_coefficients(family.names, theta, space, season, one_set=one_set)
    return Emos(**found, distribution=distribution, season=season, record=record)
