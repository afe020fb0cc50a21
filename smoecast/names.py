"""The names of things: dimensions, variables, units, and what other tools call them.

One table serves NetCDF, GRIB and the Copernicus Climate Data Store (CDS). Everything else in the
package speaks only the left column: the short ECMWF name and SI units.
"""

import re
from dataclasses import dataclass

DIMENSIONS = (
    "init_time",
    "lead_time",
    "number",
    "time",
    "level",
    "latitude",
    "longitude",
)
"""Dimension names of canonical data, in the order in which they stand."""

PROJECTION = ("projection_y_coordinate", "projection_x_coordinate")
"""Dimensions of a map projection, in the order in which they stand."""

DIMENSION_ALIASES = {
    "forecast_reference_time": "init_time",
    "initial_time": "init_time",
    "forecast_period": "lead_time",
    "prediction_timedelta": "lead_time",
    "step": "lead_time",
    "realization": "number",
    "member": "number",
    "ensemble": "number",
    "sample": "number",
    "valid_time": "time",
    "isobaricInhPa": "level",
    "pressure_level": "level",
    "plev": "level",
    "lev": "level",
    "lat": "latitude",
    "lon": "longitude",
    "nav_lat": "latitude",
    "nav_lon": "longitude",
}
"""What others call a dimension, and what we call it."""

COORDINATE_ATTRIBUTES: dict[str, dict[str, str]] = {
    "init_time": {
        "standard_name": "forecast_reference_time",
        "long_name": "start of the forecast",
    },
    "lead_time": {"standard_name": "forecast_period", "long_name": "time since start of forecast"},
    "valid_time": {"standard_name": "time", "long_name": "time at which the field holds"},
    "time": {"standard_name": "time", "long_name": "time", "axis": "T"},
    "number": {
        "standard_name": "realization",
        "long_name": "ensemble member",
        "units": "1",
    },
    "quantile": {
        "long_name": "share of the distribution that lies below",
        "units": "1",
    },
    "level": {
        "standard_name": "air_pressure",
        "long_name": "pressure level",
        "units": "hPa",
        "positive": "down",
        "axis": "Z",
    },
    "latitude": {
        "standard_name": "latitude",
        "long_name": "latitude",
        "units": "degrees_north",
        "axis": "Y",
    },
    "longitude": {
        "standard_name": "longitude",
        "long_name": "longitude",
        "units": "degrees_east",
        "axis": "X",
    },
}
"""CF attributes of every coordinate that smoecast writes (times get their units on encoding)."""


Box = tuple[float, float, float, float]
"""North, west, south, east in degrees; points on the edge belong to it."""

REGIONS: dict[str, tuple[Box, ...]] = {
    "global": ((90, 0, -90, 360),),
    "tropics": ((20, 0, -20, 360),),
    "extra-tropics": ((90, 0, 20, 360), (-20, 0, -90, 360)),
    "northern-hemisphere": ((90, 0, 20, 360),),
    "southern-hemisphere": ((-20, 0, -90, 360),),
    "europe": ((75, -12.5, 35, 42.5),),
    "north-america": ((60, -120, 25, -75),),
    "north-atlantic": ((65, -70, 25, -10),),
    "north-pacific": ((60, 145, 25, 230),),
    "east-asia": ((60, 102.5, 25, 150),),
    "ausnz": ((-12.5, 120, -45, 175),),
    "arctic": ((90, 0, 60, 360),),
    "antarctic": ((-60, 0, -90, 360),),
}
"""Regions of scores: the boxes of WeatherBench 2 (scripts/evaluate.py) under its names.

The hemispheres begin at 20 degrees: they are the extratropics of each.
"""

SURFACES = ("land", "sea")
"""More regions of scores: points of which more than half is land (constant lsm), and the others."""

AREAS = (*REGIONS, *SURFACES)
"""Every region of scores that has a name."""


