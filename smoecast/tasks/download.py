"""`smoecast download`: fetch raw data from a source, resumable and verified."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from smoecast import console, run_record
from smoecast.config.data import Data
from smoecast.config.run import Config
from smoecast.config.yaml_file import dump
from smoecast.data import time_selection
from smoecast.data.sources import registry
from smoecast.data.sources.files import expand, manifest
from smoecast.data.sources.registry import requests_of, source_of
from smoecast.data.sources.source import Entry, Request
from smoecast.disk.atomic import write_atomic
from smoecast.errors import ConfigError, NotPublishedError
from smoecast.fields.times import iso

RUNS = "opendata"
"""The source of what is computed anew every few hours."""


def download(config: Config, *, oldest: np.datetime64 | None = None) -> dict[str, Any]:
    """Bring the raw files of a run, its analyses and its ensembles, to its folder.

    Source `planet` simulates them; source `files` has them already, so they are only checked; the
    others are fetched (`data.sources.remote`).

    Parameters
    ----------
    config : Config
    oldest : datetime64, optional
        That the newest run of a source of runs, such as `opendata`, may be.

    Returns
    -------
    dict
        ``source``, ``folder`` and ``files`` (names, bytes, sha256).

    Raises
    ------
    ConfigError
        The run has no files at all, or `oldest` is asked of sources that have no runs.
    InputError
        A file of source `files` is not there, or a server does not give what was asked for.
    NotPublishedError
        A file does not exist yet, and all the others are there; or the newest run is too old.
    LockedError
        Another process brings files to the same folder.
    """
    run_record.set_folder(config.data_place)
    asked_for = _requests_to_fetch(requests_of(config), config.download.url)
    if oldest is not None and not any(r.wanted.source == RUNS for r in asked_for):
        raise ConfigError(
            f"source {config.data.source} has no runs whose age could be told: --max-age of "
            f"download is for source {RUNS}; forecast and postprocess have it for all"
        )
    if not asked_for:
        return _look_for_files(config.data, config.postprocess.files)
    entries, late = [], []
    for asked in asked_for:
        source = source_of(asked)
        try:
            with run_record.stage(f"fetch {asked.kind}"):
                entries += _fetch(asked)
        except NotPublishedError as error:
            late.append(error)
        if not source.remote:
            write_atomic(asked.raw / "config.yaml", dump(config).encode())
    if late:
        raise late[0]
    for asked in asked_for:
        newest = source_of(asked).newest(asked)
        if newest is not None:
            run_record.note(newest_analysis=iso(newest))
            time_selection.check_age(newest, oldest)
    return {**_place(asked_for), "files": entries}


def _fetch(asked: Request) -> list[Entry]:
    """Bring the files of one request, and note them."""
    fetch = source_of(asked).fetch
    entries = fetch(asked) if fetch else []
    for entry in entries:
        places = [folder / entry["file"] for folder in (asked.folder, asked.raw)]
        path = next((place for place in places if place.exists()), places[0])
        run_record.add_output(path, sha256=entry["sha256"])
    return entries


def _requests_to_fetch(requests: list[Request], url: str) -> list[Request]:
    """Return those whose files have to be brought; one mirror can stand for one source alone."""
    names = dict.fromkeys(r.wanted.source for r in requests if source_of(r).remote)
    if url and len(names) > 1:
        raise ConfigError(
            f"download.url stands for {' and for '.join(names)}: fetch them by two configs, or "
            "leave it out"
        )
    return [asked for asked in requests if source_of(asked).fetch]


def _place(asked_for: list[Request]) -> dict[str, Any]:
    names = dict.fromkeys(asked.wanted.source for asked in asked_for)
    return {"source": ", ".join(names), "folder": str(asked_for[0].raw)}


def _look_for_files(data: Data, of_ensembles: Sequence[str]) -> dict[str, Any]:
    """Look whether the files that a run names are there."""
    paths = expand(data.files, "data.files") + expand(of_ensembles, "postprocess.files")
    if not paths:
        raise ConfigError("data.source is none and postprocess.files names none: nothing to do")
    console.say(f"{len(paths)} source files are in place, nothing to fetch")
    with run_record.stage("inputs"):
        entries = manifest(paths)
    run_record.add_inputs(entries, paths)
    return {"source": data.source, "folder": str(paths[0].parent), "files": entries}


def plan(config: Config) -> dict[str, Any]:
    """Say what `download` would fetch, without asking the network.

    Returns
    -------
    dict
        ``source``, ``folder``, ``files`` (name, url, bytes to expect, whether it is there) and
        ``bytes`` still to come.
    """
    asked_for = _requests_to_fetch(requests_of(config), config.download.url)
    entries = [entry for asked in asked_for for entry in source_of(asked).plan(asked)]
    left = sum(entry["bytes"] for entry in entries if not entry["there"])
    place = {"source": config.data.source, "folder": str(config.raw)}
    return {**place, **(_place(asked_for) if asked_for else {}), "bytes": left, "files": entries}


def list_sources() -> dict[str, Any]:
    """Return every source with what it is, its size, its licence and what it needs."""
    return {"sources": [asdict(about) for about in registry.about()]}
