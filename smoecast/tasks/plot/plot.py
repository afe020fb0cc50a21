"""`smoecast plot`: a run's results, or what a model has learnt, as pictures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Part:
    """What of results is drawn; all of them where nothing is named.

    Attributes
    ----------
    channels : tuple of str
    region : str or None
        A name, or for maps N,W,S,E.
    units : tuple of str
        Of maps, in place of the usual ones.
    """

    channels: tuple[str, ...] = ()
    region: str | None = None
    units: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """The options that name something."""
        named = {"channel": self.channels, "region": self.region, "units": self.units}
        return [f"--{name}" for name, value in named.items() if value]


_ALL = Part()


def plot(
    config: Config, *, kinds: Sequence[str] = (), output: Path | None = None, part: Part = _ALL
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
    part : Part
        What of the results.

    Returns
    -------
    dict
        ``folder``, ``files``: the pictures.

    Raises
    ------
    ConfigError
        matplotlib is not installed, a kind is unknown, several pictures would be one file, or a
        part is asked of a kind that has none, or is no region or unit.
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
        from smoecast.tasks.plot import opening, pictures  # noqa: PLC0415

    simulated = config.data.source == "planet"
    forecast = config.place / "forecast.nc"
    box = opening.box_of(part.region, config.evaluate.boxes)
    known: Known = {}
    if box or not part.region or kinds:
        chosen: dict[str, Any] = {
            "asked": part.channels,
            "region": box or part.region,
            "units": part.units,
        }
        maps = partial(pictures.maps, forecast, config.store, config.targets, simulated, **chosen)
        known["maps"] = (forecast, maps)
    known |= _of_scores(config.place / zoo.SCORES, part) | _of_model(config.model, simulated)
    return _draw(known, kinds, place, part)


def plot_model(
    name: str, *, kinds: Sequence[str] = (), output: Path | None = None, part: Part = _ALL
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
    part : Part
        What of the scores.

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
    known = _of_scores(folder / zoo.SCORES, part) | _of_model(folder, False)
    return _draw(known, kinds, place, part)


def _of_scores(scores: Path, part: Part) -> Known:
    from smoecast.tasks.plot import pictures, records, score_charts  # noqa: PLC0415

    draws = {**score_charts.kinds(), "ranks": pictures.ranks, "reliability": pictures.reliability}

    def of(draw: "Callable[[records.Results], Pictures]") -> "Pictures":
        results = records.read_results(scores)
        for name in part.channels:
            if name not in results.channels:
                raise InputError(
                    f"{scores}: has no score of {name}, but of {', '.join(results.channels)}: "
                    "ask for one of these"
                )
        yield from draw(results.select(part.channels, part.region))

    return {kind: (scores, partial(of, draw)) for kind, draw in draws.items()}


def _of_model(folder: Path, simulated: bool) -> Known:
    from smoecast.tasks.plot import pictures  # noqa: PLC0415

    def draw_routing() -> "Pictures":
        from smoecast.tasks.plot import routing, routing_epochs  # noqa: PLC0415  # torch
        from smoecast.training.records.routing_record import ROUTING  # noqa: PLC0415

        experts = routing.find_experts(folder)
        yield from routing.routing(experts)
        if (experts / ROUTING).exists():
            yield from routing_epochs.draw_training(experts)

    history = folder / "history.jsonl"
    return {
        "training": (history, partial(pictures.training, history, simulated)),
        "routing": (folder / "model.safetensors", draw_routing),
    }


def _draw(known: Known, kinds: Sequence[str], place: Path, part: Part) -> dict[str, Any]:
    """Draw the kinds that are asked for, or all there are of which something is asked for."""
    unknown = sorted(set(kinds) - set(known))
    if unknown:
        raise ConfigError(f"{unknown[0]}: there is no such kind of plot, only {', '.join(known)}")
    there = [kind for kind, (need, _) in known.items() if need.exists()]
    wanted = _choose(list(dict.fromkeys(kinds)), there, part)
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
                mend = f"leave {' and '.join(part.options)} out" if part.options else MENDS[kind]
                raise InputError(
                    f"{known[kind][0]}: holds nothing to draw as {kind}{_say(part)}; {mend}"
                )
        if part.options and not drawn:
            raise InputError(f"nothing to draw{_say(part)}: leave {' and '.join(part.options)} out")

    files = save_pictures(pictures(), place, ("--kind",))
    folder = place.parent if is_picture(place) else place
    return {"folder": str(folder), "files": files}


def _choose(kinds: list[str], there: list[str], part: Part) -> list[str]:
    """Return the kinds that are asked for, or of those that are there all that have such a part."""
    without = {
        "--channel": ("training", "routing"),
        "--region": ("training", "routing"),
        "--units": tuple(kind for kind in MENDS if kind != "maps"),
    }
    for option in part.options:
        for kind in kinds:
            if kind in without[option]:
                raise ConfigError(f"{option}: changes nothing in a picture of {kind}: leave it out")
    wanted = [k for k in there if all(k not in without[option] for option in part.options)]
    if there and not wanted:
        raise ConfigError(f"{part.options[-1]}: there is no picture that it changes: leave it out")
    return kinds or wanted


def _say(part: Part) -> str:
    """Return in words which part of the results is asked for."""
    channels = f" of {' and '.join(part.channels)}" if part.channels else ""
    return channels + (f" in {part.region}" if part.region else "")


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
