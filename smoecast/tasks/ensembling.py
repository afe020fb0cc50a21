"""The members of an ensemble of forecasts: models, older starts, and starts with noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import names
from smoecast.config import Config
from smoecast.data.noise import SmoothNoise
from smoecast.data.series import HOUR
from smoecast.errors import ModelError
from smoecast.tasks.assembly import Model
from smoecast.tasks.stepping import Plan, plan_steps, predict

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

    def added(self, history: NDArray[np.float32], start: int, member: int) -> NDArray[np.float32]:
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
    model : Model
    plan : Plan
        To its lead times, the lag included.
    lag_hours : int
        By which its analysis is older.
    perturbed : int
        Which of the perturbed starts it has; 0: the analysis as it is.
    perturbation : Perturbation or None
    """

    model: Model
    plan: Plan
    lag_hours: int
    perturbed: int
    perturbation: Perturbation | None

    def forecast(self, fields: xr.DataArray, starts: NDArray[np.datetime64]) -> NDArray[np.float32]:
        """Return its forecasts (B, L, D, H, W) for the starts (B,) of the ensemble."""
        own = starts - self.lag_hours * HOUR
        return predict(self.model, self.plan, fields, own, self._perturb)

    def _perturb(
        self, history: NDArray[np.float32], starts: NDArray[np.datetime64]
    ) -> NDArray[np.float32]:
        """Return histories (B, S, C, H, W) with the noise of each start."""
        if self.perturbation is None or not self.perturbed:
            return history
        seconds = starts.astype("datetime64[s]").astype(np.int64).tolist()
        made = [
            self.perturbation.added(one, start, self.perturbed)
            for one, start in zip(history, seconds, strict=True)
        ]
        return np.stack(made)


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
    def model(self) -> Model:
        """The first model, which all agree with."""
        return self.members[0].model

    @property
    def history(self) -> list[int]:
        """Hours before a start for which an analysis is needed, ascending."""
        return sorted({m.lag_hours + h for m in self.members for h in m.model.inputs.history})


def ensemble_of(config: Config, models: Sequence[Model], sources: Sequence[str]) -> Ensemble:
    """Return the ensemble that `forecast` of a config asks for.

    Parameters
    ----------
    config : Config
        The run.
    models : sequence of Model
    sources : sequence of str
        Name them in messages.

    Raises
    ------
    ModelError
        The models do not agree on channels, targets or grid, or one cannot reach a lead time.
    """
    wanted = config.forecast
    for model, source in zip(models[1:], sources[1:], strict=True):
        _check_agreement(models[0], sources[0], model, source)
    plan = plan_steps(models[0], wanted.lead_hours)
    members = [
        Member(model, _later(model, plan, lag), lag, number, perturbation)
        for model in models
        for perturbation in [_perturbation(config, model)]
        for lag in wanted.lags_hours
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


def _later(model: Model, plan: Plan, lag: int) -> Plan:
    return plan_steps(model, [hours + lag for hours in plan.lead_hours])


def _check_agreement(first: Model, one: str, other: Model, source: str) -> None:
    pairs = {
        "channels": (first.inputs.channels, other.inputs.channels),
        "targets": (first.config.targets, other.config.targets),
    }
    for what, (mine, theirs) in pairs.items():
        if mine != theirs:
            raise ModelError(
                f"{source}: has the {what} {', '.join(theirs)}, but {one} has {', '.join(mine)}: "
                "models of one ensemble must agree"
            )
    here, there = first.inputs.grid, other.inputs.grid
    if not here.matches(there):
        raise ModelError(
            f"{source}: is for {there.describe()}, but {one} for {here.describe()}: models of one "
            "ensemble must agree"
        )


def _perturbation(config: Config, model: Model) -> Perturbation | None:
    settings = config.forecast
    if settings.members == 1:
        return None
    spread = model.state["statistics"]["std"]
    channels = model.inputs.channels
    scale = [0.0 if c in FORCED else settings.perturbation * spread[c] for c in channels]
    floor = [0.0 if names.is_never_negative(c) else -np.inf for c in channels]
    noise = SmoothNoise(model.inputs.grid, settings.perturbation_km, config.seed)
    return Perturbation(noise, np.array(scale, np.float32), np.array(floor, np.float32))
