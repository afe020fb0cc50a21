"""What a source is, and what a run asks of it: every source answers the same questions."""

from calendar import isleap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import xarray as xr

from smoecast.config.data import Data, Download
from smoecast.config.postprocess import Postprocess
from smoecast.data.download.remote_file import ENSEMBLES, About
from smoecast.fields.regrid import grid_by_name

Kind = Literal["analyses", "ensembles"]


@dataclass(frozen=True)
class AnalysesRequest:
    """The analyses of a run: what is wanted of them, and where they are.

    Attributes
    ----------
    wanted : Data
    history_hours : tuple of int
        Of a sample: so far back the newest analysis does not suffice.
    download : Download
    raw : Path
        Folder of the raw files.
    store : Path
        That they become.
    """

    wanted: Data
    history_hours: tuple[int, ...]
    download: Download
    raw: Path
    store: Path
    kind: ClassVar[Kind] = "analyses"

    @property
    def folder(self) -> Path:
        """Where what is fetched goes."""
        return self.raw

    @property
    def is_half(self) -> bool:
        """Whether the store is of half precision."""
        return self.wanted.precision == "float16"

    def decisive(self) -> dict[str, Any]:
        """Return the keys of the config that decide the store, as JSON values."""
        return {"data": self.wanted.model_dump(mode="json", exclude={"files", "run"})}


@dataclass(frozen=True)
class EnsemblesRequest:
    """The ensemble forecasts of a run: what is wanted of them, and where they are.

    Attributes
    ----------
    wanted : Postprocess
    analyses : Data
        Beside which they stand: a planet's ensembles are made with its analyses.
    download : Download
    raw : Path
        Folder of the raw files of the run.
    store : Path
        That they become.
    """

    wanted: Postprocess
    analyses: Data
    download: Download
    raw: Path
    store: Path
    kind: ClassVar[Kind] = "ensembles"
    is_half: ClassVar[bool] = False

    @property
    def folder(self) -> Path:
        """Where what is fetched goes."""
        return self.raw / ENSEMBLES

    def decisive(self) -> dict[str, Any]:
        """Return the keys of the config that decide the store, as JSON values."""
        keys = {"source", "channels", "lead_hours", "split", "select", "assume"}
        return {"postprocess": self.wanted.model_dump(mode="json", include=keys)}


Request = AnalysesRequest | EnsemblesRequest
R = TypeVar("R", AnalysesRequest, EnsemblesRequest)
Entry = dict[str, Any]
"""Of a raw file: ``file`` (name), ``bytes`` and ``sha256``; of a planned one see `remote.plan`."""


@dataclass(frozen=True)
class Source(Generic[R]):
    """Where analyses or ensembles come from.

    Attributes
    ----------
    about : About
    find : callable
        Returns the raw files that are there, in order; raises InputError where one is missing.
    open : callable
        Given these, returns lazily what a store holds of them: ``fields`` (time or init_time, ...,
        channel, latitude, longitude) and ``constant_*``.
    size : callable or None
        Returns the length of each dimension of the store, from the request alone; None where
        nobody knows before the raw files are there.
    fetch : callable or None
        Brings the raw files and returns their entries; None where nothing has to be brought.
    plan : callable
        Returns what `fetch` would ask of the network, see `remote.plan`.
    has_any : callable
        Whether there is anything for this request.
    remote : bool
        Whether it is asked over the network.
    newest : callable
        Returns the start of the newest run that was fetched, for a source that has runs; else None.
    find_all : callable
        Given what `find` returned, returns that and the files of runs that were fetched before.
    remove_old : callable
        Given what `find` returned, removes fetched files of runs that are so much older than the
        newest; returns them.
    """

    about: About
    find: Callable[[R], list[Path]]
    open: Callable[[Sequence[Path], R], xr.Dataset]
    size: Callable[[R], dict[str, int]] | None = None
    fetch: Callable[[R], list[Entry]] | None = None
    plan: Callable[[R], list[Entry]] = lambda asked: []
    has_any: Callable[[R], bool] = lambda asked: True
    remote: bool = False
    newest: Callable[[R], np.datetime64 | None] = lambda asked: None
    find_all: Callable[[R, list[Path]], list[Path]] = lambda asked, found: found
    remove_old: Callable[[R, list[Path], np.timedelta64], list[Path]] = lambda *asked: []


def size_analyses(
    asked: AnalysesRequest, shape: tuple[int, int], times: int | None = None
) -> dict[str, int]:
    """Return the size of a store of analyses that come on a grid of this shape.

    So many times are in it; None: those of the years that are asked for.

    Raises
    ------
    ConfigError
        There is no grid of the name that is wanted.
    """
    data = asked.wanted
    height, width = grid_by_name(data.grid).shape if data.grid else shape
    if times is None:
        times = 24 * sum(365 + isleap(year) for year in set(data.years)) // data.step_hours
    sizes = {"time": times, "channel": len(data.channels)}
    return {**sizes, "latitude": height, "longitude": width}


def size_ensembles(
    asked: EnsemblesRequest, shape: tuple[int, int], starts: int, members: int
) -> dict[str, int]:
    """Return the size of a store of ensembles on a grid of this shape."""
    wanted, (height, width) = asked.wanted, shape
    sizes = {"init_time": starts, "lead_time": len(wanted.lead_hours), "number": members}
    return {**sizes, "channel": len(wanted.channels), "latitude": height, "longitude": width}
