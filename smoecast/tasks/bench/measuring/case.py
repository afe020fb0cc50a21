"""What is measured: a case has tasks, and a task is done in several ways, ours and its peers'.

The modules that describe cases load nothing heavy: what a way needs is loaded where it is made,
in the process that is measured.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

Work = Callable[[Path], object]
"""Does a task once. The path is an empty folder of its own, removed afterwards; what is returned is
for tests, which see that all ways make the same."""

OURS = "smoecast"
"""The way of a task that all peers are set beside."""


@dataclass(frozen=True)
class Setting:
    """Where and how a case runs.

    Attributes
    ----------
    folder : Path
        Of the made data.
    quick : bool
        Tiny data: to see that all of it works, not to measure.
    threads : int
        Of every process; 0: as many as each takes by itself.
    device : str
        What networks run on: cpu or cuda.
    dtype : str
        What they compute in: float32, bfloat16 or float16.
    """

    folder: Path
    quick: bool = False
    threads: int = 1
    device: str = "cpu"
    dtype: str = "float32"


@dataclass(frozen=True)
class Way:
    """One way to do a task.

    Attributes
    ----------
    make : callable
        Loads what the way needs and returns what does the task.
    needs : str
        The peer of `peers.PEERS` that must be installed.
    share : float
        Of the whole task that the work does: its time is divided by it.
    """

    make: Callable[[Setting], Work]
    needs: str = ""
    share: float = 1.0


@dataclass(frozen=True)
class Task:
    """One thing to be done.

    Attributes
    ----------
    ways : mapping
        By name.
    ours : tuple of str
        Which of them are smoecast's. The first is set beside every peer, the others beside the
        first peer.
    together : bool
        All ways in one process, each once untimed before it is timed, as in a loop: networks, whose
        memory is that of tensors. Else each way has a process, which says how much it holds.
    """

    ways: Mapping[str, Way]
    ours: tuple[str, ...] = (OURS,)
    together: bool = False

    def pairs(self) -> list[tuple[str, str]]:
        """Return which way of ours is set beside which peer."""
        peers = [name for name in self.ways if name not in self.ours]
        first, *others = self.ours
        return [(first, peer) for peer in peers] + [(other, peers[0]) for other in others]


@dataclass(frozen=True)
class Case:
    """What one word of the command line measures.

    Attributes
    ----------
    about : str
        In a few words.
    tasks : callable
        From a setting to tasks by name.
    make_data : callable, optional
        Writes the data of all tasks; called once, in a process of its own.
    rounds : int
        How often every task is done, unless more or fewer are wanted.
    around : callable
        A context around all tasks, in the process that measures: a server, say.
    uses_torch : bool
        Whether networks are run.
    """

    about: str
    tasks: Callable[[Setting], dict[str, Task]]
    make_data: Callable[[Setting], None] | None = None
    rounds: int = 5
    around: Callable[[Setting], AbstractContextManager[object]] = lambda _: nullcontext()
    uses_torch: bool = field(default=False, kw_only=True)
