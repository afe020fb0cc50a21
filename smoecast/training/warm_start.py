"""Beginning from the weights of another model: fine-tuning."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from smoecast.errors import ModelError

STATISTICS = "normalizer."
"""What a forecaster's statistics are called in its state dict."""
STRUCTURE = ("normalizer.base", "constants")
"""Where targets stand among the inputs, and the fields without time: always of the new run."""


def adopt(
    network: nn.Module, tensors: Mapping[str, Tensor], origin: str, keep_statistics: bool
) -> None:
    """Take over the weights of another model of the same network.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    tensors : mapping of str to Tensor
        The other model's state dict.
    origin : str
        What it is called, for the message.
    keep_statistics : bool
        Take over its normalisation too. Otherwise that of the new data stays: the network then sees
        the new data as it saw the old, with mean 0 and standard deviation 1.

    Raises
    ------
    ModelError
        A tensor is missing, too many, or of another shape; the first is named. Nothing was changed.
    """
    mine = {name: value for name, value in network.state_dict().items() if name not in STRUCTURE}
    theirs = {name: value for name, value in tensors.items() if name not in STRUCTURE}
    for name in [*mine, *theirs]:
        shapes = [tuple(t[name].shape) if name in t else None for t in (theirs, mine)]
        if shapes[0] != shapes[1]:
            old, new = ("has no such tensor" if s is None else f"has {s}" for s in shapes)
            raise ModelError(
                f"{origin}: the weights do not fit this network at {name}: the model {old}, the "
                "network of the config " + f"{new}; use the model's section network, or another"
            )
    with torch.no_grad():
        for name, value in mine.items():
            if keep_statistics or not name.startswith(STATISTICS):
                value.copy_(theirs[name])
