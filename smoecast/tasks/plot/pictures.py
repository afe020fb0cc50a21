"""What a run's results look like: files in, named figures out."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smoecast.disk.read_locks import hold_for_reading
from smoecast.errors import InputError
from smoecast.fields import channels, times
from smoecast.fields.grid import place_of
from smoecast.fields.read.open import open_file
from smoecast.fields.store import store
from smoecast.tasks.plot import figures, opening
from smoecast.tasks.plot.cartography import quantities
from smoecast.tasks.plot.cartography.maps import Group, draw_maps, sign
from smoecast.tasks.plot.figures import Pictures
from smoecast.tasks.plot.file_maps import say_moment
from smoecast.tasks.plot.records import Results


def maps(
    path: Path,
    store_path: Path,
    targets: Sequence[str],
    simulated: bool,
    *,
    asked: Sequence[str] = (),
    region: str | None = None,
    units: Sequence[str] = (),
) -> Pictures:
    """Draw the last start's longest forecast beside truth and persistence, and their errors.

    Parameters
    ----------
    path : Path
        Of forecasts.
    store_path : Path
        Of the analyses that they began from.
    targets : sequence of str
        Channels, a picture for each that was forecast.
    simulated : bool
        Whether they are of the simulated planet.
    asked : sequence of str
        Channels in their place, each of which must be there.
    region : str, optional
        Name, or N,W,S,E; default: the whole grid.
    units : sequence of str
        In place of the usual ones.
    """
    quantities.check_units(units, asked or targets)
    forecasts = open_file(path).isel(init_time=-1, lead_time=-1)
    start = np.datetime64(forecasts["init_time"].item(), "ns")
    lead = np.timedelta64(forecasts["lead_time"].item(), "ns")
    valid = times.later(np.asarray(start), np.asarray(lead))
    forecasts = opening.cut(forecasts, str(path), region)
    with hold_for_reading(store_path):
        truth = opening.cut(store.open_store(store_path), str(store_path), region)["fields"]
        for channel in asked or [c for c in targets if channels.has_field(forecasts, c)]:
            found = channels.field(forecasts, channel, str(path), "--channel")
            members = "number" in found.dims
            field = (found.mean("number") if members else found).values
            now = truth.sel(channel=channel, time=start).values
            name = "ensemble mean" if members else "forecast"
            values, errors = {name: field}, {}
            if start + lead in truth["time"].values:
                true = truth.sel(channel=channel, time=start + lead).values
                values["truth"] = true
                errors = {f"{name} - truth": field - true, "persistence - truth": now - true}
            unit = quantities.unit_of(channel, units)
            shown = {n: v * unit.factor + unit.offset for n, v in values.items()}
            scale = quantities.value_scale(channel, list(shown.values()), unit)
            groups = [Group(list(shown.items()), scale)]
            if errors:
                apart = {n: v * unit.factor for n, v in errors.items()}
                label = f"error, {quantities.difference_label(unit)}"
                scale = quantities.difference_scale(list(apart.values()), label)
                groups.append(Group(list(apart.items()), scale))
            title = (
                f"{quantities.describe(channel, unit)}\n{times.as_hours(lead):g} h from "
                f"{say_moment(start)}, valid {say_moment(valid)}"
            )
            foot, place = path.parent.name, place_of(forecasts)
            yield (
                channel,
                draw_maps(groups, place, title=title, foot=foot, simulated=simulated),
            )


def read_history(path: Path) -> list[dict[str, float]]:
    """Return the epochs of a training, as ``history.jsonl`` has them.

    Raises
    ------
    InputError
        The file is damaged.
    """
    try:
        epochs = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        whole = bool(epochs) and all(
            isinstance(e[key], int | float)
            for e in epochs
            for key in ("epoch", "train_loss", "validation_loss")
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise InputError(f"{path}: the history is damaged, or has no epoch: train again")
    return epochs


def training(path: Path, simulated: bool) -> Pictures:
    """Draw the losses of a training, as ``history.jsonl`` has them.

    Raises
    ------
    InputError
        The file is damaged.
    """
    epochs = read_history(path)
    figure = figures.training(epochs, f"training of {path.absolute().parent.parent.name}")
    sign(figure, "", simulated)
    yield "losses", figure


def ranks(results: Results) -> Pictures:
    """Draw the histograms of ranks and of PIT, a picture a channel and lead time."""
    for (channel, lead), rows in curves_by(results, ("rank", "pit"), "channel").items():
        bars: dict[str, list[float]] = {}
        for r in rows:
            what = {"channel": channel, "lead_hours": lead, "region": r["region"]}
            cases = results.starts(forecast=r["forecast"], **what)
            name = f"{r['forecast']}, {WORDS[r['kind']]}, {r['region']}"
            bars.setdefault(f"{name}\n{cases}" if cases else name, []).append(r["share"])
        title = f"{channel}, {lead} h: where the truth falls in the ensemble"
        figure = figures.ranks(bars, title)
        sign(figure, results.foot, results.simulated)
        yield f"{channel}_{lead}h", figure


def reliability(results: Results) -> Pictures:
    """Draw how often an event came against its chance, a picture an event, region and lead time."""
    for (event, lead), rows in curves_by(results, ("reliability",), "event").items():
        name = event.replace(">", "_above_").replace("<", "_below_")
        regions = list(dict.fromkeys(r["region"] for r in rows))
        for region in regions:
            lines: dict[str, list[tuple[float, float, float]]] = {}
            for r in (r for r in rows if "frequency" in r and r["region"] == region):
                point = (r["probability"], r["frequency"], r["share"])
                what = {"event": event, "lead_hours": lead, "region": region}
                cases = results.starts(forecast=r["forecast"], **what)
                words = f"{r['forecast']}, {cases}" if cases else r["forecast"]
                lines.setdefault(words, []).append(point)
            rate = event_rate(results.events, event, lead, region)
            figure = figures.reliability(lines, f"{event}, {lead} h, {region}", rate)
            sign(figure, results.foot, results.simulated)
            yield f"{name}_{lead}h" + ("" if region == regions[0] else f"_{region}"), figure


def event_rate(
    events: Sequence[Mapping[str, Any]], event: str, lead: int, region: str
) -> float | None:
    """Return how often an event came at all; None where no record says."""
    for r in events:
        same = (r["event"], r["lead_hours"], r.get("region")) == (event, lead, region)
        if same and "event_rate" in r:
            return float(r["event_rate"])
    return None


WORDS = {"rank": "ranks", "pit": "PIT"}


def curves_by(
    results: Results, kinds: Sequence[str], along: str
) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Return the rows of some kinds of curve by channel or event and lead time."""
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for r in results.curves:
        if r["kind"] in kinds:
            found.setdefault((r[along], r["lead_hours"]), []).append(r)
    return found
