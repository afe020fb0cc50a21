"""The Spatial Mixture-of-Experts layer.

Dryden & Hoefler, Spatial Mixture-of-Experts, NeurIPS 2022, arXiv 2211.13491, section 2: experts are
filters, a gate scores them at every grid point, and the K best serve the point. The gate learns
from the routing classification loss alone. What is not in the paper is in `SMoESettings`.
"""

from typing import Any

import torch
from torch import Tensor, nn

from smoecast.nn.padding import check_padding, conv2d_same, pad_same
from smoecast.nn.smoe.chosen_filters import FilterMemory, is_worth_it
from smoecast.nn.smoe.experts import add_terms, copy_group_heads, draw_filters, with_common
from smoecast.nn.smoe.gate_losses import Auxiliary
from smoecast.nn.smoe.gate_training.layer_numbers import number_layer
from smoecast.nn.smoe.gate_training.loss_scale import LossScale
from smoecast.nn.smoe.gate_training.routing_loss import RoutingObjective
from smoecast.nn.smoe.gate_training.serve import join_loss, serve
from smoecast.nn.smoe.gates import Gate, build_gate
from smoecast.nn.smoe.gather import MOST_PRODUCTS, Route, make_route, pick, stencil, weigh
from smoecast.nn.smoe.initial_scores import start_plain, start_regions
from smoecast.nn.smoe.routing import make_selection, select
from smoecast.nn.smoe.settings import SMoESettings