@dataclass(frozen=True)
class Variable:
    """One physical quantity and its names.

    Attributes
    ----------
    name : str
        Short ECMWF name as used in memory, on disk and in configs (``t2m``).
    long_name : str
        Words for a person.
    units : str
        SI units as CF (UDUNITS) writes them.
    standard_name : str
        CF standard name, or an empty string where CF has none.
    cds_name : str
        Name in CDS requests, WeatherBench and WeatherBench 2.
    param_id : int
        ECMWF GRIB parameter id; 0 where there is none.
    vertical : str
        ``pressure`` (has levels), ``surface`` (one field a time) or ``constant``.
    aliases : tuple of str
        Other short names under which files carry it.
    """

    name: str
    long_name: str
    units: str
    standard_name: str
    cds_name: str
    param_id: int
    vertical: str = "surface"
    aliases: tuple[str, ...] = ()


_P, _S, _C = "pressure", "surface", "constant"
# fmt: off
_TABLE = (
    Variable("z", "geopotential", "m2 s-2", "geopotential",
             "geopotential", 129, _P, ("phi", "hgt", "gh", "zg")),
    Variable("t", "temperature", "K", "air_temperature",
             "temperature", 130, _P, ("air", "ta")),
    Variable("u", "eastward wind", "m s-1", "eastward_wind",
             "u_component_of_wind", 131, _P, ("uwnd", "ua")),
    Variable("v", "northward wind", "m s-1", "northward_wind",
             "v_component_of_wind", 132, _P, ("vwnd", "va")),
    Variable("q", "specific humidity", "kg kg-1", "specific_humidity",
             "specific_humidity", 133, _P, ("shum", "hus")),
    Variable("r", "relative humidity", "1", "relative_humidity",
             "relative_humidity", 157, _P, ("rhum", "hur")),
    Variable("w", "vertical velocity in pressure", "Pa s-1", "lagrangian_tendency_of_air_pressure",
             "vertical_velocity", 135, _P, ("omega", "wap")),
    Variable("t2m", "2 metre temperature", "K", "air_temperature",
             "2m_temperature", 167, _S, ("2t", "tas", "air_2m")),
    Variable("d2m", "2 metre dewpoint temperature", "K", "dew_point_temperature",
             "2m_dewpoint_temperature", 168, _S, ("2d",)),
    Variable("u10", "10 metre eastward wind", "m s-1", "eastward_wind",
             "10m_u_component_of_wind", 165, _S, ("10u", "uas")),
    Variable("v10", "10 metre northward wind", "m s-1", "northward_wind",
             "10m_v_component_of_wind", 166, _S, ("10v", "vas")),
    Variable("ws10", "10 metre wind speed", "m s-1", "wind_speed",
             "10m_wind_speed", 207, _S, ("10si", "si10", "wind_speed")),
    Variable("fg10", "10 metre wind gust since the last output", "m s-1", "wind_speed_of_gust",
             "10m_wind_gust_since_previous_post_processing", 49, _S, ("10fg", "10fg3", "fg310", "10fg6", "i10fg", "max_i10fg")),
    Variable("msl", "mean sea level pressure", "Pa", "air_pressure_at_mean_sea_level",
             "mean_sea_level_pressure", 151, _S, ("slp", "psl", "prmsl")),
    Variable("sp", "surface pressure", "Pa", "surface_air_pressure",
             "surface_pressure", 134, _S, ("pres", "ps")),
    Variable("tsig995", "temperature at sigma level 0.995", "K", "air_temperature",
             "air.sig995", 0, _S, ("air.sig995",)),
    Variable("sst", "sea surface temperature", "K", "sea_surface_temperature",
             "sea_surface_temperature", 34, _S, ("tos",)),
    Variable("skt", "skin temperature", "K", "surface_temperature",
             "skin_temperature", 235, _S),
    Variable("tp", "total precipitation", "m", "lwe_thickness_of_precipitation_amount",
             "total_precipitation", 228, _S),
    Variable("tp6h", "total precipitation of the last 6 hours", "m", "lwe_thickness_of_precipitation_amount",
             "total_precipitation_6hr", 0, _S),
    Variable("lntp6h", "log(1 + total precipitation of the last 6 hours in mm)", "1", "",
             "lntp6h", 0, _S),
    Variable("cp", "convective precipitation", "m", "lwe_thickness_of_convective_precipitation_amount",
             "convective_precipitation", 143, _S),
    Variable("tcc", "total cloud cover", "1", "cloud_area_fraction",
             "total_cloud_cover", 164, _S),
    Variable("tcw", "total column water", "kg m-2", "",
             "total_column_water", 136, _S),
    Variable("tcwv", "total column water vapour", "kg m-2", "atmosphere_mass_content_of_water_vapor",
             "total_column_water_vapour", 137, _S),
    Variable("ssrd", "surface solar radiation downwards", "J m-2", "integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air",
             "surface_solar_radiation_downwards", 169, _S),
    Variable("strd", "surface thermal radiation downwards", "J m-2", "integral_wrt_time_of_surface_downwelling_longwave_flux_in_air",
             "surface_thermal_radiation_downwards", 175, _S),
    Variable("tisr", "top of atmosphere incident solar radiation", "J m-2", "",
             "toa_incident_solar_radiation", 212, _S),
    Variable("siconc", "sea ice area fraction", "1", "sea_ice_area_fraction",
             "sea_ice_cover", 31, _S, ("ci",)),
    Variable("orography", "surface geopotential", "m2 s-2", "surface_geopotential",
             "geopotential_at_surface", 0, _C, ("oro", "orog")),
    Variable("lsm", "land-sea mask", "1", "land_area_fraction",
             "land_sea_mask", 172, _C, ("land", "land_binary_mask")),
    Variable("slt", "soil type", "1", "soil_type",
             "soil_type", 43, _C),
    Variable("lat2d", "latitude of every point", "degrees_north", "latitude",
             "lat2d", 0, _C),
)
# fmt: on
VARIABLES: dict[str, Variable] = {v.name: v for v in _TABLE}
"""Every variable smoecast knows, by short name."""

