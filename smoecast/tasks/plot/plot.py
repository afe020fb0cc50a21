"""`smoecast plot`: a run's results, or what a model has learnt, as pictures."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoecast import run_record, zoo
from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError
from smoecast.tasks.plot.saving import is_picture, require_matplotlib, save_pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from smoecast.tasks.plot.figures import Pictures

Known = dict[str, tuple[Path, "Callable[[], Pictures]"]]
"""By kind: the file that it needs, and what draws it."""
_FOLDER = Path("plots")


def plot(
    config: Config, *, kinds: Sequence[str] = (), output: Path | None = None
) -> dict[str, Any]:
    """Draw what a run has made.

    Parameters
    ----------
    config : Config
        The run.
    kinds : sequence of str
        Of ``maps scores skill spread scorecard ranks reliability training routing``; none: every
        kind that the run has results for.
    output : Path, optional
        A picture, or a folder; default: ``plots`` in the run's folder.

    Returns
    -------
    dict
        ``folder``, ``files``: the pictures.

    Raises
    ------
    ConfigError
        matplotlib is not installed, a kind is unknown, or several pictures would be one file.
    InputError
        The run has nothing to draw, or not what was asked for.
    OutputError
        The folder cannot be written to, or what is no regular file has a picture's name.
    LockedError
        Another run draws in the same folder.
    """
    require_matplotlib()
    place = output or config.place / "plots"
    run_record.set_folder(output if output and not is_picture(output) else config.place)
    with run_record.stage("imports"):  # matplotlib is an extra, and slow to load
        from smoecast.tasks.plot import pictures  # noqa: PLC0415

    simulated = config.data.source == "planet"
    forecast = config.place / "forecast.nc"
    maps = partial(pictures.maps, forecast, config.store, config.targets, simulated)
    known: Known = {"maps": (forecast, maps)}
    known |= _of_scores(config.place / zoo.SCORES) | _of_model(config.model, simulated)
    return _draw(known, kinds, place)


def plot_model(
    name: str, *, kinds: Sequence[str] = (), output: Path | None = None
) -> dict[str, Any]:
    """Draw what a model has learnt, without a run: routing, training, its published scores.

    Parameters
    ----------
    name : str
        A model's folder, or its name in the zoo.
    kinds : sequence of str
        Of ``scores skill spread scorecard ranks reliability training routing``; none: all there is.
    output : Path, optional
        A picture, or a folder; default: ``plots`` here.

    Returns
    -------
    dict
        As `plot`.

    Raises
    ------
    ConfigError
        There is no such model, and as `plot`.
    InputError, OutputError, LockedError
        As `plot`.
    ModelError
        The model is refused.
    """
    require_matplotlib()
    place = output or _FOLDER
    run_record.set_folder(place.parent if is_picture(place) else place)
    folder = zoo.locate(name)
    return _draw(_of_scores(folder / zoo.SCORES) | _of_model(folder, False), kinds, place)


def _of_scores(scores: Path) -> Known:
    from smoecast.tasks.plot import pictures, records, score_charts  # noqa: PLC0415

    draws = {**score_charts.kinds(), "ranks": pictures.ranks, "reliability": pictures.reliability}

    def of(draw: "Callable[[records.Results], Pictures]") -> "Pictures":
        yield from draw(records.read_results(scores))

    return {kind: (scores, partial(of, draw)) for kind, draw in draws.items()}


def _of_model(folder: Path, simulated: bool) -> Known:
    from smoecast.tasks.plot import pictures  # noqa: PLC0415

    def routing() -> "Pictures":
        from smoecast.tasks.plot.routing import routing as draw  # noqa: PLC0415  # torch

        yield from draw(folder)

    history = folder / "history.jsonl"
    return {
        "training": (history, partial(pictures.training, history, simulated)),
        "routing": (folder / "model.safetensors", routing),
    }


def _draw(known: Known, kinds: Sequence[str], place: Path) -> dict[str, Any]:
    """Draw the kinds that are asked for, or all there are."""
    unknown = sorted(set(kinds) - set(known))
    if unknown:
        raise ConfigError(f"{unknown[0]}: there is no such kind of plot, only {', '.join(known)}")
    there = [kind for kind, (need, _) in known.items() if need.exists()]
    wanted = list(dict.fromkeys(kinds)) or there
    missing = [kind for kind in wanted or known if kind not in there]
    if missing:
        raise InputError(f"{known[missing[0]][0]}: is not there, so no {missing[0]} can be drawn")
    drawn: set[str] = set()

    def pictures() -> "Iterator[tuple[str, Figure]]":
        for kind in wanted:
            with run_record.stage(f"draw {kind}"):
                for name, figure in known[kind][1]():
                    drawn.add(kind)
                    yield name if name.startswith(kind) else f"{kind}_{name}", figure
            if kind in kinds and kind not in drawn:
                raise InputError(
                    f"{known[kind][0]}: holds nothing to draw as {kind}; {MENDS[kind]}"
                )

    files = save_pictures(pictures(), place, ("--kind",))
    folder = place.parent if is_picture(place) else place
    return {"folder": str(folder), "files": files}


_AGAIN = "run `smoecast evaluate` again"
MENDS = {
    "maps": "run `smoecast forecast` with the channels that it should show",
    "scores": _AGAIN,
    "skill": "run `smoecast evaluate` with evaluate.baselines",
    "scorecard": "run `smoecast evaluate` with evaluate.baselines",
    "spread": "run `smoecast evaluate` on an ensemble",
    "ranks": "run `smoecast evaluate` on an ensemble",
    "reliability": "run `smoecast evaluate` on an ensemble, with evaluate.events",
    "training": "train again",
    "routing": "its gates look at the input, or it has no SMoE layer: draw another model",
}
"""What to do where a kind has nothing to draw."""
