"""`smoecast download`: fetch raw data from a source, resumable and verified."""

from pathlib import Path
from typing import Any

from smoecast import console
from smoecast.config import Config
from smoecast.configfile import dump
from smoecast.data import files
from smoecast.data.planet import source as planet
from smoecast.disk import write_atomic


def download(config: Config) -> dict[str, Any]:
    """Bring the raw files of a run to its folder.

    Source `planet` simulates them; source `files` has them already, so they are only checked.

    Returns
    -------
    dict
        ``folder``, ``files`` (names, bytes, sha256) and ``source``.

    Raises
    ------
    InputError
        A file of source `files` is not there.
    """
    if config.data.source != "planet":
        paths = files.expand(config.data.files, "data.files")
        paths += files.expand(config.postprocess.files, "postprocess.files")
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


def _summary(config: Config, paths: list[Path], folder: Path) -> dict[str, Any]:
    entries = files.manifest(paths)
    return {"source": config.data.source, "folder": str(folder), "files": entries}
