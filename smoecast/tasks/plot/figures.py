"""Pictures of fields, scores, routing and ranks: arrays in, a matplotlib figure out."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl

mpl.use("agg")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#000000")
"""Okabe and Ito's colours, told apart by the colour-blind as well."""


def maps(
    panels: Mapping[str, tuple[Field, bool]],
    latitude: Field,
    longitude: Field,
    *,
    title: str,
    unit: str,
    labels: tuple[str, str] = ("latitude", "longitude"),
) -> Figure:
    """Draw fields of one quantity in a row; what is missing stays white.

    Parameters
    ----------
    panels : mapping of str to (field, is_error)
        (H, W) each; fields share one colour scale, errors have one of their own about zero.
    latitude, longitude : (H,) and (W,)
    title, unit : str
    labels : tuple of str
        Of these two, where they are those of a projection.
    """
    figure, places = _panels(len(panels), 4.6, 3.4, title)
    low, high = np.nanpercentile(
        [f for f, is_error in panels.values() if not is_error], [0.5, 99.5]
    )
    errors = [f for f, is_error in panels.values() if is_error] or [np.ones(1)]
    most = float(np.percentile(np.abs(errors), 99.5))
    for axes, (name, (field, is_error)) in zip(places, panels.items(), strict=True):
        limits = (-most, most) if is_error else (low, high)
        colours = "RdBu_r" if is_error else "viridis"
        mesh = _draw_map(axes, name, (latitude, longitude), field, colours, limits)
        axes.set(xlabel=labels[1], ylabel=labels[0] if axes is places[0] else "")
        figure.colorbar(mesh, ax=axes, label=unit, orientation="horizontal", shrink=0.9)
    return figure


def _panels(
    count: int, width: float, height: float, title: str = "", more: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """Return a figure of so many places in a row, and `more` inches beside them."""
    figure = Figure(figsize=(width * count + more, height), layout="constrained")
    if title:
        figure.suptitle(title)
    return figure, [figure.add_subplot(1, count, place) for place in range(1, count + 1)]


def _draw_map(
    axes: Axes,
    title: str,
    place: tuple[Field, Field],
    field: NDArray[Any],
    colours: str | Colormap,
    limits: tuple[float, float],
) -> QuadMesh:
    axes.set(title=title, xlabel="longitude")
    mesh = axes.pcolormesh(place[1], place[0], field, cmap=colours, shading="nearest")
    mesh.set_clim(*limits)
    return mesh


def score_bars(
    records: Sequence[Mapping[str, Any]], score: str, units: Mapping[str, str]
) -> Figure:
    """Draw one score by channel: a line over lead times, or a bar where there is only one."""
    channels = list(dict.fromkeys(str(r["channel"]) for r in records))
    figure, places = _panels(len(channels), 3.6, 3.4)
    for axes, channel in zip(places, channels, strict=True):
        mine = [r for r in records if r["channel"] == channel]
        names = list(dict.fromkeys(str(r["forecast"]) for r in mine))
        for index, name in enumerate(names):
            line = sorted((r["lead_hours"], r[score]) for r in mine if r["forecast"] == name)
            hours, values = zip(*line, strict=True)
            if len(hours) > 1:
                axes.plot(hours, values, marker="o", color=PALETTE[index], label=name)
            else:
                bar = axes.bar(name, values[0], color=PALETTE[index])
                axes.bar_label(bar, fmt="%.4g", padding=2)
        if len({r["lead_hours"] for r in mine}) > 1:
            axes.set_xlabel("lead time, h")
            axes.legend(frameon=False)
            axes.set_ylim(bottom=0)
        else:
            axes.set_xlabel(f"{mine[0]['lead_hours']} h ahead")
            axes.margins(y=0.12)
        axes.set(title=channel, ylabel=f"{score.upper()} [{units[channel]}]")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def routing(
    chosen: Mapping[str, NDArray[np.int64]],
    latitude: Field,
    longitude: Field,
    *,
    experts: int,
    title: str,
) -> Figure:
    """Draw which of so many experts serve each point: (H, W) of their numbers by output.

    A layer inside a U-Net has a coarser grid: each of its points is drawn where it stands.
    """
    figure, places = _panels(len(chosen), 4.6, 3.2, title, more=0.8)
    colours = ListedColormap([PALETTE[i % len(PALETTE)] for i in range(experts)])
    for axes, (output, numbers) in zip(places, chosen.items(), strict=True):
        rows, columns = len(latitude) // numbers.shape[0], len(longitude) // numbers.shape[1]
        fine = numbers.repeat(rows, axis=0).repeat(columns, axis=1)
        limits = (-0.5, experts - 0.5)
        mesh = _draw_map(axes, output, (latitude, longitude), fine, colours, limits)
        axes.set_ylabel("latitude" if axes is places[0] else "")
    step = max(1, experts // 12)
    figure.colorbar(mesh, ax=figure.axes, label="expert", ticks=range(0, experts, step))
    return figure


def ranks(shares: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Draw histograms of ranks or of PIT side by side, as shares, with the flat line."""
    figure, places = _panels(len(shares), 4.2, 3.2, title)
    top = 1.08 * max(max(share) for share in shares.values())
    for axes, (name, share) in zip(places, shares.items(), strict=True):
        axes.bar(range(1, len(share) + 1), share, color=PALETTE[0])
        axes.axhline(1 / len(share), color=PALETTE[1], linestyle="--", label="flat")
        axes.set(title=name, xlabel="from below to above")
        axes.set_ylabel("share of cases" if axes is places[0] else "")
        axes.set_ylim(0, top)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper center")
    return figure


def reliability(lines: Mapping[str, Sequence[tuple[float, float, float]]], title: str) -> Figure:
    """Draw how often an event came against its chance; the size of a point is its share of cases.

    Parameters
    ----------
    lines : mapping of str to sequence of (probability, frequency, share)
    title : str
    """
    figure, (axes,) = _panels(1, 4.4, 4.2)
    axes.plot([0, 1], [0, 1], color=PALETTE[-2], linestyle="--", label="reliable")
    for colour, (name, points) in zip(PALETTE, lines.items(), strict=False):
        chance, came, share = zip(*points, strict=True)
        axes.plot(chance, came, color=colour, label=name)
        axes.scatter(chance, came, [10 + 300 * s for s in share], color=colour)
    axes.set(title=title, xlabel="forecast probability", ylabel="how often it came")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
