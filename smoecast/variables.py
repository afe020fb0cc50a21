"""The table of physical quantities: our name of each, what others call it, where it is read from.

One table serves NetCDF, GRIB and the Copernicus Climate Data Store (CDS). Everything else in the
package speaks only the left column: the short ECMWF name and SI units. Levels and step types are
those of ecCodes (``typeOfLevel``, ``stepType``), checked against its definitions.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """One physical quantity, its names, and the levels and steps that it is read from.

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
    levels : tuple of str
        Kinds of level (``typeOfLevel``) from which it is read, the usual one first; none: it does
        not come as GRIB.
    height : float or None
        Metres above ground, where it is that of a certain height.
    step : str
        ``instant`` (at a moment), ``accum`` (a sum over the time before), ``max`` (the most in the
        time before), or empty for what has no time.
    other_params : tuple of int
        More GRIB parameter ids of it, in other units or of other tables.
    elsewhere : tuple of str
        What other tools call it, as far as no file is read by that: NCEP's names, in wgrib's
        spelling. Whoever asks for it is answered with `name`.
    """

    name: str
    long_name: str
    units: str
    standard_name: str
    cds_name: str
    param_id: int
    vertical: str = "surface"
    aliases: tuple[str, ...] = ()
    levels: tuple[str, ...] = ("surface",)
    height: float | None = None
    step: str = "instant"
    other_params: tuple[int, ...] = ()
    elsewhere: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Where it is read, in words: ``on pressure levels``, ``at 2 m above ground``."""
        if self.height is not None:
            return f"at {self.height:g} m above ground"
        return _PLACES[self.levels[0]] if self.levels else "without levels"

    @property
    def when(self) -> str:
        """Over what time it is read, in words: ``at a moment``; empty for what has no time."""
        return _TIMES[self.step]


