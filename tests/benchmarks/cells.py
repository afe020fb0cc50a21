"""Tables whose cells are runs: each is made once, and kept in a file of its own."""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path

from smoecast import zoo
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.disk.atomic import write_atomic
from smoecast.tasks.download import download
from smoecast.tasks.preprocess.preprocess import preprocess

DATA = "data"
"""Name of the run that has the stores; the others link to them."""


def place_of(folder: Path, name: str, seed: int) -> Path:
    """Return the run folder of a row and a seed."""
    slug = "".join(c if c.isalnum() else "-" for c in name.replace(",", "")).strip("-").lower()
    return folder / f"{slug}-{seed}"


def data(folder: Path, zoo_name: str, *settings: str) -> None:
    """Make the planet and its stores, once."""
    names = [f"folder={folder}", f"name={DATA}", *settings]
    config = yaml_file.load(zoo.locate(zoo_name, zoo.CONFIG), names)
    download(config)
    preprocess(config)


def cell(
    place: Path, zoo_name: str, seed: int, settings: list[str], make: Callable[[Config], dict]
) -> None:
    """Make the run of a row and a seed, unless that was done, and keep what it gives."""
    done = place / "cell.json"
    if done.exists():
        return
    config = yaml_file.load(
        zoo.locate(zoo_name, zoo.CONFIG),
        [f"folder={place.parent}", f"name={place.name}", f"seed={seed}", *settings],
    )
    place.mkdir(parents=True, exist_ok=True)
    for store in (config.store, config.ensemble_store):
        if not store.is_symlink():
            store.symlink_to(Path("..") / DATA / store.name)
    result = {"settings": settings, **make(config)}
    write_atomic(done, json.dumps(result, indent=1).encode())


def found(folder: Path, name: str, seeds: list[int]) -> list[dict]:
    """Return the cells of a row that are there."""
    places = [place_of(folder, name, seed) / "cell.json" for seed in seeds]
    return [json.loads(place.read_text()) for place in places if place.exists()]


def spread(numbers: list[float], digits: int) -> str:
    """Return a mean, and of several numbers half their range behind it."""
    text = f"{statistics.mean(numbers):.{digits}f}"
    if len(numbers) > 1:
        text += f" ± {(max(numbers) - min(numbers)) / 2:.{digits}f}"
    return text


def parser(description: str) -> argparse.ArgumentParser:
    """Return what every table can be asked."""
    asked = argparse.ArgumentParser(description=description)
    asked.add_argument("--folder", type=Path, required=True)
    asked.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    asked.add_argument("--only", nargs="+", default=[], help="rows whose names begin so")
    asked.add_argument("--show", action="store_true", help="make nothing")
    return asked


def chosen(rows: dict[str, list[str]], only: list[str]) -> dict[str, list[str]]:
    """Return the rows whose names begin with one of these; all where none is given."""
    return {n: s for n, s in rows.items() if not only or n.startswith(tuple(only))}
