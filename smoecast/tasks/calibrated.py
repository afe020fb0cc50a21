"""A calibrated ensemble as a dataset whose blocks are made when it is written."""

from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed

from smoecast import console
from smoecast.config_products import Event
from smoecast.fields.layout import attributes_of, layout
from smoecast.tasks.making import Maker

BATCH, VALUES = 16, 1 << 26
"""Starts calibrated together, and values of their members, at most."""

_MOMENTS = {"mean": ("mean", "mean"), "std": ("standard deviation", "standard_deviation")}
_SEVERAL = {"members": "number", "quantiles": "quantile"}
"""Of what there are several at each point, and along which dimension."""

Blocks = list[tuple[int, Any]]
"""Starts of each block, and what `Maker.block` will give of it."""


def calibrated(maker: Maker, fields: xr.DataArray, step: console.Progress) -> xr.Dataset:
    """Return what is wanted of a calibrated ensemble, lazily.

    Parameters
    ----------
    maker : Maker
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
    blocks = _blocks(maker, fields, step)
    wanted = maker.wanted
    built = xr.Dataset(coords=_coordinates(maker, fields))
    sizes = {"members": maker.count, "quantiles": len(wanted.quantiles)}
    for product in ("members", "mean", "std", "quantiles"):
        if getattr(wanted, product):
            found = _product(maker, blocks, fields, product, sizes.get(product))
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


def _blocks(maker: Maker, fields: xr.DataArray, step: console.Progress) -> Blocks:
    """Return blocks of starts; fewer together where fields are large."""
    starts = fields["init_time"].values
    larger = max(1.0, maker.count / fields.sizes["number"])
    one = int(np.prod(fields.shape[1:]) * larger)
    many = max(1, min(BATCH, VALUES // one))

    def block(begin: int) -> dict[str | Event, Any]:
        some = fields.isel(init_time=slice(begin, begin + many)).values
        made = maker.block(some, starts[begin : begin + many])
        step(min(begin + many, len(starts)))
        return made

    begins = range(0, len(starts), many)
    return [(min(many, len(starts) - begin), delayed(block)(begin)) for begin in begins]


def _joined(blocks: Blocks, key: str | Event, shape: tuple[int, ...]) -> da.Array:
    """Return one product of all blocks, (I, *shape)."""
    parts = [da.from_delayed(made[key], (size, *shape), dtype=np.float32) for size, made in blocks]
    joined: da.Array = da.concatenate(parts)
    return joined


def _product(
    maker: Maker, blocks: Blocks, fields: xr.DataArray, product: str, several: int | None
) -> xr.Dataset:
    """Return one product of every target, each a variable."""
    targets = maker.calibration.targets
    extra = [] if several is None else [several]
    leads, place = fields.sizes["lead_time"], fields.shape[-2:]
    made = _joined(blocks, product, (leads, *extra, len(targets), *place))
    along = [] if several is None else [_SEVERAL[product]]
    whole = xr.DataArray(made, dims=(*_leading(fields), *along, "channel", *fields.dims[-2:]))
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
    parts = [_joined(blocks, event, shape) for event in events]
    along = f"{channel}_threshold_{side}"
    whole = xr.DataArray(
        da.stack(parts, axis=2).rechunk({2: -1}),
        dims=(*_leading(fields), along, *fields.dims[-2:]),
    )
    found = layout({channel: whole}, stack=False)
    known = attributes_of(channel)
    words = f"probability of {known['long_name']} {side} a threshold"
    found[channel].attrs = {"long_name": words, "units": "1"}
    thresholds = np.array([event.threshold for event in events])
    beside = {**known, "long_name": f"threshold of {known['long_name']}"}
    found = found.assign_coords({along: (along, thresholds, beside)})
    return found.rename({channel: f"{channel}_probability_{side}"})


def _leading(fields: xr.DataArray) -> list[str]:
    return [str(name) for name in fields.dims[:2]]


def _scalars(found: xr.Dataset) -> dict[Any, xr.DataArray]:
    """Return the coordinates that a product brings: pressures and thresholds."""
    return dict(found.coords)


def _coordinates(maker: Maker, fields: xr.DataArray) -> dict[Any, Any]:
    """Return the coordinates of the result, the input's where they stay."""
    mapping = fields.attrs.get("grid_mapping")
    kept = [*_leading(fields), *fields.dims[-2:], *([mapping] if mapping else [])]
    coordinates: dict[Any, Any] = {name: fields[name].variable for name in kept}
    if maker.wanted.members:
        coordinates["number"] = ("number", maker.numbers(fields["number"].values))
    if maker.wanted.quantiles:
        coordinates["quantile"] = ("quantile", np.array(maker.wanted.quantiles))
    return coordinates
