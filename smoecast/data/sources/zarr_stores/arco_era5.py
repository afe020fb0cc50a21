"""Source `arco-era5`: ERA5 at 0.25 degrees, hourly, chunks of a public Zarr store.

Carver and Merose (2023), "ARCO-ERA5: An Analysis-Ready Cloud-Optimized Reanalysis Dataset". The
store ends in ``-v3``, which is its own version: it is Zarr v2. Its axis of time goes from 1900 to
2050; its attributes ``valid_time_start`` and ``valid_time_stop`` say between which days there are
values. A chunk holds one time on all levels.
"""

from smoecast.data.download.remote_file import About, Offer
from smoecast.data.sources.zarr_stores.remote_store import RemoteStore

ABOUT = About(
    name="arco-era5",
    what="ARCO-ERA5 of Google: ERA5 at 0.25 degrees, hourly since 1940, out of a public Zarr store",
    size="about 3 MB a time and field, 110 MB a time and variable on all 37 levels",
    licence="CC BY 4.0; contains modified Copernicus Climate Change Service information (ERA5)",
    needs="nothing",
    truth="ERA5 as in ARCO-ERA5",
)
URL = "https://storage.googleapis.com/gcp-public-data-arco-era5/ar"
STORE = "full_37-1h-0p25deg-chunk-1.zarr-v3"
# fmt: off
LEVELS = (
    1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 125, 150, 175, 200, 225, 250, 300, 350, 400, 450, 500,
    550, 600, 650, 700, 750, 775, 800, 825, 850, 875, 900, 925, 950, 975, 1000,
)
_SINGLE = (
    "t2m", "d2m", "u10", "v10", "fg10", "msl", "sp", "sst", "skt", "tp", "cp", "tcc", "tcw",
    "tcwv", "ssrd", "strd", "tisr", "siconc",
)
# fmt: on
_CONSTANTS = ("orography", "lsm", "slt")
_OFFER = Offer(
    "arco-era5",
    dict.fromkeys(("z", "t", "u", "v", "q", "w"), LEVELS),
    (*_SINGLE, *_CONSTANTS),
    first=1940,
)
_FIELD_BYTES = 2_900_000
"""Of one field, compressed: about 0.7 of its 721 x 1440 float32."""

REMOTE = RemoteStore(
    ABOUT,
    _OFFER,
    URL,
    STORE,
    shape=(721, 1440),
    levels=len(LEVELS),
    field_bytes=_FIELD_BYTES,
    single_times=True,
)
SOURCE = REMOTE.source()
