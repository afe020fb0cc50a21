"""Gates: modules that score every expert at every grid point.

A gate turns (B, C, H, W) into scores: (E, H, W) when they are the same for all samples (tensor,
fixed), (B, E, H, W) when they depend on the input (conv, coordconv, local, linear). Kinds and first
scores follow Dryden & Hoefler 2022 (arXiv 2211.13491, section 2.2 and its released code).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from smoecast.nn.convolutions import CoordConv2d, LocallyConnected2d
from smoecast.nn.padding import check_padding, conv2d_same
from smoecast.nn.smoe.gate_training.evidence import find_averaging_group
from smoecast.nn.smoe.gate_training.gate_gradient import GateGradient, Link
from smoecast.nn.smoe.gather import RouteMemory

GATES = ("tensor", "conv", "coordconv", "local", "linear")
"""Kinds of gate that can be asked for by name."""


class Gate(nn.Module):
    """What every gate has: its experts, its grid, and whether it looks at the input.

    Parameters
    ----------
    num_experts : int
        E.
    grid : tuple of int
        (H, W).

    Attributes
    ----------
    depends_on_input : bool
        True when `forward` returns (B, E, H, W), False when it returns (E, H, W).
    memory : RouteMemory
        The last routes, shared by all layers that share the gate.
    gradient : GateGradient
        What backward passes have gathered for it, shared as well.
    """

    depends_on_input = True

    def __init__(self, num_experts: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.grid = (int(grid[0]), int(grid[1]))
        self.offset: nn.Parameter | None = None
        self.memory = RouteMemory()
        self.gradient = GateGradient()

    def forward(self, x: Tensor) -> Tensor:
        """Score the experts for input (B, C, H, W)."""
        scores = self.score(x)
        return scores if self.offset is None else scores + self.offset

    def score(self, x: Tensor) -> Tensor:
        """Scores before the offset; each kind of gate defines it."""
        raise NotImplementedError("a kind of gate defines its own score(x)")

    @property
    def leaf(self) -> Tensor | None:
        """The parameter that is itself the scores, if there is one."""
        return None

    @property
    def learnable(self) -> list[Tensor]:
        """The parameters that learn."""
        return [p for p in self.parameters() if p.requires_grad and p.is_leaf]

    def link(self, told: bool, compares: bool = False, others: Sequence[Tensor] = ()) -> Link:
        """Make ready for a backward pass.

        Parameters
        ----------
        told : bool
            Whether the layer was told of a GradScaler, or of there being none.
        compares : bool
            Whether the gate learns from a comparison of experts.
        others : sequence of Tensor, optional
            What else may gather the gradients of several passes only if the layer is told so.

        Raises
        ------
        GateGradientError
            It compares, under DistributedDataParallel that looks for unused parameters.
        """
        learned = self.learnable
        self.gradient.follow(learned, told)
        leaf = next((p for p in learned if p is self.leaf), None)
        group = find_averaging_group(compares and leaf is not None)
        return Link(self.gradient, leaf, (*learned, *others), group)

    def extra_repr(self) -> str:
        """Show experts and grid in ``print(gate)``."""
        return f"num_experts={self.num_experts}, grid={self.grid}"


class TensorGate(Gate):
    """Tensor routing: the scores are a learned tensor that does not depend on the input.

    Parameters
    ----------
    num_experts, grid
        As for `Gate`.
    num_selected : int
        K; sets the width of the initial scores, uniform(-b, b) with b = sqrt(3 E / K).
    """

    depends_on_input = False

    def __init__(self, num_experts: int, grid: tuple[int, int], *, num_selected: int) -> None:
        super().__init__(num_experts, grid)
        self.scores = nn.Parameter(torch.empty(num_experts, *self.grid))
        nn.init.uniform_(self.scores, *score_bounds(num_experts, num_selected))

    @property
    def leaf(self) -> Tensor | None:
        """The scores; a subclass may make something else of them."""
        return self.scores if type(self) is TensorGate else None

    def score(self, x: Tensor) -> Tensor:
        """Return the learned scores (E, H, W)."""
        return self.scores


class FixedGate(Gate):
    """A known map: which expert serves which point, never trained.

    Parameters
    ----------
    scores : Tensor
        Scores (E, H, W), or an integer map (H, W) of expert indices (then K is 1).
    num_experts : int, optional
        E for an integer map; by default the largest index + 1.

    Raises
    ------
    ValueError
        If the tensor is neither an integer map nor scores, or an index lies outside 0 ... E - 1.
    """

    depends_on_input = False
    scores: Tensor

    def __init__(self, scores: Tensor, num_experts: int | None = None) -> None:
        if scores.dim() == 2 and not scores.is_floating_point():
            scores = _one_hot(scores, num_experts)
        if scores.dim() != 3 or not scores.is_floating_point():
            raise ValueError(
                "a fixed gate takes scores (E, H, W) or an integer map (H, W), "
                f"not {scores.dtype} of shape {tuple(scores.shape)}"
            )
        super().__init__(scores.shape[0], (scores.shape[1], scores.shape[2]))
        self.register_buffer("scores", scores.clone())

    def score(self, x: Tensor) -> Tensor:
        """Return the fixed scores (E, H, W)."""
        return self.scores


class ConvGate(Gate):
    """Scores by a convolution of the input, without bias."""

    def __init__(
        self,
        num_experts: int,
        grid: tuple[int, int],
        *,
        in_channels: int,
        kernel_size: int = 3,
        padding: str = "zeros",
    ) -> None:
        super().__init__(num_experts, grid)
        check_padding(padding, kernel_size)
        self.padding = padding
        self.weight = nn.Parameter(torch.empty(num_experts, in_channels, kernel_size, kernel_size))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def score(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W) into (B, E, H, W)."""
        return conv2d_same(x, self.weight, None, self.padding)


