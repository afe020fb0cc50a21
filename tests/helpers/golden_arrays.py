"""The layer and the arrays of the authors' released implementation (float64)."""

from pathlib import Path

import numpy as np
import torch

from smoecast.nn.smoe.layer import SpatialMoE2d

GOLDEN = Path(__file__).parents[2] / "../shared/golden"
SMOE = (
    "tensor_gate_heat",
    "tensor_gate_multichannel",
    "tensor_gate_quantile70",
    "conv_gate",
    "weighted_tensor_gate",
)


def golden(name):
    return {k: torch.as_tensor(v) for k, v in np.load(GOLDEN / f"{name}.npz").items()}


def gate_array(arrays):
    return next(v for k, v in arrays.items() if k.startswith("gate_"))


def layer_of(name, arrays):
    channels, grid = arrays["x"].shape[1], tuple(arrays["x"].shape[2:])
    layer = SpatialMoE2d(
        channels,
        int(arrays["num_selected"]),
        int(arrays["num_experts"]),
        grid=grid,
        gate="conv" if name == "conv_gate" else "tensor",
        weighted=name.startswith("weighted"),
        error_quantile=float(arrays["quantile"]),
        damping=round(float(arrays["damping"]), 6),
    ).double()
    with torch.no_grad():
        layer.weight.copy_(arrays["expert_weight"])
        next(layer.gate.parameters()).copy_(gate_array(arrays))
    return layer
