"""`smoecast plot`: maps, scores, routing, ranks and reliability of a run, as PNG files."""

import importlib.util
import io
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smoecast import names
from smoecast.config.run import Config
from smoecast.disk.atomic import write_atomic
from smoecast.disk.confine import confine
from smoecast.disk.locks import lock
from smoecast.disk.read_locks import hold_for_reading
from smoecast.errors import ConfigError, InputError
from smoecast.fields import channels, times
from smoecast.fields.read.open import open_file
from smoecast.fields.store import store
from smoecast.nn.smoe.inspect import routing_map
from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.nn.smoe.model_layers import smoe_layers
from smoecast.tasks.forecast_model import open_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pictures = Iterator[tuple[str, "Figure"]]
DPI = 130
MOST_PANELS = 4
"""Outputs of a layer that are drawn, at most."""


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
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("plots need matplotlib: pip install 'smoecast[plot]'")
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # nobody asks where its cache is
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise ConfigError(f"{unknown[0]}: there is no such kind of plot, only {', '.join(KINDS)}")
    folder = output or config.place / "plots"
    there = {kind: (config.place / need).exists() for kind, (need, _) in KINDS.items()}
    wanted = list(kinds) or [kind for kind in KINDS if there[kind]]
    missing = [kind for kind in wanted if not there[kind]]
    if missing or not wanted:
        kind = (missing or list(KINDS))[0]
        raise InputError(
            f"{config.place / KINDS[kind][0]}: is not there, so no {kind} can be drawn"
        )
    files: list[str] = []
    with lock(folder):
        for kind in wanted:
            before = len(files)
            for name, figure in KINDS[kind][1](config):
                path = confine(folder, f"{kind}_{name}.png")
                _save(figure, path)
                files.append(str(path))
            if kind in kinds and len(files) == before:
                raise InputError(
                    f"{config.place / KINDS[kind][0]}: holds nothing to draw as {kind}; run "
                    "`smoecast evaluate` on an ensemble, with evaluate.events for reliability"
                )
    return {"folder": str(folder), "files": files}


def _save(figure: "Figure", path: Path) -> None:
    """Write a picture, whole or not at all."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=DPI)
    write_atomic(path, picture.getvalue())


def _unit(channel: str) -> str:
    parsed = names.parse_channel(channel)
    return parsed.variable.units if parsed else ""


def _maps(config: Config) -> Pictures:
    """Draw the last start's longest forecast beside truth and persistence, and their errors."""
    from smoecast.tasks.plot import figures  # noqa: PLC0415

    path = config.place / "forecast.nc"
    forecasts = open_file(path).isel(init_time=-1, lead_time=-1)
    start = np.datetime64(forecasts["init_time"].item(), "ns")
    lead = np.timedelta64(forecasts["lead_time"].item(), "ns")
    with hold_for_reading(config.store):
        truth = store.open_store(config.store)["fields"]
        for channel in (c for c in config.targets if channels.has_field(forecasts, c)):
            found = channels.field(forecasts, channel, str(path))
            members = "number" in found.dims
            field = (found.mean("number") if members else found).values
            now = truth.sel(channel=channel, time=start).values
            name = "ensemble mean" if members else "forecast"
            panels = {name: (field, False)}
            if start + lead in truth["time"].values:
                true = truth.sel(channel=channel, time=start + lead).values
                panels |= {
                    "truth": (true, False),
                    f"{name} - truth": (field - true, True),
                    "persistence - truth": (now - true, True),
                }
            title = f"{channel}, {int(times.as_hours(lead))} h from {times.iso(start)}"
            places = (forecasts["latitude"].values, forecasts["longitude"].values)
            yield channel, figures.maps(panels, *places, title=title, unit=_unit(channel))


def _scores(config: Config) -> Pictures:
    from smoecast.tasks.plot import figures  # noqa: PLC0415

    records = _records(config, "scores", ("forecast", "channel", "lead_hours"))
    # of several regions and seasons, the first region and the whole year
    first = [(r.get("region"), r.get("season")) for r in records][:1]
    records = [r for r in records if [(r.get("region"), r.get("season"))] == first]
    for score in ("rmse", "crps"):
        # CRPS marks the records of ensembles; each kind of forecast has a picture of its own
        chosen = [r for r in records if score in r and ("crps" in r) == (score == "crps")]
        if chosen:
            units = {r["channel"]: _unit(r["channel"]) for r in chosen}
            yield score, figures.score_bars(chosen, score, units)


