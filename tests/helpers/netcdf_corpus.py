"""NetCDF files in the layouts of many tools and archives, and what netCDF4 alone reads of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from smoecast.errors import InputError
from smoecast.fields.channels import channels_of, field_of
from smoecast.fields.left_out import left_out_of
from smoecast.fields.read.open import open_file

START = np.datetime64("2020-02-28T18", "ns")
HOUR = np.timedelta64(1, "h")
FORMATS = (
    *("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4"),
    "NETCDF4_CLASSIC",
)
LABELS: dict[str, np.ndarray] = {
    "time": START + np.arange(3) * 6 * HOUR,
    "start": START + np.arange(2) * 24 * HOUR,
    "step": np.arange(1, 4) * 6 * HOUR,
    "number": np.arange(4),
    "level": np.array([500.0, 850.0]),
    "latitude": np.array([60.0, 50, 40, 30, 20]),
    "longitude": np.array([0.0, 10, 20, 30, 40, 50]),
}
"""What the axes are, in hPa, degrees, and times as they are."""
UNITS = {
    "time": "hours since 1900-01-01",
    "start": "hours since 1900-01-01",
    "step": "hours",
    "number": "1",
    "level": "hPa",
    "latitude": "degrees_north",
    "longitude": "degrees_east",
}
NAMES = {"start": "forecast_reference_time", "step": "forecast_period", "number": "realization"}
ROLES = {"time": "time", "start": "init_time", "step": "lead_time", "number": "number"}


@dataclass
class Layout:
    """How one field is written; what it means does not change by that.

    `order` has the roles of its dimensions, `names` and `units` those of them that are not the
    common ones, `scalars` the roles that are coordinates of one value.
    """

    order: tuple[str, ...] = ("time", "level", "latitude", "longitude")
    form: str = "NETCDF4"
    variable: str = "t"
    channel: str = "t"
    attributes: dict[str, Any] = field(default_factory=lambda: {"units": "K"})
    names: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    coordinates: dict[str, dict[str, Any]] = field(default_factory=dict)
    scalars: tuple[str, ...] = ()
    kind: str = "f4"
    packing: dict[str, Any] = field(default_factory=dict)
    fill: Any = None
    gone: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    unlimited: bool = True
    factor: float = 1.0
    others: tuple[str, ...] = ()

    def name(self, role: str) -> str:
        """Return what a dimension is called."""
        return self.names.get(role, NAMES.get(role, role))

    def label(self, role: str) -> np.ndarray:
        """Return what lies along it."""
        return self.labels.get(role, LABELS[role])


def write(path: Path, layout: Layout) -> None:
    """Write a file of one field, and others that nobody knows."""
    with netCDF4.Dataset(path, "w", format=layout.form) as file:
        for role in layout.order:
            size = None if role == "time" and layout.unlimited else len(layout.label(role))
            file.createDimension(layout.name(role), size)
        for role in (*layout.order, *layout.scalars):
            _coordinate(file, layout, role)
        along = tuple(layout.name(role) for role in layout.order)
        for name in (layout.variable, *layout.others):
            array = file.createVariable(
                name, layout.kind, along, fill_value=layout.fill, **layout.options
            )
            array.setncatts(layout.packing)
            array.setncatts(layout.attributes if name == layout.variable else {"units": "?"})
            shape = tuple(len(layout.label(role)) for role in layout.order)
            values = np.ma.array(250.0 + np.arange(np.prod(shape)).reshape(shape) / 7, mask=False)
            if layout.gone:
                values[..., 1] = np.ma.masked
            array[:] = values
        if layout.scalars:
            names = " ".join(layout.name(role) for role in layout.scalars)
            file[layout.variable].coordinates = names


def _coordinate(file: netCDF4.Dataset, layout: Layout, role: str) -> None:
    name, unit = layout.name(role), layout.units.get(role, UNITS[role])
    labels = layout.label(role)
    if labels.dtype.kind == "M":
        labels = netCDF4.date2num(
            labels.astype("datetime64[us]").tolist(),
            unit,
            layout.coordinates.get(role, {}).get("calendar", "standard"),
        )
    elif labels.dtype.kind == "m":
        labels = labels / np.timedelta64(1, unit[0])
    elif role == "level" and unit == "Pa":
        labels = labels * 100
    attributes = {"units": unit} | layout.coordinates.get(role, {})
    kind = attributes.pop("kind", "f8")
    array = file.createVariable(name, kind, () if role in layout.scalars else (name,))
    array[:] = labels if role not in layout.scalars else labels[0]
    array.setncatts({key: value for key, value in attributes.items() if value is not None})


def outcome(path: Path, layout: Layout) -> str:
    """Return why a file is refused; empty where all of it is read right or left out by name.

    Anything but an `InputError`, a wrong value, and a variable of which nothing is said fail.
    """
    try:
        dataset = open_file(path)
        left_out = {left.name for left in left_out_of(dataset)}
        dataset = dataset.load(scheduler="synchronous")
    except InputError as refusal:
        assert str(refusal).startswith(f"{path}: "), refusal
        assert "\n" not in str(refusal), refusal
        assert refusal.exit_code == 3
        return str(refusal).removeprefix(f"{path}: ")
    assert set(layout.others) <= left_out
    plain = _plain(path, layout)
    with_level = "level" in (*layout.order, *layout.scalars)
    names = [f"{layout.channel}{level:g}" for level in layout.label("level")] if with_level else []
    if "level" in layout.scalars:
        names = names[:1]
    assert channels_of(dataset) == sorted(names or [layout.channel])
    for name in channels_of(dataset):
        array = field_of(dataset, name)
        roles = dict(ROLES)
        extra = set()
        if "number" in layout.order and "time" in layout.order:  # analyses of an ensemble
            roles["time"], extra = "init_time", {"lead_time"}
        labels = {roles[r]: layout.label(r) for r in layout.order if r in roles}
        labels |= {roles[r]: layout.label(r)[:1] for r in layout.scalars if r in roles}
        assert set(array.dims) == {*labels, *extra, "latitude", "longitude"}
        west = (layout.label("longitude") + 180) % 360 - 180
        there = array["longitude"].values
        east = [int(np.argmin(np.abs((there - x + 180) % 360 - 180))) for x in west]
        assert sorted(east) == list(range(len(there)))
        array = array.isel(longitude=east).sel(labels | {"latitude": layout.label("latitude")})
        wanted = plain[names.index(name)] if "level" in layout.order else plain
        axes = [roles.get(r, r) for r in layout.order if r != "level"]
        array = array.squeeze([d for d in array.dims if d not in axes]).transpose(*axes)
        np.testing.assert_allclose(array.values, wanted * layout.factor, rtol=3e-7)
    return ""


def _plain(path: Path, layout: Layout) -> np.ndarray:
    """Return the values as netCDF4 gives them, levels first."""
    with netCDF4.Dataset(path) as file:
        values = np.ma.filled(np.ma.asarray(file[layout.variable][:], "f8"), np.nan)
    if "level" not in layout.order:
        return np.asarray(values)
    return np.moveaxis(values, layout.order.index("level"), 0)


Case = tuple[str, Layout, bool]
"""Its name, the file, and whether it must be read."""
PLAIN = Layout()
SURFACE = Layout(order=("time", "latitude", "longitude"), variable="t2m", channel="t2m")


def cases() -> Iterator[Case]:
    """Yield every layout."""
    for part in (_forms, _orders, _names, _values, _times, _axes, _forecasts, _words):
        yield from part()


def _forms() -> Iterator[Case]:
    for form in FORMATS:
        for unlimited in (False, True):
            known = replace(PLAIN, form=form, unlimited=unlimited)
            yield f"{form} unlimited {unlimited}", known, True
            kinds = ("f4", "f8", "i2", "i4", "i1")
            for kind in kinds if unlimited else ():
                packing = {"scale_factor": 0.5, "add_offset": 270.0} if kind[0] == "i" else {}
                packed = replace(known, kind=kind, packing=packing)
                yield f"{form} of {kind}", packed, True
    for options in (
        *({"zlib": True}, {"zlib": True, "shuffle": False}, {"chunksizes": (1, 1, 2, 3)}),
        *({"fletcher32": True}, {"contiguous": True}, {"endian": "little"}, {"complevel": 9}),
    ):
        layout = replace(PLAIN, options=options, unlimited=False)
        yield f"options {options}", layout, True

    yield "of the other byte order", replace(PLAIN, kind=">f4", options={"endian": "big"}), True


def _orders() -> Iterator[Case]:
    for order in (
        *(("level", "time", "latitude", "longitude"), ("time", "level", "longitude", "latitude")),
        *(("latitude", "longitude", "time", "level"), ("longitude", "latitude", "level", "time")),
        *(("time", "latitude", "longitude", "level"), ("latitude", "time", "longitude", "level")),
    ):
        yield f"order {' '.join(order)}", replace(PLAIN, order=order), True
    for order in (("time", "longitude", "latitude"), ("latitude", "longitude", "time")):
        yield f"order {' '.join(order)}", replace(SURFACE, order=order), True


def _names() -> Iterator[Case]:
    several = {
        "WeatherBench": {"latitude": "lat", "longitude": "lon"},
        "CDS": {"time": "valid_time", "level": "pressure_level"},
        "cfgrib": {"level": "isobaricInhPa"},
        "CMIP": {"level": "plev", "latitude": "lat", "longitude": "lon"},
        "CDO": {"level": "lev", "latitude": "lat", "longitude": "lon"},
    }
    for tool, names in several.items():
        for form in ("NETCDF3_CLASSIC", "NETCDF4"):
            units = {"level": "Pa"} if tool in ("CMIP", "CDO") else {}
            layout = replace(PLAIN, names=names, units=units, form=form)
            yield f"names of {tool} in {form}", layout, True
    for names in ({"latitude": "y", "longitude": "x"}, {"time": "when"}, {"level": "z"}):
        axes = {"latitude": "latitude", "longitude": "longitude", "time": "time"}
        axes |= {"level": "air_pressure"}
        known = {role: {"standard_name": axes[role]} for role in names}
        yield f"names {names}", replace(PLAIN, names=names), False
        yield f"standard names of {names}", replace(PLAIN, names=names, coordinates=known), False
    for name, attributes in {
        "air": {"standard_name": "air_temperature", "units": "K"},
        "ta": {"standard_name": "air_temperature", "units": "K"},
        "T": {"long_name": "temperature", "units": "K"},
        "temperature": {"units": "K"},
        "var130": {"units": "K"},
    }.items():
        layout = replace(PLAIN, variable=name, attributes=attributes)
        yield f"variable {name}", layout, name in ("ta", "temperature")
    others = replace(PLAIN, others=("swvl1", "strange", "cloud"))
    yield "variables that nobody knows", others, True


def _values() -> Iterator[Case]:
    for gone in (False, True):
        for kind, fill, packing in (
            *(("f4", 1e20, {}), ("f4", -9999.0, {}), ("f8", 9.96921e36, {}), ("f4", None, {})),
            ("i2", -32767, {"scale_factor": 0.01, "add_offset": 280.0}),
            ("i2", 32767, {"scale_factor": 0.01, "add_offset": 280.0}),
            ("i4", -2147483647, {"scale_factor": 0.001, "add_offset": 0.0}),
            ("u1", 255, {"scale_factor": 1.0, "add_offset": 200.0}),
        ):
            layout = replace(PLAIN, kind=kind, fill=fill, packing=packing, gone=gone)
            yield f"{kind} filled with {fill}, gone {gone}", layout, True
    packed = {"scale_factor": 0.01, "add_offset": 280.0}
    for more in ({"valid_range": np.array([-30000, 30000], "i2")}, {"missing_value": np.int16(-1)}):
        layout = replace(PLAIN, kind="i2", packing=packed | more)
        yield f"packed with {list(more)}", layout, False
    for units, factor in (("K", 1.0), ("Kelvin", 1.0), ("kelvin", 1.0), ("degrees K", 1.0)):
        layout = replace(PLAIN, attributes={"units": units}, factor=factor)
        yield f"in {units}", layout, units != "degrees K"
    for units in ("degC", "m", "", "1"):
        layout = replace(SURFACE, attributes={"units": units}, variable="msl", channel="msl")
        yield f"pressure in {units or 'nothing'}", layout, False
    for units, factor in (("Pa", 1.0), ("hPa", 100.0), ("mbar", 100.0), ("millibars", 100.0)):
        layout = replace(SURFACE, attributes={"units": units}, variable="msl", channel="msl")
        yield f"pressure in {units}", replace(layout, factor=factor), units in ("Pa", "hPa")


def _times() -> Iterator[Case]:
    for unit in (
        *("hours since 1900-01-01 00:00:00.0", "seconds since 1970-01-01", "days since 1800-1-1"),
        *("minutes since 2020-01-01T00:00:00Z", "days since 0001-01-01", "hours since 2030-01-01"),
        *("hours since 2020-02-28 18:00:00 +00:00", "h since 2020-01-01", "Hours Since 2020-01-01"),
    ):
        layout = replace(PLAIN, units={"time": unit})
        must = unit.startswith(("hours since 1900", "seconds", "days since 18", "minutes"))
        yield f"time in {unit}", layout, must
    for calendar in ("standard", "gregorian", "proleptic_gregorian", "julian", "noleap", "360_day"):
        layout = replace(PLAIN, coordinates={"time": {"calendar": calendar}})
        days = LABELS["time"] - (48 * HOUR if calendar in ("noleap", "360_day") else 0 * HOUR)
        must = calendar in ("standard", "gregorian", "proleptic_gregorian")
        yield f"calendar {calendar}", replace(layout, labels={"time": days}), must
    for kind in ("i4", "f4", "f8"):
        unit = {"time": "hours since 2020-01-01"}
        layout = replace(PLAIN, coordinates={"time": {"kind": kind}}, units=unit)
        yield f"time of {kind}", layout, True
    for name, labels in {
        "one time": LABELS["time"][:1],
        "backwards": LABELS["time"][::-1],
        "with a gap": LABELS["time"][[0, 2]],
        "twice": LABELS["time"][[0, 1, 1]],
        "out of order": LABELS["time"][[1, 0, 2]],
        "1850": np.datetime64("1850-01-01", "ns") + np.arange(3) * 6 * HOUR,
    }.items():
        layout = replace(PLAIN, labels={"time": labels}, units={"time": "hours since 1800-01-01"})
        yield f"times {name}", layout, name in ("one time", "with a gap", "1850")
    yield "a scalar time", replace(PLAIN, order=PLAIN.order[1:], scalars=("time",)), True
    yield "no time", replace(PLAIN, order=PLAIN.order[1:]), False


def _axes() -> Iterator[Case]:
    for name, labels in {
        "from the south": {"latitude": LABELS["latitude"][::-1]},
        "around Greenwich": {"longitude": np.array([350.0, 355, 0, 5, 10])},
        "west of Greenwich": {"longitude": np.arange(-180.0, 180, 30)},
        "around the Earth": {"longitude": np.arange(0.0, 360, 30)},
        "backwards": {"longitude": LABELS["longitude"][::-1]},
        "to the poles": {"latitude": np.linspace(90, -90, 7)},
        "beyond the poles": {"latitude": np.array([95.0, 90, 85])},
        "uneven": {"longitude": np.array([0.0, 10, 25])},
        "twice": {"longitude": np.array([0.0, 10, 10])},
        "one point": {"latitude": np.array([50.0]), "longitude": np.array([10.0])},
        "one level": {"level": np.array([500.0])},
        "levels upwards": {"level": np.array([850.0, 500.0])},
        "thin levels": {"level": np.array([0.5, 500.0])},
    }.items():
        must = name.startswith(("from", "around", "west", "to the", "one level"))
        yield f"axes {name}", replace(PLAIN, labels=labels), must
    for unit in ("hPa", "Pa", "millibars", "mbar", "millibar", "mb", "level", "1"):
        layout = replace(PLAIN, units={"level": unit})
        yield f"levels in {unit}", layout, unit in ("hPa", "Pa", "millibar", "millibars")
    for kind in ("f4", "i4", "i2"):
        layout = replace(PLAIN, coordinates={"level": {"kind": kind}})
        yield f"levels of {kind}", layout, True
        layout = replace(
            PLAIN, coordinates={"latitude": {"kind": kind}, "longitude": {"kind": kind}}
        )
        yield f"places of {kind}", layout, True
    for role in ("level", "latitude", "longitude"):
        bare = replace(PLAIN, coordinates={role: {"units": None}})
        yield f"{role} without units", bare, False
    bare = replace(PLAIN, units={"level": "Pa"}, coordinates={"level": {"units": None}})
    yield "level in Pa, as nobody says", bare, False
    scalar = replace(PLAIN, order=("time", "latitude", "longitude"), scalars=("level",))
    yield "a scalar level", scalar, True
    yield "a scalar level in Pa", replace(scalar, units={"level": "Pa"}), True


def _forecasts() -> Iterator[Case]:
    place = ("latitude", "longitude")
    for order in (
        *(
            ("start", "step", *place),
            ("step", "start", *place),
            ("start", "number", "step", *place),
        ),
        *(
            ("number", "time", *place),
            ("time", "number", *place),
            ("start", "step", "level", *place),
        ),
        ("start", "number", "step", "level", *place),
    ):
        base = PLAIN if "level" in order else SURFACE
        names = {"start": {"standard_name": "forecast_reference_time"}}
        names |= {"step": {"standard_name": "forecast_period"}}
        layout = replace(base, order=order, coordinates=names)
        yield f"forecast {' '.join(order)}", layout, "start" in order
        cds = {"start": "forecast_reference_time", "step": "forecast_period", "number": "number"}
        yield f"forecast of CDS {' '.join(order)}", replace(layout, names=cds), "start" in order
        cfgrib = {"start": "time", "step": "step", "number": "number"}
        names = {"start": {"standard_name": "forecast_reference_time"}}
        names |= {"step": {"standard_name": "forecast_period"}}
        layout = replace(layout, names=cfgrib, coordinates=names)
        yield f"forecast of cfgrib {' '.join(order)}", layout, "start" in order
    scalar = replace(SURFACE, order=("step", *place), scalars=("start",))
    yield "one start of cfgrib", replace(scalar, names={"start": "time", "step": "step"}), False
    for unit in ("hours", "days", "minutes", "seconds"):
        layout = replace(SURFACE, order=("start", "step", *place), units={"step": unit})
        if unit != "days":
            yield f"steps in {unit}", layout, unit == "hours"


def _words() -> Iterator[Case]:
    for methods in ("time: point", "time: mean", "time: maximum", "time: sum", "area: mean"):
        layout = replace(SURFACE, attributes={"units": "K", "cell_methods": methods})
        yield f"cell_methods {methods}", layout, methods in ("time: point", "area: mean")
    for name, channel, units in (
        *(("u10", "u10", "m s-1"), ("msl", "msl", "Pa"), ("sp", "sp", "Pa")),
        *(("10m_u_component_of_wind", "u10", "m s-1"), ("2m_temperature", "t2m", "K")),
    ):
        layout = replace(SURFACE, variable=name, channel=channel, attributes={"units": units})
        yield f"the name {name}", layout, True
    for extra in (
        *({"_Unsigned": "true"}, {"long_name": "x" * 3000}, {"GRIB_paramId": 167}),
        *({"standard_name": "air_temperature"}, {"grid_mapping": "nowhere"}, {"bounds": "none"}),
        {"coordinates": "nowhere else"},
    ):
        layout = replace(SURFACE, attributes={"units": "K"} | extra)
        yield f"the attribute {next(iter(extra))}", layout, False
