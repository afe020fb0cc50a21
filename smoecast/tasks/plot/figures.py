"""Pictures of fields, scores, routing and ranks: arrays in, a matplotlib figure out."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl

mpl.use("agg")

import numpy as np
from matplotlib.colors import ListedColormap
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
) -> Figure:
    """Draw fields of one quantity in a row.

    Parameters
    ----------
    panels : mapping of str to (field, is_error)
        (H, W) each; fields share one colour scale, errors have one of their own about zero.
    latitude, longitude : (H,) and (W,)
    title, unit : str
    """
    figure = Figure(figsize=(4.6 * len(panels), 3.4), layout="constrained")
    figure.suptitle(title)
    low, high = np.percentile([f for f, is_error in panels.values() if not is_error], [0.5, 99.5])
    errors = [f for f, is_error in panels.values() if is_error] or [np.ones(1)]
    most = float(np.percentile(np.abs(errors), 99.5))
    for place, (name, (field, is_error)) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), place)
        limits = (-most, most) if is_error else (low, high)
        mesh = axes.pcolormesh(
            longitude,
            latitude,
            field,
            cmap="RdBu_r" if is_error else "viridis",
            vmin=limits[0],
            vmax=limits[1],
            shading="nearest",
        )
        axes.set(title=name, xlabel="longitude", ylabel="latitude" if place == 1 else "")
        figure.colorbar(mesh, ax=axes, label=unit, orientation="horizontal", shrink=0.9)
    return figure


def score_bars(
    records: Sequence[Mapping[str, Any]], score: str, units: Mapping[str, str]
) -> Figure:
    """Draw one score by channel: a line over lead times, or a bar where there is only one."""
    channels = list(dict.fromkeys(str(r["channel"]) for r in records))
    figure = Figure(figsize=(3.6 * len(channels), 3.4), layout="constrained")
    for place, channel in enumerate(channels, start=1):
        axes = figure.add_subplot(1, len(channels), place)
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
    figure = Figure(figsize=(4.6 * len(chosen) + 0.8, 3.2), layout="constrained")
    figure.suptitle(title)
    colours = ListedColormap([PALETTE[i % len(PALETTE)] for i in range(experts)])
    for place, (output, numbers) in enumerate(chosen.items(), start=1):
        axes = figure.add_subplot(1, len(chosen), place)
        rows, columns = len(latitude) // numbers.shape[0], len(longitude) // numbers.shape[1]
        mesh = axes.pcolormesh(
            longitude,
            latitude,
            numbers.repeat(rows, axis=0).repeat(columns, axis=1),
            cmap=colours,
            vmin=-0.5,
            vmax=experts - 0.5,
            shading="nearest",
        )
        axes.set(title=output, xlabel="longitude")
        axes.set_ylabel("latitude" if place == 1 else "")
    step = max(1, experts // 12)
    figure.colorbar(mesh, ax=figure.axes, label="expert", ticks=range(0, experts, step))
    return figure


def ranks(shares: Mapping[str, Sequence[float]], title: str) -> Figure:
    """Draw histograms of ranks or of PIT side by side, as shares, with the flat line."""
    figure = Figure(figsize=(4.2 * len(shares), 3.2), layout="constrained")
    figure.suptitle(title)
    top = 1.08 * max(max(share) for share in shares.values())
    for place, (name, share) in enumerate(shares.items(), start=1):
        axes = figure.add_subplot(1, len(shares), place)
        axes.bar(range(1, len(share) + 1), share, color=PALETTE[0])
        axes.axhline(1 / len(share), color=PALETTE[1], linestyle="--", label="flat")
        axes.set(title=name, xlabel="from below to above", ylabel="share of cases" * (place == 1))
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
    figure = Figure(figsize=(4.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
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