class SpatialMoE2d(nn.Module):
    """Spatial Mixture-of-Experts: a drop-in for `torch.nn.Conv2d` whose filters know their place.

    Parameters
    ----------
    in_channels : int
        C.
    out_channels : int
        D = K F / T, for K experts selected at each point, F `filters_per_expert`, and T experts for
        each channel (`SMoESettings.experts_per_channel`).
    num_experts : int
        E, at least K.
    grid : tuple of int
        (H, W), latitudes and longitudes.
    kernel_size : int
        Odd; the grid is kept.
    gate : str or Gate
        ``tensor`` (the paper's choice), ``conv``, ``coordconv``, ``local``, ``linear``, or a gate
        module, which several layers of equal E and grid may share.
    padding : str
        ``zeros``, or ``periodic`` in longitude with zeros in latitude.
    filters_per_expert : int
        F channels per expert; the paper has one.
    weighted : bool
        Multiply outputs by scores and train the gate by the main loss alone, without routing loss
        and damping.
    error_quantile : float
        q: an output is incorrect when its error exceeds this quantile of its sample's errors. The
        paper's run has 0.3. It plays no part where experts are compared.
    damping : float, optional
        Factor on the gradient that reaches an expert at an incorrect output; 1 switches it off. By
        default 0.1, and 1 where experts are compared.
    routing_loss_weight : float
        Factor on the routing classification loss; 0 switches it off.
    gate_noise : float
        Standard deviation of noise on the scores in training, one noise a step where samples share
        them; the paper's code takes 1 / E.
    importance_weight, load_weight, agreement_weight : float
        Factors on the auxiliary losses of the gate, all off by default.
    settings : SMoESettings or str
        What the paper does not have. ``paper``: nothing of it; ``comparative``: comparative routing
        (docs/smoe.md); or these with changes.

    Attributes
    ----------
    weight : Parameter
        (E F, C, k, k).
    common : Parameter or None
        (D, C, k, k), the shared filters.
    gate : Gate
        Scores the experts.
    objective : RoutingObjective
        Its `error_quantile`, `damping` and `weight` may be changed between steps.

    Raises
    ------
    ValueError
        If the numbers do not fit together, or the gate has other experts or another grid.

    Notes
    -----
    After every backward pass the gradient of the gate is that of the routing loss, over all passes
    since it was zero, and with DistributedDataParallel over those of all processes. The main loss
    is taken to be a mean over outputs; of several passes, each loss is divided by their number. A
    loop that a layer must be told of (`scaling`) is refused with GateGradientError if it was not.
    A gradient that is not finite raises ValueError in the backward pass. A gate that looks at the
    input hands its gradient on, so it belongs to the error signal of the layers below; with tensor
    routing the error signal is that of the main loss alone. Scores that need no gradient are at
    rest: without damping, no error is then computed.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_experts: int,
        *,
        grid: tuple[int, int],
        kernel_size: int = 3,
        gate: str | Gate = "tensor",
        padding: str = "zeros",
        filters_per_expert: int = 1,
        weighted: bool = False,
        error_quantile: float = 0.3,
        damping: float | None = None,
        routing_loss_weight: float = 1.0,
        gate_noise: float = 0.0,
        importance_weight: float = 0.0,
        load_weight: float = 0.0,
        agreement_weight: float = 0.0,
        settings: SMoESettings | str = "paper",
    ) -> None:
        super().__init__()
        self.number = number_layer(self)
        check_padding(padding, kernel_size)
        ours = SMoESettings.preset(settings) if isinstance(settings, str) else settings
        terms, compares = ours.experts_per_channel, ours.routing_loss == "experts"
        how = make_selection(
            out_channels * terms, num_experts, filters_per_expert, ours.order, ours.routing
        )
        self.grid = (int(grid[0]), int(grid[1]))
        self.padding, self.weighted, self.gate_noise = padding, weighted, gate_noise
        self.auxiliary = Auxiliary(
            importance_weight, load_weight, agreement_weight, gate_noise, how.num_selected
        )
        if damping is None:
            damping = 1.0 if compares else 0.1
        self.objective = RoutingObjective(
            how, filters_per_expert, error_quantile, damping, routing_loss_weight, LossScale(),
            compares, terms, ours.error_memory, ours.compared_samples,
        )  # fmt: skip
        self.filter_memory = FilterMemory()
        self._make_filters((in_channels, kernel_size, kernel_size), ours)
        self.gate = gate if isinstance(gate, Gate) else self._new_gate(gate, ours.start)
        self._check_gate()
        self._start_experts(ours.expert_start)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become a copy, or what was pickled, under a number of its own."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.number = number_layer(self)

    @property
    def routing_loss(self) -> Tensor | None:
        """Routing classification loss of the last backward pass; None before the first.

        Where experts are compared by a map of scores: of all passes since their gradient was zero,
        and of all layers that share the gate.
        """
        own = self.objective.loss
        return self.gate.gradient.loss if own is None and self.objective.compares else own

    def route(self, x: Tensor) -> Tensor:
        """Return the selected experts for input (B, C, H, W): (K, H, W) or (B, K, H, W) int64."""
        self._check_input(x)
        return select(self.gate(x), self.objective.how)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) into (B, D, H, W).

        Raises
        ------
        TypeError
            If the input is not a floating-point tensor.
        ValueError
            If its shape is not (B, C, H, W) with this layer's channels and grid.
        """
        self._check_input(x)
        clean = scores = self.gate(x)
        if self.training and self.gate_noise:
            scores = clean + self.gate_noise * torch.randn_like(clean)
        out = self._serve(x, scores)
        if self.training and self.auxiliary.is_needed:
            out = join_loss(self, out, self.auxiliary(clean, scores))
        return out

    def extra_repr(self) -> str:
        """Show the sizes in ``print(layer)``."""
        return (
            f"{self.weight.shape[1]}, {self._channels}, "
            f"num_experts={self.objective.how.num_experts}, grid={self.grid}, "
            f"kernel_size={self.weight.shape[-1]}, padding={self.padding}"
        )

    @property
    def _channels(self) -> int:
        """D."""
        f = self.objective
        return f.how.num_selected * f.num_filters // f.terms

    def filters(self) -> Tensor:
        """Return the experts' filters as they act, (E F, C, k, k): with what they share."""
        return with_common(self.weight, self.common, self.objective)

    def _serve(self, x: Tensor, scores: Tensor) -> Tensor:
        """Values of the selected experts, added up, (B, D, H, W), that train experts and gate."""
        route, f = self._route(scores), self.objective
        if self.weighted:
            return add_terms(weigh(self.values(x, route), scores, route, f.num_filters), f)
        rests = not scores.requires_grad and f.damping == 1.0
        if rests or not torch.is_grad_enabled():
            return self.add_up(x, route)
        return serve(self, x, scores, route)

    def add_up(self, x: Tensor, route: Route) -> Tensor:
        """Values of the selected experts, added up, (B, D, H, W)."""
        if is_worth_it(self.weight, route, self.objective):
            own = self.filter_memory.filters(self.filters(), self.bias, route, self.objective)
            return own.convolve(x, self.padding)
        return add_terms(self.values(x, route), self.objective)

    def _route(self, scores: Tensor) -> Route:
        """Select experts; scores that stay the same between calls are sorted once (CPU)."""
        f = self.objective
        lasting = scores.dim() == 3 and not (self.training and self.gate_noise)
        if lasting and scores.device.type == "cpu" and not torch.compiler.is_compiling():
            return self.gate.memory.route(scores, f.how, f.num_filters)
        return make_route(scores, f.how, f.num_filters)

    def values(self, x: Tensor, route: Route) -> Tensor:
        """Values of the selected experts, (B, K F, H, W), by whichever kernel is faster."""
        if not self._is_small(x, route):
            return pick(self.all_values(x), route)
        padded = pad_same(x, self.weight.shape[-1], self.padding)
        out = stencil(padded, self.filters(), route.channels)
        return out if self.bias is None else out + self.bias[route.channels]

    def all_values(self, x: Tensor) -> Tensor:
        """Values of all experts, (B, E F, H, W)."""
        return conv2d_same(x, self.filters(), self.bias, self.padding)

    def _is_small(self, x: Tensor, route: Route) -> bool:
        products = self.weight.shape[1] * self._channels * self.objective.terms
        here = x.device.type == "cpu" and x.dtype == self.weight.dtype
        plain = not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling()
        return here and plain and products <= MOST_PRODUCTS and route.index.dim() == 3

    def _make_filters(self, shape: tuple[int, int, int], ours: SMoESettings) -> None:
        """Draw filters of (C, k, k)."""
        filters = self.objective.how.num_experts * self.objective.num_filters
        self.weight = draw_filters(filters, shape)
        self.bias = nn.Parameter(torch.zeros(filters)) if ours.bias else None
        self.common = draw_filters(self._channels, shape) if ours.shared else None

    def _new_gate(self, kind: str, start: str) -> Gate:
        how = self.objective.how
        gate = build_gate(
            kind,
            in_channels=self.weight.shape[1],
            num_experts=how.num_experts,
            num_selected=how.num_selected,
            grid=self.grid,
            kernel_size=self.weight.shape[-1],
            padding=self.padding,
        )
        if start == "plain":
            start_plain(gate, how.first_experts(), how.num_selected)
        elif start == "regions":
            start_regions(gate)
        return gate

    def _start_experts(self, start: str) -> None:
        """Let experts begin as copies of the one they would replace, where that is asked for."""
        with torch.no_grad():
            if start == "copies" and self.common is not None:
                self.weight.zero_()  # what all begin as is the shared filter
            elif start == "copies":
                copy_group_heads(self.weight, self.objective.how)

    def _check_gate(self) -> None:
        mine = (self.objective.how.num_experts, self.grid)
        if (self.gate.num_experts, self.gate.grid) != mine:
            raise ValueError(
                f"the gate has {self.gate.num_experts} experts on grid {self.gate.grid}, "
                f"the layer {mine[0]} on grid {mine[1]}"
            )
        if self.objective.compared_samples and self.gate.depends_on_input:
            raise ValueError("compared_samples needs a gate that all samples share, like tensor")

    def _check_input(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise TypeError(f"SpatialMoE2d takes a floating-point tensor, not {x.dtype}")
        wanted = (self.weight.shape[1], *self.grid)
        if x.dim() != 4 or tuple(x.shape[1:]) != wanted:
            raise ValueError(
                f"SpatialMoE2d takes (B, {wanted[0]}, {wanted[1]}, {wanted[2]}), "
                f"not {tuple(x.shape)}"
            )
