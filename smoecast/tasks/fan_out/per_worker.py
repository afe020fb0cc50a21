"""What a worker process opens once and keeps for the pieces of work that follow."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import uuid4

T_co = TypeVar("T_co", covariant=True)

IDLE = 300.0
"""Seconds without work after which what is kept is closed: whoever asked for it may have died."""


@dataclass
class _State:
    """What this process keeps, and who may close it."""

    key: str = ""
    value: Any = None
    held: ExitStack = field(default_factory=ExitStack)
    timer: threading.Timer | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)


_state = _State()


@dataclass(frozen=True)
class PerWorker(Generic[T_co]):
    """Something that every worker opens for itself, once; it can be pickled.

    Attributes
    ----------
    open : callable
        Opens it; can be pickled.
    key : str
        Tells it from what was opened before in the same process.
    """

    open: Callable[[], AbstractContextManager[T_co]]
    key: str = field(default_factory=lambda: uuid4().hex)

    def get(self) -> T_co:
        """Return what is kept; it is opened first where this process keeps another thing or none.

        To be called within `at_work`. Raises what `open` raises.
        """
        if _state.key != self.key:
            _close()
            with ExitStack() as opened:
                _state.value = opened.enter_context(self.open())
                _state.held, _state.key = opened.pop_all(), self.key
        value: T_co = _state.value
        return value


@contextmanager
def at_work() -> Iterator[None]:
    """Have no other thread of this process at work, nor close what is kept, in the block."""
    with _state.lock:
        if _state.timer is not None:
            _state.timer.cancel()
        try:
            yield
        finally:
            _state.timer = threading.Timer(IDLE, release)
            _state.timer.daemon = True
            _state.timer.start()


def release_soon() -> None:
    """Close what this process keeps when its work in hand is done; whoever asks does not wait."""
    threading.Thread(target=release, daemon=True).start()


def release() -> None:
    """Close what this process keeps."""
    with _state.lock:
        if _state.timer is not None:
            _state.timer.cancel()
        _close()


def _close() -> None:
    held, _state.held = _state.held, ExitStack()
    _state.key, _state.value = "", None
    held.close()
