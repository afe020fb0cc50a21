"""Where every command begins and ends: whatever fails is one sentence and an exit code.

Nothing heavy is loaded here, so that a signal has its answer before the command line is loaded.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from smoecast import console, signals

Close = Callable[[int, str], object]
"""Told the exit code and the sentence of a run that ends; a second call must change nothing."""


@dataclass
class _State:
    """What is known of this process.

    Attributes
    ----------
    signum : int
        The signal that asked for an end; 0 while none has.
    ending : bool
        Whether the run is being closed, which takes moments and goes on to its end.
    whole : bool
        Whether all that this process does is one command.
    """

    signum: int = 0
    ending: bool = False
    debug: bool = False
    whole: bool = False
    close: Close | None = None


_state = _State()


def main() -> None:
    """Run the command line: the console script."""
    _reopen_streams()
    _state.whole = True
    console.stamp(not sys.stderr.isatty())
    for signum in signals.SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:  # as by nohup
            signal.signal(signum, _interrupt)
    sys.unraisablehook = _unraisable
    with guard():
        from smoecast.cli.main import call

        try:
            call()
        except OSError as error:  # of help and version; what verbs print goes through `show`
            _end_without_printing(error)


def configure(*, debug: bool, close: Close | None = None) -> None:
    """Say what this command wants of its end.

    Parameters
    ----------
    debug : bool
        Have a failure show its traceback; so does SMOECAST_DEBUG.
    close : callable, optional
        Called once when the command fails or is stopped, with its exit code and its sentence.
    """
    _state.debug = debug or os.environ.get("SMOECAST_DEBUG", "0") not in ("", "0")
    _state.close, _state.ending = close, False
    console.on_death(_close)


def is_debug() -> bool:
    """Whether a failure shows its traceback."""
    return _state.debug


def is_whole_process() -> bool:
    """Whether this process was started for this command alone."""
    return _state.whole


@contextmanager
def guard() -> Iterator[None]:
    """End the process with one sentence and an exit code, whatever fails in the block.

    Raises
    ------
    SystemExit
        With an exit code of `smoecast.errors`, 128 + n after signal n, and 1 for what nobody
        foresaw.
    """
    try:
        yield
        if not _state.signum or _state.ending:
            return
        error: BaseException = KeyboardInterrupt()  # the signal came where nobody heard it
    except KeyboardInterrupt as problem:
        error = problem
    except SystemExit as problem:
        if not _state.signum or _state.ending:
            raise
        error = problem  # of a parser that was stopped
    except Exception as problem:  # noqa: BLE001  # the boundary: a user never sees a traceback
        error = problem
    _state.ending = True
    # a library that was stopped may make an error of its own of it
    _fail(KeyboardInterrupt() if _state.signum else error, error)


def _fail(error: BaseException, traced: BaseException) -> None:
    from smoecast.cli import failures

    if _state.debug:
        failures.trace(traced)
    sentence, code = failures.explain(error, _state.signum)
    console.fail(sentence)
    _close(code, sentence)
    raise SystemExit(code) from None


def _close(code: int, sentence: str) -> None:
    close, _state.close = _state.close, None
    if close is not None:
        close(code, sentence)


@contextmanager
def finish() -> Iterator[None]:
    """Close a run whose work is done: a signal in the block comes too late to change that."""
    _state.ending = True
    try:
        yield
    finally:
        _state.ending, _state.close = False, None


def show(text: str) -> None:
    """Print a result to stdout.

    Raises
    ------
    SystemExit
        It cannot be printed; a reader that has seen enough (``head``) is well.
    """
    try:
        console.result(text)
    except BrokenPipeError:
        console.drop(1)
    except OSError as error:
        _end_without_printing(error)


def _end_without_printing(error: OSError) -> None:
    console.drop(1)
    console.fail(
        f"standard output: the answer cannot be printed ({error.strerror}): what was written "
        "stays; run the same command again with another standard output"
    )
    raise SystemExit(5) from None


def _reopen_streams() -> None:
    """Give closed standard streams the null device, for the next file would get their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    # what the locale cannot say is spelt out, as Python does on stderr
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt once; let a second signal end the process at once."""
    while frame is not None:
        if frame.f_code is _unraisable.__code__:  # also from here it would be lost
            _send_again(signum)
            return
        frame = frame.f_back
    signals.give_way()
    if not _state.ending:
        _state.signum = signum
        raise KeyboardInterrupt


def _unraisable(problem: "sys.UnraisableHookArgs") -> None:
    """Say nothing of what failed while objects died, where Python shows a traceback.

    A signal that came there would be lost: it is sent again.
    """
    if _state.signum and problem.exc_type is KeyboardInterrupt:
        _send_again(_state.signum)
    elif _state.debug:
        sys.__unraisablehook__(problem)


def _send_again(signum: int) -> None:
    signal.signal(signum, _interrupt)
    again = threading.Timer(0.01, os.kill, (os.getpid(), signum))
    again.daemon = True
    again.start()
