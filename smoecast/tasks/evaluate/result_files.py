"""Results that are to be scored: what each is, under which protocol, and under which name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast.config.postprocess import DEFAULT
from smoecast.errors import InputError
from smoecast.fields.read import results
from smoecast.fields.read.results import read_attributes
from smoecast.fields.read.zarr.group_file import folder_of
from smoecast.tasks.evaluate.accumulate import ResultSums


@dataclass(frozen=True, eq=False)
class ResultFile:
    """A result that is to be scored.

    Attributes
    ----------
    fields : xr.Dataset
        Of `fields.read.results.open_result`.
    source : str
        Names it in messages.
    protocol : str
        Under which it was calibrated.
    verb : str
        The verb of ours that made it; empty where it came from elsewhere.
    model : str
        The sha256 of its model, if it says one.
    paths : tuple of Path
        Its files.
    """

    fields: xr.Dataset
    source: str
    protocol: str
    verb: str
    model: str = ""
    paths: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in tables, where it is no forecast: ``calibrated`` or ``ensemble``."""
        return "calibrated" if self.verb == "postprocess" else "ensemble"

    @property
    def ensemble(self) -> bool:
        """Whether it says more than one value of a channel."""
        known = self.fields.data_vars
        products = any(str(name).endswith(("_std", "_above", "_below")) for name in known)
        return "number" in self.fields.dims or products

    @property
    def beside_raw(self) -> bool:
        """Whether it is scored beside the raw ensemble: it is no forecast from analyses of ours."""
        return self.ensemble and self.verb != "forecast"


def open_result_file(path: Path) -> ResultFile:
    """Open a result.

    Raises
    ------
    InputError
        It cannot be read.
    """
    return result_file(results.open_result(path), read_attributes(folder_of(path)), path)


def result_file(fields: xr.Dataset, said: Mapping[str, Any], path: Path) -> ResultFile:
    """Return a result that was opened, by what it says of itself.

    Parameters
    ----------
    fields : xr.Dataset
        Of `fields.read.results`.
    said : mapping
        Its attributes.
    path : Path
        Its file, or what one in memory is called.
    """
    last = str(said.get("history", "")).strip().rpartition("\n")[2]
    protocol = str(said.get("protocol", DEFAULT))
    verb = next((v for v in ("forecast", "postprocess") if f"smoecast {v}" in last), "")
    model = str(said.get("model_sha256", ""))
    return ResultFile(fields, str(path), protocol, verb, model, (path,))


def open_results(paths: Sequence[Path]) -> dict[Path, ResultFile]:
    """Open results; those that continue each other are one.

    Parameters
    ----------
    paths : sequence of Path

    Returns
    -------
    dict
        Results by their first file. Files are one result if they are of the same model, with the
        same variables, lead times and members, and share no start.

    Raises
    ------
    InputError
        One cannot be read.
    """
    alike: dict[tuple[Any, ...], dict[Path, ResultFile]] = {}
    for path in paths:
        one = open_result_file(path)
        alike.setdefault(_kind_of(one), {})[path] = one
    found = {path: one for kind in alike.values() for path, one in _join(kind).items()}
    return {path: found[path] for path in paths if path in found}


def _kind_of(one: ResultFile) -> tuple[Any, ...]:
    """Return what two results have alike that can continue each other."""
    axes = {
        str(name): tuple(np.ravel(index.values).tolist())
        for name, index in one.fields.coords.items()
        if name in one.fields.dims and name != "init_time"
    }
    variables = {str(name): array.dims for name, array in one.fields.data_vars.items()}
    said = (one.protocol, one.verb, one.model)
    return (*said, repr(sorted(axes.items())), repr(sorted(variables.items())))


def _join(alike: dict[Path, ResultFile]) -> dict[Path, ResultFile]:
    starts = [one.fields["init_time"].values for one in alike.values() if _has_starts(one)]
    together = np.concatenate(starts) if starts else np.array([])
    if len(starts) < max(2, len(alike)) or len(np.unique(together)) < len(together):
        return alike
    first, one = next(iter(alike.items()))
    fields = xr.concat(
        [each.fields for each in alike.values()],
        dim="init_time",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="override",
        combine_attrs="override",
    )
    source = f"{one.source} and {len(alike) - 1} more"
    fields = fields.sortby("init_time")
    return {first: replace(one, fields=fields, source=source, paths=tuple(alike))}


def _has_starts(one: ResultFile) -> bool:
    return "init_time" in one.fields.dims


def one_protocol(scored: Sequence[ResultFile]) -> str:
    """Return the protocol of calibrated results.

    Raises
    ------
    InputError
        There are several: their scores would not compare.
    """
    found = {one.protocol: one.source for one in scored if one.beside_raw}
    if len(found) > 1:
        (first, one), (second, other), *_ = found.items()
        raise InputError(
            f"{one} was calibrated under the protocol {first}, {other} under {second}: their "
            "scores do not compare; evaluate them one at a time"
        )
    return next(iter(found), DEFAULT)


def label_by_file(found: Sequence[ResultSums], paths: Sequence[Path]) -> list[ResultSums]:
    """Return sums of results; of several of one kind, under the names of their files."""
    renamed = list(found)
    for kind in {one.own[0] for one in found}:
        mine = [i for i, one in enumerate(found) if one.own[0] == kind]
        if len(mine) > 1:
            for i, label in zip(mine, _labels([paths[i] for i in mine]), strict=True):
                renamed[i] = _rename(found[i], label)
    return renamed


def _labels(paths: Sequence[Path]) -> list[str]:
    """Return the shortest names that tell files apart."""
    places = [folder_of(path) for path in paths]
    for label in (lambda p: p.stem, lambda p: p.name, lambda p: f"{p.parent.name}/{p.name}"):
        labels = [str(label(place)) for place in places]
        if len(set(labels)) == len(labels):
            return labels
    return [str(place) for place in places]


def _rename(found: ResultSums, label: str) -> ResultSums:
    new = {own: f"{label}{own.removeprefix(found.own[0])}" for own in found.own}
    sums = {(c, new.get(name, name), e): v for (c, name, e), v in found.sums.items()}
    flat = {(c, new.get(name, name), e): v for (c, name, e), v in found.flat.items()}
    return replace(found, own=tuple(new.values()), sums=sums, flat=flat)


def drop_duplicates(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return records without those of a baseline that several results share."""
    kept: dict[str, dict[str, Any]] = {}
    for record in records:
        kept.setdefault(_identity(record), record)
    return list(kept.values())


def _identity(record: dict[str, Any]) -> str:
    """Return what makes a record the same for all results: all but differences to one of them."""
    return repr([(k, v) for k, v in record.items() if "_difference" not in k])
