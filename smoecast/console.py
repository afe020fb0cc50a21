"""What a person sees: results on stdout, progress and logs on stderr.

Bars appear only on a terminal; elsewhere (cron, a pipe, a batch job) plain lines with an ETA, which
the command line begins with the time in UTC, or writes as one JSON object each (``--log-json``).
`NO_COLOR` and ``--quiet`` are honoured.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn, Protocol

_LINE_SECONDS = 15.0
"""Plain progress lines come at most this often."""

_COMMANDS = {*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")}
_ORDERS = {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_UNSEEN = dict.fromkeys(_COMMANDS | _ORDERS, "?")
"""Signs that command a terminal, or turn the order of what it shows."""

_state = {"quiet": False, "mute": False, "stamp": False, "json": False}
_about = {"verb": ""}
_last_words: list[Callable[[int, str], object]] = []

Line = tuple[str, str, str]
"""Text, level and prefix of what is said."""
_listening: list[list[Line]] = []


def configure(*, quiet: bool, log_json: bool = False, verb: str = "") -> None:
    """Say how this process speaks.

    Parameters
    ----------
    quiet : bool
        Nothing on stderr but errors, and no results.
    log_json : bool
        Each line on stderr is a JSON object: ``time``, ``level``, ``verb``, ``message``.
    verb : str
        Of the command line.
    """
    _state["quiet"], _state["json"], _about["verb"] = quiet, log_json, verb
    if quiet or log_json or _state["stamp"]:
        _speak_for_others()


def stamp(wanted: bool) -> None:
    """Begin each plain line on stderr with the time in UTC, or do not."""
    _state["stamp"] = wanted


def mute() -> None:
    """Let another process of the same run speak; of this one errors alone are shown."""
    _state["quiet"] = _state["mute"] = True


def is_mute() -> bool:
    """Whether another process of the same run speaks for this one."""
    return _state["mute"]


def say(text: str, level: str = "info") -> None:
    """Print one line of progress or log to stderr, unless quiet."""
    if not _state["quiet"]:
        _note(text, level)


def result(text: str) -> None:
    """Print a result to stdout."""
    if not _state["mute"]:
        print(_show(text), flush=True)


def warn(text: str) -> None:
    """Print to stderr, quiet or not, on one line, what is wrong and ends no run."""
    _note(" ".join(text.splitlines()), "warning", "smoecast: ")


def fail(text: str) -> None:
    """Print an error to stderr, quiet or not, on one line."""
    _note(" ".join(text.splitlines()), "error", "smoecast: ")


def on_death(call: Callable[[int, str], object]) -> None:
    """Say what `die` calls, with the exit code and the sentence."""
    _last_words[:] = [call]


def die(text: str, exit_code: int) -> NoReturn:
    """Print an error and end the process at once, from any thread: nothing is cleaned up."""
    fail(text)
    for call in _last_words:
        call(exit_code, text)
    os._exit(exit_code)


def trace(text: str) -> None:
    """Print a traceback to stderr, quiet or not, as it is."""
    _note(text.rstrip("\n"), "debug")


def _speak_for_others() -> None:
    """Have warnings of Python and logs of libraries said as everything else is."""
    import logging  # noqa: PLC0415
    import warnings  # noqa: PLC0415

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        say(f"{category.__name__}: {' '.join(str(message).split())}", level="warning")

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say(f"{record.name}: {record.getMessage()}", level=record.levelname.lower())

    warnings.showwarning = show
    logging.lastResort = Handler(logging.WARNING)


@contextmanager
def listen() -> Iterator[list[Line]]:
    """Keep what is said in the block, for another process to `repeat`; nothing is printed."""
    heard: list[Line] = []
    _listening.append(heard)
    try:
        yield heard
    finally:
        _listening.remove(heard)


def is_heard() -> bool:
    """Whether what is said here is kept for another process."""
    return bool(_listening)


def repeat(lines: Iterable[Line]) -> None:
    """Say what another process said to this one."""
    for text, level, prefix in lines:
        if prefix or not _state["quiet"]:
            _note(text, level, prefix)


def drop(number: int) -> None:
    """Let a standard stream that takes no more lead nowhere: Python would fail again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


def _note(text: str, level: str, prefix: str = "") -> None:
    """Print to stderr; where it is full or gone, no run is given up for that."""
    if _listening:
        _listening[-1].append((text, level, prefix))
        return
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if _state["json"]:
        import json  # noqa: PLC0415  # for few

        line = json.dumps({"time": now, "level": level, **_about, "message": text})
    else:
        line = f"{now} {prefix}{text}" if _state["stamp"] else f"{prefix}{text}"
    try:
        print(_show(line), file=sys.stderr, flush=True)
    except OSError:
        drop(2)


def _show(text: str) -> str:
    """Return text as it may go to a terminal, whoever wrote it: files and servers have names."""
    return text.translate(_UNSEEN)


class Progress(Protocol):
    """What a task calls as it goes on."""

    def __call__(self, done: float, note: str = "", *, begun: float = 0.0) -> None:
        """Say that `done` of the total is done, with a short note such as the last loss.

        `begun` was done before, by an earlier run: the ETA does not count it.
        """


class _Lines:
    """Plain lines with an ETA, at most one every `_LINE_SECONDS`."""

    def __init__(self, what: str, total: float) -> None:
        self.what, self.total = what, total
        self.start = self.last = time.monotonic()

    def __call__(self, done: float, note: str = "", *, begun: float = 0.0) -> None:
        now = time.monotonic()
        if now - self.last < _LINE_SECONDS or done <= begun:
            return
        self.last = now
        left = (now - self.start) * (self.total - done) / (done - begun)
        share = f"{done:.0%}" if self.total == 1 else f"{round(done, 2):g} of {self.total:g}"
        say(f"{self.what}: {share}, {clock(left)} left{note and ', ' + note}")


@contextmanager
def progress(what: str, total: float) -> Iterator[Progress]:
    """Show progress of `what` towards `total`; yields a function to call with what is done."""
    if _state["quiet"] or _state["json"] or not sys.stderr.isatty():
        yield _Lines(what, total)
        return
    # rich is imported only where a terminal shows its bar
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total, note="")

        def show(done: float, note: str = "", *, begun: float = 0.0) -> None:
            if begun and bar.tasks[0].completed < begun:
                bar.reset(task, total=total, completed=int(begun), note=note)
            bar.update(task, completed=done, note=note)

        yield show


def clock(seconds: float) -> str:
    """Return a duration as a person says it: ``42 s``, ``3 min 5 s``, ``1 h 20 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def volume(count: float) -> str:
    """Return bytes as a person says them: ``12 bytes``, ``3.4 MB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"
