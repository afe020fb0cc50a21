"""Scores of one result file, block by block of starts, beside its baselines."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config import Config
from smoecast.data import channels, raw
from smoecast.data.members import with_members
from smoecast.errors import InputError
from smoecast.fields import store, times
from smoecast.fields.grid import grid_of
from smoecast.scores import aggregate, crps, ensemble, pointwise
from smoecast.scores.aggregate import Partial, by_lead_time

BLOCK = 32
"""Starts scored together."""

Record = dict[str, Any]
Fields = NDArray[np.floating[Any]]


def score_forecast(config: Config, result: xr.Dataset, source: str) -> list[Record]:
    """Return RMSE, MAE, bias and ACC by channel and lead time, with the baselines.

    Anomalies for the ACC are departures from the climatology of the training times.
    """
    targets = _present(config.targets, result, source)
    with store.open_store(config.store) as dataset:
        truth = dataset["fields"]
        climate = _climatology(dataset)
        result = _with_truth(result, truth, source)
        sums: dict[tuple[str, str], dict[str, Partial]] = {}
        for block in _blocks(result):
            starts = block["init_time"].values
            valid = times.valid_times(starts, block["lead_time"].values)
            for target in targets:
                true = _at(truth, target, valid)
                normal = _normal(climate, target, valid)
                now = _at(truth, target, np.broadcast_to(starts[:, None], valid.shape))
                field = channels.field(block, target, source).values
                cases = {"forecast": field, "persistence": now, "climatology": normal}
                for name in ("forecast", *config.evaluate.baselines):
                    part = _moments(cases[name], true, normal, grid_of(block).weights())
                    _add(sums, (target, name), part)
    count = result.sizes["init_time"]
    leads = times.as_hours(result["lead_time"].values)
    return [r for key, part in sums.items() for r in _forecast_records(key, part, leads, count)]


def _moments(field: Fields, true: Fields, normal: Fields, rows: Fields) -> dict[str, Partial]:
    statistics = {
        "squared": pointwise.squared_error(field, true),
        "absolute": pointwise.absolute_error(field, true),
        "error": pointwise.error(field, true),
    }
    products = pointwise.anomaly_products(field, true, normal)
    statistics |= dict(zip(("cross", "own", "true"), products, strict=True))
    return {name: by_lead_time(values, rows) for name, values in statistics.items()}


def _forecast_records(
    key: tuple[str, str], part: dict[str, Partial], leads: Fields, count: int
) -> list[Record]:
    scores = {
        "rmse": aggregate.rmse(part["squared"]),
        "mae": part["absolute"].value(),
        "bias": part["error"].value(),
        "acc": aggregate.acc([part["cross"], part["own"], part["true"]]),
    }
    return _records(key, scores, leads, count)


def _records(
    key: tuple[str, str], scores: Mapping[str, Fields], leads: Fields, count: int
) -> list[Record]:
    channel, name = key
    return [
        {"forecast": name, "channel": channel, "lead_hours": int(lead), "starts": count}
        | {score: float(values[i]) for score, values in scores.items() if np.isfinite(values[i])}
        for i, lead in enumerate(leads)
    ]


def score_ensemble(config: Config, result: xr.Dataset, source: str) -> list[Record]:
    """Return CRPS, RMSE of the mean, bias, spread and spread over skill, beside the raw ensemble.

    CRPS is that of the members as they are (not the fair one); the CRPSS is against the raw
    ensemble, where the run's store holds it.
    """
    targets = _present(config.postprocess.targets, result, source)
    truth = raw.truth_of(config)
    result = _with_truth(result, truth, source)
    uncorrected = _raw(config, result)
    sums: dict[tuple[str, str], dict[str, Partial]] = {}
    for block in _blocks(result):
        valid = times.valid_times(block["init_time"].values, block["lead_time"].values)
        rows = grid_of(block).weights()
        for target in targets:
            true = _at(truth, target, valid)
            if uncorrected is not None:
                same = uncorrected.sel(init_time=block["init_time"], lead_time=block["lead_time"])
                _add(sums, (target, "raw"), _spread(same.sel(channel=target).values, true, rows))
            members = channels.field(block, target, source).values
            _add(sums, (target, "calibrated"), _spread(members, true, rows))
    count, leads = result.sizes["init_time"], times.as_hours(result["lead_time"].values)
    return [
        record
        for (target, name), part in sums.items()
        for record in _ensemble_records(
            (target, name), part, sums.get((target, "raw")), leads, count
        )
    ]


def _spread(members: Fields, true: Fields, rows: Fields) -> dict[str, Partial]:
    """Members (I, L, M, H, W) and truth (I, L, H, W) to sums by lead time."""
    variance, squared = ensemble.spread_skill(true, members, axis=2)
    statistics = {
        "crps": crps.crps_ensemble(true, members, axis=2),
        "variance": variance,
        "squared": squared,
        "error": pointwise.error(ensemble.ensemble_mean(members, axis=2), true),
    }
    return {name: by_lead_time(values, rows) for name, values in statistics.items()}


def _ensemble_records(
    key: tuple[str, str],
    part: dict[str, Partial],
    raw: dict[str, Partial] | None,
    leads: Fields,
    count: int,
) -> list[Record]:
    variance, squared = part["variance"].value(), part["squared"].value()
    scores = {
        "crps": part["crps"].value(),
        "rmse": np.sqrt(squared),
        "bias": part["error"].value(),
        "spread": np.sqrt(variance),
        "spread_skill_ratio": ensemble.spread_skill_ratio(variance, squared),
    }
    if raw is not None:
        scores["crpss"] = aggregate.skill(part["crps"].value(), raw["crps"].value())
    return _records(key, scores, leads, count)


def _add(
    sums: dict[tuple[str, str], dict[str, Partial]], key: tuple[str, str], part: dict[str, Partial]
) -> None:
    before = sums.get(key)
    sums[key] = part if before is None else {n: before[n] + part[n] for n in part}


def _present(wanted: tuple[str, ...], result: xr.Dataset, source: str) -> list[str]:
    there = [t for t in wanted if channels.has_field(result, t)]
    if not there:
        raise InputError(f"{source}: holds none of {', '.join(wanted)}; nothing can be scored")
    return there


def _blocks(result: xr.Dataset) -> Iterator[xr.Dataset]:
    for begin in range(0, result.sizes["init_time"], BLOCK):
        yield result.isel(init_time=slice(begin, begin + BLOCK)).load()


def _with_truth(result: xr.Dataset, truth: xr.DataArray, source: str) -> xr.Dataset:
    """Keep the starts whose every lead time has its truth, on the truth's grid."""
    if not grid_of(result).matches(grid_of(truth)):
        raise InputError(
            f"{source}: is on {grid_of(result).describe()}, the truth on "
            f"{grid_of(truth).describe()}; score against a truth on the same grid"
        )
    return times.align(result, truth.to_dataset(name="fields"))[0]


