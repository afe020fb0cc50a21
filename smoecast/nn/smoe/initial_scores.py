"""How a gate begins, other than by the paper's random scores; all ours."""

import torch
from torch import Tensor, nn

from smoecast.nn.outline import is_outline
from smoecast.nn.smoe.gates import FixedGate, Gate, LinearGate, LocalGate, TensorGate, score_bounds


def start_plain(gate: Gate, first: Tensor, num_selected: int) -> None:
    """Set a gate so that the same experts are selected at every point.

    The scores keep the paper's range, sqrt(3 E / K): positive and falling in the order of the
    experts for those in `first`, negative and unsorted for the rest, so that at each point another
    expert stands next in line. A gate that looks at the input starts with zero weights and a
    learned offset. Ours, not the paper's.

    Parameters
    ----------
    gate : Gate
        Changed in place.
    first : Tensor
        Indices of the experts to select, ascending.
    num_selected : int
        K.

    Raises
    ------
    ValueError
        If the gate is a fixed map.
    """
    if isinstance(gate, FixedGate):
        raise ValueError("a fixed gate cannot start as a plain convolution: its map is given")
    local = isinstance(gate, TensorGate | LocalGate | LinearGate)
    shape = (gate.num_experts, *(gate.grid if local else (1, 1)))
    draw = torch.empty(shape).uniform_(0.0, score_bounds(gate.num_experts, num_selected)[1])
    scores = -draw
    scores[first] = draw[first].sort(dim=0, descending=True).values
    _offset(gate, scores)


REGION = 6
"""Points across, about, of the parts of the globe that experts begin with."""


def start_regions(gate: Gate) -> None:
    """Set a gate so that each expert begins with its own parts of the globe.

    The scores are smooth random fields of spread 1, so neighbours mostly share their experts; a
    gate that looks at the input starts with zero weights and these as a learned offset. Ours, not
    the paper's.

    Parameters
    ----------
    gate : Gate
        Changed in place.

    Raises
    ------
    ValueError
        If the gate is a fixed map.
    """
    if isinstance(gate, FixedGate):
        raise ValueError("a fixed gate cannot start with random regions: its map is given")
    if is_outline():  # to interpolate what has no values would load PyTorch's compiler
        _offset(gate, torch.empty(gate.num_experts, *gate.grid))
        return
    coarse = [-(-size // REGION) + 1 for size in gate.grid]
    drawn = torch.randn(1, gate.num_experts, *coarse)
    scores = nn.functional.interpolate(drawn, gate.grid, mode="bilinear", align_corners=True)[0]
    _offset(gate, scores / scores.std().clamp_min(1e-6))


def _offset(gate: Gate, scores: Tensor) -> None:
    """Let a gate begin with these scores, (E, H, W) or (E, 1, 1), whatever its input."""
    with torch.no_grad():
        if isinstance(gate, TensorGate):
            gate.scores.copy_(scores)
            return
        for parameter in gate.parameters():
            parameter.zero_()
    gate.offset = nn.Parameter(scores)
