"""The members of an ensemble of forecasts: models, older starts, and starts with noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config.forecast import Forecast
from smoecast.errors import ConfigError, ModelError
from smoecast.fields.grid import Grid
from smoecast.tasks.descriptions import Description
from smoecast.tasks.forecast.lead_times import Plan, plan_steps, read_history
from smoecast.variables import is_never_negative

EARTH_KM = 6371.0


WAVES = 256
"""Plane waves that make a field; with few the fields would not be normal from run to run."""


BAND_VALUES = 2**23
"""Of the waves on a band of rows, at most, unless one row has more."""


class SmoothNoise:
    """Gaussian noise of variance 1 whose correlation falls with distance as exp(-d^2 / 2 l^2).

    A field is a sum of plane waves through the ball in which the globe lies (random Fourier
    features: Rahimi and Recht 2007), so that it has no seam and no poles, on any grid. The waves
    are drawn once, their amplitudes for each field.

    Parameters
    ----------
    grid : Grid
    length_km : float
        The length l; d is the straight distance through the Earth.
    seed : int
    """

    def __init__(self, grid: Grid, length_km: float, seed: int) -> None:
        self.grid, self.seed = grid, seed
        rng = np.random.default_rng(_as_seed(seed))
        self.waves = rng.normal(size=(3, WAVES)) * (EARTH_KM / length_km)

    def fields(self, count: int, key: Sequence[int]) -> NDArray[np.float32]:
        """Return independent fields.

        Parameters
        ----------
        count : int
            How many, C.
        key : sequence of int
            Of the draw: the same key gives the same fields.

        Returns
        -------
        ndarray of float32, shape (C, H, W)
        """
        rng = np.random.default_rng([_as_seed(number) for number in (self.seed, *key)])
        amplitudes = rng.normal(size=(count, 2 * WAVES)) / np.sqrt(WAVES)
        height, width = self.grid.shape
        made = np.empty((count, height, width), np.float32)
        step = max(1, BAND_VALUES // (2 * WAVES * width))
        for begin in range(0, height, step):
            band = slice(begin, begin + step)
            phase = self._points(band) @ self.waves  # (P, 3) x (3, K)
            basis = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
            made[:, band] = (amplitudes @ basis.T).reshape(count, -1, width)  # (C, P)
        return made

    def _points(self, band: slice) -> NDArray[np.float64]:
        """Return points of the unit sphere, (P, 3)."""
        latitude = np.deg2rad(self.grid.latitude[band])[:, None]
        longitude = np.deg2rad(self.grid.longitude)[None, :]
        parts = (
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.broadcast_to(np.sin(latitude), (latitude.size, longitude.size)),
        )
        return np.stack(parts, axis=-1).reshape(-1, 3)  # (h, W, 3) -> (P, 3)


def _as_seed(number: int) -> int:
    """Return a number as a seed takes it: dates before 1970 are negative."""
    return number & 0xFFFFFFFFFFFFFFFF


FORCED = ("tisr", "lat2d")
"""Channels that are known for certain: no noise is added."""


@dataclass(frozen=True, eq=False)
class Perturbation:
    """What is added to the starts of perturbed members.

    Attributes
    ----------
    noise : SmoothNoise
    scale : (C,) float32
        Standard deviation of the noise of each channel, in its unit.
    floor : (C,) float32
        What no start may fall below.
    """

    noise: SmoothNoise
    scale: NDArray[np.float32]
    floor: NDArray[np.float32]

    def add_noise(
        self, history: NDArray[np.float32], start: int, member: int
    ) -> NDArray[np.float32]:
        """Return the history (S, C, H, W) of one start with a member's noise.

        The same noise stands at all times of a history: an error of the analysis that lasts.

        Parameters
        ----------
        history : ndarray, shape (S, C, H, W)
        start : int
            Seconds since 1970.
        member : int
            From 1.
        """
        fields = self.noise.fields(len(self.scale), (start, member))
        raised: NDArray[np.float32] = np.maximum(
            history + self.scale[:, None, None] * fields,
            np.minimum(history, self.floor[:, None, None]),
        )
        return raised


@dataclass(frozen=True, eq=False)
class Member:
    """One member of an ensemble.

    Attributes
    ----------
    model : Description
    plan : Plan
        To its lead times, the lag included.
    lag_hours : int
        By which its analysis is older.
    perturbed : int
        Which of the perturbed starts it has; 0: the analysis as it is.
    perturbation : Perturbation or None
    """

    model: Description
    plan: Plan
    lag_hours: int
    perturbed: int
    perturbation: Perturbation | None

    def read_history(
        self, fields: xr.DataArray, starts: NDArray[np.datetime64]
    ) -> NDArray[np.float32]:
        """Return the histories (B, S, C, H, W) of its own starts (B,), each with its noise.

        Raises
        ------
        ModelError
            See `lead_times.read_history`.
        """
        history = read_history(self.model, fields, starts)
        if self.perturbation is None or not self.perturbed:
            return history
        seconds = starts.astype("datetime64[s]").astype(np.int64).tolist()
        noisy = [
            self.perturbation.add_noise(one, start, self.perturbed)
            for one, start in zip(history, seconds, strict=True)
        ]
        return np.stack(noisy)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """All members, in the order of their numbers: starts fastest, then lags, then models.

    Attributes
    ----------
    members : list of Member
    plan : Plan
        Lead times from the start of the ensemble.
    single : bool
        Whether it is one forecast without a dimension `number`.
    words : str
        What its members are.
    """

    members: list[Member]
    plan: Plan
    single: bool
    words: str

    @property
    def model(self) -> Description:
        """The first model, which all agree with."""
        return self.members[0].model

    @property
    def identity(self) -> str:
        """The sha256 of each of its models."""
        models = {id(member.model): member.model for member in self.members}
        return " ".join(model.identity for model in models.values())

    @property
    def history(self) -> list[int]:
        """Hours before a start for which an analysis is needed, ascending."""
        return sorted(
            {m.lag_hours + h for m in self.members for h in m.model.config.sample.history_hours}
        )


def ensemble_of(wanted: Forecast, seed: int, models: Sequence[Description]) -> Ensemble:
    """Return the ensemble that a run asks for.

    Parameters
    ----------
    wanted : Forecast
        Section `forecast` of its config.
    seed : int
        Of noise.
    models : sequence of Description

    Raises
    ------
    ConfigError
        A model is named twice.
    ModelError
        The models do not agree on channels, targets or grid, or one cannot reach a lead time.
    """
    _refuse_repeats(models)
    for model in models[1:]:
        _check_agreement(models[0], model)
    plan = plan_steps(models[0], wanted.lead_hours)
    members = [
        Member(model, later, lag, number, perturbation)
        for model in models
        for perturbation in [_perturbation(wanted, seed, model)]
        for lag in wanted.lags_hours
        for later in [plan_steps(model, [hours + lag for hours in plan.lead_hours])]
        for number in range(wanted.members)
    ]
    parts = []
    if len(models) > 1:
        parts.append(f"{len(models)} models")
    if wanted.lags_hours != (0,):
        parts.append(f"analyses {', '.join(map(str, wanted.lags_hours))} h old")
    if wanted.members > 1:
        share = f"noise of {wanted.perturbation:g} standard deviations"
        parts.append(f"{wanted.members} starts, all but the first with {share}")
    return Ensemble(members, plan, not parts, " x ".join(parts))


def _refuse_repeats(models: Sequence[Description]) -> None:
    """Refuse a model that is named twice: its members would be the same, and their spread false."""
    known: dict[str, Description] = {}
    for model in models:
        first = known.setdefault(model.identity, model)
        if first is not model:
            raise ConfigError(
                f"{model.folder}: is the same model as {first.folder}: name each once; several "
                "members of one come from forecast.members or forecast.lags_hours"
            )


def _check_agreement(first: Description, other: Description) -> None:
    one, source = first.folder, other.folder
    pairs = {
        "channels": (first.config.data.channels, other.config.data.channels),
        "targets": (first.config.targets, other.config.targets),
    }
    for what, (mine, theirs) in pairs.items():
        if mine != theirs:
            raise ModelError(
                f"{source}: has the {what} {', '.join(theirs)}, but {one} has {', '.join(mine)}: "
                "models of one ensemble must agree"
            )
    here, there = first.grid, other.grid
    if not here.matches(there):
        raise ModelError(
            f"{source}: is for {there.describe()}, but {one} for {here.describe()}: models of one "
            "ensemble must agree"
        )


def _perturbation(settings: Forecast, seed: int, model: Description) -> Perturbation | None:
    if settings.members == 1:
        return None
    spread = model.state["statistics"]["std"]
    channels = model.config.data.channels
    scale = [0.0 if c in FORCED else settings.perturbation * spread[c] for c in channels]
    floor = [0.0 if is_never_negative(c) else -np.inf for c in channels]
    noise = SmoothNoise(model.grid, settings.perturbation_km, seed)
    return Perturbation(noise, np.array(scale, np.float32), np.array(floor, np.float32))
