"""Sources on the network: what is planned of them, fetched and found."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import xarray as xr

from smoecast import console
from smoecast.data.download.collect import Hooks, collect, is_complete, today
from smoecast.data.download.manifest import Manifest
from smoecast.data.download.partial_file import sweep_downloads
from smoecast.data.download.remote_file import About, RemoteFile, shown
from smoecast.data.download.retry import Limits
from smoecast.data.sources.source import Entry, R, Source
from smoecast.disk.locks import lock
from smoecast.errors import AbsentError

ListFiles = Callable[[R], list[RemoteFile]]
"""Returns the files that hold the channels of a run; no network is asked.

A source whose files follow from what `Hooks.discover` has brought gives an estimate before.
"""
MakeHooks = Callable[[R], Hooks]


def remote_source(
    about: About,
    list_files: ListFiles[R],
    hooks: MakeHooks[R],
    open_: Callable[[Sequence[Path], R], xr.Dataset],
    size: Callable[[R], dict[str, int]],
) -> Source[R]:
    """Return a source of files that are listed, fetched as its hooks say, and found by the list."""
    return Source(
        about,
        find=partial(find, list_files, hooks),
        open=open_,
        size=size,
        fetch=partial(fetch, about, list_files, hooks),
        plan=partial(plan, list_files),
        remote=True,
    )


def fetch(about: About, list_files: ListFiles[R], hooks: MakeHooks[R], asked: R) -> list[Entry]:
    """Bring the raw files of a run to its folder; return their names, bytes and sha256.

    Raises
    ------
    SmoecastError
        See `data.download.collect.collect`, and what the source says of the config.
    """
    settings, folder = asked.download, asked.folder
    limits = Limits(parallel=settings.parallel, retry_seconds=60.0 * settings.retry_minutes)
    list_files(asked)  # what the source lacks is said before the network is asked
    console.say(f"{about.what}; licence: {about.licence}")
    around = hooks(asked)
    around.discover(folder, limits)
    remotes = list_files(asked)
    with lock(folder):
        sweep_downloads(folder, (remote.name for remote in remotes))
    paths = collect(remotes, folder, limits, around)
    around.opened(paths)
    manifest = Manifest(folder)
    return [
        {"file": name, "bytes": entry.bytes, "sha256": entry.sha256}
        for remote in remotes
        for name in remote.final_names
        if (entry := manifest.get(name)) is not None
    ]


def find(list_files: ListFiles[R], hooks: MakeHooks[R], asked: R) -> list[Path]:
    """Return what is on disk of a run's raw files, in order, as `fields.read.open` opens it.

    A file that is not published yet may be missing.

    Raises
    ------
    AbsentError
        Another one is missing, or all are.
    """
    folder = asked.folder
    wanted = [(folder / name, r) for r in list_files(asked) for name in r.final_names]
    for path, remote in wanted:
        if not path.is_file() and not remote.may_come_after(today()):
            raise AbsentError(f"{path}: the file is not there yet: run `smoecast download`")
    found = [path for path, _ in wanted if path.is_file()]
    if not found:
        raise AbsentError(f"{folder}: no raw file is there yet: run `smoecast download`")
    return hooks(asked).opened(found)


def plan(list_files: ListFiles[R], asked: R) -> list[Entry]:
    """Return what would be fetched: name, address, bytes to expect and whether it is there."""
    manifest, rows = Manifest(asked.folder), dict[str, list[RemoteFile]]()
    for remote in list_files(asked):
        rows.setdefault(remote.series or " ".join(remote.final_names), []).append(remote)
    return [_row(name, like, manifest) for name, like in rows.items()]


def _row(name: str, like: list[RemoteFile], manifest: Manifest) -> Entry:
    """Return one row of a plan; of a series that has come in part, the bytes that are missing."""
    missing = [remote for remote in like if not is_complete(manifest, remote)]
    return {
        "file": name,
        "url": shown(like[0].url),
        "bytes": sum(remote.size or remote.about for remote in missing or like),
        "there": not missing,
    }
