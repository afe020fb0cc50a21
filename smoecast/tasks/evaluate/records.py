"""From sums to records: one for each forecast, channel, lead time, region and season."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast import names
from smoecast.config.evaluate import Evaluate
from smoecast.fields import times
from smoecast.scores import aggregate
from smoecast.scores.aggregate import Partial
from smoecast.scores.bootstrap import blocks_of, difference_interval
from smoecast.scores.by_start import add_cases, add_over, mean_of_roots, season_of
from smoecast.scores.pointwise import Values
from smoecast.scores.reliability import BINS, brier_parts
from smoecast.scores.statistics import ensemble_scores, forecast_scores
from smoecast.tasks.evaluate.accumulate import Key, ResultSums

Record = dict[str, Any]
Cases = NDArray[np.bool_]
"""Starts and lead times of a season, (I, L)."""

YEAR = "year"
"""In the place of a season: all times."""

SEASONS = ("DJF", "MAM", "JJA", "SON")


def records_of(found: ResultSums, asked: Evaluate, seed: int) -> list[Record]:
    """Return every score of a result, and of its events, as records.

    Parameters
    ----------
    found : ResultSums
        The result.
    asked : Evaluate
        Says whether by season, and how the differences are resampled.
    seed : int
        Of the resamples.

    Returns
    -------
    list of dict
        ``forecast channel variable level lead_hours region season starts truth protocol``, then
        scores.
        A baseline's record also has the score by which the forecast is judged (``rmse`` or, of
        ensembles, ``crps``) of the forecast minus its own, and the 95 % interval of that
        difference: ``rmse_difference rmse_difference_low rmse_difference_high``. A calibrated
        ensemble's has ``crpss`` against its reference, with the interval, and both have
        ``flat_points``, the share of points whose histogram of ranks (or PIT) is flat.
        A record of an event begins with ``event`` and has ``brier``, its parts (`brier_parts`)
        and, of a calibrated ensemble, ``brier_skill`` against its reference with the interval.
    """
    records: list[Record] = []
    for season, cases in _seasons(found, asked.seasons):
        for key in found.sums:
            scores = _scores(found, key, season, cases, asked, seed)
            records += _label(found, key, season, cases, scores)
    return records


def _seasons(found: ResultSums, several: bool) -> Iterator[tuple[str, Cases]]:
    """Yield each season with its cases, by the time at which the forecast holds."""
    valid = times.valid_times(found.starts, times.as_lead(found.lead_hours))
    yield YEAR, np.ones(valid.shape, np.bool_)
    season = season_of(valid)
    for name in SEASONS if several else ():
        if (season == name).any():
            yield name, season == name


def _scores(
    found: ResultSums, key: Key, season: str, cases: Cases, asked: Evaluate, seed: int
) -> dict[str, Values]:
    """Return scores (L, R) by name."""
    channel, name, event = key
    sums, own = found.sums[key], name in found.own
    mean = sums.over(cases)
    if event and sums.bins is not None:
        main = "brier"
        scores = {main: mean[main].value()} | brier_parts(add_over(sums.bins, cases))
    elif "crps" in mean:
        main, scores = "crps", ensemble_scores(mean)
    else:
        main, scores = "squared", forecast_scores(mean)
        scores["rmse_mean_of_roots"] = mean_of_roots(sums.statistics[main], cases)
    beside = found.sums.get((channel, found.reference if own else found.own[0], event))
    if beside is not None and (own or not event):
        score = aggregate.rmse if main == "squared" else Partial.value
        pair = (sums.statistics[main], beside.statistics[main])
        how: Callable[[Values, Values], Values] = aggregate.skill
        called = "brier_skill" if event else "crpss"
        if not own:
            pair, how = pair[::-1], np.subtract
            called = "rmse_difference" if main == "squared" else "crps_difference"
        scores |= _compare(called, pair, score, how, found.starts, cases, asked, seed)
    if season == YEAR and key in found.flat:
        scores["flat_points"] = found.flat[key].value()
    return scores


def _compare(
    called: str,
    pair: tuple[Partial, Partial],
    score: Callable[[Partial], Values],
    how: Callable[[Values, Values], Values],
    starts: NDArray[np.datetime64],
    cases: Cases,
    asked: Evaluate,
    seed: int,
) -> dict[str, Values]:
    """Return a comparison of two scores, (L, R), with its 95 % interval; NaN without resamples."""
    first, second = (score(add_cases(part, cases)) for part in pair)
    blocks, rng = blocks_of(starts, asked.block_days), np.random.default_rng(seed)
    low, high = difference_interval(pair, cases, blocks, score, asked.resamples, rng, how)
    return {called: how(first, second), f"{called}_low": low, f"{called}_high": high}


def _label(
    found: ResultSums, key: Key, season: str, cases: Cases, scores: dict[str, Values]
) -> Iterator[Record]:
    """Yield a record for each lead time and region from scores (L, R) by name."""
    channel, name, event = key
    parsed = names.parse_channel(channel)
    count = cases.sum(axis=0)
    for j, region in enumerate(found.regions):
        for i, lead in enumerate(found.lead_hours):
            if count[i]:
                yield {
                    **({"event": event} if event else {}),
                    "forecast": name,
                    "channel": channel,
                    **({"variable": parsed.variable.name, "level": parsed.level} if parsed else {}),
                    "lead_hours": int(lead),
                    "region": region,
                    "season": season,
                    "starts": int(count[i]),
                    "truth": found.truth,
                    "protocol": found.protocol,
                    **{n: float(v[i, j]) for n, v in scores.items() if np.isfinite(v[i, j])},
                }


def curves_of(found: ResultSums, asked: Evaluate) -> list[Record]:
    """Return histograms and reliability tables, one row a bin.

    Returns
    -------
    list of dict
        ``kind`` (``rank``, ``pit`` or ``reliability``), ``event`` (empty but for the last),
        ``forecast channel lead_hours region season``, ``bin`` from 0, ``bins`` and ``share``, the
        weighted share of the cases in that bin. Of a reliability table also the mean
        ``probability`` and the ``frequency`` of the event in that bin, where it has a case.
    """
    rows: list[Record] = []
    for season, cases in _seasons(found, asked.seasons):
        for (channel, name, event), sums in sorted(found.sums.items(), key=lambda i: i[0][2] != ""):
            if sums.bins is None:
                continue
            bins = add_over(sums.bins, cases)
            columns = {"share": bins}
            if event:
                weight, chance, came = np.moveaxis(bins, -2, 0)
                with np.errstate(divide="ignore", invalid="ignore"):
                    columns = {
                        "share": weight,
                        "probability": chance / weight,
                        "frequency": came / weight,
                    }
            label = {"kind": sums.kind, "event": event, "forecast": name, "channel": channel}
            rows += _rows(found, label | {"season": season}, columns)
    return rows


def _rows(found: ResultSums, label: Record, columns: dict[str, Values]) -> Iterator[Record]:
    """Yield a row for each lead time, region and bin from columns (L, R, K)."""
    whole = columns["share"].sum(axis=-1)
    for lead, region in np.argwhere(whole > 0).tolist():
        place = {"lead_hours": int(found.lead_hours[lead]), "region": found.regions[region]}
        shares = columns["share"][lead, region] / whole[lead, region]
        for number, share in enumerate(shares.tolist()):
            row = {**label, **place, "bin": number, "bins": len(shares), "share": share}
            more = {n: float(c[lead, region, number]) for n, c in columns.items() if n != "share"}
            yield row | {n: value for n, value in more.items() if np.isfinite(value)}


def chance_of(number: int) -> str:
    """Return in words which probabilities a bin of a reliability table holds."""
    return f"{number / BINS:.1f} to {(number + 1) / BINS:.1f}"
