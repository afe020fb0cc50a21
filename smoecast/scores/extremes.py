"""Extreme Forecast Index, Shift of Tails, and the CRPS weighted by the former (EECRPS).

The EFI asks how far the whole ensemble stands from the model's own climate: -1 when every member
is below it, +1 when every member is above it, 0 on average over the climate itself.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoecast.errors import InputError
from smoecast.scores.ensemble import member_quantiles
from smoecast.scores.pointwise import Values


def efi(members: ArrayLike, climate: ArrayLike, axis: int) -> Values:
    """ECMWF's Extreme Forecast Index, 2/pi x integral of (p - F(p)) / sqrt(p (1 - p)) dp.

    F(p) is the share of members at or below the climate's p-quantile; between two quantiles it is
    a straight line, as in ECMWF's software.

    Parameters
    ----------
    members : array_like
        Ensemble; a member that is NaN is missing and the others are the ensemble there.
    climate : array_like
        Q quantiles of the climate on the same `axis`, of probabilities evenly spaced from 0 to 1;
        the other axes broadcast with those of `members`.
    axis : int
        The members' axis, and the quantiles'. The result lacks it.

    Returns
    -------
    ndarray of float64
        In [-1, 1]; NaN where every member or any climate quantile is missing.

    Raises
    ------
    InputError
        If the two differ in their number of axes.

    Notes
    -----
    Lalaurette (2003), doi:10.1256/qj.02.152; Zsoter (2006), ECMWF Newsletter 107. Integrated by
    members: a member whose value the climate exceeds with probability 1 - p adds
    (4/pi asin sqrt(p) - 1) / M, here the mean of that over the interval of p in which it stands.
    Nothing is approximated, and no singular end is left out.
    """
    ensemble, quantiles = _align(members, climate, axis)
    levels = np.linspace(0.0, 1.0, quantiles.shape[0])
    share = _interval_means(levels)[_quantiles_below(ensemble, quantiles)]
    missing = np.isnan(ensemble) | np.isnan(quantiles).any(axis=0)
    total = np.where(missing, 0.0, share).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / (~missing).sum(axis=0))


def efi_ens10(members: ArrayLike, climate: ArrayLike, axis: int) -> Values:
    """EFI as the authors of the ENS-10 dataset calculate it; only for tables beside theirs.

    The ensemble too is reduced to 21 quantiles (0, 5, ..., 100 %), and the integral to the sum
    over the 19 inner ones: it ends at -0.791 and +0.791. Their climate moreover includes the
    year that is forecast; that is the caller's affair.

    Parameters
    ----------
    members : array_like
        Ensemble; members that are NaN are left out of its quantiles.
    climate : array_like
        The 21 quantiles of the climate on the same `axis`; other axes broadcast.
    axis : int
        The members' axis, and the quantiles'. The result lacks it.

    Returns
    -------
    ndarray of float64
        In [-0.791, 0.791]; NaN where every member or any climate quantile is missing.

    Raises
    ------
    InputError
        If the climate has not 21 quantiles.

    Notes
    -----
    Ashkboos et al. (2022), arXiv 2206.14786, and the authors' released script.
    """
    ensemble, quantiles = _align(members, climate, axis)
    levels = np.linspace(0.0, 1.0, 21)
    if quantiles.shape[0] != levels.size:
        raise InputError(
            f"efi_ens10 needs the climate's 21 quantiles, not {quantiles.shape[0]}; use efi"
        )
    reduced = member_quantiles(ensemble, levels[:-1])
    total = np.zeros(np.broadcast_shapes(ensemble.shape[1:], quantiles.shape[1:]))
    for p, quantile in zip(levels[1:-1], quantiles[1:-1], strict=True):
        below = np.count_nonzero(reduced < quantile, axis=0) / (levels.size - 1)
        total += (p - below) / np.sqrt(p * (1.0 - p))
    missing = np.isnan(ensemble).all(axis=0) | np.isnan(quantiles).any(axis=0)
    return np.where(missing, np.nan, total * 2.0 / np.pi / (levels.size - 1))


SOT_BOUND = 10.0
"""ECMWF's software cuts the Shift of Tails at plus and minus this."""


