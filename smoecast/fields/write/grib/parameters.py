"""The quantities of `names` in the tables of GRIB 2.

They go by the tables of the WMO alone, none by those of a centre, so every reader knows them;
ecCodes shows the parameters of ECMWF for them. No ecCodes is needed here.
"""

from dataclasses import dataclass
from decimal import Decimal

from smoecast.errors import ConfigError
from smoecast.events import Event
from smoecast.names import Channel, parse_channel

INSTEAD = "write NetCDF (--format netcdf)"
"""The mend of whatever GRIB cannot say."""

_SUM, _MAXIMUM = 1, 2  # code table 4.10, statistical processing
_DIGITS = 9  # of a threshold behind the point


@dataclass(frozen=True)
class Parameter:
    """A quantity in GRIB 2.

    Attributes
    ----------
    number : tuple of int
        Discipline, category and number of the WMO.
    surface : tuple of int
        Type of the first fixed surface, and the height in metres on it where there is one.
    param_id : int
        What ECMWF calls it, as ecCodes reads it.
    factor : int
        From the SI unit of `names` to the unit of GRIB.
    process : int or None
        Over the hours that it is of: a sum, a maximum; None at a point in time.
    hours : int or None
        Which it is of, where that is part of the quantity.
    above : int or None
        Type of the second fixed surface, for what is of a whole column.
    """

    number: tuple[int, int, int]
    surface: tuple[int, ...]
    param_id: int
    factor: int = 1
    process: int | None = None
    hours: int | None = None
    above: int | None = None


_GROUND, _TOP, _SEA, _LEVEL, _HEIGHT = (1,), (8,), (101,), (100,), 103
# fmt: off
PARAMETERS = {
    "z": Parameter((0, 3, 4), _LEVEL, 129),
    "t": Parameter((0, 0, 0), _LEVEL, 130),
    "u": Parameter((0, 2, 2), _LEVEL, 131),
    "v": Parameter((0, 2, 3), _LEVEL, 132),
    "q": Parameter((0, 1, 0), _LEVEL, 133),
    "r": Parameter((0, 1, 1), _LEVEL, 157, factor=100),
    "w": Parameter((0, 2, 8), _LEVEL, 135),
    "t2m": Parameter((0, 0, 0), (_HEIGHT, 2), 167),
    "d2m": Parameter((0, 0, 6), (_HEIGHT, 2), 168),
    "u10": Parameter((0, 2, 2), (_HEIGHT, 10), 165),
    "v10": Parameter((0, 2, 3), (_HEIGHT, 10), 166),
    "ws10": Parameter((0, 2, 1), (_HEIGHT, 10), 207),
    "fg10": Parameter((0, 2, 22), (_HEIGHT, 10), 237318, process=_MAXIMUM),
    "fg10_3h": Parameter((0, 2, 22), (_HEIGHT, 10), 237318, process=_MAXIMUM, hours=3),
    "fg10_6h": Parameter((0, 2, 22), (_HEIGHT, 10), 237318, process=_MAXIMUM, hours=6),
    "i10fg": Parameter((0, 2, 22), (_HEIGHT, 10), 228029),
    "msl": Parameter((0, 3, 0), _SEA, 151),
    "sp": Parameter((0, 3, 0), _GROUND, 134),
    "sst": Parameter((10, 3, 0), _GROUND, 34),
    "skt": Parameter((0, 0, 17), _GROUND, 235),
    "tp": Parameter((0, 1, 52), _GROUND, 228228, factor=1000, process=_SUM),
    "tp6h": Parameter((0, 1, 52), _GROUND, 228228, factor=1000, process=_SUM, hours=6),
    "cp": Parameter((0, 1, 37), _GROUND, 228143, factor=1000, process=_SUM),
    "sf": Parameter((0, 1, 53), _GROUND, 228144, factor=1000, process=_SUM),
    "sd": Parameter((0, 1, 60), _GROUND, 228141),
    "tcc": Parameter((0, 6, 1), _GROUND, 228164, factor=100, above=8),
    "tcw": Parameter((0, 1, 51), _GROUND, 136, above=8),
    "tcwv": Parameter((0, 1, 64), _GROUND, 137, above=8),
    "ssrd": Parameter((0, 4, 7), _GROUND, 169, process=_SUM),
    "strd": Parameter((0, 5, 3), _GROUND, 175, process=_SUM),
    "tisr": Parameter((0, 4, 7), _TOP, 212, process=_SUM),
    "siconc": Parameter((10, 2, 0), _GROUND, 31),
}
# fmt: on
"""What GRIB calls the variables of `names`; those that are not here it cannot say."""


def parameter_of(name: str) -> tuple[Parameter, Channel]:
    """Return the parameter of a channel.

    Raises
    ------
    ConfigError
        GRIB has none.
    """
    channel = parse_channel(name)
    found = PARAMETERS.get(channel.variable.name) if channel is not None else None
    if channel is None or found is None:
        raise ConfigError(
            f"the tables of GRIB have no parameter for {name}: leave it out, or {INSTEAD}"
        )
    return found, channel


def threshold_of(event: Event) -> tuple[int, int]:
    """Return a threshold in the unit of GRIB as a whole number and the digits behind its point.

    Raises
    ------
    ConfigError
        It has more digits than there is room for, or its channel no parameter.
    """
    exact = Decimal(repr(event.threshold)) * parameter_of(event.channel)[0].factor
    for digits in range(_DIGITS + 1):
        scaled = exact.scaleb(digits)
        if scaled == scaled.to_integral_value() and abs(scaled) < 2**31 - 1:
            return int(scaled), digits
    raise ConfigError(
        f"GRIB has no room for all digits of the threshold {event}: round it, or {INSTEAD}"
    )
