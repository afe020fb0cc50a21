"""Source `weatherbench2`: ERA5 of WeatherBench 2 at 5.625 degrees, chunks of a public Zarr store.

Rasp et al. (2024), doi:10.1029/2023MS004019. The same grid as WeatherBench 1, but 6-hourly and
regridded conservatively: scores are not interchangeable. The store lies in Google Cloud Storage
and is read without an account, each chunk an object that plain https serves.
"""

from smoecast.data.download.remote_file import About, Offer
from smoecast.data.sources.zarr_stores.remote_store import RemoteStore

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

REMOTE = RemoteStore(
    ABOUT, _OFFER, URL, STORE, shape=(32, 64), levels=len(LEVELS), field_bytes=_FIELD_BYTES
)
SOURCE = REMOTE.source()
