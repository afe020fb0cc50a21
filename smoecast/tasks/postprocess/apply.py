"""Blocks of starts calibrated: members, moments, quantiles and probabilities, as arrays."""

from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from smoecast import console
from smoecast.calibration.calibrated_forecast import CalibratedForecast, join_lead_times
from smoecast.calibration.reordering import How, choice
from smoecast.config.products import Products
from smoecast.config.run import Config
from smoecast.events import Event
from smoecast.fields.channels import attributes_of, layout
from smoecast.tasks.postprocess.calibration import Calibration
from smoecast.tasks.postprocess.schaake_dates import History

Fields = NDArray[np.floating[Any]]


Starts = NDArray[np.datetime64]


_HOW: dict[str, How] = {"ecc-q": "quantile", "ecc-r": "random", "ecc-t": "transformation"}


@dataclass(frozen=True, eq=False)
class CalibratedBlocks:
    """All that a block needs beside its fields.

    Attributes
    ----------
    config : Config
    calibration : Calibration
    lead_hours : tuple of int
        Of the fields.
    wanted : Products
        What is made.
    count : int
        Members made.
    history : History or None
        For the Schaake shuffle.
    """

    config: Config
    calibration: Calibration
    lead_hours: tuple[int, ...]
    wanted: Products
    count: int
    history: History | None

    def choose_members(self, size: int) -> NDArray[np.intp]:
        """Return which of `size` members stand for those made: the same at every start."""
        return choice(size, self.count, np.random.default_rng(self.config.seed))

    def numbers(self, numbers: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        """Return the numbers of the members made: those that came in, then new ones."""
        size = len(numbers)
        more = numbers.max() + 1 + np.arange(max(0, self.count - size))
        return np.concatenate([numbers[self.choose_members(size)[:size]], more])

    def block(self, fields: Fields, starts: Starts) -> dict[str | Event, NDArray[np.float32]]:
        """Calibrate the ensembles of some starts.

        Parameters
        ----------
        fields : (B, L, M, C, H, W) float32
        starts : (B,) datetime64

        Returns
        -------
        dict
            ``members`` (B, L, count, D, H, W), ``mean`` and ``std`` (B, L, D, H, W),
            ``quantiles`` (B, L, Q, D, H, W), and for each event (B, L, H, W).
        """
        wanted, targets = self.wanted, self.calibration.targets
        forecast = self._forecast(fields, starts)
        mean, std = forecast.moments()
        made: dict[str | Event, Fields] = {"mean": mean, "std": std}
        if wanted.members:
            raw = fields[:, :, :, [self.calibration.channels.index(t) for t in targets]]
            made["members"] = self._members(forecast, raw, starts)
        if wanted.quantiles:
            made["quantiles"] = forecast.quantiles(wanted.quantiles)
        for event in wanted.events:
            target = targets.index(event.channel)
            made[event] = forecast.probability(target, event.threshold, event.above)
        return {name: values.astype(np.float32) for name, values in made.items()}

    def _members(self, forecast: CalibratedForecast, raw: Fields, starts: Starts) -> Fields:
        """Return members (B, L, count, D, H, W), each start's from a generator of its own."""
        how = _HOW.get(self.config.postprocess.reordering, "quantile")
        chosen = self.choose_members(raw.shape[2])
        if forecast.members is not None and self.history is None:
            return forecast.members[:, :, chosen]
        made = []
        for index, start in enumerate(starts):
            rng = np.random.default_rng([self.config.seed, _number_of(start)])
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


def _number_of(start: np.datetime64) -> int:
    """Return a number of a start for its generator: minutes since 1970, never negative."""
    return int(start.astype("datetime64[m]").astype(np.int64)) % 2**32


BATCH, VALUES = 16, 1 << 26
"""Starts calibrated together, and values of their members, at most."""


_MOMENTS = {"mean": ("mean", "mean"), "std": ("standard deviation", "standard_deviation")}


_SEVERAL = {"members": "number", "quantiles": "quantile"}
"""Of what there are several at each point, and along which dimension."""


Blocks = list[tuple[int, Any]]
"""Starts of each block, and what `CalibratedBlocks.block` will give of it."""


def calibrate(
    calibrated: CalibratedBlocks, fields: xr.DataArray, step: console.Progress
) -> xr.Dataset:
    """Return what is wanted of a calibrated ensemble, lazily.

    Parameters
    ----------
    calibrated : CalibratedBlocks
        Says what, and makes it.
    fields : xr.DataArray
        ``(init_time, lead_time, number, channel, latitude, longitude)``, or the axes of a
        projection.
    step : Progress
        Told the number of starts done.

    Returns
    -------
    xr.Dataset
        ``t2m`` with `number`; ``t2m_mean``, ``t2m_std``; ``t2m_quantile`` with `quantile`;
        ``t2m_probability_above`` and ``_below`` with a threshold each: those wanted.
    """
    blocks = _blocks(calibrated, fields, step)
    wanted = calibrated.wanted
    built = xr.Dataset(coords=_coordinates(calibrated, fields))
    sizes = {"members": calibrated.count, "quantiles": len(wanted.quantiles)}
    for product in ("members", "mean", "std", "quantiles"):
        if getattr(wanted, product):
            found = _product(calibrated, blocks, fields, product, sizes.get(product))
            built = built.assign(found.data_vars).assign_coords(_scalars(found))
    for channel, above in sorted({(e.channel, e.above) for e in wanted.events}):
        events = [e for e in wanted.events if (e.channel, e.above) == (channel, above)]
        found = _probability(blocks, fields, events)
        built = built.assign(found.data_vars).assign_coords(_scalars(found))
    mapping = fields.attrs.get("grid_mapping")
    if mapping:
        for array in built.data_vars.values():
            array.attrs["grid_mapping"] = mapping
    return built


def _blocks(calibrated: CalibratedBlocks, fields: xr.DataArray, step: console.Progress) -> Blocks:
    """Return blocks of starts; fewer together where fields are large."""
    starts = fields["init_time"].values
    larger = max(1.0, calibrated.count / fields.sizes["number"])
    one = int(np.prod(fields.shape[1:]) * larger)
    many = max(1, min(BATCH, VALUES // one))

    def block(begin: int) -> dict[str | Event, Any]:
        some = fields.isel(init_time=slice(begin, begin + many)).values
        made = calibrated.block(some, starts[begin : begin + many])
        step(min(begin + many, len(starts)))
        return made

    begins = range(0, len(starts), many)
    return [(min(many, len(starts) - begin), delayed(block)(begin)) for begin in begins]


def _join(blocks: Blocks, key: str | Event, shape: tuple[int, ...]) -> da.Array:
    """Return one product of all blocks, (I, *shape)."""
    parts = [da.from_delayed(made[key], (size, *shape), dtype=np.float32) for size, made in blocks]
    joined: da.Array = da.concatenate(parts)
    return joined


def _product(
    calibrated: CalibratedBlocks,
    blocks: Blocks,
    fields: xr.DataArray,
    product: str,
    several: int | None,
) -> xr.Dataset:
    """Return one product of every target, each a variable."""
    targets = calibrated.calibration.targets
    extra = [] if several is None else [several]
    leads, place = fields.sizes["lead_time"], fields.shape[-2:]
    made = _join(blocks, product, (leads, *extra, len(targets), *place))
    along = [] if several is None else [_SEVERAL[product]]
    whole = xr.DataArray(made, dims=(*_leading_dims(fields), *along, "channel", *fields.dims[-2:]))
    found = layout({t: whole.isel(channel=i) for i, t in enumerate(targets)}, stack=False)
    if product == "members":
        return found
    for array in found.data_vars.values():
        long_name = array.attrs["long_name"]
        if product in _MOMENTS:
            words, method = _MOMENTS[product]
            array.attrs |= {"long_name": f"{words} of {long_name}"}
            array.attrs["cell_methods"] = f"realization: {method}"
        else:
            array.attrs["long_name"] = f"quantiles of {long_name}"
    ending = "quantile" if product == "quantiles" else product
    return found.rename({name: f"{name}_{ending}" for name in found.data_vars})


def _probability(blocks: Blocks, fields: xr.DataArray, events: list[Event]) -> xr.Dataset:
    """Return the probability of one channel's events on one side, along their thresholds."""
    channel, side = events[0].channel, "above" if events[0].above else "below"
    shape = (fields.sizes["lead_time"], *fields.shape[-2:])
    parts = [_join(blocks, event, shape) for event in events]
    along = f"{channel}_threshold_{side}"
    whole = xr.DataArray(
        da.stack(parts, axis=2).rechunk({2: -1}),
        dims=(*_leading_dims(fields), along, *fields.dims[-2:]),
    )
    found = layout({channel: whole}, stack=False)
    known = attributes_of(channel)
    words = f"probability of {known['long_name']} {side} a threshold"
    found[channel].attrs = {"long_name": words, "units": "1"}
    thresholds = np.array([event.threshold for event in events])
    beside = {**known, "long_name": f"threshold of {known['long_name']}"}
    found = found.assign_coords({along: (along, thresholds, beside)})
    return found.rename({channel: f"{channel}_probability_{side}"})


def _leading_dims(fields: xr.DataArray) -> list[str]:
    return [str(name) for name in fields.dims[:2]]


def _scalars(found: xr.Dataset) -> dict[Any, xr.DataArray]:
    """Return the coordinates that a product brings: pressures and thresholds."""
    return dict(found.coords)


def _coordinates(calibrated: CalibratedBlocks, fields: xr.DataArray) -> dict[Any, Any]:
    """Return the coordinates of the result, the input's where they stay."""
    mapping = fields.attrs.get("grid_mapping")
    kept = [*_leading_dims(fields), *fields.dims[-2:], *([mapping] if mapping else [])]
    coordinates: dict[Any, Any] = {name: fields[name].variable for name in kept}
    if calibrated.wanted.members:
        coordinates["number"] = ("number", calibrated.numbers(fields["number"].values))
    if calibrated.wanted.quantiles:
        coordinates["quantile"] = ("quantile", np.array(calibrated.wanted.quantiles))
    return coordinates
