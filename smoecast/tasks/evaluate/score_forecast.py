"""Scores of one forecast, block by block of starts, beside its baselines."""

import functools
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from smoecast.config.evaluate import Evaluate
from smoecast.errors import InputError
from smoecast.events import event
from smoecast.fields import channels, times
from smoecast.scores.statistics import forecast_statistics, single_statistics
from smoecast.tasks.evaluate import climatology, linear_regression
from smoecast.tasks.evaluate.accumulate import Case, ResultSums, accumulate
from smoecast.tasks.evaluate.climatology import Climatology
from smoecast.tasks.evaluate.result_files import ResultFile
from smoecast.tasks.evaluate.score_ensemble import score_members
from smoecast.tasks.evaluate.truth import Truth, blocks, fields_at, present, with_truth


def score_forecast(scored: ResultFile, truth: Truth, asked: Evaluate, seed: int) -> ResultSums:
    """Sum up errors and anomalies of a forecast, or of its members, with the baselines.

    Anomalies are departures from the hour-of-day climatology of the training times.

    Parameters
    ----------
    scored : ResultFile
        The forecast.
    truth : Truth
        With the store to whose training times the baselines are fitted; without one there are
        no anomalies, and no baseline but persistence.
    asked : Evaluate
        Names baselines, regions and events.
    seed : int
        Breaks ties among the ranks of members.

    Raises
    ------
    InputError
        There is no truth for it, on its grid and at its times, or for a baseline.
    """
    targets = present(truth.channels, scored.fields, scored.source)
    fitted = [name for name in asked.baselines if name != "persistence"]
    if truth.training is None and fitted:
        raise InputError(
            f"{truth.store}: there is no store to whose training times the baseline {fitted[0]} "
            "could be fitted: run `smoecast preprocess`, or say evaluate.baselines=[persistence]"
        )
    from_start = not {"persistence", "linear"}.isdisjoint(asked.baselines)
    result = with_truth(scored.fields, truth.fields, scored.source, from_start)
    cases = _cases(scored, result, targets, truth, asked, np.random.default_rng(seed))
    return accumulate(result, cases, truth, asked, own=("forecast",))


def _cases(
    scored: ResultFile,
    result: xr.Dataset,
    targets: Sequence[str],
    truth: Truth,
    asked: Evaluate,
    rng: np.random.Generator,
) -> Iterator[Case]:
    """Yield what the forecast and its baselines have, block by block."""
    hours = times.as_hours(result["lead_time"].values).astype(int).tolist()
    normal = _climatologies(truth, asked.baselines)
    linear = None
    if truth.training is not None and "linear" in asked.baselines:
        linear = linear_regression.fit(truth.training, normal["climatology"], hours)
    for block, valid in blocks(result):
        starts = block["init_time"].values
        if linear is not None:
            now = truth.fields.sel(time=starts, channel=list(truth.channels)).values
            ahead = linear.forecast(linear.components(now, starts), hours)
        for target in targets:
            true = fields_at(truth.fields, target, valid)
            own = channels.field(block, target, scored.source).values
            statistics_of = single_statistics
            if scored.ensemble:
                events = [event(text) for text in asked.events]
                yield score_members(starts, target, "forecast", own, true, events, rng)
            else:
                if "climatology" in normal:
                    usual = normal["climatology"].at(target, valid)
                    statistics_of = functools.partial(forecast_statistics, climatology=usual)
                yield Case(starts, target, "forecast", statistics_of(own, true))
            for name in asked.baselines:
                if name == "persistence":
                    began = np.broadcast_to(starts[:, None], valid.shape)
                    values = fields_at(truth.fields, target, began)
                elif name == "linear" and linear is not None:
                    values = linear.field(ahead, target, valid)
                else:
                    values = normal[name].at(target, valid)
                yield Case(starts, target, name, statistics_of(values, true))


def _climatologies(truth: Truth, baselines: Sequence[str]) -> dict[str, Climatology]:
    """Return that of the hour of day, and others that are baselines; none without a store."""
    if truth.training is None:
        return {}
    found = {"climatology": climatology.hourly(truth.training, truth.channels)}
    if "weekly_climatology" in baselines:
        found["weekly_climatology"] = climatology.weekly(truth.training, truth.channels)
    return found
