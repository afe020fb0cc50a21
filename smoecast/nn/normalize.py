"""Physical units outside, numbers near one inside: the statistics travel with the weights."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from smoecast.errors import ModelError

PREFIX = "normalizer."
"""Of the statistics' names in the state dict of a network."""


@dataclass(frozen=True)
class Statistics:
    """What a network knows of its fields, from the training years alone.

    Attributes
    ----------
    input_mean, input_std : Tensor
        (C,), over time and space, physical units; the standard deviation positive.
    target_scale : Tensor
        (D,), standard deviation of target minus base, physical units, positive.
    base : Tensor
        (D,) integers: the input channel with the target's latest value, or -1 where none.
    target_mean : Tensor
        (D,), physical units; the base of targets without an input.
    """

    input_mean: Tensor
    input_std: Tensor
    target_scale: Tensor
    base: Tensor
    target_mean: Tensor


class Normalizer(nn.Module):
    """Between physical units and a network's own, without parameters to learn.

    Its buffers are part of the model's state: a model without its statistics is no model.

    Parameters
    ----------
    statistics : Statistics
        Held as float32 (int64 the base), under the attributes' names.

    Raises
    ------
    ModelError
        A standard deviation or scale is zero, negative or not finite, shapes disagree, or a base
        points past the inputs: the network would divide by zero or read the wrong field.
    """

    input_mean: Tensor
    input_std: Tensor
    target_scale: Tensor
    base: Tensor
    target_mean: Tensor

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        _check(statistics)
        for name in ("input_mean", "input_std", "target_scale", "target_mean"):
            self.register_buffer(name, getattr(statistics, name).to(torch.float32).clone())
        self.register_buffer("base", statistics.base.to(torch.int64).clone())

    def inputs(self, fields: Tensor) -> Tensor:
        """Normalise (B, C, H, W) from physical units to mean 0 and standard deviation 1."""
        # (C,) -> (C, 1, 1)
        return (fields - self.input_mean.view(-1, 1, 1)) / self.input_std.view(-1, 1, 1)

    def forecast(self, fields: Tensor, change: Tensor) -> Tensor:
        """Add the network's change, in units of the target's scale, to the base.

        Parameters
        ----------
        fields : Tensor
            (B, C, H, W), the inputs in physical units.
        change : Tensor
            (B, D, H, W), the network's output.

        Returns
        -------
        Tensor
            (B, D, H, W), physical units; for a change of zero, persistence.
        """
        known = (self.base >= 0).view(-1, 1, 1)  # (D,) -> (D, 1, 1)
        latest = fields[:, self.base.clamp_min(0)]  # (B, C, H, W) -> (B, D, H, W)
        start = torch.where(known, latest, self.target_mean.view(-1, 1, 1))
        return start + self.target_scale.view(-1, 1, 1) * change


def statistics_of(tensors: Mapping[str, Tensor]) -> Statistics:
    """Read a normaliser's statistics from the state dict of a network that has one.

    Raises
    ------
    ModelError
        One is missing, or is no list of numbers.
    """
    found = {field.name: tensors.get(f"{PREFIX}{field.name}") for field in fields(Statistics)}
    for name, value in found.items():
        if value is None or value.dim() != 1 or value.is_floating_point() == (name == "base"):
            raise ModelError(f"{PREFIX}{name} is missing or no list of numbers")
    return Statistics(**found)  # type: ignore[arg-type]  # none is None


def _check(statistics: Statistics) -> None:
    for name in ("input_std", "target_scale"):
        values = getattr(statistics, name)
        bad = ((values <= 0) | ~torch.isfinite(values)).nonzero()
        if len(bad):
            raise ModelError(
                f"{name} of channel {int(bad[0])} is {float(values[bad[0]]):g}: a field that never "
                "varies or has missing values; leave it out or prepare the data again"
            )
    channels, targets = statistics.input_std.shape, statistics.target_scale.shape
    shapes = (statistics.input_mean.shape, statistics.base.shape, statistics.target_mean.shape)
    if shapes != (channels, targets, targets):
        raise ModelError(
            f"the statistics' shapes disagree: {channels[0]} inputs and {targets[0]} targets, but "
            f"input_mean, base and target_mean have {[tuple(s) for s in shapes]}; "
            "prepare the data again"
        )
    for index in statistics.base.tolist():
        if not -1 <= index < channels[0]:
            raise ModelError(
                f"base names input channel {index} of {channels[0]}; prepare the data again"
            )
