"""Meteograms: what is forecast for one point, channel under channel, over time."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from smoecast.errors import ConfigError, InputError
from smoecast.fields import channels as channels_
from smoecast.fields import times
from smoecast.fields.read.results import moments_of
from smoecast.tasks.plot.cartography import quantities
from smoecast.tasks.plot.cartography.maps import sign
from smoecast.tasks.plot.cartography.quantities import Unit
from smoecast.tasks.plot.cartography.sheets import say_latitude, say_longitude
from smoecast.tasks.plot.figures import PALETTE
from smoecast.tasks.plot.file_maps import Choice, say_moment
from smoecast.tasks.plot.opening import Opened, choose_start, nearest_point
from smoecast.tasks.plot.truth import keep_known

MOST_CHANNELS = 8
_BANDS = ((0.0, 1.0, 0.15, "all members"), (0.1, 0.9, 0.25, "80 %"), (0.25, 0.75, 0.4, "50 %"))


def draw(
    opened: Opened,
    channels: Sequence[str],
    choice: Choice,
    point: str,
    truth: Opened | None = None,
) -> Figure:
    """Draw the series of the grid point that is nearest to a place.

    Members become bands (50 %, 80 %, all) about their median, a mean with a standard deviation
    bands of one and two of these, a single forecast a line.

    Parameters
    ----------
    opened : Opened
    channels : sequence of str
        Up to eight.
    choice : Choice
        Start and units of it count.
    point : str
        ``LAT,LON``.
    truth : Opened, optional
        On the same grid: its values between the first time and the last are drawn too.

    Raises
    ------
    ConfigError
        The point, the start or the number of channels is none that can be drawn, or what only maps
        have was asked for.
    InputError
        The file has no series there.
    """
    if choice.kinds or choice.leads or choice.region or choice.members:
        raise ConfigError(
            "--point: a meteogram has no --kind, --lead, --member and --region: leave them out"
        )
    if len(channels) > MOST_CHANNELS:
        raise ConfigError(
            f"--point: {len(channels)} channels are more than a meteogram holds, {MOST_CHANNELS}: "
            "choose with --channel"
        )
    source = opened.source
    dataset = nearest_point(opened.dataset, source, point)
    if "lead_time" in dataset.dims:
        if truth is not None and choice.init_time is None:
            dataset = keep_known(dataset, source, truth, whole=False)
        dataset = choose_start(dataset, source, choice.init_time)
    elif choice.init_time:
        raise ConfigError("--init-time: analyses at a point are drawn over all times: leave it out")
    axis = "lead_time" if "lead_time" in dataset.dims else "time"
    if axis not in dataset.dims or dataset.sizes[axis] < 2:
        raise InputError(f"{source}: holds a single time, so no series at a point: draw a map")
    when = dataset[axis].values
    start = ""
    if axis == "lead_time":
        start = f"forecast from {say_moment(dataset['init_time'].values)}, "
        when = times.later(dataset["init_time"].values, when)
    figure = Figure((8.5, 1.1 + 1.9 * len(channels)), layout="constrained")
    rows = np.atleast_1d(figure.subplots(len(channels), 1, sharex=True))
    for axes, channel in zip(rows, channels, strict=True):
        unit = quantities.unit_of(channel, choice.units)
        _draw_series(axes, dataset, channel, source, when, unit)
        if truth is not None:
            _draw_truth(axes, nearest_point(truth.dataset, truth.source, point), channel, truth,
                        when, unit)  # fmt: skip
        axes.set_title(quantities.describe(channel, unit), fontsize=10, loc="left")
        axes.set_ylabel(unit.label)
        axes.grid(color="#DDDDDD", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    rows[-1].xaxis.set_major_locator(locator := AutoDateLocator())  # type: ignore[no-untyped-call]
    rows[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    rows[-1].set_xlabel("valid time, UTC")
    rows[0].legend(
        frameon=False, ncols=4, fontsize="small", loc="lower right", bbox_to_anchor=(1, 1)
    )
    north, east = float(dataset["latitude"]), float(dataset["longitude"])
    here = f"{say_latitude(round(north, 2))} {say_longitude(round(east, 2))}"
    figure.suptitle(f"{start}grid point {here}", fontsize=12, fontweight="bold")
    foot = opened.foot if truth is None else f"{opened.foot} | truth: {truth.file}"
    sign(figure, foot, opened.simulated)
    return figure


def _draw_truth(
    axes: Axes, dataset: xr.Dataset, channel: str, truth: Opened, when: np.ndarray, unit: Unit
) -> None:
    there = dataset["time"].values
    inside = np.flatnonzero((there >= when[0]) & (there <= when[-1]))
    if not len(inside):
        raise InputError(
            f"{truth.source}: holds no time between {times.iso(when[0])} and "
            f"{times.iso(when[-1])}: give the analyses of that time as --truth"
        )
    values = channels_.field(dataset, channel, truth.source).isel(time=inside).values
    line = values * unit.factor + unit.offset
    axes.plot(there[inside], line, color="black", marker=".", linewidth=0.8, label="truth")


def _draw_series(
    axes: Axes, dataset: xr.Dataset, channel: str, source: str, when: np.ndarray, unit: Unit
) -> None:
    colour = PALETTE[0]
    if not channels_.has_field(dataset, channel):
        moments = moments_of(dataset, channel)
        if moments is None:
            raise InputError(
                f"{source}: of {channel} there are probabilities alone, which are drawn as maps: "
                "leave --point out"
            )
        mean, spread = (moment.values * unit.factor for moment in moments)
        for width, alpha in ((2, 0.2), (1, 0.4)):
            low, high = mean - width * spread, mean + width * spread
            name = f"{width} standard deviation{'s' if width > 1 else ''}"
            bounds = (low + unit.offset, high + unit.offset)
            axes.fill_between(when, *bounds, color=colour, alpha=alpha, linewidth=0, label=name)
        axes.plot(when, mean + unit.offset, color=colour, label="mean")
        return
    field = channels_.field(dataset, channel, source)
    if "number" not in field.dims:
        mark = "o" if len(when) < 60 else None
        line = field.values * unit.factor + unit.offset
        name = "forecast" if "lead_time" in field.dims else "value"
        axes.plot(when, line, color=colour, marker=mark, markersize=3, label=name)
        return
    members = field.transpose("number", ...).values * unit.factor + unit.offset
    for first, last, alpha, name in _BANDS:
        band = np.nanquantile(members, [first, last], axis=0)
        axes.fill_between(when, *band, color=colour, alpha=alpha, linewidth=0, label=name)
    axes.plot(when, np.nanmedian(members, axis=0), color=colour, label="median")
