"""Networks that `torch.compile` makes a program of, where a run asks for it."""

import os
import shlex
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from smoecast import console
from smoecast.errors import ConfigError
from smoecast.nn.rollout import Unrolled

BACKEND = "inductor"
"""What makes the program; tests take one that only looks."""


def compile_network(model: nn.Module, device: torch.device) -> None:
    """Have a network compiled when it is first called, in place: its tensors keep their names.

    Of several of its steps at once (`Unrolled`) a single one is compiled.

    Raises
    ------
    ConfigError
        There is no C++ compiler, which code for a CPU is made by.
    """
    name = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if device.type == "cpu" and shutil.which(shlex.split(name)[0]) is None:
        raise ConfigError(
            f"training.compile: there is no C++ compiler {name} here: install it, name another in "
            "the variable CXX, or leave the key out"
        )
    console.say(
        "training.compile: the first step takes minutes, for it makes a program of the network"
    )
    network = model.network if isinstance(model, Unrolled) else model
    network.compile(backend=BACKEND, dynamic=False)


def without_program(wanted: bool) -> AbstractContextManager[object]:
    """Return a context in which, if `wanted`, compiled networks compute as they are written.

    A program is made for one size of batch and for learning; another would take minutes more.
    """
    return torch.compiler.set_stance("force_eager") if wanted else nullcontext()
