"""The kernels of SMoE layers under Triton's interpreter, on the CPU, without a change elsewhere.

Triton decides when a kernel is defined whether it is compiled or interpreted. So the kernels are
imported a second time here, and the modules that others know stay what they are.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

ROOM = "smoecast.nn.smoe.kernels."
STANDARD = ("sum", "min", "max", "cumsum")
"""Functions of Triton that are kernels themselves."""


@contextmanager
def put_back(language: Any) -> Iterator[None]:
    """Leave Triton's language as it was: a kernel that is called by another changes it for good."""
    core = language.core
    owners = [language, core, language.math]
    owners += [core.tensor, core.dtype, core.tensor_descriptor_base]
    before = [dict(vars(owner)) for owner in owners]
    try:
        yield
    finally:
        for owner, known in zip(owners, before, strict=True):
            for name, value in dict(vars(owner)).items():
                if name not in known:
                    delattr(owner, name)
                elif value is not known[name]:
                    setattr(owner, name, known[name])


@contextmanager
def interpret_kernels() -> Iterator[dict[str, ModuleType]]:
    """Import the kernels for the interpreter; yield the modules by their short names."""
    why = "Triton is not installed: its wheels are for Linux on x86-64"
    triton = pytest.importorskip("triton", reason=why)
    interpreter = import_module("triton.runtime.interpreter")
    known = {name: module for name, module in sys.modules.items() if name.startswith(ROOM)}
    ours = {name for name in known if name != f"{ROOM}choice"}
    with ExitStack() as stack:
        stack.enter_context(put_back(triton.language))
        stack.enter_context(triton.knobs.runtime.scope())
        triton.knobs.runtime.interpret = True
        for name in STANDARD:
            function = getattr(triton.language, name)
            if not isinstance(function, interpreter.InterpretedFunction):
                again = interpreter.InterpretedFunction(function.fn)
                stack.enter_context(patch.object(triton.language, name, again))
        for name in ours:
            del sys.modules[name]
        try:
            import_module(f"{ROOM}offer")
            fresh = {name: m for name, m in sys.modules.items() if name.startswith(ROOM)}
        finally:
            for name in [n for n in sys.modules if n.startswith(ROOM)]:
                del sys.modules[name]
            sys.modules.update(known)
        yield {name.removeprefix(ROOM): module for name, module in fresh.items()}
