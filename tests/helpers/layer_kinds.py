"""Layers of every kind that trains by itself, and one step of such a layer."""

import torch
from torch import nn

GRID = (5, 6)
LAYERS = {
    "paper": {},
    "conv gate": {"gate": "conv"},
    "two filters": {"filters_per_expert": 2},
    "no damping": {"damping": 1.0, "error_quantile": 0.7},
    "no routing loss": {"routing_loss_weight": 0.0, "damping": 1.0},
    "damping alone": {"routing_loss_weight": 0.0},
    "weighted": {"weighted": True},
    "in the order of experts": {"order": "expert"},
    "groups": {"routing": "grouped"},
    "comparative": {"preset": "comparative"},
    "comparative, two terms": {"preset": "comparative", "experts_per_channel": 2},
    "comparative, damped": {"preset": "comparative", "damping": 0.2, "routing_loss_weight": 0.0},
    "comparative, on some": {"preset": "comparative", "compared_samples": 2},
}


def step(layer, x):
    """Outputs, gradients and routing loss of one step."""
    layer.zero_grad()
    x = x.clone().requires_grad_()
    out = layer(x)
    nn.functional.mse_loss(out, torch.ones_like(out) / 3).backward()
    loss = getattr(layer, "routing_loss", None)
    return [out, x.grad, *(p.grad for p in layer.parameters()), *([] if loss is None else [loss])]
