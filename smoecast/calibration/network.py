"""Calibration by a network: corrections in units of the ensemble's own spread.

Source: the ENS-10 benchmark (Ashkboos et al. 2022, arXiv 2206.14786): mean = ensemble mean +
o0 x spread, standard deviation = exp(o1) x spread. The floor under the spread is ours, and so is
the other unit of the shift: few members give a noisy spread, and its noise is in all shifts by it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from smoecast.nn.losses import area_mean, gaussian_crps
from smoecast.nn.normalize import Normalizer, Statistics

FLOOR = 1e-3
"""Least spread, in units of the target's scale: members that agree wholly still leave a doubt."""


@dataclass(frozen=True)
class LeadStatistics:
    """What a network knows of its fields at each of L lead times.

    Attributes
    ----------
    each : tuple of L Statistics
    channel : int
        The input that holds the lead time, one number throughout.
    leads : tuple of L floats
        Its values.
    """

    each: tuple[Statistics, ...]
    channel: int
    leads: tuple[float, ...]


class SpreadCorrection(nn.Module):
    """Ensemble statistics in, mean and standard deviation out.

    Parameters
    ----------
    backbone : nn.Module
        Normalised (B, C, H, W) -> (B, 2 D, H, W), near zero before training.
    statistics : Statistics
        Of the inputs; `base` names, for each of D targets, the input with its ensemble mean,
        `target_scale` is the target's spread in physical units.
    spread : Tensor
        (D,) integers: the inputs with the targets' ensemble standard deviation.
    steady : bool
        Shift the mean in units of `target_scale`, not of the ensemble's spread.
    apart : LeadStatistics, optional
        What takes the place of means, standard deviations and scales in `statistics`: those of
        the lead time that an input names, or of the nearest.
    counted : bool
        Whether the last input says of how many members the ensemble is, as 1 / M. The logarithm
        of the factor on the spread then has a term that is linear in it, one number a target:
        the error of the mean falls as M grows, everywhere, which a network learns slowly.
    """

    spread: Tensor
    leads: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        statistics: Statistics,
        spread: Tensor,
        steady: bool = False,
        apart: LeadStatistics | None = None,
        counted: bool = False,
    ) -> None:
        super().__init__()
        self.steady = steady
        self.by_count = nn.Parameter(torch.zeros(len(spread))) if counted else None
        self.normalizer = Normalizer(statistics)
        self.backbone = backbone
        self.register_buffer("spread", spread.to(torch.int64).clone())
        self.channel = None if apart is None else apart.channel
        if apart is not None:
            self.apart = nn.ModuleList(Normalizer(one) for one in apart.each)
            # what the config says of lead times makes the network, and is saved there
            self.register_buffer("leads", torch.tensor(apart.leads), persistent=False)

    def forward(self, fields: Tensor) -> Tensor:
        """(B, C, H, W) in physical units -> (B, 2 D, H, W): D means, then D spreads."""
        seen, scale = self._normalize(fields)
        mean, spread = fields[:, self.normalizer.base], fields[:, self.spread]
        output = self.backbone(seen)
        if self.by_count is not None:
            shift, stretch = output.chunk(2, dim=1)
            # (D,) x (B, 1, H, W) -> (B, D, H, W)
            stretch = stretch + self.by_count[:, None, None] * seen[:, -1:]
            output = torch.cat([shift, stretch], dim=1)
        return correct_moments(output, mean, spread, scale, self.steady)

    def _normalize(self, fields: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fields normalised, and the targets' scale, (D,) or (B, D)."""
        if self.channel is None:
            return self.normalizer.inputs(fields), self.normalizer.target_scale
        ahead = fields[:, self.channel, 0, 0]
        which = (ahead[:, None] - self.leads).abs().argmin(dim=1)
        centre, units, scale = (
            torch.stack([getattr(one, name) for one in self.apart])[which]
            for name in ("input_mean", "input_std", "target_scale")
        )
        # (B, C) -> (B, C, 1, 1)
        return (fields - centre[..., None, None]) / units[..., None, None], scale


class MemberCorrection(nn.Module):
    """Members in, mean and standard deviation out.

    A member that is NaN somewhere does not take part; mean and spread are of the values that are
    there.

    Parameters
    ----------
    backbone : nn.Module
        Normalised members (B, M, 2 C + X, H, W), and which are there (B, M), -> (B, 2 D, H, W),
        near zero before training.
    statistics : Statistics
        Of the C channels of a member, then of X further inputs; `base` names the targets among C.
    channels : int
        C.
    steady : bool
        As for `SpreadCorrection`.
    """

    def __init__(
        self, backbone: nn.Module, statistics: Statistics, channels: int, steady: bool = False
    ) -> None:
        super().__init__()
        self.steady = steady
        self.normalizer = Normalizer(statistics)
        self.backbone = backbone
        self.channels = channels

    def forward(self, fields: Tensor) -> Tensor:
        """(B, M C + X, H, W) in physical units -> (B, 2 D, H, W): D means, then D spreads."""
        extra = len(self.normalizer.input_mean) - self.channels
        size = (fields.shape[1] - extra) // self.channels
        # (B, M C, H, W) -> (B, M, C, H, W)
        members = fields[:, : size * self.channels]
        members = members.reshape(len(fields), size, self.channels, *fields.shape[2:])
        mean, std = member_moments(members)
        there = members.isfinite().flatten(2).all(dim=2)
        seen = self._seen(members, mean, std, fields[:, size * self.channels :])
        # the numbers of a missing member are never used, but 0 x NaN would be
        output = self.backbone(seen.masked_fill(~there[:, :, None, None, None], 0.0), there)
        base = self.normalizer.base
        scale = self.normalizer.target_scale
        return correct_moments(output, mean[:, base], std[:, base], scale, self.steady)

    def _seen(self, members: Tensor, mean: Tensor, std: Tensor, extra: Tensor) -> Tensor:
        """Return each member normalised, how many spreads it is off the mean, and the rest."""
        units = self.normalizer.input_std.view(-1, 1, 1)  # (C + X,) -> (C + X, 1, 1)
        centre = self.normalizer.input_mean.view(-1, 1, 1)
        own, rest = slice(self.channels), slice(self.channels, None)
        away = (members - mean[:, None]) / std[:, None].clamp_min(FLOOR * units[own])
        beside = ((extra - centre[rest]) / units[rest])[:, None]
        beside = beside.expand(-1, members.shape[1], -1, -1, -1)
        return torch.cat([(members - centre[own]) / units[own], away, beside], dim=2)


def member_moments(members: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (over M - 1) of the values that are there.

    Parameters
    ----------
    members : Tensor
        (B, M, C, H, W); NaN is missing.

    Returns
    -------
    tuple of two Tensors, (B, C, H, W)
    """
    there = members.isfinite()
    count = there.sum(dim=1)
    mean = members.masked_fill(~there, 0.0).sum(dim=1) / count
    away = (members - mean[:, None]).masked_fill(~there, 0.0)
    return mean, (away.square().sum(dim=1) / (count - 1).clamp_min(1)).sqrt()


def correct_moments(
    output: Tensor, mean: Tensor, spread: Tensor, scale: Tensor, steady: bool = False
) -> Tensor:
    """Apply what a network says to an ensemble's moments.

    Parameters
    ----------
    output : Tensor
        (B, 2 D, H, W): D shifts, in units of the spread or, `steady`, of the scale; then D
        logarithms of the factor on the spread.
    mean, spread : Tensor
        (B, D, H, W), of the ensemble.
    scale : Tensor
        (D,), or (B, D) of each sample, physical units, of the targets.

    Returns
    -------
    Tensor
        (B, 2 D, H, W): D means, then D spreads.
    """
    shift, stretch = output.chunk(2, dim=1)
    usual = scale[..., None, None]  # ([B,] D) -> ([B,] D, 1, 1)
    least = FLOOR * usual
    raw = spread.clamp_min(least)
    # bounded: a spread e^6 times the raw one is a diverging network, not a forecast
    std = (raw * stretch.clamp(-6.0, 6.0).exp()).clamp_min(least)
    return torch.cat([mean + shift * (usual if steady else raw), std], dim=1)


def crps_loss(
    latitude_weights: Tensor, scale: Tensor | None = None
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the training loss: the area-weighted CRPS, each target in units of its scale.

    Parameters
    ----------
    latitude_weights : Tensor
        (H,).
    scale : Tensor, optional
        (D,), physical units. Without it, the target's channels are D truths and their D scales.
    """

    def loss(output: Tensor, target: Tensor) -> Tensor:
        mean, std = output.chunk(2, dim=1)
        if scale is None:
            truth, units = target.chunk(2, dim=1)
        else:
            truth, units = target, scale.view(-1, 1, 1)  # (D,) -> (D, 1, 1)
        return area_mean(gaussian_crps(mean, std, truth) / units, latitude_weights)

    return loss
