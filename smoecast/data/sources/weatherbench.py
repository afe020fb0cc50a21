"""Source `weatherbench`: WeatherBench 1, ERA5 at 5.625 degrees, one zip a variable.

Rasp et al. (2020), doi:10.1029/2020MS002203. Hourly, 1979 to 2018, on 13 levels; the archives of
geopotential at 500 hPa and temperature at 850 hPa alone are a thirteenth of the whole. Only the
wanted years are kept; the archive is deleted once they are out. Precipitation and solar radiation
begin seven hours late, on 1979-01-01 at 07:00 UTC; a run with them in 1979 begins then.
"""

from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

from smoecast.data.download.collect import Hooks, check_netcdf
from smoecast.data.download.remote_file import About, Offer, RemoteFile
from smoecast.data.download.unzip import extract
from smoecast.data.sources.open import open_analyses
from smoecast.data.sources.remote import remote_source
from smoecast.data.sources.source import AnalysesRequest, size_analyses
from smoecast.fields.derived import sources_of
from smoecast.variables import VARIABLES

ABOUT = About(
    name="weatherbench",
    what="WeatherBench 1: ERA5 at 5.625 degrees, 32 x 64 points, hourly 1979 to 2018",
    size="about 1.6 GB a field (z500, t850, t2m ...), 21 GB a variable on all 13 levels",
    licence="CC BY 4.0; contains modified Copernicus Climate Change Service information (ERA5)",
    needs="nothing; room for an archive and its files at the same time",
    truth="ERA5 as in WeatherBench 1",
)
WEBDAV = "https://dataserv.ub.tum.de/public.php/dav/files/m1524895"
OLD = "https://dataserv.ub.tum.de/s/m1524895/download"
LEVELS = (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)
_RESOLUTION = "5.625deg"
_SINGLE = ("t2m", "u10", "v10", "tp", "tisr", "tcc")
_CONSTANTS = ("orography", "lsm", "slt")
_OFFER = Offer(
    "weatherbench",
    dict.fromkeys(("z", "t", "u", "v", "q", "r"), LEVELS),
    (*_SINGLE, *_CONSTANTS),
    first=1979,
    last=2018,
)
_ALONE = {("z", 500), ("t", 850)}
"""Fields on a level with an archive of their own."""
_BYTES = 1_600_000_000
"""Of one field over all years: 175 GB shared by 111 fields."""


def list_files(asked: AnalysesRequest) -> list[RemoteFile]:
    """Return the archives that hold the channels of a run.

    Raises
    ------
    ConfigError
        A channel or a year is not in this data.
    """
    years = sorted(set(asked.wanted.years))
    _OFFER.check_times(asked.wanted)
    wanted: dict[str, set[int]] = {}
    names = sources_of((*asked.wanted.channels, *asked.wanted.constants), _OFFER.has)
    for name in names:
        channel = _OFFER.channel(name)
        if channel.variable.vertical != "constant":
            wanted.setdefault(channel.variable.name, set()).add(channel.level or 0)
    base = asked.download.url or WEBDAV
    files = [_archive(base, name, levels, years) for name, levels in wanted.items()]
    if any(name in _CONSTANTS for name in names):
        name = f"constants_{_RESOLUTION}.nc"
        files.append(RemoteFile(name=name, url=_address(base, "constants", name), about=100_000))
    return files


def _archive(base: str, short: str, levels: set[int], years: Sequence[int]) -> RemoteFile:
    """Return the archive of a variable, or of the only level of it that is wanted."""
    folder = prefix = VARIABLES[short].cds_name
    count = 1 if levels == {0} else len(LEVELS)
    if len(levels) == 1 and (short, max(levels)) in _ALONE:
        folder, prefix, count = f"{folder}_{max(levels)}", f"{prefix}_{max(levels)}hPa", 1
    name = f"{folder}_{_RESOLUTION}.zip"
    return RemoteFile(
        name=name,
        url=_address(base, folder, name),
        about=_BYTES * count,
        gives=tuple(f"{prefix}_{year}_{_RESOLUTION}.nc" for year in years),
    )


def _address(base: str, folder: str, name: str) -> str:
    return f"{base.rstrip('/')}/{_RESOLUTION}/{folder}/{name}"


def _places(remote: RemoteFile) -> list[RemoteFile]:
    """Return the file at its newer and at its older address; a mirror has no other one."""
    if not remote.url.startswith(WEBDAV):
        return [remote]
    path, name = remote.url.removeprefix(WEBDAV).rsplit("/", 1)
    older = f"{OLD}?path={quote(path, safe='')}&files={name}"
    return [remote, RemoteFile(remote.name, older, about=remote.about, gives=remote.gives)]


def hooks(_: AnalysesRequest) -> Hooks:
    """Return what is done around a fetch: two addresses to try, archives to unpack."""
    return Hooks(
        locate=lambda remote, patience: _places(remote),
        unpack=lambda path, remote: extract(path, remote.gives),
        inspect=lambda path, remote: {} if remote.gives else check_netcdf(path, remote),
    )


SOURCE = remote_source(
    ABOUT,
    list_files,
    hooks,
    partial(open_analyses, trim_start=True),  # tp and tisr begin seven hours after the rest
    partial(size_analyses, shape=(32, 64)),
)
