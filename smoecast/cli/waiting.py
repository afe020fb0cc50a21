"""Waiting for input that is not there yet, and how old it may be."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from smoecast import console
from smoecast.errors import AbsentError, ConfigError, NotPublishedError

if TYPE_CHECKING:
    import numpy as np

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
LONGEST = 100 * 365 * 86400.0
"""Seconds."""


def seconds_of(text: str, option: str) -> float:
    """Return a duration that was typed, in seconds.

    Parameters
    ----------
    text : str
        Such as ``90m``, ``2h``, ``30d``.
    option : str
        For the message.

    Raises
    ------
    ConfigError
        It is none, or longer than a hundred years.
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 0 < seconds <= LONGEST:
        raise ConfigError(f"{option} {text}: is no time to wait: write 45s, 90m, 2h or 30d")
    return seconds


def oldest(max_age: str | None) -> "np.datetime64 | None":
    """Return what `--max-age` says that the newest input may be; None where it says nothing.

    Raises
    ------
    ConfigError
        See `seconds_of`.
    """
    import numpy as np

    if max_age is None:
        return None
    limit = datetime.now(UTC) - timedelta(seconds=seconds_of(max_age, "--max-age"))
    return np.datetime64(limit.replace(tzinfo=None), "s")


def parse_keep(keep: str | None) -> "np.timedelta64 | None":
    """Return how much older than the newest what is kept may be; None: all is kept.

    Raises
    ------
    ConfigError
        See `seconds_of`.
    """
    import numpy as np

    return None if keep is None else np.timedelta64(round(seconds_of(keep, "--keep")), "s")


def wait_for_input(
    task: Callable[[], dict[str, Any]], wait: str | None, sleep: Callable[[float], None]
) -> dict[str, Any]:
    """Call a task again until its input is there, or for so long as `--wait` says.

    Parameters
    ----------
    task : callable
        Raises what ends the waiting, or that its input is not there.
    wait : str, optional
        None: it is called once.
    sleep : callable
        `time.sleep`.

    Raises
    ------
    NotPublishedError
        The input did not come.
    ConfigError
        See `seconds_of`.
    """
    if wait is None:
        return task()
    seconds = seconds_of(wait, "--wait")
    end, pause, told = time.monotonic() + seconds, min(60.0, max(1.0, seconds / 60)), False
    while True:
        try:
            return task()
        except (NotPublishedError, AbsentError) as problem:
            left = end - time.monotonic()
            if left <= 0:
                raise NotPublishedError(f"{problem} (waited {wait} for it)") from None
            if not told:
                console.say(f"{problem}: waiting up to {wait}")
                told = True
            sleep(min(pause, left))
