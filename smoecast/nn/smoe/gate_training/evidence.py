"""What backward passes find out about experts, so that passes and processes can be added up."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from smoecast.nn.smoe.gate_training.refusals import GateGradientError

Compare = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From the experts' errors (E, H, W) to the routing loss and its gradient on the scores."""


@dataclass(frozen=True)
class Evidence:
    """What backward passes found out about the experts, so that more can be added.

    Attributes
    ----------
    samples : int
        N, of all passes.
    told : bool
        Whether the layer was told what the loss of each pass is multiplied by; then all adds up.
    gradient : Tensor or float
        (E, H, W), of routing losses that are means over samples; 0 for none.
    level, slope : Tensor or float
        (E, H, W), for routing losses that compare experts, whose mean errors are the sum of both.
        The slope is the part that is proportional to the gradient of the main loss; 0 where the
        layer was told.
    """

    samples: int
    told: bool
    gradient: Tensor | float = 0.0
    level: Tensor | float = 0.0
    slope: Tensor | float = 0.0

    def beside(self, other: "Evidence") -> "Evidence":
        """Add that of another layer, or of another call of the layer, in the same pass."""
        return Evidence(
            max(self.samples, other.samples),
            self.told and other.told,
            self.gradient + other.gradient,
            self.level + other.level,
            self.slope + other.slope,
        )

    def then(self, other: "Evidence") -> "Evidence":
        """Add that of a later pass: both are one pass with all samples, its loss the sum of theirs.

        The gradient of that loss is what it was in the parts, so slopes add up; all else is a mean.
        """
        both = self.beside(other)
        if both.told:
            return both
        samples = self.samples + other.samples
        share = other.samples / samples
        return replace(
            both,
            samples=samples,
            gradient=self.gradient + share * (other.gradient - self.gradient),
            level=self.level + share * (other.level - self.level),
        )

    def of_all(self, group: "distributed.ProcessGroup | None") -> "Evidence":
        """Add that of all processes, which wait here for each other.

        Gradients stay: they will be averaged, and that is right where they are means over samples.
        """
        if group is None or not isinstance(self.level, Tensor):
            return self
        share = 1.0 / group.size()
        if not isinstance(self.slope, Tensor):
            level = self.level * share
            distributed.all_reduce(level, group=group)
            return replace(self, level=level)
        samples = torch.full_like(self.level[:1], self.samples)  # (1, H, W), in the same message
        both = torch.cat([self.level * self.samples, self.slope * share, samples])
        distributed.all_reduce(both, group=group)
        experts = len(self.level)
        return replace(self, level=both[:experts] / both[-1:], slope=both[experts:-1])


@dataclass(frozen=True)
class Rule:
    """How a layer turns evidence into a gradient.

    Attributes
    ----------
    compare : Compare or None
        None: the evidence has no errors.
    memory : float
        Share of earlier steps in the errors.
    factor : Tensor or float
        That of a GradScaler, 1 without.
    """

    compare: Compare | None
    memory: float
    factor: Tensor | float


def remember(error: Tensor, before: Tensor | None, memory: float) -> Tensor:
    """Return the running mean of errors (E, H, W) over steps, the newest included.

    What is not finite, in a step that a GradScaler skips, is forgotten.
    """
    if not memory:
        return error
    old = error.nan_to_num(0.0, 0.0, 0.0) if before is None else before.to(error)
    if error.device.type == "cpu" and bool(error.sum().isfinite()):  # so all are, for one pass
        return torch.lerp(error, old, memory)
    return torch.where(error.isfinite(), torch.lerp(error, old, memory), old)


# nothing public tells a module that it is wrapped; torch's own compiler asks like this
_wrapped_by: Callable[[], Any] = DistributedDataParallel._get_active_ddp_module


def find_averaging_group(compares: bool) -> "distributed.ProcessGroup | None":
    """Return the processes whose gradients are averaged after the forward pass under way.

    None outside DistributedDataParallel, and where it gathers (`no_sync`) or has one process.

    Parameters
    ----------
    compares : bool
        Whether they will add up errors (`Evidence.of_all`).

    Raises
    ------
    GateGradientError
        They will, and may use different parameters, so that they would wait for ever.
    """
    outer = _wrapped_by()
    if outer is None or not outer.require_backward_grad_sync:
        return None
    group: distributed.ProcessGroup = outer.process_group
    if group.size() == 1:
        return None
    if compares and outer.find_unused_parameters:
        raise GateGradientError(
            "routing that compares experts compares them over all processes, which must all use "
            "the layer: set find_unused_parameters=False in DistributedDataParallel"
        )
    return group
