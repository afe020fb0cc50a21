"""The same work for many items: here one after the other, or spread over worker processes."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from smoecast import console
from smoecast.config.run import Compute
from smoecast.errors import Interrupted, OutputError, SmoecastError

if TYPE_CHECKING:
    from distributed import Client, Future

AHEAD = 2
"""Items under way for each process: one is worked at, the other waits."""
LEAST_AHEAD = 16
"""Items under way on a cluster, which may grow only when there is work waiting."""

PATIENCE = 10.0
"""Seconds between two looks at whether there is a process left that works."""
LOOKS = 12
"""So often none may be there in a row; meanwhile they are started again."""

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741


_Told = tuple["Outcome[Any]", list[console.Line]]
"""What came of an item in a worker, and what was said meanwhile."""


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of an item.

    Attributes
    ----------
    value
        What the work returned.
    problem : SmoecastError or OSError, optional
        What it raised in the place of that.
    """

    value: T | None = None
    problem: SmoecastError | OSError | None = None

    def get(self) -> T:
        """Return the value, or raise the problem."""
        if self.problem is not None:
            raise self.problem
        return cast(T, self.value)


def is_spread(compute: Compute, count: int) -> bool:
    """Whether so many items are worth other processes than this one."""
    return bool(compute.scheduler) or (compute.workers > 1 and count > 1)


def spread(
    work: Callable[..., T], items: Sequence[I], compute: Compute, shared: object = None
) -> AbstractContextManager[Iterator[Outcome[T]]]:
    """Do the work for every item.

    In other processes only so many items are under way that memory stays flat. One whose process
    dies is given to another; one that kills several is tried once more with nobody beside it, so
    that no other item is blamed for it.

    Parameters
    ----------
    work : callable
        Takes an item, and `shared` if there is any. It can be pickled, as can what it returns.
    items : sequence
    compute : Compute
        In which processes. Where there is no item, none is started.
    shared : object, optional
        Sent to every process once.

    Returns
    -------
    context manager
        Of an iterator of what came of each item, in their order. What is left undone when the
        block ends is given up.

    Raises
    ------
    ConfigError
        No scheduler answers at the address.
    OutputError
        The cluster went away, or no process of this machine is left to work.
    """
    more = () if shared is None else (shared,)
    if items and is_spread(compute, len(items)):
        return _spread_over_processes(work, items, compute, more)
    return _one_by_one(work, items, more)


@contextmanager
def _one_by_one(
    work: Callable[..., T], items: Sequence[I], more: tuple[object, ...]
) -> Iterator[Iterator[Outcome[T]]]:
    yield (attempt(work, item, *more) for item in items)


def attempt(work: Callable[..., T], *arguments: object) -> Outcome[T]:
    """Do one piece of work here; a signal that was heard is none of its problems."""
    try:
        return Outcome(work(*arguments))
    except Interrupted:
        raise
    except (SmoecastError, OSError) as problem:
        return Outcome(problem=problem)


@contextmanager
def _spread_over_processes(
    work: Callable[..., T], items: Sequence[I], compute: Compute, more: tuple[object, ...]
) -> Iterator[Iterator[Outcome[T]]]:
    # Dask takes half a second to load
    from smoecast.tasks.fan_out.cluster import connect  # noqa: PLC0415

    with connect(compute) as client:
        window = _Window(client, compute)
        try:
            # in a list: of a dictionary Dask would make one thing for each key
            sent = client.scatter(list(more), broadcast=True) if more else []
            yield window.follow(work, items, sent)
        finally:
            window.give_up()


class _Window:
    """Items that are under way: not so many that what comes of them fills memory."""

    def __init__(self, client: "Client", compute: Compute) -> None:
        self.client, self.compute = client, compute
        self.under_way: deque[tuple[Any, Future[Any]]] = deque()
        self.said: set[console.Line] = set()
        if not client.nthreads():
            console.say(f"{compute.scheduler}: has no worker yet; the work waits for one")

    def follow(
        self, work: Callable[..., T], items: Sequence[I], more: Sequence["Future[Any]"]
    ) -> Iterator[Outcome[T]]:
        """Walk what comes of the items, sending more of them as there is room."""
        rest = iter(items)

        def send(item: I) -> "Future[Any]":
            return self.client.submit(_work_there, work, item, *more, pure=False)

        try:
            while True:
                room = self._most() - len(self.under_way)
                self.under_way += [(item, send(item)) for item in islice(rest, room)]
                if not self.under_way:
                    return
                item, future = self.under_way.popleft()
                outcome, lines = self._wait(future, partial(send, item))
                console.repeat([line for line in lines if line not in self.said])
                self.said |= {*lines}
                yield outcome
        except (CancelledError, OSError) as problem:  # of Dask: those of the work are in outcomes
            where = self.compute.scheduler or "the worker processes"
            raise OutputError(
                f"{where}: went away while there was work to do ({type(problem).__name__}): run "
                "the same command again for the rest"
            ) from None

    def _most(self) -> int:
        threads = sum(self.client.nthreads().values()) if self.compute.scheduler else 0
        return max(
            AHEAD * (threads or self.compute.workers), LEAST_AHEAD if self.compute.scheduler else 0
        )

    def _wait(self, future: "Future[Any]", again: "Callable[[], Future[Any]]") -> _Told:
        """Return what came of an item, and what was said meanwhile."""
        from distributed import KilledWorker  # noqa: PLC0415

        try:
            try:
                found: _Told = self._wait_patiently(future.result)
            except KilledWorker:
                for _, other in self.under_way:
                    self._wait_patiently(other.exception)
                found = self._wait_patiently(again().result)
        except KilledWorker:
            words = (
                "a worker process died several times at the same part: most likely memory ran out; "
                "take fewer workers (compute.workers), then run it again"
            )
            return Outcome(problem=OutputError(words)), []
        return found

    def _wait_patiently(self, ask: Callable[[float], Any]) -> Any:
        """Return what a future says, unless nobody is left to work at it.

        Processes of this machine are started again where all have died.

        Raises
        ------
        ConnectionError
            None of them comes.
        """
        from smoecast.tasks.fan_out.cluster import start_again  # noqa: PLC0415

        missed = 0
        while True:
            try:
                return ask(PATIENCE)
            except TimeoutError:
                if self.compute.scheduler or self.client.nthreads():
                    missed = 0
                    continue
                missed += 1
            if missed == LOOKS:
                raise ConnectionError("no process is left that works")
            start_again(self.client)

    def give_up(self) -> None:
        """Leave what is not done, and have workers that stay close what they opened."""
        from smoecast.tasks.fan_out import per_worker  # noqa: PLC0415

        # a cluster that is gone has nothing to be told
        with suppress(CancelledError, OSError, TimeoutError):
            self.client.cancel([future for _, future in self.under_way])
            if self.compute.scheduler:
                self.client.run(per_worker.release_soon, on_error="ignore")


def _work_there(
    work: Callable[..., T], *arguments: object
) -> tuple[Outcome[T], list[console.Line]]:
    """Do the work for an item in a worker; what is said goes back with what comes of it."""
    import dask  # noqa: PLC0415

    from smoecast.tasks.fan_out.per_worker import at_work  # noqa: PLC0415

    # what is lazy is computed in this thread: Dask would give it to other workers, who wait for us
    with at_work(), dask.config.set(scheduler="synchronous"), console.listen() as lines:
        return attempt(work, *arguments), lines
