"""Every source by name, and what each needs."""

from pathlib import Path
from typing import Any, Literal, Protocol

from smoecast import console
from smoecast.config.run import Config
from smoecast.data.download.collect import Hooks, collect, is_complete, today
from smoecast.data.download.manifest import Manifest
from smoecast.data.download.partial_file import sweep_downloads
from smoecast.data.download.remote_file import ENSEMBLES, About, RemoteFile, shown
from smoecast.data.download.retry import Limits
from smoecast.data.sources import ncep, weatherbench
from smoecast.data.sources.ens10 import source as ens10_source
from smoecast.data.sources.era5 import source as era5_source
from smoecast.data.sources.opendata import analyses, ensembles
from smoecast.data.sources.weatherbench2 import source as weatherbench2_source
from smoecast.disk.locks import lock
from smoecast.errors import InputError


class Source(Protocol):
    """What a module of a source has."""

    ABOUT: About

    def list_files(self, config: Config) -> list[RemoteFile]:
        """Return the files that hold the channels of a run; no network is asked.

        A source whose files follow from what `Hooks.survey` has brought gives an estimate before.
        """

    def hooks(self, config: Config) -> Hooks:
        """Return what is done around a fetch."""


_MODULES: tuple[Source, ...] = (ncep, weatherbench, weatherbench2_source, era5_source, analyses)
REMOTE: dict[str, Source] = {module.ABOUT.name: module for module in _MODULES}
"""Sources of analyses that are fetched over the network."""

_ENSEMBLES: tuple[Source, ...] = (ens10_source, ensembles)
REMOTE_ENSEMBLES: dict[str, Source] = {module.ABOUT.name: module for module in _ENSEMBLES}
"""Sources of ensemble forecasts (`postprocess.source`) that are fetched over the network."""

Kind = Literal["analyses", "ensembles"]
KINDS: tuple[Kind, ...] = ("analyses", "ensembles")

_LOCAL = (
    About(
        "planet",
        "a simulated planet, 32 x 64 points, with ensemble forecasts; never real weather",
        "up to 84 MB a year of analyses",
        "none: made on your machine",
        "nothing",
    ),
    About("files", "NetCDF or GRIB that you have", "as you have it", "as you got it", "data.files"),
)


def about() -> list[About]:
    """Return every source, the quickest to use first."""
    return [*_LOCAL, *(module.ABOUT for module in (*_MODULES, *_ENSEMBLES))]


def name_of(config: Config, kind: Kind) -> str:
    """Return the source of a run's analyses or ensembles by name."""
    return config.data.source if kind == "analyses" else config.postprocess.source


def is_remote(config: Config, kind: Kind) -> bool:
    """Whether a run has analyses or ensembles that are fetched over the network."""
    return name_of(config, kind) in (REMOTE if kind == "analyses" else REMOTE_ENSEMBLES)


def folder_of(config: Config, kind: Kind) -> Path:
    """Return where the fetched files of a kind are: apart, each beside a manifest of its own."""
    return config.raw if kind == "analyses" else config.raw / ENSEMBLES


def _source(config: Config, kind: Kind) -> Source:
    return (REMOTE if kind == "analyses" else REMOTE_ENSEMBLES)[name_of(config, kind)]


def fetch_all(config: Config, kind: Kind = "analyses") -> list[dict[str, Any]]:
    """Bring the raw files of a run to its folder; return their names, bytes and sha256.

    Raises
    ------
    SmoecastError
        See `data.download.collect.collect`, and what the source says of the config.
    """
    source, folder, wishes = _source(config, kind), folder_of(config, kind), config.download
    limits = Limits(parallel=wishes.parallel, retry_seconds=60.0 * wishes.retry_minutes)
    source.list_files(config)  # what the source lacks is said before the network is asked
    console.say(f"{source.ABOUT.what}; licence: {source.ABOUT.licence}")
    hooks = source.hooks(config)
    hooks.survey(folder, limits)
    remotes = source.list_files(config)
    with lock(folder):
        sweep_downloads(folder, (remote.name for remote in remotes))
    paths = collect(remotes, folder, limits, hooks)
    hooks.opened(paths)
    manifest = Manifest(folder)
    return [
        {"file": name, "bytes": entry.bytes, "sha256": entry.sha256}
        for remote in remotes
        for name in remote.final_names
        if (entry := manifest.get(name)) is not None
    ]


def find_raw_files(config: Config, kind: Kind = "analyses") -> list[Path]:
    """Return what is on disk of a run's raw files, in order, as `fields.read.open` opens it.

    A file that is not published yet may be missing.

    Raises
    ------
    InputError
        Another one is missing, or all are.
    """
    source, folder = _source(config, kind), folder_of(config, kind)
    wanted = [(folder / name, r) for r in source.list_files(config) for name in r.final_names]
    for path, remote in wanted:
        if not path.is_file() and not remote.may_come_after(today()):
            raise InputError(f"{path}: the file is not there yet: run `smoecast download`")
    found = [path for path, _ in wanted if path.is_file()]
    if not found:
        raise InputError(f"{folder}: no raw file is there yet: run `smoecast download`")
    return source.hooks(config).opened(found)


def plan(config: Config, kind: Kind = "analyses") -> list[dict[str, Any]]:
    """Return what would be fetched: name, address, bytes to expect and whether it is there."""
    manifest, rows = Manifest(folder_of(config, kind)), dict[str, list[RemoteFile]]()
    for remote in _source(config, kind).list_files(config):
        rows.setdefault(remote.series or " ".join(remote.final_names), []).append(remote)
    return [_row(name, like, manifest) for name, like in rows.items()]


def _row(name: str, like: list[RemoteFile], manifest: Manifest) -> dict[str, Any]:
    """Return one row of a plan; of a series that has come in part, the bytes that are missing."""
    missing = [remote for remote in like if not is_complete(manifest, remote)]
    return {
        "file": name,
        "url": shown(like[0].url),
        "bytes": sum(remote.size or remote.about for remote in missing or like),
        "there": not missing,
    }
