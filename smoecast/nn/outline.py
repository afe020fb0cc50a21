"""Networks without memory for their weights: to see what they would be, before they are made."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from smoecast.errors import ModelError
from smoecast.nn.convolutions import translate_older

Network = TypeVar("Network", bound=nn.Module)


def restore_tensors(make: Callable[[], Network], tensors: Mapping[str, Tensor]) -> Network:
    """Make a network and give it the weights of another of its kind, in evaluation mode.

    That they are of its kind is known before it takes any memory.

    Parameters
    ----------
    make : callable
        Makes the network, on torch's default device.
    tensors : mapping of str to Tensor
        The other one's state dict, by any version.

    Raises
    ------
    ModelError
        A tensor is missing, too many, of another shape or kind, or not finite; it is named.
    """
    with torch.device("meta"):
        outline = make()
    wanted, tensors = outline.state_dict(), translate_older(outline, tensors)
    for name in [*wanted, *tensors]:
        mine, theirs = (_told(t.get(name)) for t in (wanted, tensors))
        if mine != theirs:
            raise ModelError(f"the network has {mine} called {name}, the model {theirs}")
    network = make()
    network.load_state_dict(tensors)
    for name, value in network.state_dict().items():
        if not value.isfinite().all():
            raise ModelError(f"{name} holds values that are not finite")
    return network.eval()


def _told(tensor: Tensor | None) -> str:
    if tensor is None:
        return "nothing"
    kind = "numbers" if tensor.is_floating_point() else "integers"
    if tensor.is_complex() or tensor.dtype == torch.bool:
        kind = str(tensor.dtype)
    return f"{kind} of shape {tuple(tensor.shape)}"


def is_outline() -> bool:
    """Tell whether what is made now is an outline, without memory."""
    return torch.get_default_device().type == "meta"


def draw_normal(*shape: int) -> Tensor:
    """Return `torch.randn`; in an outline a tensor without values, which it would load much for."""
    return torch.empty(shape) if is_outline() else torch.randn(shape)
