"""Source `planet`: a run of the simulated planet stands for the fetch of an archive."""

from functools import partial
from pathlib import Path

from smoecast import console
from smoecast.data.download.remote_file import About
from smoecast.data.sources.files import expand, manifest
from smoecast.data.sources.open import open_analyses, open_ensembles
from smoecast.data.sources.planet import periods, surface
from smoecast.data.sources.source import (
    AnalysesRequest,
    EnsemblesRequest,
    Entry,
    Request,
    Source,
    size_analyses,
    size_ensembles,
)
from smoecast.disk.locks import lock
from smoecast.fields.times import JULIAN_YEAR_DAYS

ABOUT = About(
    "planet",
    "a simulated planet, 32 x 64 points, with ensemble forecasts; never real weather",
    "up to 84 MB a year of analyses",
    "none: made on your machine",
    "nothing",
    "simulated planet, no real weather",
)
_SHAPE = surface.LATITUDE.size, surface.LONGITUDE.size


def simulate(asked: AnalysesRequest) -> list[Entry]:
    """Write the planet's analyses, and its ensembles where it has any; what is there is kept.

    Raises
    ------
    ConfigError, OutputError
        See `source.write_analyses`.
    LockedError
        Another process brings files to the same folder.
    """
    # whoever only looks for its files needs neither requests nor what writes NetCDF
    from smoecast.data.download.partial_file import sweep_downloads  # noqa: PLC0415
    from smoecast.data.sources.planet.source import (  # noqa: PLC0415
        write_analyses,
        write_ensembles,
    )

    raw, planet = asked.raw, asked.wanted.planet
    with lock(raw):
        sweep_downloads(raw)
        with console.progress("simulating the planet", 1.0) as step:
            paths = write_analyses(raw, planet, asked.wanted.step_hours, step)
        if planet.ensemble_years > 0:
            with console.progress("simulating its ensemble forecasts", 1.0) as step:
                paths += write_ensembles(raw, planet, step)
        return manifest(paths)


def _find(prefix: str, asked: Request) -> list[Path]:
    return expand([str(asked.raw / f"{prefix}*.nc")], "the planet (run `smoecast download`)")


def _size(asked: AnalysesRequest) -> dict[str, int]:
    data = asked.wanted
    first, end = periods.period(data.planet.start, data.planet.years)
    hours = int((end - first).astype("timedelta64[h]").astype(int))
    return size_analyses(asked, _SHAPE, hours // data.step_hours)


def _size_ensembles(asked: EnsemblesRequest) -> dict[str, int]:
    planet = asked.analyses.planet
    starts = round(planet.ensemble_years * JULIAN_YEAR_DAYS * 2 / 7)  # two a week
    return size_ensembles(asked, _SHAPE, starts, planet.members)


def _has_ensembles(asked: EnsemblesRequest) -> bool:
    """Whether ensembles are made; files that are named and not read are not passed over."""
    analyses = asked.analyses
    made = analyses.source == ABOUT.name and analyses.planet.ensemble_years > 0
    return made or bool(asked.wanted.files)


SOURCE: Source[AnalysesRequest] = Source(
    ABOUT, partial(_find, "planet_[0-9]"), open_analyses, _size, simulate
)
ENSEMBLES: Source[EnsemblesRequest] = Source(
    ABOUT, partial(_find, "planet_ens_"), open_ensembles, _size_ensembles, has_any=_has_ensembles
)
"""Made together with the analyses."""
