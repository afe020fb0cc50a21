"""Which expert served each point as training went on: a small file beside ``history.jsonl``.

It is for pictures alone. What it holds is in the saved state of a run too, which prevails.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from smoecast.disk.atomic import write_atomic
from smoecast.nn.smoe.inspect import rival_map
from smoecast.nn.smoe.model_layers import smoe_layers

ROUTING = "routing.safetensors"
MOST_MAPS = 12
"""Maps that are kept of a layer: its first ones."""


def is_noted(epoch: int) -> bool:
    """Whether the routing after an epoch is kept: before training, then after 1, 2, 4, 8, ...

    At first experts change places every epoch, later hardly ever.
    """
    return epoch & (epoch - 1) == 0


def note_routing(model: nn.Module, epoch: int) -> dict[str, Tensor]:
    """Return the selected experts of the layers whose gate is a map.

    Parameters
    ----------
    model : nn.Module
        Not changed.
    epoch : int
        Epochs that it has learned.

    Returns
    -------
    dict of str to Tensor
        ``EPOCH.layerN``: (K, H, W), up to `MOST_MAPS`, N counted from 1; uint8, or of more than
        256 experts int32.
    """
    layers = [layer for layer in smoe_layers(model) if not layer.gate.depends_on_input]
    found = {}
    for number, layer in enumerate(layers, start=1):
        few = layer.objective.how.group_size <= 256
        chosen = rival_map(layer)[:MOST_MAPS].to("cpu", torch.uint8 if few else torch.int32)
        found[f"{epoch}.layer{number}"] = chosen.contiguous()
    return found


def write_routing(noted: Mapping[str, Tensor], folder: Path) -> None:
    """Write what was noted, all at once; nothing where it is there, or no layer has such a map."""
    path, content = folder / ROUTING, save(dict(noted))
    if noted and not (path.is_file() and path.read_bytes() == content):
        write_atomic(path, content)
