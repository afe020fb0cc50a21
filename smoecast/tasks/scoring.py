"""Scores of one result, block by block of starts, beside its baselines."""

from collections.abc import Iterator

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config import Config
from smoecast.config_products import event
from smoecast.data import channels
from smoecast.fields import store, times
from smoecast.scores.ensemble import ranks
from smoecast.scores.summary import ensemble_statistics, forecast_statistics, single_statistics
from smoecast.tasks import truths
from smoecast.tasks.baselines import Baselines
from smoecast.tasks.ensembles import collect_ensembles, events_of_members
from smoecast.tasks.judged import DEFAULT, Scored
from smoecast.tasks.references import Reference
from smoecast.tasks.summing import Case, Collected, summed
from smoecast.tasks.truths import fields_at


def collect(config: Config, scored: Scored, reference: Reference | None) -> Collected:
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


def _forecasts(config: Config, scored: Scored) -> Collected:
    """Sum up errors and anomalies of a forecast, or of its members, with the baselines.

    Anomalies are departures from the hour-of-day climatology of the training times.
    """
    source = scored.source
    targets = truths.present(config.targets, scored.fields, source)
    with store.open_store(config.store) as dataset:
        truth = dataset["fields"]
        from_start = bool({"persistence", "linear"} & set(config.evaluate.baselines))
        result = truths.with_truth(scored.fields, truth, source, from_start)
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

        return summed(config, _empty(config, result), result, cases)


def _members(
    config: Config,
    target: str,
    members: truths.Fields,
    true: truths.Fields,
    rng: np.random.Generator,
) -> Case:
    places = ("rank", members.shape[2] + 1, ranks(true, members, 2, rng))
    asked = [event(text) for text in config.evaluate.events]
    events = events_of_members(asked, target, members, true)
    return Case((target, "forecast"), ensemble_statistics(members, true), places, events)


def _empty(config: Config, result: xr.Dataset) -> Collected:
    return Collected(
        own=("forecast",),
        truth=truths.label_of(config),
        protocol=DEFAULT,
        reference="",
        starts=result["init_time"].values,
        lead_hours=times.as_hours(result["lead_time"].values),
        regions=[],
    )
