"""`smoecast download`: fetch raw data from a source, resumable and verified."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from smoecast import console
from smoecast.config import Config
from smoecast.configfile import dump
from smoecast.data import files, sources
from smoecast.data.planet import source as planet
from smoecast.disk import write_atomic
from smoecast.errors import ConfigError


def download(config: Config) -> dict[str, Any]:
    """Bring the raw files of a run to its folder.

    Source `planet` simulates them; source `files` has them already, so they are only checked; the
    others are fetched (`data.sources`).

    Returns
    -------
    dict
        ``folder``, ``files`` (names, bytes, sha256) and ``source``.

    Raises
    ------
    ConfigError
        The run has no files at all.
    InputError
        A file of source `files` is not there, or a server does not give what was asked for.
    NotPublishedError
        A file does not exist yet; all the others are there.
    """
    if config.data.source in sources.REMOTE:
        fetched = sources.fetch_all(config)
        return {"source": config.data.source, "folder": str(config.raw), "files": fetched}
    if config.data.source != "planet":
        paths = files.expand(config.data.files, "data.files")
        paths += files.expand(config.postprocess.files, "postprocess.files")
        if not paths:
            raise ConfigError("data.source is none and postprocess.files names none: nothing to do")
        console.say(f"{len(paths)} source files are in place, nothing to fetch")
        return _summary(config, paths, paths[0].parent)
    config.raw.mkdir(parents=True, exist_ok=True)
    settings = config.data.planet
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
    entries = sources.plan(config) if config.data.source in sources.REMOTE else []
    left = sum(entry["bytes"] for entry in entries if not entry["there"])
    facts = {"source": config.data.source, "folder": str(config.raw), "bytes": left}
    return {**facts, "files": entries}


def list_sources() -> dict[str, Any]:
    """Return every source with what it is, its size, its licence and what it needs."""
    return {"sources": [asdict(about) for about in sources.about()]}


def _summary(config: Config, paths: list[Path], folder: Path) -> dict[str, Any]:
    entries = files.manifest(paths)
    return {"source": config.data.source, "folder": str(folder), "files": entries}
