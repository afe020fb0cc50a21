"""Every source by name, and what a run asks of it."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from smoecast.config.run import Config
from smoecast.data.download.remote_file import About
from smoecast.data.sources.source import (
    AnalysesRequest,
    EnsemblesRequest,
    Kind,
    R,
    Request,
    Source,
)


class Sources(Mapping[str, Source[R]]):
    """Sources by name, each loaded with all that it needs when it is asked for.

    Parameters
    ----------
    places : dict of str to str
        By name, its module in this folder and what that calls it: ``planet.simulate:SOURCE``.
    """

    def __init__(self, places: dict[str, str]) -> None:
        self.places = places
        self.loaded: dict[str, Source[R]] = {}

    def __getitem__(self, name: str) -> Source[R]:
        """Return a source; it is loaded if it was not asked for before."""
        if name not in self.loaded:
            module, _, called = self.places[name].partition(":")
            self.loaded[name] = getattr(import_module(f"smoecast.data.sources.{module}"), called)
        return self.loaded[name]

    def __iter__(self) -> Iterator[str]:
        """Give the names; nothing is loaded."""
        return iter(self.places)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.places)


ANALYSES: Sources[AnalysesRequest] = Sources(
    {
        "planet": "planet.simulate:SOURCE",
        "files": "files:SOURCE",
        "ncep": "ncep:SOURCE",
        "weatherbench": "weatherbench:SOURCE",
        "weatherbench2": "zarr_stores.weatherbench2:SOURCE",
        "arco-era5": "zarr_stores.arco_era5:SOURCE",
        "era5": "era5.source:SOURCE",
        "opendata": "opendata.analyses:SOURCE",
    }
)
"""Sources of analyses (`data.source`), the quickest to use first."""
ENSEMBLES: Sources[EnsemblesRequest] = Sources(
    {
        "planet": "planet.simulate:ENSEMBLES",
        "files": "files:ENSEMBLES",
        "ens10": "ens10.source:SOURCE",
        "opendata": "opendata.ensembles:SOURCE",
    }
)
"""Sources of ensemble forecasts (`postprocess.source`)."""
KINDS: tuple[Kind, ...] = ("analyses", "ensembles")


def about() -> list[About]:
    """Return every source, the quickest to use first."""
    found = [source.about for known in (ANALYSES, ENSEMBLES) for source in known.values()]
    return list(dict.fromkeys(found))


def request_of(config: Config, kind: Kind = "analyses") -> Request:
    """Return what a run asks of its source of analyses or ensembles."""
    if kind == "analyses":
        hours = config.sample.history_hours
        return AnalysesRequest(config.data, hours, config.download, config.raw, config.store)
    return EnsemblesRequest(
        config.postprocess, config.data, config.download, config.raw, config.ensemble_store
    )


def requests_of(config: Config) -> list[Request]:
    """Return what a run asks for: analyses, ensembles or both; not what its sources lack."""
    return [
        asked
        for asked in (request_of(config, kind) for kind in KINDS)
        if asked.wanted.source in _sources(asked) and source_of(asked).has_any(asked)
    ]


def source_of(asked: Request) -> Source[Any]:
    """Return the source that answers a request."""
    return _sources(asked)[asked.wanted.source]


def _sources(asked: Request) -> Sources[Any]:
    return ANALYSES if asked.kind == "analyses" else ENSEMBLES
