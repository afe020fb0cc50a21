"""Scores of one result, block by block of starts, beside its baselines."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config.run import Config
from smoecast.events import event
from smoecast.fields import channels, times
from smoecast.fields.store import store
from smoecast.scores.ensemble import ranks
from smoecast.scores.statistics import ensemble_statistics, forecast_statistics, single_statistics
from smoecast.tasks.evaluate import climatology, linear_regression
from smoecast.tasks.evaluate import truth as evaluate_truth
from smoecast.tasks.evaluate.accumulate import Case, Collected, accumulate
from smoecast.tasks.evaluate.reference import Reference
from smoecast.tasks.evaluate.result_files import DEFAULT, ResultFile
from smoecast.tasks.evaluate.score_ensemble import collect_ensembles, events_of_members
from smoecast.tasks.evaluate.truth import Fields, fields_at


class Baselines:
    """The forecasts that cost nothing, fitted to the training times, for a block of starts."""

    def __init__(self, config: Config, dataset: xr.Dataset, result: xr.Dataset) -> None:
        self.truth, self.wanted = dataset["fields"], config.evaluate.baselines
        self.leads = times.as_hours(result["lead_time"].values).astype(int).tolist()
        self.hourly = climatology.hourly(dataset, config.targets)
        if "weekly_climatology" in self.wanted:
            self.weekly = climatology.weekly(dataset, config.targets)
        if "linear" in self.wanted:
            self.linear = linear_regression.fit(dataset, self.hourly, self.leads)

    def start(self, block: xr.Dataset) -> None:
        """Look at what the forecasts of a block begin from."""
        self.starts = block["init_time"].values
        if "linear" in self.wanted:
            now = self.truth.sel(time=self.starts, channel=list(self.hourly.channels)).values
            components = self.linear.components(now, self.starts)
            self.ahead = self.linear.forecast(components, self.leads)

    def field(self, name: str, channel: str, valid: NDArray[np.datetime64]) -> Fields:
        """Return one baseline's forecasts (I, L, H, W)."""
        if name == "persistence":
            return fields_at(
                self.truth, channel, np.broadcast_to(self.starts[:, None], valid.shape)
            )
        if name == "linear":
            return self.linear.field(self.ahead, channel, valid)
        return (self.hourly if name == "climatology" else self.weekly).at(channel, valid)


def collect(config: Config, scored: ResultFile, reference: Reference | None) -> Collected:
    """Sum up a result: an ensemble if it has members or a spread, a forecast if it has neither.

    Parameters
    ----------
    config : Config
        The run.
    scored : Scored
        What is judged.
    reference : Reference, optional
        The ensemble that a calibrated one is compared with; none: the run's raw one.

    Raises
    ------
    InputError
        There is no truth for it, on its grid and at its times, or for a baseline.
    """
    if scored.ensemble and not scored.forecast:
        return collect_ensembles(config, scored, reference)
    return _forecasts(config, scored)


def _forecasts(config: Config, scored: ResultFile) -> Collected:
    """Sum up errors and anomalies of a forecast, or of its members, with the baselines.

    Anomalies are departures from the hour-of-day climatology of the training times.
    """
    source = scored.source
    targets = evaluate_truth.present(config.targets, scored.fields, source)
    with store.open_store(config.store) as dataset:
        truth = dataset["fields"]
        from_start = bool({"persistence", "linear"} & set(config.evaluate.baselines))
        result = evaluate_truth.with_truth(scored.fields, truth, source, from_start)
        baselines = Baselines(config, dataset, result)
        rng = np.random.default_rng(config.seed)

        def cases(block: xr.Dataset, valid: NDArray[np.datetime64]) -> Iterator[Case]:
            baselines.start(block)
            for target in targets:
                true = fields_at(truth, target, valid)
                own = channels.field(block, target, source).values
                if scored.ensemble:
                    yield _members(config, target, own, true, rng)
                else:
                    normal = baselines.hourly.at(target, valid)
                    yield Case((target, "forecast"), forecast_statistics(own, true, normal))
                for name in config.evaluate.baselines:
                    values = baselines.field(name, target, valid)
                    statistics = (
                        single_statistics(values, true)
                        if scored.ensemble
                        else forecast_statistics(values, true, normal)
                    )
                    yield Case((target, name), statistics)

        return accumulate(config, _empty(config, result), result, cases)


def _members(
    config: Config,
    target: str,
    members: evaluate_truth.Fields,
    true: evaluate_truth.Fields,
    rng: np.random.Generator,
) -> Case:
    places = ("rank", members.shape[2] + 1, ranks(true, members, 2, rng))
    asked = [event(text) for text in config.evaluate.events]
    events = events_of_members(asked, target, members, true)
    return Case((target, "forecast"), ensemble_statistics(members, true), places, events)


def _empty(config: Config, result: xr.Dataset) -> Collected:
    return Collected(
        own=("forecast",),
        truth=evaluate_truth.label_of(config),
        protocol=DEFAULT,
        reference="",
        starts=result["init_time"].values,
        lead_hours=times.as_hours(result["lead_time"].values),
        regions=[],
    )
