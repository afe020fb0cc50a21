"""How large a run's data will be, from its config alone: for plans made before a download."""

from calendar import isleap

from smoecast.config import Config
from smoecast.data import ens10, era5
from smoecast.data.planet.periods import period
from smoecast.fields.regrid import named_grid

_GRIDS = {
    "planet": (32, 64),
    "ncep": (73, 144),
    "weatherbench": (32, 64),
    "weatherbench2": (32, 64),
    "opendata": (721, 1440),
    "ens10": (361, 720),
}
_YEARS_OF_ENS10 = 20


def analyses(config: Config) -> dict[str, int]:
    """Return the size of each dimension of a store of analyses.

    Raises
    ------
    ConfigError
        There is no grid of that name.
    """
    data = config.data
    if data.grid:
        height, width = named_grid(data.grid).shape
    elif data.source == "era5":
        height, width = era5.shape(data.era5.grid_degrees, data.era5.area)
    else:
        height, width = _GRIDS[data.source]
    sizes = {"time": _times(config), "channel": len(data.channels)}
    return {**sizes, "latitude": height, "longitude": width}


def _times(config: Config) -> int:
    data = config.data
    if data.source == "opendata":
        return len(config.sample.history_hours)
    if data.source == "planet":
        first, end = period(data.planet.start, data.planet.years)
        hours = int((end - first).astype("timedelta64[h]").astype(int))
    else:
        hours = 24 * sum(366 if isleap(year) else 365 for year in set(data.years))
    return hours // data.step_hours


def ensembles(config: Config) -> dict[str, int]:
    """Return the size of each dimension of a store of ensemble forecasts."""
    wanted = config.postprocess
    height, width = _GRIDS[wanted.source]
    if wanted.source == "ens10":
        months = wanted.ens10.months or range(1, 13)
        starts = _YEARS_OF_ENS10 * sum(day.month in months for day in ens10.DATES)
        members = 10
    elif wanted.source == "opendata":
        starts, members = 1, 51
    else:
        # two starts a week
        starts = round(config.data.planet.ensemble_years * 365.25 * 2 / 7)
        members = config.data.planet.members
    sizes = {"init_time": starts, "lead_time": len(wanted.lead_hours), "number": members}
    place = {"channel": len(wanted.channels), "latitude": height, "longitude": width}
    if wanted.source == "ens10" and wanted.ens10.keep == "statistics":
        del sizes["number"]  # mean and spread of each channel in the place of members
        place["channel"] *= 2
    return {**sizes, **place}
