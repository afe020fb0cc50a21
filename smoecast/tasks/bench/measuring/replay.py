"""A network's share of a command: its passes on the very inputs that the command gave it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from smoecast.tasks.bench.measuring.case import Work

Pass = tuple[Callable[..., Any], tuple[Any, ...]]
"""A network, and what it was called with."""


@contextmanager
def record_passes() -> Iterator[list[Pass]]:
    """Note every call of a whole network in the block, not those of its layers."""
    from torch.nn.modules import module as hooks

    seen: list[Pass] = []
    inside: list[Any] = []

    def enter(module: Any, given: tuple[Any, ...]) -> None:
        if not inside:
            seen.append((module, given))
        inside.append(module)

    def leave(*_: Any) -> None:
        inside.pop()

    handles = (
        hooks.register_module_forward_pre_hook(enter),
        hooks.register_module_forward_hook(leave),
    )
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def replay(seen: Sequence[Pass]) -> Work:
    """Return work that makes noted calls again, and nothing else."""
    import torch

    def work(_: object) -> None:
        with torch.no_grad():
            for network, given in seen:
                network(*given)

    return work
