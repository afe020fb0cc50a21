"""Every error that smoecast raises on purpose.

::

    SmoecastError                 1   unexpected
    ├── ConfigError               2   a config, a key or a command-line argument is wrong
    ├── InputError                3   data is missing, damaged or does not fit
    │   └── AbsentError           3   a file that was named is not there
    ├── NotPublishedError         4   the data does not exist yet: try later
    ├── OutputError               5   a result is incomplete or failed its verification
    ├── ModelError                6   a model refuses: wrong input, damaged weights, older schema
    ├── LockedError              75   another run holds the lock
    └── Interrupted           128 + n   signal n asked for an end; the same command goes on

Each message is one sentence that names the file, the thing and the mend.
"""

import signal


class SmoecastError(Exception):
    """Root of the tree; the command line prints the message and exits with `exit_code`."""

    exit_code: int = 1


class ConfigError(SmoecastError):
    """A config file, a key, an override or an argument is wrong."""

    exit_code = 2


class InputError(SmoecastError):
    """Input data is missing, damaged, or does not fit what was asked of it."""

    exit_code = 3


class AbsentError(InputError):
    """A file, or any file of a pattern, that was named is not there: it may still come."""


class NotPublishedError(SmoecastError):
    """The data is expected but not published yet; the same command may work later."""

    exit_code = 4


class OutputError(SmoecastError):
    """A result could not be written whole, or failed its verification."""

    exit_code = 5


class ModelError(SmoecastError):
    """A model refuses to load or to run on the given input."""

    exit_code = 6


class LockedError(SmoecastError):
    """Another run holds the lock on the same output."""

    exit_code = 75


class Interrupted(SmoecastError):  # noqa: N818  # like KeyboardInterrupt: a wish, no error
    """A signal asked for an end, and what was done so far is saved.

    Parameters
    ----------
    signum : int
        The signal; the exit code is 128 + signum, as shells report it.
    done : str
        What was saved, for the message.
    """

    def __init__(self, signum: int, done: str) -> None:
        name = signal.Signals(signum).name
        super().__init__(f"stopped by {name}: {done}; the same command goes on from there")
        self.exit_code = 128 + signum
