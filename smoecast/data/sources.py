"""Every source by name, and what each needs."""

from pathlib import Path
from typing import Any, Protocol

from smoecast import console
from smoecast.config import Config
from smoecast.data import era5, ncep, weatherbench
from smoecast.data.collect import Hooks, collect, is_held, today
from smoecast.data.manifest import Manifest
from smoecast.data.patience import Limits
from smoecast.data.remote import About, Remote, shown
from smoecast.errors import InputError


class Source(Protocol):
    """What a module of a source has."""

    ABOUT: About

    def list_files(self, config: Config) -> list[Remote]:
        """Return the files that hold the channels of a run; no network is asked."""

    def hooks(self, config: Config) -> Hooks:
        """Return what is done around a fetch."""


_MODULES: tuple[Source, ...] = (ncep, weatherbench, era5)
REMOTE: dict[str, Source] = {module.ABOUT.name: module for module in _MODULES}
"""Sources that are fetched over the network."""

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
    return [*_LOCAL, *(module.ABOUT for module in _MODULES)]


def fetch_all(config: Config) -> list[dict[str, Any]]:
    """Bring the raw files of a run to its folder; return their names, bytes and sha256.

    Raises
    ------
    SmoecastError
        See `data.collect.collect`, and what the source says of the config.
    """
    source = REMOTE[config.data.source]
    wishes = config.download
    limits = Limits(parallel=wishes.parallel, retry_seconds=60.0 * wishes.retry_minutes)
    console.say(f"{source.ABOUT.what}; licence: {source.ABOUT.licence}")
    paths = collect(source.list_files(config), config.raw, limits, source.hooks(config))
    manifest = Manifest(config.raw)
    return [
        {"file": path.name, "bytes": entry.bytes, "sha256": entry.sha256}
        for path in paths
        if (entry := manifest.get(path.name)) is not None
    ]


def fetched(config: Config) -> list[Path]:
    """Return the raw files of a run that are on disk, in order.

    A file that is not published yet may be missing.

    Raises
    ------
    InputError
        Another one is missing, or all are.
    """
    remotes = REMOTE[config.data.source].list_files(config)
    wanted = [(config.raw / name, remote) for remote in remotes for name in remote.kept]
    for path, remote in wanted:
        if not path.is_file() and not remote.may_come_after(today()):
            raise InputError(f"{path}: the file is not there yet: run `smoecast download`")
    found = [path for path, _ in wanted if path.is_file()]
    if not found:
        raise InputError(f"{config.raw}: no raw file is there yet: run `smoecast download`")
    return found


def plan(config: Config) -> list[dict[str, Any]]:
    """Return what would be fetched: name, address, bytes to expect and whether it is there."""
    manifest = Manifest(config.raw)
    return [
        {
            "file": " ".join(remote.kept),
            "url": shown(remote.url),
            "bytes": remote.size or remote.about,
            "there": is_held(manifest, remote),
        }
        for remote in REMOTE[config.data.source].list_files(config)
    ]
