"""Every source by name, and what a run asks of it."""

from collections.abc import Mapping
from typing import Any

from smoecast.config.run import Config
from smoecast.data.download.remote_file import About
from smoecast.data.sources import files, ncep, weatherbench
from smoecast.data.sources.ens10 import source as ens10
from smoecast.data.sources.era5 import source as era5
from smoecast.data.sources.opendata import analyses, ensembles
from smoecast.data.sources.planet import simulate as planet
from smoecast.data.sources.source import (
    AnalysesRequest,
    EnsemblesRequest,
    Kind,
    R,
    Request,
    Source,
)
from smoecast.data.sources.zarr_stores import arco_era5, weatherbench2


def _by_name(*sources: Source[R]) -> dict[str, Source[R]]:
    return {source.about.name: source for source in sources}


ANALYSES: dict[str, Source[AnalysesRequest]] = _by_name(
    planet.SOURCE,
    files.SOURCE,
    ncep.SOURCE,
    weatherbench.SOURCE,
    weatherbench2.SOURCE,
    arco_era5.SOURCE,
    era5.SOURCE,
    analyses.SOURCE,
)
"""Sources of analyses (`data.source`), the quickest to use first."""
ENSEMBLES: dict[str, Source[EnsemblesRequest]] = _by_name(
    planet.ENSEMBLES, files.ENSEMBLES, ens10.SOURCE, ensembles.SOURCE
)
"""Sources of ensemble forecasts (`postprocess.source`)."""
KINDS: tuple[Kind, ...] = ("analyses", "ensembles")


def about() -> list[About]:
    """Return every source, the quickest to use first."""
    found = [source.about for source in ANALYSES.values()]
    return list(dict.fromkeys([*found, *(source.about for source in ENSEMBLES.values())]))


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


def _sources(asked: Request) -> Mapping[str, Source[Any]]:
    return ANALYSES if asked.kind == "analyses" else ENSEMBLES
