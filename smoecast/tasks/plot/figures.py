"""Charts of ensembles and of training: arrays in, a matplotlib figure out."""

from collections.abc import Iterator, Mapping, Sequence

import matplotlib as mpl

mpl.use("agg")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#000000")
"""Okabe and Ito's colours, told apart by the colour-blind as well."""

Pictures = Iterator[tuple[str, Figure]]
"""Name of a picture, and the picture."""


def bare(axes: Axes) -> None:
    """Leave a chart two spines and a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)


def ranks(shares: Mapping[str, Sequence[float]], title: str, top: float | None = None) -> Figure:
    """Draw histograms of ranks or of PIT side by side, as shares, with the flat line.

    Parameters
    ----------
    shares : mapping of str to sequence of float
        By what each is of: source and number of cases.
    title : str
        Empty: none.
    top : float, optional
        Where the axis of shares ends; default: above the largest.
    """
    columns = min(len(shares), 3)
    rows = -(-len(shares) // columns)
    figure = Figure((max(3.3 * columns, 5.0), 0.7 + 2.9 * rows), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=12, fontweight="bold")
    top = top or 1.15 * max(max(share) for share in shares.values())
    for place, (name, share) in enumerate(shares.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        bare(axes)
        axes.bar(range(1, len(share) + 1), share, color=PALETTE[0], width=0.9)
        axes.axhline(1 / len(share), color=PALETTE[1], linestyle="--", label="flat")
        axes.set_title(name, fontsize=10)
        axes.set(xlabel="rank of the truth, from below to above", ylim=(0, top))
        axes.set_ylabel("share of cases" if place % columns == 1 or columns == 1 else "")
        axes.legend(frameon=False, loc="upper center", fontsize="small")
    return figure


def reliability(
    lines: Mapping[str, Sequence[tuple[float, float, float]]], title: str, rate: float | None = None
) -> Figure:
    """Draw how often an event came against its chance, and under it how often which was given.

    Parameters
    ----------
    lines : mapping of str to sequence of (probability, frequency, share)
    title : str
    rate : float, optional
        How often the event came at all: draws climatology, and between it and the diagonal the
        line on which the Brier skill is zero (Hsu and Murphy 1986,
        doi:10.1016/0169-2070(86)90048-8); nearer to the diagonal than it there is skill.
    """
    figure = Figure((5.6, 6.4), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=12, fontweight="bold")
    axes, below = figure.subplots(2, 1, height_ratios=(3.2, 1), sharex=True)
    axes.plot([0, 1], [0, 1], color="#555555", linewidth=1, label="reliable")
    if rate is not None:
        axes.axhline(rate, color="#555555", linestyle=":", linewidth=1, label="climatology")
        axes.axvline(rate, color="#555555", linestyle=":", linewidth=1)
        ends = np.array([0.0, 1.0])
        axes.plot(ends, (ends + rate) / 2, color="#555555", linestyle="--", linewidth=1,
                  label="no skill")  # fmt: skip
        for low, high, edge in ((0.0, rate, 0.0), (rate, 1.0, 1.0)):
            x = np.array([low, high])
            axes.fill_between(x, (x + rate) / 2, edge, color="#F0F0F0", zorder=0)
    width = 0.08 / max(len(lines), 1)
    for number, (name, points) in enumerate(lines.items()):
        chance, came, share = (np.array(part) for part in zip(*points, strict=True))
        colour = PALETTE[number % len(PALETTE)]
        axes.plot(chance, came, color=colour, marker="o", label=name)
        aside = (number - (len(lines) - 1) / 2) * width
        below.bar(chance + aside, share, width, color=colour)
    axes.set(ylabel="how often it came", ylim=(-0.02, 1.02))
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    below.set(xlabel="forecast probability", ylabel="share", xlim=(-0.06, 1.06))
    for one in (axes, below):
        bare(one)
    return figure


def training(epochs: Sequence[Mapping[str, float]], title: str) -> Figure:
    """Draw losses and learning rate over the epochs; the best epoch is marked.

    Parameters
    ----------
    epochs : sequence of mapping
        Lines of ``history.jsonl``.
    title : str
    """
    x = [e["epoch"] for e in epochs]
    several = any(e.get("routing_loss") for e in epochs)
    figure = Figure((7.2, 5.4 if several else 4.6), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=12, fontweight="bold")
    heights = (3, 1.2, 1.2) if several else (3, 1.2)
    axes, *others = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    for number, (key, name) in enumerate(
        (("train_loss", "training"), ("validation_loss", "validation"))
    ):
        axes.plot(x, [e.get(key, np.nan) for e in epochs], color=PALETTE[number], marker="o",
                  markersize=3, label=name)  # fmt: skip
    best = [e for e in epochs if e.get("best")]
    if best:
        axes.plot(best[-1]["epoch"], best[-1]["validation_loss"], color="black", marker="*",
                  markersize=11, linestyle="", label=f"best: {best[-1]['epoch']}")  # fmt: skip
    axes.set_ylabel("loss")
    axes.legend(frameon=False)
    below = [("learning_rate", "learning rate")]
    below += [("routing_loss", "routing loss")] if several else []
    for one, (key, name) in zip(others, below, strict=True):
        one.plot(x, [e.get(key, np.nan) for e in epochs], color=PALETTE[2])
        one.set_ylabel(name)
    for one in (axes, *others):
        bare(one)
    others[-1].set_xlabel("epoch")
    others[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
