"""Scores of one result, block by block of starts, beside its baselines."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import names
from smoecast.config import Config
from smoecast.data import channels, raw
from smoecast.data.members import with_members
from smoecast.fields import store, times
from smoecast.fields.grid import grid_of
from smoecast.scores.pointwise import Values
from smoecast.scores.regions import region_weights
from smoecast.scores.starts import Sums, by_start, joined
from smoecast.scores.summary import ensemble_statistics, forecast_statistics
from smoecast.tasks import climatology, linear, truths
from smoecast.tasks.truths import Fields, fields_at

Cases = Iterator[tuple[tuple[str, str], dict[str, Values]]]
"""Channel and name of a forecast, and its statistics, point by point: one at a time."""


@dataclass(eq=False)
class Collected:
    """Sums over space of every forecast of a result, start by start.

    Attributes
    ----------
    own : str
        What the result itself is called among them: ``forecast`` or ``calibrated``.
    truth : str
        What it was scored against.
    starts : (I,) datetime64
    lead_hours : (L,) float
    regions : list of str
    sums : dict
        Channel and name of a forecast to its sums (I, L, R) by statistic.
    """

    own: str
    truth: str
    starts: NDArray[np.datetime64]
    lead_hours: NDArray[np.float64]
    regions: list[str]
    sums: dict[tuple[str, str], Sums] = field(default_factory=dict)


def collect(config: Config, result: xr.Dataset, source: str) -> Collected:
    """Sum up a result: an ensemble if it has members, a deterministic forecast if not.

    Raises
    ------
    InputError
        There is no truth for it, on its grid and at its times, or for a baseline.
    """
    work = _ensembles if "number" in result.dims else _forecasts
    return work(config, result, source)


def _forecasts(config: Config, result: xr.Dataset, source: str) -> Collected:
    """Sum up errors and anomalies, with the baselines.

    Anomalies are departures from the hour-of-day climatology of the training times.
    """
    targets = truths.present(config.targets, result, source)
    with store.open_store(config.store) as dataset:
        truth = dataset["fields"]
        from_start = bool({"persistence", "linear"} & set(config.evaluate.baselines))
        result = truths.with_truth(result, truth, source, from_start)
        baselines = _Baselines(config, dataset, result)

        def cases(block: xr.Dataset, valid: NDArray[np.datetime64]) -> Cases:
            baselines.start(block)
            for target in targets:
                true = fields_at(truth, target, valid)
                normal = baselines.hourly.at(target, valid)
                own = channels.field(block, target, source).values
                yield (target, "forecast"), forecast_statistics(own, true, normal)
                for name in config.evaluate.baselines:
                    values = baselines.field(name, target, valid)
                    yield (target, name), forecast_statistics(values, true, normal)

        return _summed(config, result, ("forecast", truths.label_of(config)), cases)


class _Baselines:
    """The forecasts that cost nothing, fitted to the training times, for a block of starts."""

    def __init__(self, config: Config, dataset: xr.Dataset, result: xr.Dataset) -> None:
        self.truth, self.wanted = dataset["fields"], config.evaluate.baselines
        self.leads = times.as_hours(result["lead_time"].values).astype(int).tolist()
        self.hourly = climatology.hourly(dataset, config.targets)
        if "weekly_climatology" in self.wanted:
            self.weekly = climatology.weekly(dataset, config.targets)
        if "linear" in self.wanted:
            self.linear = linear.fit(dataset, self.hourly, self.leads)

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


def _ensembles(config: Config, result: xr.Dataset, source: str) -> Collected:
    """Sum up CRPS, spread and error of the mean, beside the raw ensemble's.

    CRPS is that of the members as they are (not the fair one).
    """
    targets = truths.present(config.postprocess.targets, result, source)
    truth = raw.truth_of(config)
    result = truths.with_truth(result, truth, source)
    uncorrected = _raw(config, result)

    def cases(block: xr.Dataset, valid: NDArray[np.datetime64]) -> Cases:
        for target in targets:
            true = fields_at(truth, target, valid)
            if uncorrected is not None:
                same = uncorrected.sel(init_time=block["init_time"], lead_time=block["lead_time"])
                members = same.sel(channel=target).values
                yield (target, "raw"), ensemble_statistics(members, true)
            members = channels.field(block, target, source).values
            yield (target, "calibrated"), ensemble_statistics(members, true)

    return _summed(config, result, ("calibrated", truths.label_of(config, True)), cases)


def _raw(config: Config, result: xr.Dataset) -> xr.DataArray | None:
    if not config.ensemble_store.exists():
        return None
    fields = store.open_store(config.ensemble_store)["fields"]
    there = np.isin(result["init_time"].values, fields["init_time"].values).all()
    return with_members(fields) if there else None


def _summed(
    config: Config,
    result: xr.Dataset,
    labels: tuple[str, str],
    cases: Callable[[xr.Dataset, NDArray[np.datetime64]], Cases],
) -> Collected:
    """Walk the blocks of a result and keep the sums over each region."""
    grid = grid_of(result)
    boxes = {n: names.REGIONS[n] for n in config.evaluate.regions if n in names.REGIONS}
    boxes |= {name: (box,) for name, box in config.evaluate.boxes.items()}
    weights = region_weights(list(boxes.items()), grid.latitude, grid.longitude)
    parts: dict[tuple[str, str], list[Sums]] = {}
    for block in truths.blocks(result):
        valid = times.valid_times(block["init_time"].values, block["lead_time"].values)
        for key, statistics in cases(block, valid):
            sums = {name: by_start(values, weights) for name, values in statistics.items()}
            parts.setdefault(key, []).append(sums)
    return Collected(
        *labels,
        starts=result["init_time"].values,
        lead_hours=times.as_hours(result["lead_time"].values),
        regions=list(boxes),
        sums={key: joined(found) for key, found in parts.items()},
    )
