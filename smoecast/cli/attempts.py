"""Work in a process that goes on: what fails is one sentence, as at the end of a command."""

from collections.abc import Callable, Mapping
from typing import Any

from smoecast.cli import failures, metrics
from smoecast.errors import Interrupted, SmoecastError
from smoecast.tasks.watch.attempts import Failure, T


def attempt(work: Callable[[], T], *, debug: bool = False) -> T | Failure:
    """Do a piece of work; return what it returns, or how it failed.

    What nobody foresaw is no failure of one piece of work: it ends the process, as any command.

    Parameters
    ----------
    work : callable
    debug : bool
        Whether a failure shows its traceback.
    """
    try:
        return work()
    except Interrupted:
        raise
    except (SmoecastError, OSError, MemoryError) as error:
        if debug:
            failures.trace(error)
        sentence, code = failures.explain(error)
        return Failure(error, sentence, code)


class MetricsOfAll:
    """A file of metrics that holds the last run of every verb.

    Parameters
    ----------
    name : str, optional
        Of the file; none: there is none.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._last: dict[str, Mapping[str, Any]] = {}

    def publish(self, record: Mapping[str, Any]) -> None:
        """Write the file anew with what a run says of itself."""
        self._last[record["verb"]] = record
        if self._name is not None:
            metrics.write(self._name, *self._last.values())
