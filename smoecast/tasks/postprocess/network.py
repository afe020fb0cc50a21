"""Networks that calibrate: built from a config, opened, applied."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smoecast.calibration.calibrated_forecast import CalibratedForecast
from smoecast.calibration.distributions import Distribution
from smoecast.calibration.network import LeadStatistics, MemberCorrection, SpreadCorrection
from smoecast.config.postprocess import Postprocess
from smoecast.data.ensemble_samples import LEAD_UNIT_HOURS, Predictors, count_members
from smoecast.data.inputs import Inputs
from smoecast.data.members import check_several, moments
from smoecast.data.time_selection import HOUR
from smoecast.errors import ConfigError, ModelError
from smoecast.fields.grid import Grid, ProjectedGrid
from smoecast.nn.backbones.ens10 import EnsembleTransformer, EnsembleUNet, LeNet, PointMLP
from smoecast.nn.build import FIRST_FORECAST, build
from smoecast.nn.normalize import PREFIX, Statistics, statistics_of
from smoecast.nn.outline import restore_tensors
from smoecast.tasks.descriptions import constants_of
from smoecast.tasks.postprocess.statistical import Apply

Fields = NDArray[np.floating[Any]]
Tensors = dict[str, torch.Tensor]


def predictors_of(
    settings: Postprocess, place: Grid | ProjectedGrid, constants: dict[str, NDArray[np.float32]]
) -> Predictors:
    """Return what the run's network sees beside the ensemble.

    Method smoe sees constants, latitude, clock and lead time. The networks of the benchmark see
    what they see there: mlp the position, or with `coefficients: pooled` season and lead time; the
    others nothing. Where there are several lead times, all see which it is; and how many members,
    where they are fitted to several numbers of them.

    Raises
    ------
    ModelError
        Method smoe is to work on a map projection.
    """
    several, counts = len(settings.lead_hours) > 1, settings.advanced.member_counts
    if settings.method != "smoe":
        pooled = settings.method == "mlp" and settings.coefficients == "pooled"
        local = settings.method == "mlp" and not pooled
        lead = pooled or several
        return Predictors(place, position=local, season=pooled, lead=lead, counts=counts)
    if isinstance(place, ProjectedGrid):
        raise ModelError(
            "postprocess.method smoe sees latitude and local time and needs a regular "
            f"latitude-longitude grid, not {place.describe()}: take another method"
        )
    inputs = Inputs((), (0,), True, constants, place)
    return Predictors(place, inputs, lead=True, counts=counts)


def is_apart(settings: Postprocess) -> bool:
    """Whether each of several lead times has statistics of its own."""
    return settings.advanced.lead_statistics == "apart" and len(settings.lead_hours) > 1


def check_members(settings: Postprocess, there: int, path: Path) -> None:
    """Refuse a store of mean and spread, or of few members, where a fit needs (more) members.

    Parameters
    ----------
    settings : Postprocess
    there : int
        Members in the store; 0 if it holds mean and spread.
    path : Path
        Of the store.

    Raises
    ------
    ConfigError
        Method transformer, or a fit to some of the members, has none or too few.
    """
    counts = settings.advanced.member_counts
    if (settings.method == "transformer" or counts) and not there:
        who = "advanced.member_counts" if counts else "method transformer"
        other = "leave them out" if counts else "take another method"
        raise ConfigError(
            f"{path}: holds mean and spread; postprocess.{who} "
            f"needs the members (postprocess.ens10.keep: members), or {other}"
        )
    if counts and max(counts) > there:
        raise ConfigError(
            f"{path}: has {there} members; postprocess.advanced.member_counts asks for "
            f"{max(counts)}: ask for no more than there are"
        )


def new_correction(
    settings: Postprocess,
    predictors: Predictors,
    statistics: Statistics,
    apart: Sequence[Statistics] = (),
) -> nn.Module:
    """Return an untrained network, its weights drawn from torch's generator.

    `apart` are the statistics of each lead time, where `is_apart`.

    Raises
    ------
    ConfigError
        The network does not fit the grid.
    """
    place = predictors.place
    channels, outputs = len(settings.channels), 2 * len(settings.targets)
    count, method = len(statistics.input_mean), settings.method
    periodic, steady = (
        isinstance(place, Grid) and place.periodic,
        settings.advanced.correction_units == "error",
    )
    by_lead, counted = None, bool(predictors.counts)
    if apart:
        # the lead time stands last, but for the number of members
        last = count - (2 if counted else 1)
        leads = tuple(hour / LEAD_UNIT_HOURS for hour in settings.lead_hours)
        by_lead = LeadStatistics(tuple(apart), last, leads)
    if method == "smoe":
        backbone = build(settings.network, count, outputs, place.shape, periodic)
        spread = statistics.base + channels
        return SpreadCorrection(backbone, statistics, spread, steady, by_lead, counted)
    wide = (count, outputs, place.shape, "periodic" if periodic else "zeros")
    plain: PointMLP | LeNet | EnsembleUNet | EnsembleTransformer
    try:
        if method == "transformer":
            plain = EnsembleTransformer(count + channels, outputs)
        elif method == "mlp":
            plain = PointMLP(count, outputs)
        else:
            plain = LeNet(*wide) if method == "lenet" else EnsembleUNet(*wide)
    except ValueError as error:
        raise ConfigError(f"postprocess: {error}") from None
    with torch.no_grad():
        plain.last.weight.mul_(FIRST_FORECAST)
    if method == "transformer":
        return MemberCorrection(plain, statistics, channels, steady)
    spread = statistics.base + channels
    return SpreadCorrection(plain, statistics, spread, steady, by_lead, counted)


def open_correction(
    settings: Postprocess, state: dict[str, Any], tensors: Tensors, place: Grid | ProjectedGrid
) -> tuple[Apply, nn.Module]:
    """Return what applies a fitted network, and the network.

    Parameters
    ----------
    settings : Postprocess
        That it was fitted with.
    state, tensors
        What `fit_network` gave.
    place : Grid or ProjectedGrid
        On which it was fitted.

    Raises
    ------
    ModelError
        The tensors do not belong to this network.
    """
    weights = dict(tensors)
    predictors = predictors_of(settings, place, constants_of(state, weights, place.shape))
    try:
        statistics = statistics_of(weights)
        apart = _statistics_apart(settings, weights)
        for some in (statistics, *apart):
            _check_statistics(settings, predictors, some, weights)
        network = restore_tensors(
            lambda: new_correction(settings, predictors, statistics, apart), weights
        )
    except (ConfigError, ModelError) as error:
        raise ModelError(
            f"the weights do not fit the calibration network of the config ({error}): fit it again"
        ) from None
    return _predict(settings, network, predictors), network


def _statistics_apart(settings: Postprocess, tensors: Tensors) -> list[Statistics]:
    """Return the statistics of each lead time; none where they are of all together."""
    if not is_apart(settings):
        return []
    found = []
    for index in range(len(settings.lead_hours)):
        own = f"apart.{index}."
        some = {n.removeprefix(own): t for n, t in tensors.items() if n.startswith(own)}
        found.append(statistics_of({f"{PREFIX}{name}": value for name, value in some.items()}))
    return found


def _check_statistics(
    settings: Postprocess, predictors: Predictors, statistics: Statistics, tensors: Tensors
) -> None:
    """Refuse a network that would see or correct other fields than its config says."""
    own = len(settings.channels) * (1 if settings.method == "transformer" else 2)
    beside, _ = predictors.statistics(np.array(settings.lead_hours, np.float64))
    base = [settings.channels.index(target) for target in settings.targets]
    spread = [index + len(settings.channels) for index in base]
    if len(statistics.input_mean) != own + len(beside) or statistics.base.tolist() != base:
        raise ModelError("it has other inputs or targets")
    if "spread" in tensors and tensors["spread"].tolist() != spread:
        raise ModelError("it takes other inputs for the spread")


def _predict(settings: Postprocess, network: nn.Module, predictors: Predictors) -> Apply:
    """Return what applies a network: its mean and spread are a normal distribution."""
    hours, targets = np.array(settings.lead_hours, np.float64), len(settings.targets)

    @torch.no_grad()
    def apply(members: Fields, starts: NDArray[np.datetime64], ahead: Fields) -> CalibratedForecast:
        check_several(members)
        both = members if settings.method == "transformer" else moments(members)
        batch, leads = both.shape[:2]
        lead = np.tile(hours, batch)
        counts = count_members(members).ravel()
        valid = np.repeat(starts, leads) + np.tile(ahead, batch).astype(np.int64) * HOUR
        # (B, L, [M,] C, H, W) -> (B L, [M,] C, H, W)
        flat = both.reshape(batch * leads, *both.shape[2:])
        output = np.empty((batch * leads, 2 * targets, *flat.shape[-2:]))
        for one in range(len(flat)):  # one by one: fields can be large
            some = slice(one, one + 1)
            seen = predictors.beside(flat[some], valid[some], lead[some], counts[some])
            output[some] = network(torch.from_numpy(seen)).numpy()
        # (B L, 2 D, H, W) -> (B, L, 2 D, H, W)
        output = output.reshape(batch, leads, 2 * targets, *flat.shape[-2:])
        mean, std = output[:, :, :targets], output[:, :, targets:]
        return CalibratedForecast(Distribution("normal", mean, std, np.zeros_like(mean)))

    return apply
