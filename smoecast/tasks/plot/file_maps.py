"""Maps and meteograms of any file of fields: which of them, and what stands above each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smoecast.errors import ConfigError, InputError
from smoecast.fields import channels as channels_
from smoecast.fields import times
from smoecast.fields.grid import place_of
from smoecast.fields.read.results import MOMENTS, moments_of, probabilities_of
from smoecast.names import parse_channel
from smoecast.tasks.plot.cartography import quantities
from smoecast.tasks.plot.cartography.maps import MOST_PANELS, Group, draw_maps
from smoecast.tasks.plot.cartography.quantities import Scale, Unit
from smoecast.tasks.plot.opening import Opened, choose_times, cut
from smoecast.tasks.plot.truth import choose_known, take_truth

KINDS = ("value", "mean", "spread", "member", "probability", "truth", "error")
"""What of a file can be drawn as maps; the last two beside a truth alone."""
BESIDE_TRUTH = KINDS[-2:]
_WORDS = {"value": "", "mean": "ensemble mean", "spread": "spread (standard deviation)"}


@dataclass(frozen=True)
class Choice:
    """What of a file is drawn.

    Attributes
    ----------
    kinds : tuple of str
        Of `KINDS`; none: the value, or of an ensemble the mean.
    init_time : str or None
        Start, or time of analyses; None: the last.
    leads : tuple of float
        Hours; none: up to six.
    region : str or None
        Name, or N,W,S,E.
    members : tuple of int
        For the kind ``member``; none: the first six.
    units : tuple of str
        Instead of the usual ones.
    """

    kinds: tuple[str, ...] = ()
    init_time: str | None = None
    leads: tuple[float, ...] = ()
    region: str | None = None
    members: tuple[int, ...] = ()
    units: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Layer:
    """Fields of one kind: words for each beside its time, the unit they get, and their scale."""

    fields: list[tuple[str, xr.DataArray]]
    kind: str


def channels_in(dataset: xr.Dataset) -> list[str]:
    """Return the channels of a dataset of which something can be drawn, sorted."""
    names = [n for n in channels_.channels_of(dataset) if parse_channel(n)]
    for name in map(str, dataset.data_vars):
        channel = name.removesuffix(f"_{MOMENTS[0]}").partition("_probability_")[0]
        if channel not in names and channel != name and parse_channel(channel):
            names.append(channel)
    return sorted(names)


def draw_channel(
    opened: Opened, channel: str, choice: Choice, truth: Opened | None = None
) -> Figure:
    """Draw maps of one channel: a group of panels for each kind, a panel for each lead time.

    Beside a truth, only times are drawn that it has.

    Raises
    ------
    ConfigError
        A kind, time, region or unit is none, or there would be too many panels.
    InputError
        The file does not have what is asked for, or not one value of it.
    """
    source = opened.source
    if channel not in channels_in(opened.dataset):
        channels_.field(opened.dataset, channel, source)
    if truth is None:
        dataset = choose_times(opened.dataset, source, choice.init_time, choice.leads)
    else:
        dataset = choose_known(opened, truth, choice.init_time, choice.leads)
        truth = replace(truth, dataset=cut(truth.dataset, truth.source, choice.region))
    dataset = cut(dataset, source, choice.region)
    unit = quantities.unit_of(channel, choice.units)
    layers: list[_Layer] = []
    for kind in choice.kinds or _usual(dataset, channel, truth):
        if kind in BESIDE_TRUTH:
            fields = _hold(dataset, channel, kind, source, truth)
        else:
            fields = _find(dataset, channel, kind, source, choice.members)
        if truth is not None and kind == "value":
            fields = [(words or _name(field), field) for words, field in fields]
        if kind == "truth" and layers and layers[-1].kind in ("value", "mean"):
            fields = layers.pop().fields + fields  # in the same colours
        layers.append(_Layer(fields, kind))
    groups = [_group(layer, channel, unit, source) for layer in layers]
    count = sum(len(group.panels) for group in groups)
    if count > MOST_PANELS:
        raise ConfigError(
            f"{count} maps of {channel} are more than a picture holds, {MOST_PANELS}: choose with "
            "--lead, --member or --kind"
        )
    title = quantities.describe(channel, unit) + _say_start(dataset)
    foot = opened.foot if truth is None else f"{opened.foot} | truth: {truth.file}"
    said: dict[str, Any] = {"title": title, "foot": foot}
    said["simulated"] = opened.simulated
    return draw_maps(groups, place_of(dataset), **said)


def _usual(dataset: xr.Dataset, channel: str, truth: Opened | None) -> tuple[str, ...]:
    """Return what is drawn of a channel where nothing is asked for."""
    if truth is not None:
        return (_centre(dataset, channel), *BESIDE_TRUTH)
    if channels_.has_field(dataset, channel):
        members = "number" in channels_.field_of(dataset, channel).dims
        return ("mean", "spread") if members else ("value",)
    return ("mean", "spread") if moments_of(dataset, channel) else ("probability",)


def _centre(dataset: xr.Dataset, channel: str) -> str:
    """Return the kind of field that is held against a truth: the value, or of members the mean."""
    if channels_.has_field(dataset, channel):
        return "mean" if "number" in channels_.field_of(dataset, channel).dims else "value"
    return "mean"


def _hold(
    dataset: xr.Dataset, channel: str, kind: str, source: str, truth: Opened | None
) -> list[tuple[str, xr.DataArray]]:
    """Return the truth of a channel, or what a forecast or a mean lies above it."""
    if truth is None:
        raise ConfigError(f"--kind {kind}: needs a truth: give analyses as --truth")
    ((words, field),) = _find(dataset, channel, _centre(dataset, channel), source, ())
    true = take_truth(field, channel, truth)
    if kind == "truth":
        return [("truth", true)]
    return [(f"{words or _name(field)} - truth", field.copy(data=field.values - true.values))]


def _name(field: xr.DataArray) -> str:
    """Return what a single field is called beside its truth."""
    return "forecast" if "lead_time" in field.coords else "value"


def _find(
    dataset: xr.Dataset, channel: str, kind: str, source: str, members: Sequence[int]
) -> list[tuple[str, xr.DataArray]]:
    """Return the fields of a kind, which may have a lead time, and what each is."""
    if kind not in KINDS:
        raise ConfigError(f"--kind {kind}: no kind of map of a file: give {', '.join(KINDS)}")
    if kind == "probability":
        found = probabilities_of(dataset, channel)
        if not found:
            raise InputError(
                f"{source}: holds no probability of {channel}: write some with `smoecast "
                f"postprocess --write probabilities='{channel}>...'`"
            )
        return [(_say_event(str(event)), field) for event, field in found.items()]
    if kind in ("mean", "spread") and (moments := moments_of(dataset, channel)):
        return [(_WORDS[kind], moments[kind == "spread"])]
    if channel in channels_in(dataset) and not channels_.has_field(dataset, channel):
        raise InputError(f"{source}: holds no {kind} of {channel}: ask for another kind")
    field = channels_.field(dataset, channel, source)
    if "number" not in field.dims:
        if kind == "value":
            return [("", field)]
        raise InputError(f"{source}: holds one forecast and no members: draw --kind value")
    if kind == "member":
        there = dataset["number"].values.tolist()
        missing = [str(one) for one in members if one not in there]
        if missing:
            raise InputError(
                f"{source}: the member {missing[0]} is not in it, which has {there[0]} to "
                f"{there[-1]}: ask for one of these"
            )
        return [(f"member {n}", field.sel(number=n)) for n in members or there[:6]]
    if kind == "value":
        kind = "mean"
    made = field.mean("number") if kind == "mean" else field.std("number", ddof=1)
    return [(_WORDS[kind], made)]


def _group(layer: _Layer, channel: str, unit: Unit, source: str) -> Group:
    panels: list[tuple[str, NDArray[Any]]] = []
    for words, field in layer.fields:
        leads = range(field.sizes["lead_time"]) if "lead_time" in field.dims else [None]
        for lead in leads:
            one = field if lead is None else field.isel(lead_time=lead)
            panels.append((_join(words, say_time(one)), _convert(one.values, layer.kind, unit)))
    values = [field for _, field in panels]
    if np.isnan(np.concatenate([v.ravel() for v in values])).all():
        raise InputError(f"{source}: {channel} has no value there: nothing can be drawn")
    return Group(panels, _scale(layer.kind, channel, values, unit))


def _convert(values: NDArray[Any], kind: str, unit: Unit) -> NDArray[Any]:
    values = np.asarray(values, dtype=np.float64)
    if kind == "probability":
        return values * 100
    return values * unit.factor + (0.0 if kind in ("spread", "error") else unit.offset)


def _scale(kind: str, channel: str, values: Sequence[NDArray[Any]], unit: Unit) -> Scale:
    if kind == "probability":
        return quantities.chance_scale()
    if kind == "error":
        return quantities.difference_scale(values, f"error, {quantities.difference_label(unit)}")
    if kind == "spread":
        return quantities.spread_scale(values, f"spread, {quantities.difference_label(unit)}")
    return quantities.value_scale(channel, values, unit)


def say_time(field: xr.DataArray | xr.Dataset) -> str:
    """Return when a field holds: ``+24 h: Tue 2020-01-02 00 UTC``; empty where it has no time."""
    if "lead_time" in field.coords and field["lead_time"].ndim == 0:
        lead = field["lead_time"].values
        hours = f"+{times.as_hours(lead):g} h"
        if "init_time" not in field.coords or field["init_time"].ndim:
            return hours
        return f"{hours}: {say_moment(times.later(field['init_time'].values, lead))}"
    if "time" in field.coords and field["time"].ndim == 0:
        return say_moment(field["time"].values)
    return ""


def say_moment(time: np.ndarray | np.datetime64) -> str:
    """Return ``Thu 2020-01-02 00 UTC``, with minutes where there are any."""
    moment = np.datetime64(np.asarray(time).item(), "ns").astype("datetime64[m]")
    day = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")[
        int(moment.astype("datetime64[D]").astype(np.int64)) % 7
    ]
    date, clock = str(moment).split("T")
    return f"{day} {date} {clock.removesuffix(':00')} UTC"


def _say_start(dataset: xr.Dataset) -> str:
    if "init_time" in dataset.coords and dataset["init_time"].ndim == 0:
        return f"\nforecast from {say_moment(dataset['init_time'].values)}"
    return ""


def _say_event(event: str) -> str:
    return f"P({event.replace('>', ' > ').replace('<', ' < ')})"


def _join(words: str, when: str) -> str:
    return "\n".join(part for part in (words, when) if part)
