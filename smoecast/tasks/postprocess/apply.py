"""Blocks of starts calibrated: members, moments, quantiles and probabilities."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.calibration.calibrated_forecast import CalibratedForecast, join_lead_times
from smoecast.calibration.reordering import How, choice
from smoecast.config.products import Products
from smoecast.events import Event
from smoecast.fields.channels import attributes_of, layout
from smoecast.fields.write.blocks import blank
from smoecast.run_record import stage
from smoecast.tasks.postprocess.calibration import Calibration
from smoecast.tasks.postprocess.schaake_dates import History

Fields = NDArray[np.floating[Any]]
Starts = NDArray[np.datetime64]
Product = str | tuple[Event, ...]
"""``members``, ``mean``, ``std``, ``quantiles``, or events of one channel on one side."""

BATCH, VALUES = 16, 1 << 26
"""Starts calibrated together, and values of their members, at most."""

_HOW: dict[str, How] = {"ecc-q": "quantile", "ecc-r": "random", "ecc-t": "transformation"}

_NAMES: dict[str, tuple[str, str, dict[str, str]]] = {
    "members": ("", "", {}),
    "mean": ("_mean", "mean of ", {"cell_methods": "realization: mean"}),
    "std": ("_std", "standard deviation of ", {"cell_methods": "realization: standard_deviation"}),
    "quantiles": ("_quantile", "quantiles of ", {}),
}
"""Ending of a variable's name, beginning of its long name, and what else it says."""

_SEVERAL = {"members": "number", "quantiles": "quantile"}
"""Of what there are several at each point, and along which dimension."""