_ALIASES = {alias: v.name for v in VARIABLES.values() for alias in (v.name, v.cds_name, *v.aliases)}
_PARAM_IDS = {v.param_id: v.name for v in VARIABLES.values() if v.param_id}
_CHANNEL = re.compile(r"(?P<name>[a-z]+)(?P<level>[1-9][0-9]{0,3})")


def variable_of(foreign_name: str) -> Variable | None:
    """Return the variable that a file, a GRIB short name or the CDS calls `foreign_name`."""
    name = _ALIASES.get(foreign_name) or _ALIASES.get(foreign_name.lower())
    return VARIABLES[name] if name else None


def variable_of_param(param_id: int) -> Variable | None:
    """Return the variable with this ECMWF GRIB parameter id, or None."""
    name = _PARAM_IDS.get(param_id)
    return VARIABLES[name] if name else None


@dataclass(frozen=True)
class Channel:
    """One field of a network's input or output: a variable, at a level if it has levels.

    Attributes
    ----------
    variable : Variable
        What it is.
    level : int or None
        Pressure in hPa; None for variables without levels.
    """

    variable: Variable
    level: int | None

    @property
    def name(self) -> str:
        """Name in configs and files: ``z500``, ``t2m``."""
        return self.variable.name + ("" if self.level is None else str(self.level))


def parse_channel(name: str) -> Channel | None:
    """Read a channel name such as ``z500`` or ``t2m``; None when it means nothing to us."""
    known = VARIABLES.get(name)
    if known is not None and known.vertical != _P:
        return Channel(known, None)
    match = _CHANNEL.fullmatch(name)
    if match is None:
        return None
    variable = VARIABLES.get(match["name"])
    if variable is None or variable.vertical != _P:
        return None
    return Channel(variable, int(match["level"]))


def channel_of(name: str) -> Channel:
    """Read the name of a channel that has been checked before.

    Raises
    ------
    ValueError
        It means nothing to us.
    """
    channel = parse_channel(name)
    if channel is None:
        raise ValueError(f"{name} is no channel")
    return channel


_NEVER_NEGATIVE = (
    "ws10", "fg10", "tp", "tp6h", "lntp6h", "cp", "tcw", "tcwv", "ssrd", "strd", "tisr",
)  # fmt: skip


def is_never_negative(channel: str) -> bool:
    """Whether 0 is a bound that the quantity of a channel reaches: wind speed, precipitation."""
    return channel in _NEVER_NEGATIVE
