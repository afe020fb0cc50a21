"""Bringing the files of a source to a folder: what is there and right is skipped."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from smoecast import console
from smoecast.data.download.fetch import fetch
from smoecast.data.download.http import NotOnServerError
from smoecast.data.download.manifest import Entry, Manifest, entry_of
from smoecast.data.download.partial_file import PartialFile
from smoecast.data.download.ranges import fetch_pieces
from smoecast.data.download.remote_file import RemoteFile, shown
from smoecast.data.download.retry import Limits, RetryBudget, RetryBudgetError
from smoecast.disk.confine import confine
from smoecast.disk.locks import lock
from smoecast.errors import InputError, NotPublishedError
from smoecast.fields.read.netcdf import hdf5
from smoecast.fields.read.netcdf.classic import MAGIC


def check_netcdf(path: Path, remote: RemoteFile) -> dict[str, Any]:
    """Refuse what is no NetCDF; return no notes. A hook of `data.download.collect`.

    Raises
    ------
    InputError
        Servers and proxies answer with pages of their own, complete and with status 200.
    """
    with path.open("rb") as file:
        begin = file.read(4)
    if begin != hdf5.MAGIC and begin not in MAGIC:
        page = " but a web page" if begin.lstrip()[:1] == b"<" else ""
        raise InputError(
            f"{shown(remote.url)}: what came is no NetCDF{page}: open the address in a browser, "
            "and use another mirror (download.url) if it asks you something"
        )
    return {}


@dataclass(frozen=True)
class Hooks:
    """What a source does before and after a file is fetched.

    Attributes
    ----------
    discover : callable
        Given the folder and the limits of the download, asks the network for what the source must
        know before it can list its files, such as the newest start, and keeps it in the folder.
    locate : callable
        Given a file and the patience of the download, returns the places where it may be, best
        first; may wait until the source has prepared it. Asked for the next one only if the one
        before could not be fetched.
    part : callable
        Given the path of a part and its `RemoteFile`, returns what takes the bytes as they come; it
        may keep fewer than come.
    unpack : callable
        Given an archive and its `RemoteFile`, yields the name and a whole temporary file beside it
        for each of `RemoteFile.gives`.
    inspect : callable
        Given a whole fetched file and its `RemoteFile`, returns notes for the manifest; raises
        InputError if the file is not what was asked for.
    opened : callable
        Given all files of a run that are there, looks at them together and returns the paths that
        `fields.read.open` opens; raises InputError if they are no data to work with.
    """

    discover: Callable[[Path, Limits], None] = lambda folder, limits: None
    locate: Callable[[RemoteFile, RetryBudget], Iterable[RemoteFile]] = lambda remote, patience: [
        remote
    ]
    part: Callable[[Path, RemoteFile], PartialFile] = lambda path, remote: PartialFile(path)
    unpack: Callable[[Path, RemoteFile], Iterable[tuple[str, Path]]] = lambda path, remote: ()
    inspect: Callable[[Path, RemoteFile], dict[str, Any]] = lambda path, remote: {}
    opened: Callable[[Sequence[Path]], list[Path]] = list


def today() -> date:
    """Return the day in UTC."""
    return datetime.now(UTC).date()


def collect(
    remotes: Sequence[RemoteFile], folder: Path, limits: Limits, hooks: Hooks | None = None
) -> list[Path]:
    """Fetch what is missing or out of date, several files at once.

    Files that are not published yet do not keep the others from coming.

    Parameters
    ----------
    remotes : sequence of RemoteFile
        The files of a run.
    folder : Path
        Of the raw files; made if missing, and held by this process alone meanwhile.
    limits : Limits
        For all files together.
    hooks : Hooks, optional
        Of the source.

    Returns
    -------
    list of Path
        Every file that is kept, in order.

    Raises
    ------
    NotPublishedError
        At least one file does not exist yet; all the others are there.
    InputError, OutputError
        See `data.download.fetch.fetch`; the others end at their next chunk and keep what has come.
    LockedError
        Another process fetches to the same folder.
    """
    patience = RetryBudget(limits)
    with lock(folder):
        manifest = Manifest(folder)
        missing = [r for r in remotes if not is_complete(manifest, r)]
        with console.progress("fetching files", max(len(missing), 1)) as step:
            work = _Collection(folder, manifest, hooks or Hooks(), patience, step)
            late = _do_all(work.collect_one, missing, patience)
    if late:
        more = f" (and {len(late) - 1} more)" if len(late) > 1 else ""
        there = len(remotes) - len(late)
        raise NotPublishedError(f"{late[0]}{more}; {there} of {len(remotes)} files are there")
    return [folder / name for remote in remotes for name in remote.final_names]


def is_complete(manifest: Manifest, remote: RemoteFile) -> bool:
    """Whether nothing has to be asked of the source for this file."""
    return all(manifest.holds(name) for name in remote.final_names) and not _stale(manifest, remote)


def _stale(manifest: Manifest, remote: RemoteFile) -> bool:
    """Whether the source may by now have another version than the one that was fetched."""
    entry = manifest.get(remote.final_names[0])
    if entry is None or remote.final is None or entry.notes.get("preliminary") == 0:
        return False
    return entry.day < remote.final and (remote.grows or today() >= remote.final)


def _do_all(
    work: Callable[[RemoteFile], None], remotes: Sequence[RemoteFile], patience: RetryBudget
) -> list[NotPublishedError]:
    """Do the work for every file; return what is not published yet, raise what else fails."""
    late = []
    with ThreadPoolExecutor(max_workers=patience.limits.parallel) as pool:
        futures = [pool.submit(work, remote) for remote in remotes]
        try:
            for future in as_completed(futures):
                try:
                    future.result()
                except NotPublishedError as error:
                    late.append(error)
        except BaseException:
            patience.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return sorted(late, key=str)


class _Collection:
    """What all files of a download share, and how each of them comes."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        hooks: Hooks,
        patience: RetryBudget,
        step: console.Progress,
    ) -> None:
        self.folder, self.manifest, self.hooks = folder, manifest, hooks
        self.patience, self._step, self._lock = patience, step, threading.Lock()
        self._done: dict[str, tuple[float, int]] = {}
        self._total, self._sum = 0.0, 0

    def _tell(self, name: str, done: int, total: int | None) -> None:
        """Add up the shares and the bytes of files, from several threads."""
        share = min(done / total, 1.0) if total else 0.0
        with self._lock:
            before = self._done.get(name, (0.0, 0))
            self._total += share - before[0]
            self._sum += done - before[1]
            self._done[name] = share, done
            self._step(round(self._total, 2), f"{self._sum / 1e6:.0f} MB")

    def collect_one(self, remote: RemoteFile) -> None:
        """Bring one file, and what it holds, to the folder."""
        path = confine(self.folder, remote.name)
        if not self.manifest.holds(remote.name) or _stale(self.manifest, remote):
            path.parent.mkdir(parents=True, exist_ok=True)  # a name may lead into a folder
            self._try_places(remote, path)
        if remote.gives:
            self._unpack(remote)
        self._tell(remote.name, 1, 1)

    def _unpack(self, remote: RemoteFile) -> None:
        """Put what an archive holds in its place; a damaged archive does not stay either.

        What is noted of the archive is noted of all that it gives.
        """
        path, archive = self.folder / remote.name, self.manifest.get(remote.name)
        notes = archive.notes if archive is not None else {}
        try:
            for name, temporary in self.hooks.unpack(path, remote):
                place = confine(self.folder, name)
                self.manifest.add(name, entry_of(temporary, shown(remote.url), notes=notes))
                temporary.replace(place)
                self.patience.check()
        except InputError:
            path.unlink(missing_ok=True)
            raise
        path.unlink()

    def _try_places(self, remote: RemoteFile, path: Path) -> None:
        """Fetch from the first place that has the file."""
        problem: InputError | None = None
        for place in self.hooks.locate(remote, self.patience):
            if problem is not None:
                console.say(f"{problem}; trying another way")
            try:
                self._fetch(place, path)
                return
            except RetryBudgetError:
                raise
            except NotOnServerError as error:
                problem = InputError(f"{error}, {place.absent}") if place.absent else error
            except InputError as error:
                problem = error
        raise problem or InputError(f"{remote.name}: the source names no place where it is")

    def _fetch(self, place: RemoteFile, path: Path) -> None:
        manifest = self.manifest
        known = manifest.get(place.name) if manifest.holds(place.name) else None
        part = self.hooks.part(confine(path.parent, f"{path.name}.part"), place)

        def record(entry: Entry) -> None:
            notes = self.hooks.inspect(part.path, place)
            manifest.add(place.name, replace(entry, notes=notes))

        get = (
            partial(fetch_pieces, pieces=place.pieces)
            if place.pieces
            else partial(
                fetch,
                part=part,
                size=place.size,
                checksum=place.checksum,
                known=known if place.grows else None,
            )
        )
        entry = get(
            place.url,
            path,
            mirrors=place.mirrors,
            missing=NotPublishedError if place.may_come_after(today()) else InputError,
            patience=self.patience,
            progress=lambda done, total: self._tell(place.name, done, total or place.about),
            record=record,
        )
        if entry is known:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            manifest.add(place.name, replace(entry, fetched=now))
