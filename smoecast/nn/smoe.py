"""The Spatial Mixture-of-Experts layer.

Dryden & Hoefler, Spatial Mixture-of-Experts, NeurIPS 2022, arXiv 2211.13491, section 2: experts are
filters, a gate scores them at every grid point, and the K best serve the point. The gate learns
from the routing classification loss alone. Parameters marked "ours" are not in the paper.
"""

import math

import torch
from torch import Tensor, nn

from smoecast.nn.gates import Gate, build_gate, start_plain
from smoecast.nn.kernels.route import Route, make_route, pick, weigh
from smoecast.nn.kernels.signal import Feedback, LossScale, attach_loss, train_routing
from smoecast.nn.kernels.stencil import MOST_PRODUCTS, stencil
from smoecast.nn.padding import check_padding, conv2d_same, pad_same
from smoecast.nn.routing import (
    agreement_loss,
    check_choice,
    importance_loss,
    load_loss,
    make_selection,
    select,
)


class SpatialMoE2d(nn.Module):
    """Spatial Mixture-of-Experts: a drop-in for `torch.nn.Conv2d` whose filters know their place.

    Parameters
    ----------
    in_channels : int
        C.
    out_channels : int
        D = K x `filters_per_expert`; K experts are selected at each point.
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
    bias : bool
        One learned number per filter (the paper has none).
    weighted : bool
        Multiply the outputs by the scores and train the gate by the main loss alone; then the
        routing loss and the damping do not apply.
    error_quantile : float
        q: an output is incorrect when its error exceeds this quantile of its sample's errors. The
        paper's run has 0.3.
    damping : float
        Factor on the gradient that reaches an expert at an incorrect output; 1 switches it off.
    routing_loss_weight : float
        Factor on the routing classification loss; 0 switches it off.
    order : str
        ``score``: output channels by falling score (the paper); ``expert``: by rising index of the
        expert (ours).
    routing : str
        ``global``: the K best of all experts (the paper); ``grouped``: output channel k is the best
        of the k-th group of E / K experts, and the blame is shared within the group (ours).
    start : str
        ``random`` scores (the paper), or ``plain``: the same K experts everywhere, so that the
        layer begins as an ordinary convolution (ours). A gate module keeps its own start.
    expert_start : str
        ``own``: each expert its own random filter (the paper); ``copies``: the experts that a plain
        start leaves unselected begin as copies of the selected ones (ours).
    gate_noise : float
        Standard deviation of noise on the scores in training; the paper's code takes 1 / E. Scores
        that all samples share get one noise per step (ours).
    importance_weight, load_weight, agreement_weight : float
        Factors on the auxiliary losses of the gate, all off by default.

    Attributes
    ----------
    weight : Parameter
        (E F, C, k, k).
    gate : Gate
        Scores the experts.
    feedback : Feedback
        Its `error_quantile`, `damping` and `weight` may be changed between steps.

    Raises
    ------
    ValueError
        If the numbers do not fit together, or the gate has other experts or another grid.

    Notes
    -----
    A gradient that is not finite raises ValueError in the backward pass; see `follow_scaler` for
    fp16. A gate that looks at the input hands its gradient on, so it belongs to the error signal of
    the layers below; with tensor routing the error signal is that of the main loss alone.
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
        bias: bool = False,
        weighted: bool = False,
        error_quantile: float = 0.3,
        damping: float = 0.1,
        routing_loss_weight: float = 1.0,
        order: str = "score",
        routing: str = "global",
        start: str = "random",
        expert_start: str = "own",
        gate_noise: float = 0.0,
        importance_weight: float = 0.0,
        load_weight: float = 0.0,
        agreement_weight: float = 0.0,
    ) -> None:
        super().__init__()
        check_padding(padding, kernel_size)
        check_choice("start", start, ("random", "plain"))
        check_choice("expert_start", expert_start, ("own", "copies"))
        how = make_selection(out_channels, num_experts, filters_per_expert, order, routing)
        self.grid = (int(grid[0]), int(grid[1]))
        self.padding, self.weighted, self.gate_noise = padding, weighted, gate_noise
        self.auxiliary = (importance_weight, load_weight, agreement_weight)
        self.feedback = Feedback(
            how, filters_per_expert, error_quantile, damping, routing_loss_weight, LossScale()
        )
        self._check_numbers()
        filters = num_experts * filters_per_expert
        self.weight = nn.Parameter(torch.empty(filters, in_channels, kernel_size, kernel_size))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.bias = nn.Parameter(torch.zeros(filters)) if bias else None
        first = how.first_experts()
        self.gate = gate if isinstance(gate, Gate) else self._new_gate(gate, start, first)
        self._check_gate()
        if expert_start == "copies":
            self._copy_experts(first)

    @property
    def routing_loss(self) -> Tensor | None:
        """Routing classification loss of the last backward pass; None before the first."""
        return self.feedback.loss

    def route(self, x: Tensor) -> Tensor:
        """Return the selected experts for input (B, C, H, W): (K, H, W) or (B, K, H, W) int64."""
        self._check_input(x)
        return select(self.gate(x), self.feedback.how)

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
        route = self._route(scores)
        out = self._values(x, route)
        if self.weighted:
            out = weigh(out, scores, route, self.feedback.num_filters)
        elif torch.is_grad_enabled():
            out = train_routing(out, scores, route.index, self.feedback)
        if self.training and any(self.auxiliary):
            out = attach_loss(out, self._auxiliary_loss(clean, scores), self.feedback.scale)
        return out

    def extra_repr(self) -> str:
        """Show the sizes in ``print(layer)``."""
        how = self.feedback.how
        return (
            f"{self.weight.shape[1]}, {how.num_selected * self.feedback.num_filters}, "
            f"num_experts={how.num_experts}, grid={self.grid}, "
            f"kernel_size={self.weight.shape[-1]}, padding={self.padding}"
        )

    def _route(self, scores: Tensor) -> Route:
        """Select experts; scores that stay the same between calls are sorted once (CPU)."""
        f = self.feedback
        lasting = scores.dim() == 3 and not (self.training and self.gate_noise)
        if lasting and scores.device.type == "cpu" and not torch.compiler.is_compiling():
            return self.gate.memory.route(scores, f.how, f.num_filters)
        return make_route(scores, f.how, f.num_filters)

    def _values(self, x: Tensor, route: Route) -> Tensor:
        """Values of the selected experts, (B, D, H, W), by whichever kernel is faster."""
        if self._is_small(x, route):
            size = self.weight.shape[-1]
            out = stencil(pad_same(x, size, self.padding), self.weight, route.channels)
            return out if self.bias is None else out + self.bias[route.channels]
        return pick(conv2d_same(x, self.weight, self.bias, self.padding), route)

    def _is_small(self, x: Tensor, route: Route) -> bool:
        products = self.weight.shape[1] * self.feedback.how.num_selected * self.feedback.num_filters
        here = x.device.type == "cpu" and x.dtype == self.weight.dtype
        plain = not torch.is_autocast_enabled("cpu") and not torch.compiler.is_compiling()
        return here and plain and products <= MOST_PRODUCTS and route.index.dim() == 3

    def _auxiliary_loss(self, clean: Tensor, noisy: Tensor) -> Tensor:
        importance, load, agreement = self.auxiliary
        total = clean.new_zeros(())
        if importance:
            total = total + importance * importance_loss(clean)
        if load:
            selected = self.feedback.how.num_selected
            total = total + load * load_loss(clean, noisy, self.gate_noise, selected)
        if agreement:
            total = total + agreement * agreement_loss(clean)
        return total

    def _new_gate(self, kind: str, start: str, first: Tensor) -> Gate:
        how = self.feedback.how
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
            start_plain(gate, first, how.num_selected)
        return gate

    def _copy_experts(self, first: Tensor) -> None:
        """Let unselected experts begin as copies of the one they would replace."""
        how = self.feedback.how
        experts = torch.arange(how.num_experts)
        twin = first[experts // how.group_size] if how.grouped else experts % how.num_selected
        with torch.no_grad():
            filters = torch.unflatten(self.weight, 0, (how.num_experts, -1))  # (E, F, C, k, k)
            self.weight.copy_(filters[twin].flatten(0, 1))

    def _check_numbers(self) -> None:
        f = self.feedback
        if not 0.0 <= f.error_quantile <= 1.0:
            raise ValueError(f"error_quantile must lie between 0 and 1, not {f.error_quantile}")
        if min(f.damping, f.weight, self.gate_noise, *self.auxiliary) < 0:
            raise ValueError("damping, gate_noise and the weights of losses must not be negative")
        if self.auxiliary[1] and not self.gate_noise:
            raise ValueError("load_weight needs gate_noise above 0: it measures the load under it")

    def _check_gate(self) -> None:
        mine = (self.feedback.how.num_experts, self.grid)
        if (self.gate.num_experts, self.gate.grid) != mine:
            raise ValueError(
                f"the gate has {self.gate.num_experts} experts on grid {self.gate.grid}, "
                f"the layer {mine[0]} on grid {mine[1]}"
            )

    def _check_input(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise TypeError(f"SpatialMoE2d takes a floating-point tensor, not {x.dtype}")
        wanted = (self.weight.shape[1], *self.grid)
        if x.dim() != 4 or tuple(x.shape[1:]) != wanted:
            raise ValueError(
                f"SpatialMoE2d takes (B, {wanted[0]}, {wanted[1]}, {wanted[2]}), "
                f"not {tuple(x.shape)}"
            )


def follow_scaler(network: nn.Module, scaler: torch.amp.GradScaler | None) -> None:
    """Tell every SMoE layer of a network which GradScaler scales the loss; call it once.

    The routing loss has its own gradient, which must be scaled like all others because
    ``scaler.unscale_`` divides them alike. Only fp16 training needs this. With a scaler, gradients
    that are not finite pass through (the scaler skips the step); without one they raise.

    Parameters
    ----------
    network : nn.Module
        Its `SpatialMoE2d` layers are told.
    scaler : GradScaler or None
        None takes it away again.
    """
    for module in network.modules():
        if isinstance(module, SpatialMoE2d):
            module.feedback.scale = LossScale(scaler)