def _at(truth: xr.DataArray, channel: str, valid: NDArray[np.datetime64]) -> Fields:
    """Return the truth at times of any shape: (..., H, W)."""
    column = truth.sel(channel=channel)
    wanted, where = np.unique(valid, return_inverse=True)
    fields: Fields = column.sel(time=wanted).values[where.reshape(valid.shape)]
    return fields


def _climatology(dataset: xr.Dataset) -> xr.DataArray:
    """Mean over the training times at each hour of day: (hour, channel, latitude, longitude)."""
    inside = dataset["fields"].isel(time=np.flatnonzero(dataset["train"].values))
    hours = inside["time"].dt.hour.values
    means = []
    for hour in np.unique(hours):
        chosen = np.flatnonzero(hours == hour)
        total = sum(
            inside.isel(time=some).values.sum(axis=0, dtype=np.float64)
            for some in np.array_split(chosen, max(1, len(chosen) // 256))
        )
        means.append(total / len(chosen))
    return xr.DataArray(
        np.stack(means),
        dims=("hour", "channel", "latitude", "longitude"),
        coords={"hour": np.unique(hours), "channel": dataset["channel"]},
    )


def _normal(climate: xr.DataArray, channel: str, valid: NDArray[np.datetime64]) -> Fields:
    hours = (valid - valid.astype("datetime64[D]")) // np.timedelta64(1, "h")
    where = np.searchsorted(climate["hour"].values, hours)
    fields: Fields = climate.sel(channel=channel).values[where]
    return fields


def _raw(config: Config, result: xr.Dataset) -> xr.DataArray | None:
    if not config.ensemble_store.exists():
        return None
    fields = store.open_store(config.ensemble_store)["fields"]
    there = np.isin(result["init_time"].values, fields["init_time"].values).all()
    return with_members(fields) if there else None
