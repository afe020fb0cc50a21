"""What `--keep` removes: what smoecast made here, and what is so much older than the newest.

Ages are counted from the newest of the same kind and not from the clock of this machine: one that
goes wrong removes nothing, and the newest always stays.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from smoecast import console
from smoecast.disk.dated import list_dated, older
from smoecast.disk.leftovers import remove
from smoecast.disk.locks import lock_output
from smoecast.disk.read_locks import unread
from smoecast.errors import ConfigError, LockedError
from smoecast.fields.read.results import read_attributes
from smoecast.run_record import FOLDER, NAME, START
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.provenance import IDENTITY, config_beside


def check_keep(name: OutputName, keep: np.timedelta64 | None) -> None:
    """Refuse to remove results that have no names of their own.

    Raises
    ------
    ConfigError
        All starts stand in one file.
    """
    if keep is not None and not name.is_pattern:
        raise ConfigError(
            f"{name.text}: --keep removes the files of old starts, but here all are in one: name "
            "it as fc_{init_time:%Y%m%d%H}.nc"
        )


def remove_results(name: OutputName, keep: np.timedelta64) -> list[Path]:
    """Remove results whose start is so much older than that of the newest one.

    Parameters
    ----------
    name : OutputName
        A pattern. What has such a name and is no result of smoecast stays, as does one that is
        being read or made.
    keep : timedelta64

    Returns
    -------
    list of Path
        What was removed; the config beside each went with it.
    """
    found = [(path, start) for path, start in name.find() if IDENTITY in read_attributes(path)]
    removed = []
    for path in older(found, keep):
        try:
            with lock_output(path):
                if path.is_dir():
                    with unread(path):
                        remove(path)
                else:
                    remove(path)
                remove(config_beside(path))
        except LockedError:
            continue
        removed.append(path)
    return removed


def remove_records(folder: Path, keep: np.timedelta64) -> list[Path]:
    """Remove the records of runs that began so much earlier than the newest; return which."""
    now = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "s")
    # what a clock that went ahead has dated makes nothing old
    past = [(p, when) for p, when in list_dated(folder / FOLDER, NAME, START) if when <= now]
    gone = older(past, keep)
    for path in gone:
        remove(path)
    return gone


def tell(removed: list[Path], keep: np.timedelta64) -> None:
    """Say how many files went."""
    if removed:
        days = keep / np.timedelta64(1, "D")
        console.say(f"{len(removed)} files older than {days:g} days removed (--keep)")
