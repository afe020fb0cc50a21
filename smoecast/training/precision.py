"""Half precision: where it can be had, and the factor by which each piece's loss is scaled."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from smoecast import console
from smoecast.errors import ConfigError
from smoecast.nn.smoe.gate_training.loss_scale import LossScale
from smoecast.nn.smoe.model_layers import smoe_layers

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def follow(model: nn.Module, scaler: torch.amp.GradScaler) -> LossScale:
    """Tell every SMoE layer of a model what scales its loss; return the holder of the share.

    The routing loss and the margins of `SpatialMoE2d` live in its backward, where they cannot see
    by what the loss was multiplied; they ask this holder.
    """
    scale = LossScale(scaler, share=1.0)
    for layer in smoe_layers(model):
        layer.objective.scale = scale
    return scale


def resolve(precision: str, device: torch.device) -> str:
    """Return the precision that is meant, for `auto` the faster one on this device.

    A processor without bf16 instructions computes convolutions in it by a loop that is tens of
    times slower than float32; who asks for it there is warned.
    """
    native = _has_bf16(device)
    if precision == "auto":
        return "bf16" if native else "float32"
    if precision == "bf16" and device.type == "cpu" and not native:
        console.say(
            "warning: training.precision: this processor has no bf16 and is much slower in it "
            "than in float32; auto chooses the faster one"
        )
    return precision


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    can = torch.cpu.get_capabilities()
    return any(can.get(name, False) for name in _BF16)


_BF16 = ("avx512_bf16", "amx_bf16", "bf16")
"""What x86 and ARM call it."""


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context of the forward pass: `precision`, or nothing for float32.

    Raises
    ------
    ConfigError
        The device cannot compute in this precision.
    """
    if precision == "float32":
        return nullcontext()
    lacks = device.type == "cuda" and precision == "bf16" and not torch.cuda.is_bf16_supported()
    if device.type not in ("cpu", "cuda") or lacks:
        raise ConfigError(
            f"training.precision: {device.type} cannot compute in {precision} here; use float32"
        )
    return torch.autocast(device.type, dtype=TYPES[precision])


def new_scaler(precision: str, device: torch.device) -> torch.amp.GradScaler:
    """Return the GradScaler of a run; only fp16 needs one, and it does nothing for the others.

    Gradients below 6e-8 vanish in fp16, so the loss is multiplied first and they are divided after.
    """
    kind = device.type if device.type in ("cpu", "cuda") else "cpu"
    return torch.amp.GradScaler(kind, enabled=precision == "fp16")
