"""`smoecast plot`: maps, scores, routing, ranks and reliability of a run, as PNG files."""

import importlib.util
import io
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoecast import run_record
from smoecast.config.run import Config
from smoecast.disk.atomic import write_atomic
from smoecast.disk.confine import confine
from smoecast.disk.locks import lock
from smoecast.errors import ConfigError, InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from smoecast.tasks.plot.pictures import Pictures

DPI = 130


def plot(
    config: Config, *, kinds: Sequence[str] = (), output: Path | None = None
) -> dict[str, Any]:
    """Draw what a run has made.

    Parameters
    ----------
    config : Config
        The run.
    kinds : sequence of str
        Of ``maps scores routing ranks reliability``; none: every kind that the run has results for.
    output : Path, optional
        Folder for the pictures; default: ``plots`` in the run's folder.

    Returns
    -------
    dict
        ``files``: the pictures.

    Raises
    ------
    ConfigError
        matplotlib is not installed, or a kind is unknown.
    InputError
        The run has nothing to draw, or not what was asked for.
    OutputError
        The folder cannot be written to, or what is no regular file has a picture's name.
    OSError
        The disk is full or refuses.
    LockedError
        Another run draws in the same folder.
    """
    require_matplotlib()
    folder = output or config.place / "plots"
    run_record.set_folder(output or config.place)
    with run_record.stage("imports"):  # matplotlib is an extra, and slow to load
        from smoecast.tasks.plot import pictures  # noqa: PLC0415

    scores = config.place / "scores.json"
    maps = partial(pictures.maps, store_path=config.store, targets=config.targets)
    known: dict[str, tuple[Path, Callable[[Path], Pictures]]] = {
        "maps": (config.place / "forecast.nc", maps),
        "scores": (scores, pictures.scores),
        "routing": (config.model / "model.safetensors", pictures.routing),
        "ranks": (scores, pictures.ranks),
        "reliability": (scores, pictures.reliability),
    }
    unknown = sorted(set(kinds) - set(known))
    if unknown:
        raise ConfigError(f"{unknown[0]}: there is no such kind of plot, only {', '.join(known)}")
    there = [kind for kind, (need, _) in known.items() if need.exists()]
    wanted = list(kinds) or there
    missing = [kind for kind in wanted or known if kind not in there]
    if missing:
        raise InputError(f"{known[missing[0]][0]}: is not there, so no {missing[0]} can be drawn")
    files: list[str] = []
    with lock(folder):
        for kind in wanted:
            before = len(files)
            need, draw = known[kind]
            with run_record.stage(f"draw {kind}"):
                for name, figure in draw(need):
                    path = confine(folder, f"{kind}_{name}.png")
                    save(figure, path)
                    run_record.add_output(path)
                    files.append(str(path))
            if kind in kinds and len(files) == before:
                raise InputError(
                    f"{need}: holds nothing to draw as {kind}; run `smoecast evaluate` on an "
                    "ensemble, with evaluate.events for reliability"
                )
    return {"folder": str(folder), "files": files}


def require_matplotlib() -> None:
    """Refuse to draw where matplotlib is not installed, and let it say errors alone.

    Raises
    ------
    ConfigError
        It is not.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("plots need matplotlib: pip install 'smoecast[plot]'")
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # nobody asks where its cache is


def save(figure: "Figure", path: Path) -> None:
    """Write a picture, whole or not at all.

    Raises
    ------
    OSError
        The disk is full or refuses.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DPI)
    write_atomic(path, picture.getvalue())
