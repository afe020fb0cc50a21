"""What a failure is called: one sentence, which names the thing and the mend, and an exit code."""

import errno
import os
import signal
import traceback
from pathlib import Path
from typing import Any

from smoecast import console
from smoecast.disk.leftovers import place_of
from smoecast.errors import ConfigError, InputError, OutputError, SmoecastError

MOST_LETTERS = 300
"""Of the message of an error that nobody foresaw."""

_REFUSED = (errno.EACCES, errno.EPERM)
_WRITING = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EEXIST),
    *(errno.ENOTEMPTY, errno.EMLINK, errno.EXDEV, errno.ETXTBSY),
)
"""What the system says only to who writes."""

_MENDS = {
    errno.ENOSPC: "make room there, or choose another folder, then run the same command again",
    errno.EDQUOT: "make room within your quota, or choose another folder, then run it again",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), then run it again",
    errno.EROFS: "choose a folder that can be written to",
    errno.EMFILE: "raise the limit on open files (ulimit -n), then run it again",
    errno.ENFILE: "close other programs, then run it again",
    errno.ENOENT: "bring it, or name another one",
}


def explain(error: BaseException, signum: int = 0) -> tuple[str, int]:
    """Return the sentence and the exit code of whatever ended a command.

    Parameters
    ----------
    error : BaseException
        Errors of `smoecast.errors` say both themselves.
    signum : int
        The signal that a KeyboardInterrupt stands for; 0: SIGINT.

    Returns
    -------
    tuple of str and int
        What the system refuses (OSError) is 5 where something was to be written: the system says
        so only to who writes (no room, read-only, too large, there already); or two names were
        given, a file on its way to its place; or leave was refused for what may be read, or for
        what is not there in a folder that may be looked into, so that it was to be made. Else
        something was to be read: 3. Lack of memory and whatever nobody foresaw is 1.
    """
    if isinstance(error, SmoecastError):
        return str(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return _of_signal(signum or signal.SIGINT)
    if isinstance(error, OSError):
        return _of_system(error)
    if _is_out_of_memory(error):
        return (
            f"memory ran out ({_line(error)}): end other programs, or ask for less at once "
            "(smaller batches, fewer workers)"
        ), SmoecastError.exit_code
    return _of_strangers(error)


def _of_signal(signum: int) -> tuple[str, int]:
    name = signal.Signals(signum).name
    words = "interrupted" if signum == signal.SIGINT else f"stopped by {name}"
    return f"{words}; the same command goes on where it can", 128 + signum


def _of_strangers(error: BaseException) -> tuple[str, int]:
    if hasattr(error, "format_message"):  # of the parser of the command line
        return _of_the_parser(error), ConfigError.exit_code
    if isinstance(error, RecursionError):
        return (
            "what was given is nested too deeply to be read: flatten it (--debug shows where)"
        ), SmoecastError.exit_code
    return (
        f"unexpected {type(error).__name__}: {_line(error)}; please report it to the developers "
        "of smoecast, with what the same command says with --debug"
    ), SmoecastError.exit_code


def _of_the_parser(error: Any) -> str:
    """Return what is wrong with what was typed, and which help says more."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "smoecast"
    said = _line(error.format_message()).rstrip(".")
    said = said.replace(". Did you mean", "; did you mean").replace(" (Possible", " (possible")
    return f"{said[:1].lower()}{said[1:]} (`{command} --help` says more)"


def trace(error: BaseException) -> None:
    """Print the traceback to stderr."""
    console.trace("".join(traceback.format_exception(error)))


def _of_system(error: OSError) -> tuple[str, int]:
    writing = _is_of_writing(error)
    name = error.filename2 if error.filename2 is not None else error.filename
    if isinstance(name, str | bytes):
        what = str(place_of(Path(os.fsdecode(name))))
    else:
        what = "a file" if error.errno else type(error).__name__
    if writing:
        mend = _MENDS.get(
            error.errno or 0, "allow writing there, or choose another place, then run it again"
        )
        return f"{what}: cannot be written ({_reason(error)}): {mend}", OutputError.exit_code
    mend = _MENDS.get(
        error.errno or 0, "allow reading it, or choose another one, then run it again"
    )
    return f"{what}: cannot be read ({_reason(error)}): {mend}", InputError.exit_code


def _is_of_writing(error: OSError) -> bool:
    """Whether the system refused to write, by the rule of `explain`."""
    if error.errno in _WRITING or error.filename2 is not None:
        return True
    if error.errno not in _REFUSED or not isinstance(error.filename, str | bytes):
        return False
    path = Path(os.fsdecode(error.filename))
    if os.path.lexists(path):
        return _may(path, os.R_OK | (os.X_OK if path.is_dir() else 0))
    return _may(path.parent, os.X_OK)


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out; torch says so in a RuntimeError."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in str(error) for words in ("can't allocate memory", "out of memory"))
    )


def _reason(error: OSError) -> str:
    return error.strerror or _line(error)


def _line(error: BaseException | str) -> str:
    """Return the message on one line, not too long."""
    text = " ".join(str(error).split())
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."
