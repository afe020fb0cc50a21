"""Source `weatherbench2`: ERA5 of WeatherBench 2 at 5.625 degrees, chunks of a public Zarr store.

Rasp et al. (2024), doi:10.1029/2023MS004019. The same grid as WeatherBench 1, but 6-hourly and
regridded conservatively: scores are not interchangeable. The store lies in Google Cloud Storage
and is read without an account, each chunk an object that plain https serves.

What is kept is a part of that group, still a Zarr group (`data.sources.weatherbench2.zarr_subset`):
every object is fetched, resumed, verified and recorded like any file, once, by the one fetcher.
NetCDF made of the chunks would need every chunk twice on disk and those at a year's end twice over
the network.
"""

from datetime import date
from functools import partial

from smoecast.data.download.collect import Hooks
from smoecast.data.download.remote_file import About, Offer, RemoteFile
from smoecast.data.sources.open import open_analyses
from smoecast.data.sources.remote import remote_source
from smoecast.data.sources.source import AnalysesRequest, size_analyses
from smoecast.data.sources.weatherbench2 import zarr_subset
from smoecast.data.sources.weatherbench2.zarr_subset import Request
from smoecast.fields.derived import sources_of
from smoecast.names import variable_of

ABOUT = About(
    name="weatherbench2",
    what="WeatherBench 2: ERA5 at 5.625 degrees, 32 x 64 points, 6-hourly 1959 to 2022",
    size="about 9 MB a year and field, 110 MB a year and variable on all 13 levels",
    licence="CC BY 4.0; contains modified Copernicus Climate Change Service information (ERA5)",
    needs="nothing",
    truth="ERA5 as in WeatherBench 2",
)
URL = "https://storage.googleapis.com/weatherbench2/datasets/era5"
STORE = "1959-2023_01_10-6h-64x32_equiangular_conservative.zarr"
STEP_HOURS = 6
LEVELS = (50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000)
_SINGLE = ("t2m", "u10", "v10", "ws10", "msl", "sp", "tcc", "tcwv", "tisr", "tp6h")
_CONSTANTS = ("orography", "lsm", "slt")
_OFFER = Offer(
    "weatherbench2",
    dict.fromkeys(("z", "t", "u", "v", "q", "w"), LEVELS),
    (*_SINGLE, *_CONSTANTS),
    step_hours=STEP_HOURS,
    first=1959,
    last=2022,
)
_FIELD_BYTES = 5_800
"""Of one field, compressed: about 0.7 of its 32 x 64 float32."""


def list_files(asked: AnalysesRequest) -> list[RemoteFile]:
    """Return the objects that hold the channels of a run, or an estimate before `discover`.

    Raises
    ------
    ConfigError
        A channel, a year or the spacing in time is not in this data.
    InputError
        What `discover` brought is damaged, or the store has changed.
    """
    request = _request_of(asked)
    if zarr_subset.can_list(asked.raw, request):
        return zarr_subset.remotes(asked.raw, request)
    days = sum((date(year + 1, 1, 1) - date(year, 1, 1)).days for year in request.years)
    return [
        RemoteFile(
            name=f"{STORE}/{name}",
            url=f"{request.url}/{name}",
            about=_FIELD_BYTES * _fields(name, days * 24 // STEP_HOURS),
        )
        for name in request.levels
    ]


def _fields(name: str, times: int) -> int:
    """Return how many fields of a variable come: all of its levels share a chunk."""
    variable = variable_of(name)
    if variable is None or variable.vertical == "constant":
        return 1
    return times * (len(LEVELS) if variable.vertical == "pressure" else 1)


def _request_of(asked: AnalysesRequest) -> Request:
    """Return what is wanted of the store."""
    data = asked.wanted
    _OFFER.check_times(data)
    names = sources_of((*data.channels, *data.constants), _OFFER.has)
    channels = [_OFFER.channel(name) for name in names]
    levels: dict[str, set[int]] = {}
    for channel in channels:
        own = levels.setdefault(channel.variable.cds_name, set())
        own.update([channel.level] if channel.level is not None else [])
    base = (asked.download.url or URL).rstrip("/")
    years = tuple(sorted(set(data.years)))
    return Request(
        STORE, f"{base}/{STORE}", years, {name: tuple(sorted(own)) for name, own in levels.items()}
    )


def hooks(asked: AnalysesRequest) -> Hooks:
    """Return what is done around a fetch.

    The metadata of the store come first; every chunk is decoded once, as it comes; all chunks
    together must have values on every day.
    """
    request = _request_of(asked)
    return Hooks(
        discover=partial(zarr_subset.discover, request),
        inspect=lambda path, remote: zarr_subset.inspect(path, remote, asked.raw, request),
        opened=lambda paths: [zarr_subset.finish_group(asked.raw, request)],
    )


SOURCE = remote_source(
    ABOUT,
    list_files,
    hooks,
    open_analyses,
    partial(size_analyses, shape=(32, 64)),
)
