"""`smoecast preprocess`: raw files to one canonical store and its statistics."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast.config import Config
from smoecast.config_data import Split
from smoecast.data import channels, checks, files, raw, series, splits, statistics
from smoecast.fields import store
from smoecast.fields.reader import open_files


def preprocess(config: Config) -> dict[str, Any]:
    """Make the stores of a run: analyses, and ensemble forecasts where the run has them.

    Returns
    -------
    dict
        For each store its path, size, split and whether it was written.

    Raises
    ------
    InputError
        A raw file is missing, damaged or incomplete, or has no channel of that name.
    OutputError
        The store could not be written.
    """
    summary = {} if config.data.source == "none" else {"analyses": _analyses(config)}
    if raw.has_ensembles(config):
        summary["ensembles"] = _ensembles(config)
    return summary


def _analyses(config: Config) -> dict[str, Any]:
    paths = raw.raw_files(config, "analyses")
    keep = {"data": config.data.model_dump(mode="json", exclude={"files"})}
    details = _details(paths, keep)
    if _is_done(config.store, details):
        return _described(config.store, written=False)
    source = checks.named(paths)
    dataset = series.evenly(open_files(paths), config.data.step_hours, source)
    content = xr.Dataset({"fields": channels.pack(dataset, config.data.channels, source)})
    for name in config.data.constants:
        content[f"constant_{name}"] = _constant(dataset, name, source)
    return _write(content, config.store, details, config.data.split, paths)


def _constant(dataset: xr.Dataset, name: str, source: str) -> xr.DataArray:
    field = channels.field(dataset, name, source)
    extra = [d for d in field.dims if d not in ("latitude", "longitude")]
    field = field.isel(dict.fromkeys(extra, 0), drop=True)
    return field.drop_vars([n for n in field.coords if n not in field.dims]).astype("float32")


def _ensembles(config: Config) -> dict[str, Any]:
    paths = raw.raw_files(config, "ensembles")
    settings = config.postprocess
    keep = settings.model_dump(mode="json", include={"source", "channels", "lead_hours", "split"})
    details = _details(paths, {"postprocess": keep})
    if _is_done(config.ensemble_store, details):
        return _described(config.ensemble_store, written=False)
    source = checks.named(paths)
    dataset = series.leads(open_files(paths), settings.lead_hours, source)
    fields = channels.pack(dataset, settings.channels, source)
    order = ("init_time", "lead_time", "number", "channel", "latitude", "longitude")
    content = xr.Dataset({"fields": fields.transpose(*order)})
    return _write(content, config.ensemble_store, details, settings.split, paths)


def _write(
    content: xr.Dataset, path: Path, details: dict[str, Any], split: Split, paths: list[Path]
) -> dict[str, Any]:
    """Write fields, the mask of each part and the statistics of the training part."""
    along = str(content["fields"].dims[0])
    masks = splits.split_times(content[along].values, split, checks.named(paths))
    for part, mask in masks.items():
        content[part] = xr.DataArray(mask, dims=along)

    def summarise(written: xr.Dataset) -> dict[str, xr.DataArray]:
        checks.check_finite(written["fields"], paths)
        mean, std = statistics.mean_and_std(written["fields"], masks["train"])
        return {
            "mean": xr.DataArray(mean, dims="channel"),
            "std": xr.DataArray(std, dims="channel"),
        }

    store.write_store(content, path, details, summarise)
    return _described(path, written=True)


def _details(paths: list[Path], keep: dict[str, Any]) -> dict[str, Any]:
    made_from = {**keep, "manifest": files.manifest(paths)}
    text = json.dumps(made_from, sort_keys=True)
    return {**made_from, "identity": hashlib.sha256(text.encode()).hexdigest()}


def _is_done(path: Path, details: dict[str, Any]) -> bool:
    if not path.exists():
        return False
    with store.open_store(path) as dataset:
        return bool(store.details_of(dataset).get("identity") == details["identity"])


def _described(path: Path, *, written: bool) -> dict[str, Any]:
    with store.open_store(path) as dataset:
        fields = dataset["fields"]
        times = dataset[str(fields.dims[0])].values
        return {
            "store": str(path),
            "written": written,
            "first": np.datetime_as_string(times[0], unit="h"),
            "last": np.datetime_as_string(times[-1], unit="h"),
            "shape": dict(zip(map(str, fields.dims), fields.shape, strict=True)),
            "split": {part: int(dataset[part].sum()) for part in splits.PARTS},
        }
