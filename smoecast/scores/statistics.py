"""From fields to scores: which statistics are summed, and which scores their means make."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from smoecast.scores import aggregate, crps, ensemble, pointwise
from smoecast.scores.aggregate import Partial
from smoecast.scores.pointwise import Values


def forecast_statistics(
    forecast: ArrayLike, truth: ArrayLike, climatology: ArrayLike
) -> dict[str, Values]:
    """Return what is summed of a deterministic forecast, point by point.

    Parameters
    ----------
    forecast, truth, climatology : array_like, shape (init_time, lead_time, latitude, longitude)
        One unit; the climatology is what is normal at that place and time.

    Returns
    -------
    dict of ndarray
        Errors, and the moments of both anomalies (departures from the climatology).
    """
    wrong = pointwise.error(forecast, truth)
    own, true = pointwise.anomalies(forecast, truth, climatology)
    return {
        "squared": np.square(wrong),
        "absolute": np.abs(wrong),
        "error": wrong,
        **dict(zip(("cross", "own", "true"), pointwise.anomaly_products(own, true), strict=True)),
        "own_mean": own,
        "true_mean": true,
    }


def forecast_scores(sums: Mapping[str, Partial]) -> dict[str, Values]:
    """Return RMSE, MAE, bias, ACC and the parts of the centred correlation.

    Parameters
    ----------
    sums : mapping of Partial
        Of the statistics of `forecast_statistics`, of any shape.

    Returns
    -------
    dict of ndarray
        ``rmse mae bias acc``; ``activity`` and ``activity_truth``, the standard deviations of the
        forecast's and of the truth's anomalies over time and space (a forecast whose activity is
        below the truth's is too smooth); ``pearson``, the correlation of the two about their
        means. They belong together: rmse^2 = bias^2 + activity^2 + activity_truth^2
        - 2 pearson x activity x activity_truth (Murphy 1988,
        doi:10.1175/1520-0493(1988)116<2417:SSBOTM>2.0.CO;2).
    """
    mean = {name: part.value() for name, part in sums.items()}
    own = np.sqrt(np.maximum(mean["own"] - mean["own_mean"] ** 2, 0.0))
    true = np.sqrt(np.maximum(mean["true"] - mean["true_mean"] ** 2, 0.0))
    covariance = mean["cross"] - mean["own_mean"] * mean["true_mean"]
    with np.errstate(divide="ignore", invalid="ignore"):
        pearson = covariance / (own * true)
    return {
        "rmse": aggregate.rmse(sums["squared"]),
        "mae": mean["absolute"],
        "bias": mean["error"],
        "acc": aggregate.acc([sums["cross"], sums["own"], sums["true"]]),
        "activity": own,
        "activity_truth": true,
        "pearson": pearson,
    }


def ensemble_statistics(members: ArrayLike, truth: ArrayLike) -> dict[str, Values]:
    """Return what is summed of an ensemble, point by point.

    Parameters
    ----------
    members : array_like, shape (init_time, lead_time, number, latitude, longitude)
    truth : array_like, shape (init_time, lead_time, latitude, longitude)
    """
    variance, squared = ensemble.spread_skill(truth, members, axis=2)
    return {
        "crps": crps.crps_ensemble(truth, members, axis=2),
        "variance": variance,
        "squared": squared,
        "error": pointwise.error(ensemble.ensemble_mean(members, axis=2), truth),
    }


def normal_statistics(mean: ArrayLike, std: ArrayLike, truth: ArrayLike) -> dict[str, Values]:
    """Return what is summed of a forecast that is a normal distribution, point by point.

    Parameters
    ----------
    mean, std, truth : array_like, shape (init_time, lead_time, latitude, longitude)

    Raises
    ------
    InputError
        If a standard deviation is negative.
    """
    return {
        "crps": crps.crps_gaussian(truth, mean, std),
        "variance": np.square(np.asarray(std, np.float64)),
        "squared": pointwise.squared_error(mean, truth),
        "error": pointwise.error(mean, truth),
        "log_score": crps.log_score_gaussian(truth, mean, std),
    }


def single_statistics(forecast: ArrayLike, truth: ArrayLike) -> dict[str, Values]:
    """Return what is summed of one forecast beside ensembles: its CRPS is its absolute error.

    Parameters
    ----------
    forecast, truth : array_like, shape (init_time, lead_time, latitude, longitude)
    """
    return {
        "crps": pointwise.absolute_error(forecast, truth),
        "squared": pointwise.squared_error(forecast, truth),
        "error": pointwise.error(forecast, truth),
    }


def ensemble_scores(sums: Mapping[str, Partial]) -> dict[str, Values]:
    """Return CRPS, RMSE of the mean, bias, spread and spread over skill.

    Parameters
    ----------
    sums : mapping of Partial
        Of the statistics of `ensemble_statistics` and the like, of any shape; the mean of each
        that is not named there is a score itself (``eecrps``, ``efi``, ``log_score``).
    """
    squared = sums["squared"].value()
    scores = {"crps": sums["crps"].value(), "rmse": np.sqrt(squared), "bias": sums["error"].value()}
    if "variance" in sums:
        variance = sums["variance"].value()
        scores["spread"] = np.sqrt(variance)
        scores["spread_skill_ratio"] = ensemble.spread_skill_ratio(variance, squared)
    known = ("crps", "variance", "squared", "error")
    return scores | {name: part.value() for name, part in sums.items() if name not in known}
