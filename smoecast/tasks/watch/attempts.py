"""What fails in a warm process, and does not end it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """A piece of work that failed.

    Attributes
    ----------
    error : Exception
    sentence : str
        What is said of it.
    exit_code : int
        With which a command of its own would have ended.
    """

    error: Exception
    sentence: str
    exit_code: int


class Attempt(Protocol):
    """Does a piece of work; an error of smoecast or of the system is a failure of it alone."""

    def __call__(self, work: Callable[[], T]) -> T | Failure:
        """Return what the work returns, or how it failed; no signal is a failure."""
