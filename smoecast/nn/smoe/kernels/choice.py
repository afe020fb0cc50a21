"""Which kernels a layer works with: Triton's on CUDA, where it is installed; else plain PyTorch.

Plain PyTorch is the reference: what the kernels compute is what it computes, to rounding.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, cast

import torch
from torch import Tensor

if TYPE_CHECKING:
    from smoecast.nn.smoe.kernels.comparison import Comparison
    from smoecast.nn.smoe.kernels.outputs import Verdict
    from smoecast.nn.smoe.routing import Selection

TYPES = (torch.float32, torch.bfloat16, torch.float16)
MOST_VALUES = 2**31
"""Places within a sample are numbers of 32 bits."""


class Kernels(Protocol):
    """What kernels offer; `smoecast.nn.smoe.kernels.offer` says what each function does."""

    def best_experts(self, scores: Tensor, num_selected: int) -> Tensor:
        """Select the experts with the highest scores."""

    def take(self, values: Tensor, places: Tensor) -> Tensor:
        """Take selected values."""

    def spread(self, picked: Tensor, places: Tensor, shape: torch.Size) -> Tensor:
        """Put selected values among zeros."""

    def score_outputs(
        self,
        grad: Tensor,
        places: Tensor,
        shape: torch.Size,
        *,
        num_filters: int,
        quantile: float,
        damping: float,
        unit: Tensor | float,
    ) -> "Verdict":
        """Spread the damped gradient; count how often each expert was incorrect."""

    def routing_loss(
        self, scores: Tensor, verdict: "Verdict", samples: int, how: "Selection"
    ) -> tuple[Tensor, Tensor]:
        """Return the routing loss and its gradient."""

    def score_experts(
        self,
        values: Tensor,
        grad: Tensor,
        index: Tensor,
        how: "Selection",
        *,
        unit: Tensor | float,
        damping: float,
        slopes: bool,
        spreads: bool,
    ) -> "Comparison":
        """Return errors of all experts, and spread the damped gradient."""

    def comparative_loss(
        self, error: Tensor, scores: Tensor, index: Tensor, how: "Selection"
    ) -> tuple[Tensor, Tensor]:
        """Return the comparative routing loss and its gradient."""


Choice = Kernels | Literal["auto", "plain"]
_choice: list[Choice] = ["auto"]
"""The last one holds. Not a variable of a context: autograd has threads of its own."""


def find_kernels(like: Tensor, most: int = 0) -> Kernels | None:
    """Return the kernels for a tensor (B, ...); None where plain PyTorch is to be used.

    Parameters
    ----------
    like : Tensor
        Whose device and type decide.
    most : int
        Values of a sample, if some other tensor has more than this one.
    """
    chosen = _choice[-1]
    if chosen == "plain" or torch.compiler.is_compiling():
        return None
    if like.dtype not in TYPES or like.numel() == 0 or max(most, like[0].numel()) >= MOST_VALUES:
        return None
    if chosen != "auto":
        return chosen
    return load_kernels() if like.device.type == "cuda" else None


@contextmanager
def use_kernels(chosen: Choice) -> Iterator[None]:
    """Within, all layers of this process use these kernels, forward and backward.

    Parameters
    ----------
    chosen : Kernels or str
        ``auto``: Triton's on CUDA where it is installed; ``plain``: PyTorch alone; or kernels,
        which are then used on every device.
    """
    _choice.append(chosen)
    try:
        yield
    finally:
        _choice.pop()


@cache
def load_kernels() -> Kernels | None:
    """Return the kernels in Triton; None where it is not installed."""
    try:
        return cast(Kernels, import_module("smoecast.nn.smoe.kernels.offer"))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "triton":
            raise
        return None