_TIMES = {
    "instant": "at a moment",
    "accum": "as a sum over time",
    "max": "as a maximum over time",
    "": "",
}
_PLACES = {
    "isobaricInhPa": "on pressure levels",
    "surface": "on the ground",
    "meanSea": "at mean sea level",
    "entireAtmosphere": "of the whole atmosphere",
    "nominalTop": "at the top of the atmosphere",
}
ISOBARIC = ("isobaricInhPa", "isobaricInPa")
"""Kinds of level (`typeOfLevel`) that are a pressure."""
_P, _S, _C = "pressure", "surface", "constant"
_ABOVE = ("heightAboveGround", "surface")  # GRIB 1 of ECMWF has 2t and 10u on the ground
_GROUND = ("surface", "heightAboveGround")  # at 0 m: Meteo-France
_COLUMN = ("entireAtmosphere", "atmosphere", "atmosphereSingleLayer", "surface")
_SEA = ("surface", "oceanSurface")
# fmt: off
_TABLE = (
    Variable("z", "geopotential", "m2 s-2", "geopotential",
             "geopotential", 129, _P, ("phi", "hgt", "gh", "zg"),
             levels=ISOBARIC, other_params=(156,), elsewhere=("geopotential_height",)),
    Variable("t", "temperature", "K", "air_temperature",
             "temperature", 130, _P, ("air", "ta"), levels=ISOBARIC, elsewhere=("TMP",)),
    Variable("u", "eastward wind", "m s-1", "eastward_wind",
             "u_component_of_wind", 131, _P, ("uwnd", "ua"), levels=ISOBARIC, elsewhere=("UGRD",)),
    Variable("v", "northward wind", "m s-1", "northward_wind",
             "v_component_of_wind", 132, _P, ("vwnd", "va"), levels=ISOBARIC, elsewhere=("VGRD",)),
    Variable("q", "specific humidity", "kg kg-1", "specific_humidity",
             "specific_humidity", 133, _P, ("shum", "hus"), levels=ISOBARIC, elsewhere=("SPFH",)),
    Variable("r", "relative humidity", "1", "relative_humidity",
             "relative_humidity", 157, _P, ("rhum", "hur"), levels=ISOBARIC, elsewhere=("RH",)),
    Variable("w", "vertical velocity in pressure", "Pa s-1", "lagrangian_tendency_of_air_pressure",
             "vertical_velocity", 135, _P, ("omega", "wap"), levels=ISOBARIC, elsewhere=("VVEL",)),
    Variable("t2m", "2 metre temperature", "K", "air_temperature",
             "2m_temperature", 167, _S, ("2t", "tas", "air_2m"), _ABOVE, 2.0, elsewhere=("TMP",)),
    Variable("d2m", "2 metre dewpoint temperature", "K", "dew_point_temperature",
             "2m_dewpoint_temperature", 168, _S, ("2d",), _ABOVE, 2.0, elsewhere=("DPT",)),
    Variable("u10", "10 metre eastward wind", "m s-1", "eastward_wind",
             "10m_u_component_of_wind", 165, _S, ("10u", "uas"), _ABOVE, 10.0, elsewhere=("UGRD",)),
    Variable("v10", "10 metre northward wind", "m s-1", "northward_wind",
             "10m_v_component_of_wind", 166, _S, ("10v", "vas"), _ABOVE, 10.0, elsewhere=("VGRD",)),
    Variable("ws10", "10 metre wind speed", "m s-1", "wind_speed",
             "10m_wind_speed", 207, _S, ("10si", "si10", "wind_speed"), _ABOVE, 10.0, elsewhere=("WIND",)),
    Variable("fg10", "10 metre wind gust since the last output", "m s-1", "wind_speed_of_gust",
             "10m_wind_gust_since_previous_post_processing", 49, _S, ("10fg", "max_i10fg"),
             _ABOVE, 10.0, "max", (237318,), ("GUST",)),
    Variable("fg10_3h", "10 metre wind gust of the last 3 hours", "m s-1", "wind_speed_of_gust",
             "10m_wind_gust_in_the_last_3_hours", 228028, _S, ("10fg3", "fg310"), _ABOVE, 10.0, "max"),
    Variable("fg10_6h", "10 metre wind gust of the last 6 hours", "m s-1", "wind_speed_of_gust",
             "10m_wind_gust_in_the_last_6_hours", 123, _S, ("10fg6", "p10fg6"), _ABOVE, 10.0, "max"),
    Variable("i10fg", "instantaneous 10 metre wind gust", "m s-1", "wind_speed_of_gust",
             "instantaneous_10m_wind_gust", 228029, _S, (), _ABOVE, 10.0, elsewhere=("GUST",)),
    Variable("msl", "mean sea level pressure", "Pa", "air_pressure_at_mean_sea_level",
             "mean_sea_level_pressure", 151, _S, ("slp", "psl", "prmsl"), ("meanSea", "surface"),
             other_params=(260074,), elsewhere=("MSLET",)),
    Variable("sp", "surface pressure", "Pa", "surface_air_pressure",
             "surface_pressure", 134, _S, ("pres", "ps")),
    Variable("tsig995", "temperature at sigma level 0.995", "K", "air_temperature",
             "air.sig995", 0, _S, ("air.sig995",), ()),
    Variable("sst", "sea surface temperature", "K", "sea_surface_temperature",
             "sea_surface_temperature", 34, _S, ("tos",), _SEA, elsewhere=("WTMP",)),
    Variable("skt", "skin temperature", "K", "surface_temperature",
             "skin_temperature", 235, _S, elsewhere=("TMP",)),
    Variable("tp", "total precipitation", "m", "lwe_thickness_of_precipitation_amount",
             "total_precipitation", 228, _S, (), _GROUND,
             step="accum", other_params=(228228,), elsewhere=("APCP",)),
    Variable("tp6h", "total precipitation of the last 6 hours", "m", "lwe_thickness_of_precipitation_amount",
             "total_precipitation_6hr", 0, _S, (), (), step="accum"),
    Variable("lntp6h", "log(1 + total precipitation of the last 6 hours in mm)", "1", "",
             "lntp6h", 0, _S, (), (), step="accum"),
    Variable("cp", "convective precipitation", "m", "lwe_thickness_of_convective_precipitation_amount",
             "convective_precipitation", 143, _S, (), _GROUND,
             step="accum", other_params=(228143,), elsewhere=("ACPCP",)),
    Variable("sf", "snowfall as water", "m", "lwe_thickness_of_snowfall_amount",
             "snowfall", 144, _S, (), _GROUND, step="accum", other_params=(228144,)),
    Variable("sd", "snow on the ground as water", "kg m-2", "surface_snow_amount",
             "snow_depth", 141, _S, ("snw",), other_params=(228141,), elsewhere=("WEASD",)),
    Variable("tcc", "total cloud cover", "1", "cloud_area_fraction",
             "total_cloud_cover", 164, _S, (), _COLUMN, other_params=(228164,), elsewhere=("TCDC",)),
    Variable("tcw", "total column water", "kg m-2", "",
             "total_column_water", 136, _S, (), _COLUMN),
    Variable("tcwv", "total column water vapour", "kg m-2", "atmosphere_mass_content_of_water_vapor",
             "total_column_water_vapour", 137, _S, (), _COLUMN, elsewhere=("PWAT",)),
    Variable("ssrd", "surface solar radiation downwards", "J m-2", "integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air",
             "surface_solar_radiation_downwards", 169, _S, (), _GROUND, step="accum"),
    Variable("strd", "surface thermal radiation downwards", "J m-2", "integral_wrt_time_of_surface_downwelling_longwave_flux_in_air",
             "surface_thermal_radiation_downwards", 175, _S, (), _GROUND, step="accum"),
    Variable("tisr", "top of atmosphere incident solar radiation", "J m-2", "",
             "toa_incident_solar_radiation", 212, _S, (), ("nominalTop", "surface"), step="accum"),
    Variable("siconc", "sea ice area fraction", "1", "sea_ice_area_fraction",
             "sea_ice_cover", 31, _S, ("ci",), (*_SEA, "iceTopOnWater"),
             other_params=(262001,), elsewhere=("ICEC",)),
    Variable("orography", "surface geopotential", "m2 s-2", "surface_geopotential",
             "geopotential_at_surface", 0, _C, ("oro", "orog"),
             step="", other_params=(228002,), elsewhere=("HGT",)),
    Variable("lsm", "land-sea mask", "1", "land_area_fraction",
             "land_sea_mask", 172, _C, ("land", "land_binary_mask"), step=""),
    Variable("slt", "soil type", "1", "soil_type",
             "soil_type", 43, _C, (), ("surface", "depthBelowLandLayer", "soilLayer"), step=""),
    Variable("lat2d", "latitude of every point", "degrees_north", "latitude",
             "lat2d", 0, _C, (), (), step=""),
)
# fmt: on
VARIABLES: dict[str, Variable] = {v.name: v for v in _TABLE}
"""Every variable smoecast knows, by short name, in the order in which people are shown them."""

