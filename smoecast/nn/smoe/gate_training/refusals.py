"""Training loops in which a gate's gradient cannot be right: refused, each with its mend.

A layer sees in its backward the gradient of the loss as it was multiplied, not by what. It is told,
by `smoecast.nn.smoe.model_layers`, where that matters; where it was not told, these notice.
"""

import weakref
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

SHRUNK = 2.0**-14
"""A gradient that became smaller than this share of itself was unscaled, not clipped."""


class GateGradientError(RuntimeError):
    """A training loop in which a gate's gradient cannot be right; the message has the mend."""


def refuse_more_passes(parameters: Iterable[Tensor], what: str) -> None:
    """Refuse a backward pass that adds to the gradients of one before.

    Parameters
    ----------
    parameters : iterable of Tensor
        Of the gate.
    what : str
        Who cannot bring the two together.

    Raises
    ------
    GateGradientError
        A gradient is there, and not zero.
    """
    if any(p.grad is not None and bool(p.grad.any()) for p in parameters):
        raise GateGradientError(
            f"this backward pass adds to the gradients of one before, and {what} cannot tell what "
            "the loss of each was multiplied by: call smoecast.nn.share_loss(network, 1 / passes) "
            "once, or zero the gradients before each pass"
        )


def refuse_half(field: Tensor, told: bool) -> None:
    """Refuse to train in float16 without a word of the GradScaler.

    Raises
    ------
    GateGradientError
        The field is float16, and the layer was not told.
    """
    if field.dtype == torch.float16 and not told:
        raise GateGradientError(
            "a SpatialMoE2d that computes in float16 must know its GradScaler: call "
            "smoecast.nn.follow_scaler(network, scaler) once before training, or use bfloat16"
        )


class StepCheck:
    """Notices, at the step of any optimizer, a GradScaler that nobody told the layer of.

    Its factor reaches the layer in the gradient of the loss, but not the gradient that the layer
    gives the gate, which is then divided by it all the same.
    """

    def __init__(self) -> None:
        self._peaks: dict[int, tuple[weakref.ref[Tensor], Tensor]] = {}

    def note(self, parameter: Tensor) -> None:
        """Remember how large the gradient of a gate's parameter is after a backward pass."""
        if parameter.grad is not None:
            peak = parameter.grad.detach().abs().max()
            self._peaks[id(parameter)] = (weakref.ref(parameter), peak)
            _watch_optimizers().add(self)

    def refuse_unscaled(self, optimizer: torch.optim.Optimizer, stepped: set[int]) -> None:
        """Look at the gradients of those parameters that an optimizer is about to change.

        Raises
        ------
        GateGradientError
            One has been unscaled since the backward pass.
        """
        for key in stepped & self._peaks.keys():
            noted, peak = self._peaks.pop(key)
            parameter = noted()
            unscales = getattr(optimizer, "grad_scale", None) is not None  # fused ones, themselves
            grad = None if parameter is None else parameter.grad
            now = 0.0 if grad is None else float(grad.abs().max())
            if unscales or 0.0 < now < SHRUNK * float(peak):
                raise GateGradientError(
                    "the gradient of a SpatialMoE2d's gate was divided by a large number after the "
                    "backward pass: if by a GradScaler, call smoecast.nn.follow_scaler(network, "
                    "scaler) once before training; if by clipping, leave the gate's parameters out"
                )


@cache
def _watch_optimizers() -> "weakref.WeakSet[StepCheck]":
    """Return the checks of all gates; from the first call on every optimizer step looks there."""
    checks: weakref.WeakSet[StepCheck] = weakref.WeakSet()

    def look(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if checks:
            stepped = {id(p) for group in optimizer.param_groups for p in group["params"]}
            for check in list(checks):
                check.refuse_unscaled(optimizer, stepped)

    register_optimizer_step_pre_hook(look)
    return checks
