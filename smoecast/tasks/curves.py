"""From sums to histograms of ranks and PIT, Brier scores and reliability tables."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast.config import Config
from smoecast.scores import aggregate
from smoecast.scores.aggregate import Partial
from smoecast.scores.pointwise import Values
from smoecast.scores.reliability import BINS, brier_parts
from smoecast.scores.starts import chosen
from smoecast.tasks.records import Record, interval, labelled, seasons_of
from smoecast.tasks.summing import Collected

Row = dict[str, Any]


def events_of(config: Config, collected: Collected) -> list[Record]:
    """Return the Brier scores of a result's events as records.

    Returns
    -------
    list of dict
        As `records.records_of`, with ``event``, ``brier``, its parts (`brier_parts`) and, of a
        calibrated ensemble, ``brier_skill`` against its reference with the 95 % interval.
    """
    found: list[Record] = []
    for season, cases in seasons_of(config, collected):
        for (channel, name, event), (brier, table) in collected.events.items():
            mean = chosen({"brier": brier}, cases)["brier"]
            scores = {"brier": mean.value()} | brier_parts(_over(table, cases))
            reference = collected.events.get((channel, collected.reference, event))
            if reference is not None and name in collected.own:
                pair = (brier, reference[0])
                theirs = chosen({"brier": reference[0]}, cases)["brier"].value()
                low, high = interval(config, collected, pair, cases, Partial.value, aggregate.skill)
                scores["brier_skill"] = aggregate.skill(mean.value(), theirs)
                scores |= {"brier_skill_low": low, "brier_skill_high": high}
            records = labelled(collected, (channel, name, season), scores, cases)
            found += [{"event": event, **record} for record in records]
    return found


def curves_of(config: Config, collected: Collected) -> list[Row]:
    """Return histograms and reliability tables, one row a bin.

    Returns
    -------
    list of dict
        ``kind`` (``rank``, ``pit`` or ``reliability``), ``event`` (empty but for the last),
        ``forecast channel lead_hours region season``, ``bin`` from 0, ``bins`` and ``share``, the
        weighted share of the cases in that bin. Of a reliability table also the mean
        ``probability`` and the ``frequency`` of the event in that bin, where it has a case.
    """
    rows: list[Row] = []
    for season, cases in seasons_of(config, collected):
        for (channel, name), (kind, weights) in collected.bins.items():
            label = {"kind": kind, "event": "", "forecast": name, "channel": channel}
            rows += _rows(collected, label | {"season": season}, {"share": _over(weights, cases)})
        for (channel, name, event), (_, table) in collected.events.items():
            sums = _over(table, cases)
            label = {"kind": "reliability", "event": event, "forecast": name, "channel": channel}
            with np.errstate(divide="ignore", invalid="ignore"):
                columns = {
                    "share": sums[..., 0, :],
                    "probability": sums[..., 1, :] / sums[..., 0, :],
                    "frequency": sums[..., 2, :] / sums[..., 0, :],
                }
            rows += _rows(collected, label | {"season": season}, columns)
    return rows


def _over(sums: Values, cases: NDArray[np.bool_]) -> Values:
    """Add up the cases of a season: (I, L, ...) to (L, ...)."""
    chosen_cases = cases.reshape(*cases.shape, *[1] * (sums.ndim - 2))
    return np.asarray((sums * chosen_cases).sum(axis=0))


def _rows(collected: Collected, label: Row, columns: dict[str, Values]) -> list[Row]:
    """Return a row for each lead time, region and bin from columns (L, R, K)."""
    rows = []
    whole = columns["share"].sum(axis=-1)
    for lead, region in np.argwhere(whole > 0).tolist():
        place = {
            "lead_hours": int(collected.lead_hours[lead]),
            "region": collected.regions[region],
        }
        shares = columns["share"][lead, region] / whole[lead, region]
        for number, share in enumerate(shares.tolist()):
            row = {**label, **place, "bin": number, "bins": len(shares), "share": share}
            more = {n: float(c[lead, region, number]) for n, c in columns.items() if n != "share"}
            rows.append(row | {n: value for n, value in more.items() if np.isfinite(value)})
    return rows


def chance_of(number: int) -> str:
    """Return in words which probabilities a bin of a reliability table holds."""
    return f"{number / BINS:.1f} to {(number + 1) / BINS:.1f}"
