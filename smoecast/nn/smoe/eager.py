"""Functions that torch.compile must step around."""

import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

_P = ParamSpec("_P")
_R = TypeVar("_R")


def run_eagerly(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a function that torch.compile steps around, as `torch.compiler.disable` has it.

    That loads the compiler as soon as it is called, which takes longer than a forecast; here it is
    called only where something else has loaded the compiler.
    """
    made: list[Callable[_P, _R]] = []

    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if "torch._dynamo" not in sys.modules:
            return function(*args, **kwargs)
        if not made:
            disable: Callable[[Callable[_P, _R]], Callable[_P, _R]] = torch.compiler.disable
            made.append(disable(function))
        return made[0](*args, **kwargs)

    call._torchdynamo_disable = True  # type: ignore[attr-defined]  # Dynamo looks for it
    return call
