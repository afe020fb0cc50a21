"""Calibrated distributions back to ensemble members whose fields hang together.

A calibration gives a mean and a standard deviation at every point, and nothing about how points
go together. Both methods here draw values from each point's normal distribution and hand them
out in the ranks of a template: the raw ensemble (ensemble copula coupling, Schefzik et al. 2013,
doi:10.1214/13-STS443) or past observations (the Schaake shuffle, Clark et al. 2004,
doi:10.1175/1525-7541(2004)005<0243:TSSAMF>2.0.CO;2). Numpy in and out.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from smoecast.errors import ConfigError, InputError
from smoecast.scores.ensemble import ensemble_moments

Values = NDArray[np.float64]
How = Literal["quantile", "random", "transformation"]


def ecc(
    mean: ArrayLike,
    std: ArrayLike,
    raw_members: ArrayLike,
    axis: int,
    how: How = "quantile",
    *,
    rng: np.random.Generator,
    count: int | None = None,
) -> Values:
    """Ensemble copula coupling: calibrated members in the ranks of the raw ensemble.

    Parameters
    ----------
    mean, std : array_like
        Calibrated distribution; the shape of `raw_members` without `axis`.
    raw_members : array_like
        Raw ensemble of M members, in any unit. Where one is NaN, so is its calibrated member,
        and the others share out the distribution among themselves.
    axis : int
        The members' axis, the same in the result.
    how : {"quantile", "random", "transformation"}
        Values to hand out: n equally likely quantiles, at (i - 1/2) / n (ECC-Q: the least CRPS;
        always the same); n random draws (ECC-R); or the raw members shifted and stretched to
        the calibrated mean and standard deviation (ECC-T: keeps the raw ensemble's shape).
    rng : numpy.random.Generator
        Draws, and breaks ties: members that are equal at a point take the ranks in one random
        order for the whole call, so that a tie over an area gives no noise.
    count : int, optional
        Members wanted; M if not given. Fewer: a random choice of members stands as template.
        More: the members stand more than once, each copy next to its fellows in rank, some
        once more than others if `count` is no multiple of M.

    Returns
    -------
    ndarray of float64
        Shape of `raw_members`, with `count` on `axis`; unit of `mean`.

    Raises
    ------
    ConfigError
        If `how` is none of the three, or `count` is not positive.
    InputError
        If the shapes do not fit.

    Notes
    -----
    By transformation the copies of a member are equal. Where all raw members are equal there is
    no shape to keep, and the values are the quantiles.
    """
    raw = _check_template(raw_members, axis, mean, std)
    chosen = choice(raw.shape[0], count, rng)
    if how == "transformation":
        z = _standardise(raw, chosen, rng)
    elif how == "random":
        z = _random(raw[chosen], np.shape(mean), rng)
    elif how == "quantile":
        z = _quantiles(raw[chosen], rng)
    else:
        raise ConfigError(f"ecc knows no way '{how}'; say quantile, random or transformation")
    return np.moveaxis(np.asarray(mean) + np.asarray(std) * z, 0, axis)


def schaake(
    mean: ArrayLike,
    std: ArrayLike,
    history: ArrayLike,
    axis: int,
    how: Literal["quantile", "random"] = "quantile",
    *,
    rng: np.random.Generator,
    count: int | None = None,
) -> Values:
    """Schaake shuffle: calibrated members in the ranks of past observations.

    Parameters
    ----------
    mean, std : array_like
        Calibrated distribution.
    history : array_like
        Observed fields of other dates on `axis`, standing in for the members; else the shape of
        `mean`, or 1 where one choice of dates serves all (such as the axis of start times).
    axis : int
        The dates' axis in `history`, the members' axis in the result.
    how, rng, count
        As in `ecc`; a `count` below the number of dates takes a random choice of them.

    Returns
    -------
    ndarray of float64
        Shape of `mean` with the members on `axis`.

    Raises
    ------
    ConfigError
        If `how` is neither word, or `count` is not positive.
    InputError
        If the shapes do not fit.
    """
    if how not in ("quantile", "random"):
        raise ConfigError(f"schaake knows no way '{how}'; say quantile or random")
    return ecc(mean, std, history, axis, how, rng=rng, count=count)


def _check_template(members: ArrayLike, axis: int, mean: ArrayLike, std: ArrayLike) -> Values:
    """Return the template with its members in front."""
    template = np.moveaxis(np.asarray(members, np.float64), axis, 0)
    shape, own = np.shape(mean), template.shape[1:]
    fits = len(shape) == len(own) and all(
        have in (1, want) for have, want in zip(own, shape, strict=True)
    )
    if np.shape(std) != shape or not fits:
        raise InputError(
            f"mean of shape {shape} and std of shape {np.shape(std)} do not fit members of shape "
            f"{np.shape(members)} with the members on axis {axis}"
        )
    return template


def choice(size: int, count: int | None, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return which of a template's members stand for the members wanted.

    Parameters
    ----------
    size : int
        Members of the template.
    count : int or None
        Members wanted; None: `size`. Fewer are a random choice in ascending order; of more, the
        first `size` are the members themselves, then they come again.
    rng : numpy.random.Generator
        Chooses.

    Raises
    ------
    ConfigError
        If `count` is not positive.
    """
    wanted = size if count is None else count
    if wanted < 1:
        raise ConfigError(f"{wanted} members cannot be made; ask for one or more")
    whole = np.tile(np.arange(size), wanted // size)
    rest = np.sort(rng.permutation(size)[: wanted % size])
    return np.concatenate([whole, rest])


def _ranks(template: Values, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return every member's rank, 0 ... n - 1; missing members last; ties in one random order."""
    mixed = rng.permutation(template.shape[0])
    order = np.argsort(template[mixed], axis=0, kind="stable")
    rank = np.empty(template.shape, np.int64)
    places = np.arange(template.shape[0]).reshape(-1, *[1] * (template.ndim - 1))
    np.put_along_axis(rank, mixed[order], places, axis=0)
    return rank


def _present(template: Values) -> NDArray[np.int64]:
    """Return how many members are there at each point."""
    return np.asarray((~np.isnan(template)).sum(axis=0))


def _quantiles(template: Values, rng: np.random.Generator) -> Values:
    """Return standard normal quantiles at (i - 1/2) / n in the ranks of the template."""
    size = template.shape[0]
    count, place = np.mgrid[0 : size + 1, 0:size]
    with np.errstate(divide="ignore", invalid="ignore"):
        table = ndtri(np.where(place < count, (place + 0.5) / count, np.nan))
    return np.asarray(np.take(table, _present(template) * size + _ranks(template, rng)))


def _random(template: Values, shape: tuple[int, ...], rng: np.random.Generator) -> Values:
    """Return standard normal draws in the ranks of the template, shape (n, *shape)."""
    draws = rng.normal(size=(template.shape[0], *shape))
    places = np.arange(template.shape[0]).reshape(-1, *[1] * len(shape))
    draws = np.sort(np.where(places < _present(template), draws, np.nan), axis=0)
    rank = np.broadcast_to(_ranks(template, rng), draws.shape)
    return np.take_along_axis(draws, rank, axis=0)


def _standardise(raw: Values, chosen: NDArray[np.intp], rng: np.random.Generator) -> Values:
    """Return the chosen raw members in units of the raw ensemble's standard deviation."""
    mean, variance, _ = ensemble_moments(raw, axis=0)
    flat = ~(variance > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (raw[chosen] - mean) / np.sqrt(variance)
    return np.where(flat, _quantiles(raw[chosen], rng), z) if flat.any() else np.asarray(z)
