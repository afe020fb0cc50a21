"""What a run's results look like: files in, named figures out."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smoecast import names
from smoecast.config.training import Sample
from smoecast.disk.read_locks import hold_for_reading
from smoecast.errors import InputError
from smoecast.fields import channels, times
from smoecast.fields.read.open import open_file
from smoecast.fields.store import store
from smoecast.nn.smoe.inspect import routing_map
from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.nn.smoe.model_layers import smoe_layers
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.plot import figures

Pictures = Iterator[tuple[str, Figure]]
"""Name of a picture, and the picture."""

MOST_PANELS = 4
"""Outputs of a layer that are drawn, at most."""


def _unit(channel: str) -> str:
    parsed = names.parse_channel(channel)
    return parsed.variable.units if parsed else ""


def maps(path: Path, store_path: Path, targets: Sequence[str]) -> Pictures:
    """Draw the last start's longest forecast beside truth and persistence, and their errors.

    Parameters
    ----------
    path : Path
        Of forecasts.
    store_path : Path
        Of the analyses that they began from.
    targets : sequence of str
        Channels, a picture each.
    """
    forecasts = open_file(path).isel(init_time=-1, lead_time=-1)
    start = np.datetime64(forecasts["init_time"].item(), "ns")
    lead = np.timedelta64(forecasts["lead_time"].item(), "ns")
    with hold_for_reading(store_path):
        truth = store.open_store(store_path)["fields"]
        for channel in (c for c in targets if channels.has_field(forecasts, c)):
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


def scores(path: Path) -> Pictures:
    """Draw a file's RMSE and CRPS, a picture each."""
    records = _records(path, "scores", ("forecast", "channel", "lead_hours"))
    # of several regions and seasons, the first region and the whole year
    first = [(r.get("region"), r.get("season")) for r in records][:1]
    records = [r for r in records if [(r.get("region"), r.get("season"))] == first]
    for score in ("rmse", "crps"):
        # CRPS marks the records of ensembles; each kind of forecast has a picture of its own
        chosen = [r for r in records if score in r and ("crps" in r) == (score == "crps")]
        if chosen:
            units = {r["channel"]: _unit(r["channel"]) for r in chosen}
            yield score, figures.score_bars(chosen, score, units)


def routing(path: Path) -> Pictures:
    """Draw a model's selected experts at each point, for each layer whose gate is a map."""
    model = open_model(path.parent)
    grid = model.inputs.grid
    layers = [x for x in smoe_layers(model.network) if not x.gate.depends_on_input]
    last = set(model.network.backbone.get_submodule("last").modules())
    for number, layer in enumerate(layers, start=1):
        panels = _panels(
            layer, _outputs(model.config.sample, model.config.targets) if layer in last else []
        )
        title = f"SMoE layer {number} of {len(layers)}: experts that serve each point"
        experts = layer.objective.how.group_size
        yield (
            f"layer{number}",
            figures.routing(panels, grid.latitude, grid.longitude, experts=experts, title=title),
        )


def _outputs(sample: Sample, targets: Sequence[str]) -> list[str]:
    """Return what a network's outputs are, lead by lead; where that is an input, for any."""
    hours = sample.lead_hours
    several = len(hours) > 1 and not sample.lead_input
    ahead = [f" {hour} h" for hour in hours] if several else [""]
    return [target + when for when in ahead for target in targets]


def _panels(layer: SpatialMoE2d, outputs: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Return the selected experts (H, W) of the first few outputs, of several terms the first.

    Experts that compete in groups are numbered within theirs.
    """
    objective, chosen = layer.objective, routing_map(layer).numpy()
    if objective.how.grouped:
        chosen = chosen % objective.how.group_size
    first = chosen[:: objective.terms]
    words = outputs or [f"output {i + 1} of {len(first)}" for i in range(len(first))]
    more = f", term 1 of {objective.terms}" if objective.terms > 1 else ""
    shown = zip(words[:MOST_PANELS], first[:MOST_PANELS], strict=True)
    return {f"{word}{more}": one for word, one in shown}


def ranks(path: Path) -> Pictures:
    """Draw the histograms of ranks and of PIT, a picture a channel and lead time."""
    for (channel, lead), rows in _curves(path, ("rank", "pit"), "channel").items():
        bars: dict[str, list[float]] = {}
        for r in rows:
            name = f"{r['forecast']}, {WORDS[r['kind']]}"
            bars.setdefault(name, []).append(r["share"])
        yield (
            f"{channel}_{lead}h",
            figures.ranks(bars, f"{channel}, {lead} h: where the truth falls"),
        )


def reliability(path: Path) -> Pictures:
    """Draw how often an event came against its chance, a picture an event and lead time."""
    for (event, lead), rows in _curves(path, ("reliability",), "event").items():
        lines: dict[str, list[tuple[float, float, float]]] = {}
        for r in (r for r in rows if "frequency" in r):
            point = (r["probability"], r["frequency"], r["share"])
            lines.setdefault(r["forecast"], []).append(point)
        name = event.replace(">", "_above_").replace("<", "_below_")
        yield f"{name}_{lead}h", figures.reliability(lines, f"{event}, {lead} h")


def _records(path: Path, part: str, needed: Sequence[str]) -> list[dict[str, Any]]:
    """Read records of one part of a run's scores, each of which says all that is `needed`."""
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
    path: Path, kinds: Sequence[str], along: str
) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Return the rows of some kinds of curve by channel or event and lead time.

    Of several regions and seasons, the first region and the whole year.
    """
    needed = ("kind", "forecast", "region", "season", "lead_hours")
    rows = [r for r in _records(path, "curves", needed) if r["kind"] in kinds]
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for r in rows:
        if (r["region"], r["season"]) == (rows[0]["region"], rows[0]["season"]):
            found.setdefault((r[along], r["lead_hours"]), []).append(r)
    return found