def _routing(config: Config) -> Pictures:
    """Draw the selected experts at each point, for each layer whose gate is a map."""
    from smoecast.tasks.plot import figures  # noqa: PLC0415

    model = open_model(config.model)
    grid = model.inputs.grid
    layers = [x for x in smoe_layers(model.network) if not x.gate.depends_on_input]
    last = set(model.network.backbone.get_submodule("last").modules())
    for number, layer in enumerate(layers, start=1):
        panels = _panels(layer, _outputs(model.config) if layer in last else [])
        title = f"SMoE layer {number} of {len(layers)}: experts that serve each point"
        experts = layer.feedback.how.group_size
        yield (
            f"layer{number}",
            figures.routing(panels, grid.latitude, grid.longitude, experts=experts, title=title),
        )


def _outputs(config: Config) -> list[str]:
    """Return what a network's outputs are, lead by lead; where that is an input, for any."""
    hours = config.sample.lead_hours
    several = len(hours) > 1 and not config.sample.lead_input
    ahead = [f" {hour} h" for hour in hours] if several else [""]
    return [target + when for when in ahead for target in config.targets]


def _panels(layer: SpatialMoE2d, outputs: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Return the selected experts (H, W) of the first few outputs, of several terms the first.

    Experts that compete in groups are numbered within theirs.
    """
    feedback, chosen = layer.feedback, routing_map(layer).numpy()
    if feedback.how.grouped:
        chosen = chosen % feedback.how.group_size
    first = chosen[:: feedback.terms]
    words = outputs or [f"output {i + 1} of {len(first)}" for i in range(len(first))]
    more = f", term 1 of {feedback.terms}" if feedback.terms > 1 else ""
    shown = zip(words[:MOST_PANELS], first[:MOST_PANELS], strict=True)
    return {f"{word}{more}": one for word, one in shown}


def _ranks(config: Config) -> Pictures:
    """Draw the histograms of ranks and of PIT, a picture a channel and lead time."""
    from smoecast.tasks.plot import figures  # noqa: PLC0415

    for (channel, lead), rows in _curves(config, ("rank", "pit"), "channel").items():
        bars: dict[str, list[float]] = {}
        for r in rows:
            name = f"{r['forecast']}, {WORDS[r['kind']]}"
            bars.setdefault(name, []).append(r["share"])
        yield (
            f"{channel}_{lead}h",
            figures.ranks(bars, f"{channel}, {lead} h: where the truth falls"),
        )


def _reliability(config: Config) -> Pictures:
    """Draw how often an event came against its chance, a picture an event and lead time."""
    from smoecast.tasks.plot import figures  # noqa: PLC0415

    for (event, lead), rows in _curves(config, ("reliability",), "event").items():
        lines: dict[str, list[tuple[float, float, float]]] = {}
        for r in (r for r in rows if "frequency" in r):
            point = (r["probability"], r["frequency"], r["share"])
            lines.setdefault(r["forecast"], []).append(point)
        name = event.replace(">", "_above_").replace("<", "_below_")
        yield f"{name}_{lead}h", figures.reliability(lines, f"{event}, {lead} h")


def _records(config: Config, part: str, needed: Sequence[str]) -> list[dict[str, Any]]:
    """Read records of one part of a run's scores, each of which says all that is `needed`."""
    path = config.place / "scores.json"
    try:
        records = json.loads(path.read_bytes()).get(part, [])
        whole = all(record.keys() >= set(needed) for record in records)
    except (ValueError, AttributeError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise InputError(f"{path}: the scores are damaged; run `smoecast evaluate` again")
    return list(records)


WORDS = {"rank": "ranks", "pit": "PIT"}


def _curves(
    config: Config, kinds: Sequence[str], along: str
) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Return the rows of some kinds of curve by channel or event and lead time.

    Of several regions and seasons, the first region and the whole year.
    """
    needed = ("kind", "forecast", "region", "season", "lead_hours")
    rows = [r for r in _records(config, "curves", needed) if r["kind"] in kinds]
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for r in rows:
        if (r["region"], r["season"]) == (rows[0]["region"], rows[0]["season"]):
            found.setdefault((r[along], r["lead_hours"]), []).append(r)
    return found


KINDS: dict[str, tuple[str, Callable[[Config], Pictures]]] = {
    "maps": ("forecast.nc", _maps),
    "scores": ("scores.json", _scores),
    "routing": ("model/model.safetensors", _routing),
    "ranks": ("scores.json", _ranks),
    "reliability": ("scores.json", _reliability),
}
"""Kinds of plot: the result each needs, and what draws it."""