class CoordConvGate(Gate):
    """Scores by a convolution of the input and the point's own coordinates."""

    def __init__(
        self,
        num_experts: int,
        grid: tuple[int, int],
        *,
        in_channels: int,
        kernel_size: int = 3,
        padding: str = "zeros",
    ) -> None:
        super().__init__(num_experts, grid)
        self.conv = CoordConv2d(
            in_channels, num_experts, kernel_size=kernel_size, padding=padding, bias=False
        )

    def score(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W) and coordinates into (B, E, H, W)."""
        scores: Tensor = self.conv(x)
        return scores


class LocalGate(Gate):
    """Scores by a locally connected layer: own weights at every point."""

    def __init__(
        self,
        num_experts: int,
        grid: tuple[int, int],
        *,
        in_channels: int,
        kernel_size: int = 3,
        padding: str = "zeros",
    ) -> None:
        super().__init__(num_experts, grid)
        self.local = LocallyConnected2d(
            in_channels, num_experts, grid=grid, kernel_size=kernel_size, padding=padding
        )

    def score(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) into (B, E, H, W)."""
        scores: Tensor = self.local(x)
        return scores


class LinearGate(Gate):
    """Scores by one dense layer from all inputs to all scores (C H W x E H W weights)."""

    def __init__(self, num_experts: int, grid: tuple[int, int], *, in_channels: int) -> None:
        super().__init__(num_experts, grid)
        points = self.grid[0] * self.grid[1]
        self.linear = nn.Linear(in_channels * points, num_experts * points, bias=False)

    def score(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) into (B, E, H, W)."""
        scores: Tensor = self.linear(x.flatten(1))  # (B, C H W) -> (B, E H W)
        return scores.view(len(x), self.num_experts, *self.grid)


def build_gate(
    kind: str,
    *,
    in_channels: int,
    num_experts: int,
    num_selected: int,
    grid: tuple[int, int],
    kernel_size: int = 3,
    padding: str = "zeros",
) -> Gate:
    """Make a gate by its name.

    Parameters
    ----------
    kind : str
        One of `GATES`.
    in_channels, num_experts, num_selected, grid
        C, E, K and (H, W) of the layer.
    kernel_size, padding
        Of the gates that look at a neighbourhood.

    Raises
    ------
    ValueError
        If the name is none of `GATES`; a fixed map is passed as ``FixedGate(map)``.
    """
    if kind == "tensor":
        return TensorGate(num_experts, grid, num_selected=num_selected)
    if kind == "linear":
        return LinearGate(num_experts, grid, in_channels=in_channels)
    neighbourhood = {"conv": ConvGate, "coordconv": CoordConvGate, "local": LocalGate}
    if kind not in neighbourhood:
        raise ValueError(f"gate must be one of {', '.join(GATES)} or a gate module, not '{kind}'")
    return neighbourhood[kind](
        num_experts, grid, in_channels=in_channels, kernel_size=kernel_size, padding=padding
    )


def score_bounds(num_experts: int, num_selected: int) -> tuple[float, float]:
    """Range of the initial scores (Kaiming's rule with K / E as the fan)."""
    bound = math.sqrt(3.0 * num_experts / num_selected)
    return -bound, bound


def _one_hot(index: Tensor, num_experts: int | None) -> Tensor:
    """Turn a map of expert indices (H, W) into scores (E, H, W) of 0 and 1."""
    count = int(index.max()) + 1 if num_experts is None else num_experts
    if int(index.min()) < 0 or int(index.max()) >= count:
        raise ValueError(f"the map of a fixed gate must hold expert indices 0 ... {count - 1}")
    one_hot = nn.functional.one_hot(index.long(), count)  # (H, W, E)
    return one_hot.movedim(-1, 0).to(torch.get_default_dtype())
