"""Scores of one forecast, block by block of starts, beside its baselines."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config.evaluate import Evaluate
from smoecast.errors import InputError
from smoecast.events import event
from smoecast.fields import channels, times
from smoecast.fields.grid import place_of
from smoecast.scores.statistics import forecast_statistics, single_statistics
from smoecast.tasks.evaluate import climatology, linear_regression
from smoecast.tasks.evaluate.accumulate import (
    BlockSums,
    Case,
    ResultSums,
    finish,
    sum_cases,
    weigh_regions,
)
from smoecast.tasks.evaluate.result_files import ResultFile
from smoecast.tasks.evaluate.score_ensemble import score_members
from smoecast.tasks.evaluate.truth import (
    Fields,
    Truth,
    cut,
    fields_at,
    generator,
    present,
    take,
    with_truth,
)

OWN = ("forecast",)


@dataclass(frozen=True, eq=False)
class Baselines:
    """What forecasts are compared with, fitted to the training times; it can be pickled.

    Attributes
    ----------
    normal : dict
        Climatologies by the names of baselines; that by hour of day always, for anomalies, unless
        there are no training times of a store to which it could be fitted.
    linear : Linear or None
    """

    normal: Mapping[str, climatology.Climatology]
    linear: linear_regression.Linear | None


def fit_baselines(truth: Truth, names: Sequence[str], hours: Sequence[int]) -> Baselines:
    """Fit the baselines of forecasts.

    Parameters
    ----------
    truth : Truth
        With the store to whose training times they are fitted; without one there are none.
    names : sequence of str
        Of `evaluate.baselines`.
    hours : sequence of int
        Lead times.

    Raises
    ------
    InputError
        A baseline needs training times, and there are none or too few, or no store.
    """
    if truth.training is None or not truth.training["train"].values.any():
        fitted = [name for name in names if name != "persistence"]
        if fitted:
            lacking, mend = (
                ("there is no store to whose training times", "run `smoecast preprocess`")
                if truth.training is None
                else ("the store has no training times to which", "change data.split.train")
            )
            raise InputError(
                f"{truth.store}: {lacking} the baseline {fitted[0]} could be fitted: {mend}, or "
                "say evaluate.baselines=[persistence]"
            )
        return Baselines({}, None)
    normal = {"climatology": climatology.hourly(truth.training, truth.channels)}
    if "weekly_climatology" in names:
        normal["weekly_climatology"] = climatology.weekly(truth.training, truth.channels)
    linear = None
    if "linear" in names:
        linear = linear_regression.fit(truth.training, normal["climatology"], list(hours))
    return Baselines(normal, linear)


class ForecastScorer:
    """Errors and anomalies of a forecast, or of its members, with the baselines.

    Anomalies are departures from the hour-of-day climatology of the training times.

    Parameters
    ----------
    scored : ResultFile
        The forecast.
    truth : Truth
    asked : Evaluate
        Names baselines, regions and events.
    seed : int
        Breaks ties among the ranks of members.

    Attributes
    ----------
    result : xr.Dataset
        Its starts that have their truth.
    hours : tuple of int
        Lead times.

    Raises
    ------
    InputError
        There is no truth for it, on its grid and at its times, or a region has no point.
    """

    def __init__(self, scored: ResultFile, truth: Truth, asked: Evaluate, seed: int) -> None:
        self.scored, self.truth, self.asked, self.seed = scored, truth, asked, seed
        self.targets = present(truth.channels, scored.fields, scored.source)
        from_start = not {"persistence", "linear"}.isdisjoint(asked.baselines)
        self.result = with_truth(scored.fields, truth.fields, scored.source, from_start)
        self.weighed = weigh_regions(asked, truth.store, place_of(self.result), False)
        hours = times.as_hours(self.result["lead_time"].values).astype(int).tolist()
        self.hours: tuple[int, ...] = tuple(hours)

    def cut(self) -> list[NDArray[np.intp]]:
        """Return the positions of starts that are scored together."""
        return cut(self.result)

    def sum_block(self, positions: NDArray[np.intp], baselines: Baselines) -> BlockSums:
        """Score some starts.

        Raises
        ------
        InputError
            A baseline has no value for one of their times.
        """
        cases = self._cases(*take(self.result, positions), baselines)
        return sum_cases(cases, self.weighed[1], self.result.sizes["init_time"])

    def finish(self, total: BlockSums) -> ResultSums:
        """Return the sums of the result from those of all its blocks."""
        return finish(self.result, total, self.weighed, own=OWN, truth=self.truth.label)

    def _cases(
        self, block: xr.Dataset, valid: NDArray[np.datetime64], baselines: Baselines
    ) -> Iterator[Case]:
        """Yield what the forecast and its baselines have."""
        truth, asked, hours = self.truth, self.asked, list(self.hours)
        normal, linear = baselines.normal, baselines.linear
        starts = block["init_time"].values
        rng = generator(self.seed, starts)
        if linear is not None:
            now = truth.fields.sel(time=starts, channel=list(truth.channels)).values
            ahead = linear.forecast(linear.components(now, starts), hours)
        for target in self.targets:
            true = fields_at(truth.fields, target, valid)
            own = channels.field(block, target, self.scored.source).values
            statistics_of = single_statistics
            if self.scored.ensemble:
                events = [event(text) for text in asked.events]
                yield score_members(starts, target, "forecast", own, true, events, rng)
            else:
                if "climatology" in normal:
                    usual = normal["climatology"].at(target, valid)
                    statistics_of = functools.partial(forecast_statistics, climatology=usual)
                yield Case(starts, target, "forecast", statistics_of(own, true))
            for name in asked.baselines:
                values: Fields
                if name == "persistence":
                    began = np.broadcast_to(starts[:, None], valid.shape)
                    values = fields_at(truth.fields, target, began)
                elif name == "linear" and linear is not None:
                    values = linear.field(ahead, target, valid)
                else:
                    values = normal[name].at(target, valid)
                yield Case(starts, target, name, statistics_of(values, true))