@dataclass(frozen=True, eq=False)
class CalibratedBlocks:
    """A calibrated ensemble, some starts at a time.

    Attributes
    ----------
    calibration : Calibration
    fields : xr.DataArray
        ``(init_time, lead_time, number, channel, latitude, longitude)``, or the axes of a
        projection; lazy.
    lead_hours : tuple of int
        Of the fields.
    wanted : Products
        What is made.
    count : int
        Members made.
    reordering : str
        See `postprocess.reordering`.
    history : History or None
        For the Schaake shuffle.
    seed : int
    """

    calibration: Calibration
    fields: xr.DataArray
    lead_hours: tuple[int, ...]
    wanted: Products
    count: int
    reordering: str
    history: History | None
    seed: int

    def template(self) -> xr.Dataset:
        """Return all that will be written but the values.

        Returns
        -------
        xr.Dataset
            ``t2m`` with `number`; ``t2m_mean``, ``t2m_std``; ``t2m_quantile`` with `quantile`;
            ``t2m_probability_above`` and ``_below`` with a threshold each: those wanted.
        """
        wanted, targets = self.wanted, (len(self.calibration.targets),)
        sizes: dict[Product, tuple[int, ...]] = {}
        sizes |= {"members": (self.count, *targets)} if wanted.members else {}
        sizes |= {name: targets for name in ("mean", "std") if getattr(wanted, name)}
        sizes |= {"quantiles": (len(wanted.quantiles), *targets)} if wanted.quantiles else {}
        sizes |= {events: (len(events),) for events in self._events()}
        before, place = self.fields.shape[:2], self.fields.shape[-2:]
        return self._lay_out(
            {product: blank((*before, *size, *place)) for product, size in sizes.items()},
            self.fields,
        )

    def cut(self) -> list[Starts]:
        """Return starts that are calibrated together, fewer where fields are large."""
        starts = self.fields["init_time"].values
        larger = max(1.0, self.count / self.fields.sizes["number"])
        many = max(1, min(BATCH, VALUES // int(np.prod(self.fields.shape[1:]) * larger)))
        return [starts[begin : begin + many] for begin in range(0, len(starts), many)]

    def calibrate_starts(self, starts: Starts) -> dict[Product, NDArray[np.float32]]:
        """Read and calibrate the ensembles of some starts; see `calibrate`."""
        with stage("input"):
            values = self.fields.sel(init_time=starts).values
        with stage("network"):
            return self.calibrate(values, starts)

    def lay_out(self, products: dict[Product, NDArray[np.float32]], starts: Starts) -> xr.Dataset:
        """Return products of some starts as `template` describes them."""
        return self._lay_out(products, self.fields.sel(init_time=starts))

    def calibrate(self, fields: Fields, starts: Starts) -> dict[Product, NDArray[np.float32]]:
        """Calibrate the ensembles of some starts.

        Parameters
        ----------
        fields : (B, L, M, C, H, W) float32
        starts : (B,) datetime64

        Returns
        -------
        dict
            ``members`` (B, L, count, D, H, W), ``mean`` and ``std`` (B, L, D, H, W),
            ``quantiles`` (B, L, Q, D, H, W), and for E events (B, L, E, H, W): those wanted.
        """
        wanted, targets = self.wanted, self.calibration.targets
        forecast = self._forecast(fields, starts)
        made: dict[Product, Fields] = {}
        if wanted.members:
            raw = fields[:, :, :, [self.calibration.channels.index(t) for t in targets]]
            made["members"] = self._members(forecast, raw, starts)
        moments = zip(("mean", "std"), forecast.moments(), strict=True)
        made |= {name: values for name, values in moments if getattr(wanted, name)}
        if wanted.quantiles:
            made["quantiles"] = forecast.quantiles(wanted.quantiles)
        for events in self._events():
            shares = [
                forecast.probability(targets.index(e.channel), e.threshold, e.above) for e in events
            ]
            made[events] = np.stack(shares, axis=2)
        return {product: values.astype(np.float32) for product, values in made.items()}

    def _events(self) -> Iterator[tuple[Event, ...]]:
        """Walk the events wanted, those of one channel on one side together."""
        for _, events in groupby(self.wanted.events, key=lambda e: (e.channel, e.above)):
            yield tuple(events)

    def _choose_members(self, size: int) -> NDArray[np.intp]:
        """Return which of `size` members stand for those made: the same at every start."""
        return choice(size, self.count, np.random.default_rng(self.seed))

    def _members(self, forecast: CalibratedForecast, raw: Fields, starts: Starts) -> Fields:
        """Return members (B, L, count, D, H, W), each start's from a generator of its own."""
        how = _HOW.get(self.reordering, "quantile")
        chosen = self._choose_members(raw.shape[2])
        if forecast.members is not None and self.history is None:
            return forecast.members[:, :, chosen]
        made = []
        for index, start in enumerate(starts):
            rng = np.random.default_rng([self.seed, _number_of(start)])
            if self.history is not None:
                past = self.history(start, self.count)
                made.append(forecast.shuffle_members(index, past, self.count, rng=rng))
            else:
                made.append(forecast.rank_members(index, raw[index][:, chosen], how, rng=rng))
        return np.stack(made)

    def _forecast(self, fields: Fields, starts: Starts) -> CalibratedForecast:
        """Apply the calibration, also to lead times that it was not fitted for.

        Those are taken for the nearest that it was fitted for.
        """
        fitted, hours = self.calibration.lead_hours, self.lead_hours
        if hours == fitted:
            return self.calibration.apply(fields, starts, np.array(hours))
        found = []
        for index, hour in enumerate(hours):
            slot = int(np.argmin([abs(known - hour) for known in fitted]))
            # a calibration takes all its lead times at once: the others are there for show
            shown = np.repeat(fields[:, [index]], len(fitted), axis=1)
            ahead = np.full(len(fitted), hour)
            found.append(self.calibration.apply(shown, starts, ahead).lead(slot))
        return join_lead_times(found)

    def _lay_out(
        self, products: dict[Product, NDArray[np.float32]], fields: xr.DataArray
    ) -> xr.Dataset:
        """Return products of the starts of some fields as variables, with their coordinates."""
        mapping = fields.attrs.get("grid_mapping")
        before, place = fields.dims[:2], fields.dims[-2:]
        kept = [*before, *place, *([mapping] if mapping else [])]
        coordinates: dict[Any, Any] = {name: fields[name].variable for name in kept}
        if self.wanted.members:
            numbers = fields["number"].values
            more = numbers.max() + 1 + np.arange(max(0, self.count - len(numbers)))
            chosen = numbers[self._choose_members(len(numbers))[: len(numbers)]]
            coordinates["number"] = ("number", np.concatenate([chosen, more]))
        if self.wanted.quantiles:
            coordinates["quantile"] = ("quantile", np.array(self.wanted.quantiles))
        laid = xr.Dataset(coords=coordinates)
        for product, values in products.items():
            if isinstance(product, tuple):
                found = _lay_out_events(product, values, before, place)
            else:
                along = [_SEVERAL[product]] if product in _SEVERAL else []
                whole = xr.DataArray(values, dims=(*before, *along, "channel", *place))
                found = _lay_out_product(product, self.calibration.targets, whole)
            laid = laid.assign(found.data_vars).assign_coords(found.coords)
        for array in laid.data_vars.values() if mapping else ():
            array.attrs["grid_mapping"] = mapping
        return laid


def _number_of(start: np.datetime64) -> int:
    """Return a number of a start for its generator: minutes since 1970, never negative."""
    return int(start.astype("datetime64[m]").astype(np.int64)) % 2**32


def _lay_out_product(product: str, targets: tuple[str, ...], whole: xr.DataArray) -> xr.Dataset:
    """Return one product (..., channel, H, W) of every target, each a variable."""
    ending, words, more = _NAMES[product]
    found = layout({t: whole.isel(channel=i) for i, t in enumerate(targets)}, stack=False)
    for array in found.data_vars.values():
        array.attrs["long_name"] = words + array.attrs["long_name"]
        array.attrs |= more
    return found.rename({name: f"{name}{ending}" for name in found.data_vars})


def _lay_out_events(
    events: tuple[Event, ...], values: NDArray[np.float32], before: Any, place: Any
) -> xr.Dataset:
    """Return the probabilities (I, L, E, H, W) of one channel's events along their thresholds."""
    channel, side = events[0].channel, "above" if events[0].above else "below"
    along, known = f"{channel}_threshold_{side}", attributes_of(channel)
    found = layout({channel: xr.DataArray(values, dims=(*before, along, *place))}, stack=False)
    words = f"probability of {known['long_name']} {side} a threshold"
    found[channel].attrs = {"long_name": words, "units": "1"}
    thresholds = np.array([event.threshold for event in events])
    beside = {**known, "long_name": f"threshold of {known['long_name']}"}
    found = found.assign_coords({along: (along, thresholds, beside)})
    return found.rename({channel: f"{channel}_probability_{side}"})
