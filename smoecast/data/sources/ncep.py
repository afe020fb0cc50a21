"""Source `ncep`: NCEP/NCAR Reanalysis 1 from NOAA PSL, yearly NetCDF over plain https.

Global, 2.5 degrees, 6-hourly since 1948, no account: the quickest way to train on real weather.
Kalnay et al. (1996), doi:10.1175/1520-0477(1996)077<0437:TNYRP>2.0.CO;2.
"""

from dataclasses import dataclass
from datetime import date
from functools import partial
from math import prod

from smoecast.data.download.collect import Hooks, check_netcdf
from smoecast.data.download.remote_file import About, Offer, RemoteFile
from smoecast.data.sources.open import open_analyses
from smoecast.data.sources.remote import remote_source
from smoecast.data.sources.source import AnalysesRequest, size_analyses
from smoecast.errors import ConfigError

ABOUT = About(
    name="ncep",
    what="NCEP/NCAR Reanalysis 1, global, 2.5 degrees, 6-hourly since 1948",
    size="0.5 GB a year and variable on levels, 31 MB a year at the surface",
    licence="NOAA, US Government work; cite Kalnay et al. 1996",
    needs="nothing",
    truth="NCEP/NCAR Reanalysis 1",
)
URL = "https://downloads.psl.noaa.gov/Datasets/ncep.reanalysis"
STEP_HOURS = 6
_SHAPE = (73, 144)
_LEVELS = (10, 20, 30, 50, 70, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)


@dataclass(frozen=True)
class _Series:
    """The yearly files of one variable."""

    folder: str
    name: str
    levels: tuple[int, ...] = ()


_FROM_300, _FROM_100 = _LEVELS[9:], _LEVELS[5:]
_SERIES = {
    "z": _Series("pressure", "hgt", _LEVELS),
    "t": _Series("pressure", "air", _LEVELS),
    "u": _Series("pressure", "uwnd", _LEVELS),
    "v": _Series("pressure", "vwnd", _LEVELS),
    "q": _Series("pressure", "shum", _FROM_300),
    "r": _Series("pressure", "rhum", _FROM_300),
    "w": _Series("pressure", "omega", _FROM_100),
    "tsig995": _Series("surface", "air.sig995"),
    "msl": _Series("surface", "slp"),
    "sp": _Series("surface", "pres.sfc"),
}
_OFFER = Offer(
    "ncep",
    {name: series.levels for name, series in _SERIES.items() if series.levels},
    tuple(name for name, series in _SERIES.items() if not series.levels),
    step_hours=STEP_HOURS,
    first=1948,
)


def list_files(asked: AnalysesRequest) -> list[RemoteFile]:
    """Return the yearly files that hold the channels of a run.

    Raises
    ------
    ConfigError
        A channel, a year or the spacing in time is not in this data.
    """
    data = asked.wanted
    _OFFER.check_times(data)
    if data.constants:
        raise ConfigError("source ncep has no constants: leave data.constants empty")
    series = dict.fromkeys(_SERIES[_OFFER.channel(name).variable.name] for name in data.channels)
    base = (asked.download.url or URL).rstrip("/")
    return [_remote(base, one, year) for one in series for year in sorted(set(data.years))]


def _remote(base: str, series: _Series, year: int) -> RemoteFile:
    name = f"{series.name}.{year}.nc"
    whole = date(year + 1, 1, 15)
    times = 366 * 24 // STEP_HOURS
    return RemoteFile(
        name=name,
        url=f"{base}/{series.folder}/{name}",
        about=2 * times * max(1, len(series.levels)) * prod(_SHAPE),
        # the file of a running year is appended to; the last days come early in January
        published=whole,
        final=whole,
        grows=True,
    )


SOURCE = remote_source(
    ABOUT,
    list_files,
    lambda asked: Hooks(inspect=check_netcdf),
    open_analyses,
    partial(size_analyses, shape=_SHAPE),
)
