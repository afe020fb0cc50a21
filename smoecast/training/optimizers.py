"""Optimizers of PyTorch that do not load its compiler.

PyTorch loads torch.compile's tracer, 1.5 s of computing and 100 MB, with the first optimizer, only
to keep its calls out of what it traces. Nothing traces a step here (decision 60).
"""

import inspect
from collections.abc import Mapping
from typing import cast

import torch

_KEPT_OUT = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def _light(kind: type[torch.optim.Adam]) -> type[torch.optim.Adam]:
    """Return an optimizer whose methods are those of `kind` without what wraps them for a tracer.

    Where another PyTorch wraps nothing, they are those of `kind`.
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _KEPT_OUT}
    methods["step"] = torch.no_grad()(inspect.unwrap(kind.step))
    return cast("type[torch.optim.Adam]", type(kind.__name__, (kind,), methods))


OPTIMIZERS: Mapping[str, type[torch.optim.Adam]] = {
    "adam": _light(torch.optim.Adam),
    "adamw": _light(torch.optim.AdamW),
}
