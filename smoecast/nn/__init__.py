"""Networks, and the layer on its own for anybody's PyTorch: `SpatialMoE2d` (docs/layer.md).

Nothing is loaded before it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smoecast.nn.smoe.layer import SpatialMoE2d
    from smoecast.nn.smoe.model_layers import follow_scaler, share_loss
    from smoecast.nn.smoe.settings import SMoESettings

__all__ = ["SMoESettings", "SpatialMoE2d", "follow_scaler", "share_loss"]

_HOME = {
    "SMoESettings": "smoe.settings",
    "SpatialMoE2d": "smoe.layer",
    "follow_scaler": "smoe.model_layers",
    "share_loss": "smoe.model_layers",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
