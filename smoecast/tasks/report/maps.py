"""Maps of a page: forecast, truth and error of each run, over lead times or over starts."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup
from numpy.typing import NDArray

from smoecast import names
from smoecast.disk.read_locks import hold_for_reading
from smoecast.fields import channels, times
from smoecast.fields.grid import Grid, ProjectedGrid, place_of, same_place
from smoecast.fields.read.results import moments_of
from smoecast.fields.store import store
from smoecast.tasks.plot import opening
from smoecast.tasks.plot.cartography import quantities
from smoecast.tasks.plot.cartography.quantities import Scale, Unit
from smoecast.tasks.plot.file_maps import say_moment
from smoecast.tasks.report.drawing.frames import Painter, draw_scale
from smoecast.tasks.report.subjects import Subject

MOST_FRAMES, MOST_CHANNELS = 6, 6

Array = NDArray[np.floating[Any]]
Moment = tuple[np.datetime64, np.timedelta64]
"""Start and lead time."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One of the maps of a row at one place of the slider."""

    name: str
    picture: str
    words: str
    """What stands for the picture where it is not seen."""


@dataclass(frozen=True, eq=False)
class Row:
    """The maps of one run: for each place of the slider the panels, none where it has none."""

    label: str
    simulated: bool
    frames: list[list[Panel]]


@dataclass(frozen=True, eq=False)
class Block:
    """The maps of one channel."""

    channel: str
    title: str
    scales: list[tuple[str, Markup]]
    """Of which panels, and the colours."""
    rows: list[Row]


@dataclass(frozen=True, eq=False)
class Album:
    """Maps that one slider moves."""

    name: str
    axis: str
    """What the slider goes along."""
    places: list[str]
    blocks: list[Block]
    size: tuple[int, int]

    @property
    def first(self) -> int:
        """The place of the slider to begin with: where most runs have a forecast."""
        rows = [row for block in self.blocks for row in block.rows]
        counts = [sum(bool(row.frames[place]) for row in rows) for place in range(len(self.places))]
        return counts.index(max(counts))


@dataclass(eq=False)
class _Fields:
    """Forecasts of a run, opened."""

    subject: Subject
    dataset: xr.Dataset
    truth: xr.DataArray | None
    place: Grid | ProjectedGrid
    simulated: bool
    painter: Painter = field(init=False)

    def __post_init__(self) -> None:
        self.painter = Painter(self.place, self.simulated)

    @property
    def channels(self) -> list[str]:
        there = [*channels.channels_of(self.dataset), *map(str, self.dataset)]
        found = dict.fromkeys(name.removesuffix("_mean") for name in there)
        return [name for name in found if names.parse_channel(name)]

    @property
    def starts(self) -> NDArray[np.datetime64]:
        return np.asarray(self.dataset["init_time"].values)

    @property
    def leads(self) -> NDArray[np.timedelta64]:
        return np.asarray(self.dataset["lead_time"].values)

    def has(self, moment: Moment) -> bool:
        return bool(moment[0] in self.starts and moment[1] in self.leads)

    def knows_truth(self, moment: Moment) -> bool:
        return self.truth is not None and moment[0] + moment[1] in self.truth["time"].values

    def values(self, channel: str, moment: Moment) -> dict[str, Array]:
        """Return the fields of one moment by name, in SI units; none where it has none."""
        if not self.has(moment) or channel not in self.channels:
            return {}
        chosen = self.dataset.sel(init_time=moment[0], lead_time=moment[1])
        found: dict[str, Array] = {}
        if (moments := moments_of(chosen, channel)) is not None:
            found = {"mean": moments[0].values, "spread": moments[1].values}
        else:
            fields = channels.field(chosen, channel, self.subject.label)
            if "number" in fields.dims:
                mean = fields.mean("number").values
                found = {"mean": mean, "spread": fields.std("number", ddof=1).values}
            else:
                found = {"forecast": fields.values}
        if self._has_truth(channel) and self.knows_truth(moment):
            assert self.truth is not None
            true = self.truth.sel(channel=channel, time=moment[0] + moment[1]).values
            found |= {"truth": true, "error": next(iter(found.values())) - true}
        return {what: value for what, value in found.items() if np.isfinite(value).any()}

    def _has_truth(self, channel: str) -> bool:
        return self.truth is not None and channel in self.truth["channel"].values


def make_albums(subjects: Sequence[Subject]) -> list[Album]:
    """Return the maps of forecasts, then of calibrated ensembles; runs of the same starts together.

    Raises
    ------
    InputError
        A result or a store cannot be read.
    LockedError
        A store is being replaced.
    """
    albums = []
    with ExitStack() as held:
        for name, files in (
            ("forecasts", [(s, s.forecast) for s in subjects]),
            ("calibrated ensembles", [(s, s.calibrated) for s in subjects]),
        ):
            opened = [_open(s, path, held) for s, path in files if path is not None]
            groups = _group([fields for fields in opened if fields is not None])
            albums += [_make_album(name, group) for group in groups]
    return [album for album in albums if album.blocks]


