"""From sums to records: one for each forecast, channel, lead time, region and season."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast import names
from smoecast.config import Config
from smoecast.fields import times
from smoecast.scores import aggregate
from smoecast.scores.aggregate import Partial
from smoecast.scores.bootstrap import blocks_of, difference_interval
from smoecast.scores.pointwise import Values
from smoecast.scores.starts import Sums, chosen, mean_of_roots, season_of
from smoecast.scores.summary import ensemble_scores, forecast_scores
from smoecast.tasks.summing import Collected, Key

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
            found += labelled(collected, (channel, name, season), scores, cases)
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
    mean = chosen(sums, cases)
    if "crps" not in sums:
        roots = mean_of_roots(sums["squared"], cases)
        return forecast_scores(mean) | {"rmse_mean_of_roots": roots}
    reference = collected.sums.get((key[0], collected.reference))
    if reference is None or key[1] not in collected.own:
        return ensemble_scores(mean, None)
    low, high = interval(
        config, collected, (sums["crps"], reference["crps"]), cases, Partial.value, aggregate.skill
    )
    scores = ensemble_scores(mean, chosen(reference, cases))
    return scores | {"crpss_low": low, "crpss_high": high}


def _difference(
    config: Config, collected: Collected, pair: tuple[Sums, Sums], cases: NDArray[np.bool_]
) -> dict[str, Values]:
    """Return how the result's score differs from a baseline's, with its interval."""
    ensemble = "crps" in pair[0]
    statistic, score = ("crps", Partial.value) if ensemble else ("squared", aggregate.rmse)
    name = "crps_difference" if ensemble else "rmse_difference"
    parts = (pair[0][statistic], pair[1][statistic])
    own, other = (score(chosen({statistic: part}, cases)[statistic]) for part in parts)
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


def labelled(
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
