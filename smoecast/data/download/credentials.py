"""Files with keys and passwords: used as they are, with a word where others can read them."""

import os
import shlex
import stat
import threading
from pathlib import Path

from requests.utils import get_netrc_auth

from smoecast import console
from smoecast.disk.atomic import resolve

OTHERS = stat.S_IRWXG | stat.S_IRWXO

_told: set[Path] = set()
_lock = threading.Lock()


def warn_of_readers(path: Path) -> None:
    """Say once that others can read a file of credentials, or change it, and how to mend that.

    Parameters
    ----------
    path : Path
        Links are followed; one that is not there is nothing to warn of.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not mode & OTHERS:
        return
    with _lock:
        if path in _told:
            return
        _told.add(path)
    console.say(
        f"warning: {path} holds credentials and is open to others (mode "
        f"{stat.S_IMODE(mode):03o}): chmod 600 {shlex.quote(str(path))}",
        level="warning",
    )


def warn_of_netrc(url: str) -> None:
    """Do so for the file from which `requests` takes the password of an address, if it does."""
    named = os.environ.get("NETRC")
    places = [resolve(name) for name in ([named] if named else ["~/.netrc", "~/_netrc"])]
    there = next((path for path in places if path.exists()), None)
    if there is not None and get_netrc_auth(url) is not None:
        warn_of_readers(there)
