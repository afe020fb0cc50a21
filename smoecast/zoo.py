"""The model zoo: one folder per published model, in the repository and in the wheel.

A model's folder is a run folder (``config.yaml model.safetensors state.json``) with a card and
scores beside it: ``card.md scores.json``, and perhaps a few real fields that it can forecast from,
``example.nc``. A folder with a card and no config is an experiment of its own, whose card says how
it is run.
"""

import difflib
import json
import os
import re
from pathlib import Path
from typing import Any

from smoecast import console
from smoecast.disk.atomic import resolve, write_atomic
from smoecast.disk.small_files import read_small
from smoecast.errors import ConfigError, ModelError, OutputError

CONFIG, CARD, SCORES, EXAMPLE = "config.yaml", "card.md", "scores.json", "example.nc"
MOST_TEXT = 10_000_000
"""Bytes of a card or of scores."""
_LINK = re.compile(r"\]\((?P<target>[^():#]+)(?P<rest>#[^()]*)?\)")
"""Of Markdown, to a file."""


def folder() -> Path:
    """Return where the zoo is: inside an installed wheel, or beside the package in a clone."""
    package = Path(__file__).parent
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def names() -> list[str]:
    """Return the names of the models, sorted."""
    return sorted(p.parent.name for p in folder().glob(f"*/{CONFIG}"))


def experiments() -> list[str]:
    """Return the names of what has a card and no config, sorted."""
    return sorted({p.parent.name for p in folder().glob(f"*/{CARD}")} - {*names()})


def list_models() -> dict[str, Any]:
    """Return name, title and size of the weights of every model in the zoo."""
    models, with_config = [], names()
    for name in sorted([*with_config, *experiments()]):
        place = folder() / name
        weights = place / "model.safetensors"
        size = "config only" if name in with_config else "experiment"
        size = f"{weights.stat().st_size / 1e6:.1f} MB" if weights.exists() else size
        title = card(place).partition("\n")[0].lstrip("# ")
        models.append({"name": name, "weights": size, "title": title})
    return {"zoo": str(folder()), "models": models}


def show_model(place: Path) -> dict[str, Any]:
    """Return a model's card, links in it leading to files from wherever it is read, and scores.

    Raises
    ------
    ModelError
        The folder holds no card.
    """
    text = card(place)
    if not text:
        raise ModelError(f"{place}: there is no {CARD}; `smoecast models verify` checks a run")

    def lead(link: re.Match[str]) -> str:
        path = (place / link["target"]).resolve()
        return f"]({path}{link['rest'] or ''})" if path.is_file() else link[0]

    return {"model": str(place), "card": _LINK.sub(lead, text), "scores": scores(place)}


def locate(name_or_path: str, file: str = "") -> Path:
    """Return a model's folder, or a file in it, from a zoo name or a path.

    A name of the zoo is the zoo's, also where something of that name lies here: others may have put
    it there.

    Raises
    ------
    ConfigError
        It is neither a name in the zoo nor a path that exists, or an experiment has no such file.
    """
    if name_or_path in names():
        if os.path.lexists(name_or_path):
            console.say(
                f"{name_or_path}: that of the zoo is taken; for the one here: ./{name_or_path}"
            )
        return folder() / name_or_path / file
    path = resolve(name_or_path)
    try:
        there = path.exists()
    except OSError as error:  # too long, or not allowed
        raise ConfigError(f"{name_or_path[:100]}: cannot be looked up ({error})") from None
    if there:
        return path
    if name_or_path in experiments():
        if not file:
            return folder() / name_or_path
        raise ConfigError(
            f"{name_or_path}: is an experiment of its own, without a config of a run; "
            f"`smoecast models show {name_or_path}` says how it is run"
        )
    close = difflib.get_close_matches(name_or_path[:100], names(), n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    raise ConfigError(
        f"{name_or_path}: there is no such file and no such model in the zoo; {hint}"
        "`smoecast models list` names those there are"
    )


def find_example(place: Path) -> Path:
    """Return the fields that lie beside a model for a first forecast.

    Raises
    ------
    ConfigError
        It has none.
    """
    if (place / EXAMPLE).is_file():
        return place / EXAMPLE
    others = ", ".join(sorted(path.parent.name for path in folder().glob(f"*/{EXAMPLE}")))
    raise ConfigError(f"{place.name}: has no example of its input; there is one of {others}")


def copy_example(place: Path, output: Path) -> dict[str, Any]:
    """Copy out the fields that lie beside a model; nothing is done where the copy is there.

    Parameters
    ----------
    place : Path
        A model's folder.
    output : Path
        The file to write.

    Returns
    -------
    dict
        ``model``, ``output``, ``bytes``, and whether it was ``written``.

    Raises
    ------
    ConfigError
        The model has none.
    OutputError
        Another file has the name.
    """
    content = find_example(place).read_bytes()
    same = output.is_file() and output.read_bytes() == content
    if not same and os.path.lexists(output):
        raise OutputError(f"{output} is there already, and another file: name one that is not")
    if not same:
        write_atomic(output, content)
    told = {"model": place.name, "output": str(output), "bytes": len(content)}
    return {**told, "written": not same}


def scores(place: Path) -> dict[str, Any]:
    """Return the scores that lie beside a model; empty when it has none.

    Raises
    ------
    ModelError
        The file of scores is damaged.
    """
    path = place / SCORES
    try:
        read = json.loads(read_small(path, MOST_TEXT))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: the scores are damaged ({error}); fetch them anew") from None
    if not isinstance(read, dict):
        raise ModelError(f"{path}: the scores are damaged (no object); fetch them anew")
    return read


def card(place: Path) -> str:
    """Return what a model's card says; empty when it has none.

    Raises
    ------
    ModelError
        It cannot be read.
    """
    path = place / CARD
    try:
        return read_small(path, MOST_TEXT).decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: the card cannot be read ({error}); fetch it anew") from None