def sot(members: ArrayLike, climate: ArrayLike, axis: int, upper: bool = True) -> Values:
    """ECMWF's Shift of Tails: how far the ensemble's tail reaches beyond that of the climate.

    (Qf(90) - Qc(99)) / (Qc(99) - Qc(90)), Qf being quantiles of the ensemble and Qc those of the
    climate in per cent; for the lower tail 10 and 1 stand in the place of 90 and 99.

    Parameters
    ----------
    members : array_like
        Ensemble; members that are NaN are left out of its quantiles.
    climate : array_like
        The 101 quantiles of the climate on the same `axis`; other axes broadcast.
    axis : int
        The members' axis, and the quantiles'. The result lacks it.
    upper : bool
        The upper tail, or the lower one.

    Returns
    -------
    ndarray of float64
        In [-10, 10]; above 0 where a tenth of the members or more lie beyond all but the last
        hundredth of the climate. NaN where every member or any climate quantile is missing, or
        the climate's two quantiles are equal.

    Raises
    ------
    InputError
        If the climate has not 101 quantiles.

    Notes
    -----
    Zsoter (2006), ECMWF Newsletter 107.
    """
    ensemble, quantiles = _align(members, climate, axis)
    if quantiles.shape[0] != 101:
        raise InputError(f"sot needs the climate's 101 quantiles, not {quantiles.shape[0]}")
    inner, outer = (90, 99) if upper else (10, 1)
    reached = member_quantiles(ensemble, np.array([inner / 100]))[0]
    width = quantiles[outer] - quantiles[inner]
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(width != 0, (reached - quantiles[outer]) / width, np.nan)
    missing = np.isnan(quantiles).any(axis=0)
    return np.where(missing, np.nan, np.clip(shift, -SOT_BOUND, SOT_BOUND))


def eecrps(index: ArrayLike, crps: ArrayLike) -> Values:
    """CRPS weighted by how extreme the raw forecast is: abs(EFI) x CRPS.

    Parameters
    ----------
    index : array_like
        EFI of the raw ensemble, by `efi` or `efi_ens10`; say which beside every number.
    crps : array_like
        Score at the same points, shapes that broadcast.

    Returns
    -------
    ndarray of float64
        Unit of the CRPS.

    Notes
    -----
    Ashkboos et al. (2022), arXiv 2206.14786, section 4. It is no proper score.
    """
    return np.asarray(np.abs(np.asarray(index, np.float64)) * np.asarray(crps, np.float64))


def _align(members: ArrayLike, climate: ArrayLike, axis: int) -> tuple[Values, Values]:
    """Return both in float64 with `axis` in front and as many axes as each other."""
    ensemble = np.moveaxis(np.asarray(members, np.float64), axis, 0)
    quantiles = np.moveaxis(np.asarray(climate, np.float64), axis, 0)
    if ensemble.ndim != quantiles.ndim:
        raise InputError(
            f"members of shape {np.shape(members)} and a climate of shape {np.shape(climate)} "
            "differ in their number of axes; add axes of length 1"
        )
    return ensemble, quantiles


def _quantiles_below(ensemble: Values, quantiles: Values) -> NDArray[np.int16]:
    """Return how many climate quantiles lie below each member, 0 ... Q, shape (M, ...)."""
    found = np.zeros(np.broadcast_shapes(ensemble.shape, (1, *quantiles.shape[1:])), np.int16)
    for quantile in quantiles:
        found += ensemble > quantile
    return found


def _interval_means(levels: Values) -> Values:
    """Return the mean contribution below, in each interval between, and above Q quantiles."""
    # the integral of asin sqrt(p) is (p - 1/2) asin sqrt(p) + sqrt(p (1 - p)) / 2
    whole = (levels - 0.5) * np.arcsin(np.sqrt(levels)) + 0.5 * np.sqrt(levels * (1.0 - levels))
    means = 4.0 / np.pi * np.diff(whole) / np.diff(levels) - 1.0
    return np.concatenate([[-1.0], means, [1.0]])