HEIGHTS = {v.name: v.height for v in _TABLE if v.height is not None}
"""Metres above ground of the variables that are of a certain height."""

_ALIASES = {alias: v.name for v in VARIABLES.values() for alias in (v.name, v.cds_name, *v.aliases)}
_PARAM_IDS = {p: v.name for v in VARIABLES.values() for p in (v.param_id, *v.other_params) if p}


def variable_of(foreign_name: str) -> Variable | None:
    """Return the variable that a file, a GRIB short name or the CDS calls `foreign_name`."""
    name = _ALIASES.get(foreign_name) or _ALIASES.get(foreign_name.lower())
    return VARIABLES[name] if name else None


def variable_of_param(param_id: int) -> Variable | None:
    """Return the variable with this ECMWF GRIB parameter id, or None."""
    name = _PARAM_IDS.get(param_id)
    return VARIABLES[name] if name else None


def variables_called(name: str) -> list[Variable]:
    """Return the variables that some file or tool calls `name`, in any case; first the one read."""
    read = variable_of(name)
    others = [v for v in _TABLE if name.upper() in map(str.upper, v.elsewhere) and v is not read]
    return [*([read] if read else []), *others]


_NEVER_NEGATIVE = (
    *("ws10", "fg10", "fg10_3h", "fg10_6h", "i10fg", "tp", "tp6h", "lntp6h", "cp", "sf", "sd"),
    *("tcw", "tcwv", "ssrd", "strd", "tisr"),
)


def is_never_negative(channel: str) -> bool:
    """Whether 0 is a bound that the quantity of a channel reaches: wind speed, precipitation."""
    return channel in _NEVER_NEGATIVE
