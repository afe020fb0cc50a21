"""The kernels of SMoE layers under Triton's interpreter, on the CPU, without a change elsewhere.

Triton decides when a kernel is defined whether it is compiled or interpreted. So the kernels are
imported a second time here, and the modules that others know stay what they are.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import ModuleType
from unittest.mock import patch

import pytest

ROOM = "smoecast.nn.smoe.kernels."
STANDARD = ("sum", "min", "max", "cumsum")
"""Functions of Triton that are kernels themselves."""


def _language(triton: ModuleType) -> list[tuple[object, dict[str, object]]]:
    """Return what the interpreter writes into, each with what is in it.

    It puts back what a kernel's call changed, but not what a function called within one did.
    """
    language = triton.language
    places = (language, language.core, language.math, language.tensor, language.core.dtype)
    return [(place, dict(vars(place))) for place in (*places, language.core.tensor_descriptor_base)]


def _restore(language: list[tuple[object, dict[str, object]]]) -> None:
    for place, before in language:
        for name in [n for n in vars(place) if n not in before]:
            delattr(place, name)
        for name, value in before.items():
            if vars(place)[name] is not value:
                setattr(place, name, value)


@contextmanager
def interpret_kernels() -> Iterator[dict[str, ModuleType]]:
    """Import the kernels for the interpreter; yield the modules by their short names."""
    why = "Triton is not installed: its wheels are for Linux on x86-64"
    triton = pytest.importorskip("triton", reason=why)
    interpreter = import_module("triton.runtime.interpreter")
    known = {name: module for name, module in sys.modules.items() if name.startswith(ROOM)}
    ours = {name for name in known if name != f"{ROOM}choice"}
    with ExitStack() as stack:
        stack.callback(_restore, _language(triton))
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
