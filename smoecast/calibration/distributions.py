"""Forecasts as distributions: moments, quantiles, members, score. Numpy in and out."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, gammaincinv, log_ndtr, ndtr, ndtri, ndtri_exp

from smoecast.calibration.crps import crps_csg, crps_truncated_normal
from smoecast.calibration.reordering import How, ecc
from smoecast.scores.crps import crps_gaussian

Values = NDArray[np.float64]
Name = Literal["normal", "truncated_normal", "csg"]


@dataclass(frozen=True, eq=False)
class Distribution:
    """One distribution a point.

    Attributes
    ----------
    name : {"normal", "truncated_normal", "csg"}
        A normal distribution; one cut off below 0; a gamma distribution less a shift, values
        below 0 made 0.
    location, scale : ndarray of float64
        Mean and standard deviation of the normal or gamma distribution before it is cut or
        shifted; one shape.
    shift : ndarray of float64
        Of the gamma distribution; else 0.
    """

    name: Name
    location: Values
    scale: Values
    shift: Values

    def at(self, key: Any) -> "Distribution":
        """Return the distributions of some points, as numpy indexes them."""
        parts = (self.location, self.scale, self.shift)
        return Distribution(self.name, *(part[key] for part in parts))

    def moments(self) -> tuple[Values, Values]:
        """Return mean and standard deviation of the variable itself."""
        if self.name == "normal":
            return self.location, self.scale
        certain = np.maximum(self.location - self.shift, 0.0)
        sure = self.scale <= 1e-5 * np.abs(self.location)
        scale = np.where(sure, np.maximum(np.abs(self.location), 1.0), self.scale)
        parts = _cut(self.location, scale) if self.name == "truncated_normal" else None
        mean, variance = parts or _censor_gamma(self.location, scale, self.shift)
        std = np.sqrt(np.maximum(variance, 0.0))
        return np.where(sure, certain, mean), np.where(sure, 0.0, std)

    def quantile(self, probability: ArrayLike) -> Values:
        """Return the value below which the truth stays with this probability.

        Parameters
        ----------
        probability : array_like
            Broadcasts with `location`.
        """
        p = np.asarray(probability, np.float64)
        if self.name == "normal":
            return np.asarray(self.location + self.scale * ndtri(p))
        if self.name == "truncated_normal":
            scale = np.maximum(self.scale, 1e-12 * np.abs(self.location) + 1e-300)
            above = np.log1p(-p) + log_ndtr(self.location / scale)
            return np.asarray(np.maximum(self.location - scale * ndtri_exp(above), 0.0))
        shape, unit = _gamma(self.location, np.maximum(self.scale, 1e-5 * self.location))
        return np.asarray(np.maximum(unit * gammaincinv(shape, p) - self.shift, 0.0))

    def crps(self, observation: ArrayLike) -> Values:
        """Return the continuous ranked probability score of each point.

        Parameters
        ----------
        observation : array_like
            Truth, in the forecast's unit; NaN gives NaN.
        """
        if self.name == "normal":
            return crps_gaussian(observation, self.location, self.scale)
        location, scale, shift, truth = (
            torch.from_numpy(np.array(v, np.float64))
            for v in np.broadcast_arrays(self.location, self.scale, self.shift, observation)
        )
        if self.name == "truncated_normal":
            return np.asarray(crps_truncated_normal(location, scale, truth).numpy())
        return np.asarray(crps_csg(location, scale, shift, truth).numpy())

    def members(
        self,
        raw_members: ArrayLike,
        axis: int,
        how: How = "quantile",
        *,
        rng: np.random.Generator,
        count: int | None = None,
    ) -> Values:
        """Return members in the ranks of the raw ensemble.

        Parameters
        ----------
        raw_members, axis, how, rng, count
            As in `smoecast.calibration.reordering.ecc`. By transformation the raw members are
            shifted and stretched only for a normal distribution; for others their standardised
            values say which quantiles to take.

        Returns
        -------
        ndarray of float64
            Shape of `raw_members`, with `count` on `axis`.

        Raises
        ------
        ConfigError, InputError
            As `ecc`.
        """
        if self.name == "normal":
            return ecc(self.location, self.scale, raw_members, axis, how, rng=rng, count=count)
        zero, one = np.zeros_like(self.location), np.ones_like(self.location)
        z = np.moveaxis(ecc(zero, one, raw_members, axis, how, rng=rng, count=count), axis, 0)
        return np.moveaxis(self.quantile(ndtr(z)), 0, axis)


def _cut(location: Values, scale: Values) -> tuple[Values, Values]:
    """Return mean and variance of a normal distribution cut off below 0."""
    m = location / scale
    hazard = np.exp(-0.5 * m**2 - log_ndtr(m)) / np.sqrt(2.0 * np.pi)
    return location + scale * hazard, scale**2 * (1.0 - m * hazard - hazard**2)


def _gamma(mean: Values, std: Values) -> tuple[Values, Values]:
    """Return shape and scale of a gamma distribution."""
    return (mean / std) ** 2, std**2 / mean


def _censor_gamma(mean: Values, std: Values, shift: Values) -> tuple[Values, Values]:
    """Return mean and variance of max(G - shift, 0), G of a gamma distribution."""
    shape, unit = _gamma(mean, std)
    none, one, two = (1.0 - gammainc(shape + k, shift / unit) for k in range(3))
    first = mean * one - shift * none
    second = mean * (mean + unit) * two - 2.0 * shift * mean * one + shift**2 * none
    return first, second - first**2
