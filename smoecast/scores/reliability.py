"""Probabilities of an event against what came: Brier score, its parts, reliability table."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from smoecast.scores.histograms import shares_by_start
from smoecast.scores.pointwise import Values, z_score

BINS = 10
"""Of forecast probabilities, equally wide."""

ROWS = ("weight", "probability", "outcome")
"""What is summed in each bin: the weight, and weight x probability, weight x outcome."""


def member_probability(members: ArrayLike, threshold: float, above: bool, axis: int) -> Values:
    """Return the share of the members present that lie beyond a threshold.

    Parameters
    ----------
    members : array_like
        Ensemble; NaN where a member is missing.
    threshold : float
    above : bool
        Above it, or below it.
    axis : int
        The members' axis.

    Returns
    -------
    ndarray of float64
        NaN where every member is missing.
    """
    ensemble = np.moveaxis(np.asarray(members), axis, 0)
    count = (~np.isnan(ensemble)).sum(axis=0, dtype=np.float64)
    beyond = (ensemble > threshold) if above else (ensemble < threshold)
    with np.errstate(invalid="ignore"):
        return np.asarray(beyond.sum(axis=0) / count)


def normal_probability(mean: ArrayLike, std: ArrayLike, threshold: float, above: bool) -> Values:
    """Return the chance that a normal forecast gives to values beyond a threshold.

    Raises
    ------
    InputError
        If a standard deviation is negative.
    """
    z = z_score(threshold, mean, std)
    return np.asarray(ndtr(-z if above else z))


def outcome(truth: ArrayLike, threshold: float, above: bool) -> Values:
    """Return 1 where the event came, 0 where it did not, NaN where the truth is missing."""
    true = np.asarray(truth, np.float64)
    came = (true > threshold) if above else (true < threshold)
    return np.where(np.isnan(true), np.nan, came.astype(np.float64))


def table_by_start(probability: Values, came: Values, weights: Values) -> Values:
    """Return sums in bins of the forecast probability, start by start.

    Parameters
    ----------
    probability, came : ndarray, shape (init_time, lead_time, latitude, longitude)
        Between 0 and 1; NaN where unknown.
    weights : ndarray, shape (region, latitude, longitude)

    Returns
    -------
    ndarray, shape (init_time, lead_time, region, 3, BINS)
        In the order of `ROWS`.
    """
    missing = np.isnan(probability) | np.isnan(came)
    chance = np.where(missing, 0.0, probability)
    places = np.where(missing, -1, np.minimum((chance * BINS).astype(np.int64), BINS - 1))
    happened = np.where(missing | (came == 0), -1, places)
    rows = ((places, None), (places, chance), (happened, None))
    return np.stack([shares_by_start(p, BINS, weights, v) for p, v in rows], axis=-2)


def brier_parts(table: Values) -> dict[str, Values]:
    """Return the parts of the Brier score from a reliability table.

    Parameters
    ----------
    table : ndarray, shape (..., 3, BINS)
        Sums in the order of `ROWS`.

    Returns
    -------
    dict of ndarray
        ``brier_reliability`` (0 is best), ``brier_resolution`` (higher is better) and
        ``brier_uncertainty``, that of the base rate ``event_rate``. Reliability - resolution +
        uncertainty is the Brier score but for what probabilities differ within a bin (Murphy 1973,
        doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2).
    """
    weight, chance, came = (table[..., row, :] for row in range(len(ROWS)))
    total = weight.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = came.sum(axis=-1) / total
        mean, seen = chance / weight, came / weight
        apart = np.where(weight > 0, weight * np.square(mean - seen), 0.0)
        from_rate = np.where(weight > 0, weight * np.square(seen - rate[..., None]), 0.0)
        return {
            "brier_reliability": apart.sum(axis=-1) / total,
            "brier_resolution": from_rate.sum(axis=-1) / total,
            "brier_uncertainty": rate * (1.0 - rate),
            "event_rate": rate,
        }
