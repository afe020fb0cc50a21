"""`smoecast download`: fetch raw data from a source, resumable and verified."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from smoecast import console
from smoecast.config.run import Config
from smoecast.config.yaml_file import dump
from smoecast.data.download.partial_file import sweep_downloads
from smoecast.data.sources import files, registry
from smoecast.data.sources.planet import source as planet
from smoecast.disk.atomic import write_atomic
from smoecast.disk.locks import lock
from smoecast.errors import ConfigError, NotPublishedError


def download(config: Config) -> dict[str, Any]:
    """Bring the raw files of a run, its analyses and its ensembles, to its folder.

    Source `planet` simulates them; source `files` has them already, so they are only checked; the
    others are fetched (`data.sources.registry`).

    Returns
    -------
    dict
        ``source``, ``folder`` and ``files`` (names, bytes, sha256).

    Raises
    ------
    ConfigError
        The run has no files at all.
    InputError
        A file of source `files` is not there, or a server does not give what was asked for.
    NotPublishedError
        A file does not exist yet; all the others are there.
    LockedError
        Another process brings files to the same folder.
    """
    if not _kinds(config):
        return _local(config)
    entries = _simulate(config)["files"] if config.data.source == "planet" else []
    late = []
    for kind in _kinds(config):
        try:
            entries += registry.fetch_all(config, kind)
        except NotPublishedError as error:
            late.append(error)
    if late:
        raise late[0]
    return {**_place(config), "files": entries}


def _kinds(config: Config) -> list[registry.Kind]:
    """Return what of a run comes over the network."""
    kinds = [kind for kind in registry.KINDS if registry.is_remote(config, kind)]
    names = [registry.name_of(config, kind) for kind in kinds]
    if config.download.url and len(set(names)) > 1:
        raise ConfigError(
            f"download.url stands for {names[0]} and for {names[1]}: fetch them by two configs, or "
            "leave it out"
        )
    return kinds


def _place(config: Config) -> dict[str, Any]:
    names = [registry.name_of(config, kind) for kind in _kinds(config)]
    if config.data.source == "planet" or not names:
        names.insert(0, config.data.source)
    return {"source": ", ".join(dict.fromkeys(names)), "folder": str(config.raw)}


def _local(config: Config) -> dict[str, Any]:
    """Simulate a planet, or look whether the files that a run names are there."""
    if config.data.source == "planet":
        return _simulate(config)
    paths = files.expand(config.data.files, "data.files")
    paths += files.expand(config.postprocess.files, "postprocess.files")
    if not paths:
        raise ConfigError("data.source is none and postprocess.files names none: nothing to do")
    console.say(f"{len(paths)} source files are in place, nothing to fetch")
    return _summary(config, paths, paths[0].parent)


def _simulate(config: Config) -> dict[str, Any]:
    settings = config.data.planet
    with lock(config.raw):
        sweep_downloads(config.raw)
        with console.progress("simulating the planet", 1.0) as step:
            paths = planet.write_analyses(config.raw, settings, config.data.step_hours, step)
        if settings.ensemble_years > 0:
            with console.progress("simulating its ensemble forecasts", 1.0) as step:
                paths += planet.write_ensembles(config.raw, settings, step)
        write_atomic(config.raw / "config.yaml", dump(config).encode())
        return _summary(config, paths, config.raw)


def plan(config: Config) -> dict[str, Any]:
    """Say what `download` would fetch, without asking the network.

    Returns
    -------
    dict
        ``source``, ``folder``, ``files`` (name, url, bytes to expect, whether it is there) and
        ``bytes`` still to come.
    """
    entries = [entry for kind in _kinds(config) for entry in registry.plan(config, kind)]
    left = sum(entry["bytes"] for entry in entries if not entry["there"])
    return {**_place(config), "bytes": left, "files": entries}


def list_sources() -> dict[str, Any]:
    """Return every source with what it is, its size, its licence and what it needs."""
    return {"sources": [asdict(about) for about in registry.about()]}


def _summary(config: Config, paths: list[Path], folder: Path) -> dict[str, Any]:
    entries = files.manifest(paths)
    return {"source": config.data.source, "folder": str(folder), "files": entries}
