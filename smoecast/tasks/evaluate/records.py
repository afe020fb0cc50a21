"""From sums to records: one for each forecast, channel, lead time, region and season."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast import names
from smoecast.config.run import Config
from smoecast.fields import times
from smoecast.scores import aggregate
from smoecast.scores.aggregate import Partial
from smoecast.scores.bootstrap import blocks_of, difference_interval
from smoecast.scores.by_start import Sums, add_cases, mean_of_roots, season_of
from smoecast.scores.pointwise import Values
from smoecast.scores.reliability import BINS, brier_parts
from smoecast.scores.statistics import ensemble_scores, forecast_scores
from smoecast.tasks.evaluate.accumulate import Collected, Key

Record = dict[str, Any]


YEAR = "year"
"""In the place of a season: all times."""


SEASONS = ("DJF", "MAM", "JJA", "SON")


def records_of(config: Config, collected: Collected) -> list[Record]:
    """Return every score of a result as records.

    Parameters
    ----------
    config : Config
        Says whether by season, and how the differences are resampled.
    collected : Collected
        Of `scoring.collect`.

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
    """
    found: list[Record] = []
    for season, cases in seasons_of(config, collected):
        for (channel, name), sums in collected.sums.items():
            scores = _scores(config, collected, (channel, name), cases)
            own = collected.sums.get((channel, collected.own[0]))
            if own is not None and name not in collected.own:
                scores |= _difference(config, collected, (own, sums), cases)
            if season == YEAR and (channel, name) in collected.flat:
                scores["flat_points"] = collected.flat[channel, name].value()
            found += label(collected, (channel, name, season), scores, cases)
    return found


def seasons_of(config: Config, collected: Collected) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield each season with its cases (I, L), by the time at which the forecast holds."""
    valid = times.valid_times(collected.starts, times.as_lead(collected.lead_hours))
    yield YEAR, np.ones(valid.shape, np.bool_)
    if config.evaluate.seasons:
        season = season_of(valid)
        for name in SEASONS:
            if (season == name).any():
                yield name, season == name


def _scores(
    config: Config, collected: Collected, key: Key, cases: NDArray[np.bool_]
) -> dict[str, Values]:
    """Return scores (L, R) by name."""
    sums = collected.sums[key]
    mean = add_cases(sums, cases)
    if "crps" not in sums:
        roots = mean_of_roots(sums["squared"], cases)
        return forecast_scores(mean) | {"rmse_mean_of_roots": roots}
    reference = collected.sums.get((key[0], collected.reference))
    if reference is None or key[1] not in collected.own:
        return ensemble_scores(mean, None)
    low, high = interval(
        config, collected, (sums["crps"], reference["crps"]), cases, Partial.value, aggregate.skill
    )
    scores = ensemble_scores(mean, add_cases(reference, cases))
    return scores | {"crpss_low": low, "crpss_high": high}


def _difference(
    config: Config, collected: Collected, pair: tuple[Sums, Sums], cases: NDArray[np.bool_]
) -> dict[str, Values]:
    """Return how the result's score differs from a baseline's, with its interval."""
    ensemble = "crps" in pair[0]
    statistic, score = ("crps", Partial.value) if ensemble else ("squared", aggregate.rmse)
    name = "crps_difference" if ensemble else "rmse_difference"
    parts = (pair[0][statistic], pair[1][statistic])
    own, other = (score(add_cases({statistic: part}, cases)[statistic]) for part in parts)
    found = {name: own - other}
    low, high = interval(config, collected, parts, cases, score, np.subtract)
    return found | {f"{name}_low": low, f"{name}_high": high}


def interval(
    config: Config,
    collected: Collected,
    pair: tuple[Partial, Partial],
    cases: NDArray[np.bool_],
    score: Callable[[Partial], Values],
    compare: Callable[[Values, Values], Values],
) -> tuple[Values, Values]:
    """Return the 95 % interval (L, R) of a comparison of two scores; NaN without resamples."""
    if not config.evaluate.resamples:
        nothing = np.full((len(collected.lead_hours), len(collected.regions)), np.nan)
        return nothing, nothing
    blocks = blocks_of(collected.starts, config.evaluate.block_days)
    rng = np.random.default_rng(config.seed)
    return difference_interval(pair, cases, blocks, score, config.evaluate.resamples, rng, compare)


def label(
    collected: Collected,
    key: tuple[str, str, str],
    scores: dict[str, Values],
    cases: NDArray[np.bool_],
) -> list[Record]:
    """Return a record for each lead time and region from scores (L, R) by name."""
    channel, name, season = key
    parsed = names.parse_channel(channel)
    level = {} if parsed is None else {"variable": parsed.variable.name, "level": parsed.level}
    count = cases.sum(axis=0)
    return [
        {
            "forecast": name,
            "channel": channel,
            **level,
            "lead_hours": int(lead),
            "region": region,
            "season": season,
            "starts": int(count[i]),
            "truth": collected.truth,
            "protocol": collected.protocol,
        }
        | {score: float(v[i, j]) for score, v in scores.items() if np.isfinite(v[i, j])}
        for j, region in enumerate(collected.regions)
        for i, lead in enumerate(collected.lead_hours)
        if count[i]
    ]


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
            mean = add_cases({"brier": brier}, cases)["brier"]
            scores = {"brier": mean.value()} | brier_parts(_over(table, cases))
            reference = collected.events.get((channel, collected.reference, event))
            if reference is not None and name in collected.own:
                pair = (brier, reference[0])
                theirs = add_cases({"brier": reference[0]}, cases)["brier"].value()
                low, high = interval(config, collected, pair, cases, Partial.value, aggregate.skill)
                scores["brier_skill"] = aggregate.skill(mean.value(), theirs)
                scores |= {"brier_skill_low": low, "brier_skill_high": high}
            records = label(collected, (channel, name, season), scores, cases)
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
