"""Where every command begins and ends: whatever fails is one sentence and an exit code.

Nothing heavy is loaded here, so that an interrupt has its answer before the command line is loaded.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from smoecast import console

_state = {"interrupted": False, "debug": False}


def main() -> None:
    """Run the command line: the console script."""
    _reopen_streams()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else ignored, as by nohup
        signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = _unraisable
    with guard():
        from smoecast.cli.main import app

        try:
            app()
        except OSError as error:  # of help and version; what verbs print goes through `show`
            _end_without_printing(error)


def configure(*, debug: bool) -> None:
    """Have a failure show its traceback when `debug`, or when SMOECAST_DEBUG is set."""
    _state["debug"] = debug or os.environ.get("SMOECAST_DEBUG", "0") not in ("", "0")


@contextmanager
def guard() -> Iterator[None]:
    """End the process with one sentence and an exit code, whatever fails in the block.

    Raises
    ------
    SystemExit
        With an exit code of `smoecast.errors`, 130 after an interrupt, and 1 for what nobody
        foresaw.
    """
    try:
        yield
    except KeyboardInterrupt as problem:
        error: BaseException = problem
    except Exception as problem:  # noqa: BLE001  # the boundary: a user never sees a traceback
        # a library that was interrupted may make an error of its own of it
        error = KeyboardInterrupt() if _state["interrupted"] else problem
    else:
        return
    from smoecast.cli import failures

    if _state["debug"]:
        failures.trace(error)
    sentence, code = failures.explain(error)
    console.fail(sentence)
    raise SystemExit(code) from None


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


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt once; let a second signal end the process at once."""
    _state["interrupted"] = True
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise KeyboardInterrupt


def _unraisable(problem: "sys.UnraisableHookArgs") -> None:
    """Say nothing of what failed while objects died, where Python shows a traceback.

    An interrupt that came there would be lost: it ends the process.
    """
    if _state["interrupted"] and problem.exc_type is KeyboardInterrupt:
        from smoecast.cli import failures

        sentence, code = failures.explain(KeyboardInterrupt())
        console.fail(sentence)
        os._exit(code)
    if _state["debug"]:
        sys.__unraisablehook__(problem)