def _open(subject: Subject, path: Path, held: ExitStack) -> _Fields | None:
    """Open forecasts and their truth; None where they are no forecasts along lead time."""
    opened = opening.open_input([str(path)])
    dataset = opening.cut(opened.dataset, str(path), None)
    if not {"init_time", "lead_time"} <= {*dataset.dims}:
        return None
    place, truth = place_of(dataset), None
    if subject.store is not None:
        held.enter_context(hold_for_reading(subject.store))
        cut = opening.cut(store.open_store(subject.store), str(subject.store), None)
        if same_place(place_of(cut), place):
            truth = cut["fields"]
    return _Fields(subject, dataset, truth, place, opened.simulated or subject.is_simulated)


def _group(opened: Sequence[_Fields]) -> list[list[_Fields]]:
    """Put together what has starts in common, so that one slider moves it."""
    groups: list[list[_Fields]] = []
    for one in opened:
        for group in groups:
            if len(np.intersect1d(_common_starts(group), one.starts)):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _common_starts(group: Sequence[_Fields]) -> NDArray[np.datetime64]:
    common = group[0].starts
    for one in group[1:]:
        common = np.intersect1d(common, one.starts)
    return common


def _choose_moments(group: Sequence[_Fields]) -> tuple[str, list[Moment]]:
    """Return along what the slider goes, and its places: lead times, or where one, starts.

    Of one start it is the last whose longest forecast has a truth.
    """
    starts = _common_starts(group)
    leads = np.unique(np.concatenate([one.leads for one in group]))
    if len(leads) > 1:
        whole = [s for s in starts if any(one.knows_truth((s, leads[-1])) for one in group)]
        start = (whole or list(starts))[-1]
        return "Lead time", [(start, lead) for lead in _thin(leads)]
    known = [s for s in starts if any(one.knows_truth((s, leads[0])) for one in group)]
    return "Start of the forecast", [(s, leads[0]) for s in _thin(np.asarray(known or starts))]


def _thin(values: NDArray[Any]) -> list[Any]:
    """Return up to so many, evenly, with the first and the last."""
    chosen = np.linspace(0, len(values) - 1, min(len(values), MOST_FRAMES)).round().astype(int)
    return [values[i] for i in chosen]


def _make_album(name: str, group: Sequence[_Fields]) -> Album:
    axis, moments = _choose_moments(group)
    there = dict.fromkeys(channel for one in group for channel in one.channels)
    blocks = [_make_block(channel, group, moments) for channel in list(there)[:MOST_CHANNELS]]
    places = [_say(moment, axis) for moment in moments]
    return Album(name, axis, places, blocks, group[0].painter.size)


def _say(moment: Moment, axis: str) -> str:
    start, lead = moment
    valid = times.later(np.asarray(start), np.asarray(lead))
    hours = f"{times.as_hours(lead):g} h"
    if axis == "Lead time":
        return f"{hours} from {say_moment(start)}, valid {say_moment(valid)}"
    return f"{say_moment(start)}, {hours} ahead, valid {say_moment(valid)}"


def _make_block(channel: str, group: Sequence[_Fields], moments: Sequence[Moment]) -> Block:
    unit = quantities.unit_of(channel)
    found = [[one.values(channel, moment) for moment in moments] for one in group]
    scales = _choose_scales(channel, unit, [v for row in found for v in row])
    rows = []
    for one, frames in zip(group, found, strict=True):
        panels = []
        for moment, values in zip(moments, frames, strict=True):
            hours = f"{times.as_hours(moment[1]):g} h"
            panels.append(
                [
                    Panel(
                        what,
                        one.painter.paint(_show(what, value, unit), scales[_kind(what)]),
                        _tell(what, channel, unit, hours, _show(what, value, unit)),
                    )
                    for what, value in values.items()
                ]
            )
        rows.append(Row(one.subject.label, one.simulated, panels))
    words = {"value": "values", "error": "error: forecast minus truth", "spread": "spread"}
    place = f"{group[0].subject.label} {sorted(map(str, group[0].dataset))} {channel}"
    drawn = [(words[kind], draw_scale(scale, f"{place} {kind}")) for kind, scale in scales.items()]
    return Block(channel, quantities.describe(channel, unit), drawn, rows)


def _kind(what: str) -> str:
    return what if what in ("error", "spread") else "value"


def _show(what: str, value: Array, unit: Unit) -> Array:
    """Return a field in its unit; differences and spread have no offset."""
    return np.asarray(value * unit.factor + (unit.offset if _kind(what) == "value" else 0.0))


def _choose_scales(channel: str, unit: Unit, found: Sequence[dict[str, Array]]) -> dict[str, Scale]:
    """Return the colours of values, errors and spread that all runs and moments share."""
    by: dict[str, list[Array]] = {}
    for values in found:
        for what, value in values.items():
            by.setdefault(_kind(what), []).append(_show(what, value, unit))
    label = quantities.difference_label(unit)
    scales = {}
    for kind, fields in by.items():
        if kind == "value":
            scales[kind] = quantities.value_scale(channel, fields, unit)
        elif kind == "error":
            scales[kind] = quantities.difference_scale(fields, label)
        else:
            scales[kind] = quantities.spread_scale(fields, label)
    return scales


def _tell(what: str, channel: str, unit: Unit, hours: str, shown: Array) -> str:
    label = unit.label if _kind(what) == "value" else quantities.difference_label(unit)
    low, high = np.nanmin(shown), np.nanmax(shown)
    return f"{what}, {channel}, {hours} ahead: {low:.4g} to {high:.4g} {label}"
