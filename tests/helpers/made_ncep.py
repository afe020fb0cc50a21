"""Small files in the very layout of NOAA PSL's NCEP/NCAR Reanalysis 1."""

from pathlib import Path

import netCDF4
import numpy as np

LEVELS = (1000.0, 850.0, 500.0)
LATITUDE = np.array([60.0, 57.5, 55.0, 52.5], np.float32)
LONGITUDE = np.arange(0.0, 360.0, 45.0, np.float32)
KINDS = {
    # file name: (variable, units, long_name, level_desc, offset, scale, levels)
    "hgt": ("hgt", "m", "4xDaily Geopotential height", "Pressure Level", 32066.0, 1.0),
    "air": ("air", "degK", "4xDaily Air temperature", "Pressure Level", 477.66, 0.01),
    "uwnd": ("uwnd", "m/s", "4xDaily U-wind", "Pressure Level", 202.66, 0.01),
    "vwnd": ("vwnd", "m/s", "4xDaily V-wind", "Pressure Level", 202.66, 0.01),
    "shum": ("shum", "kg/kg", "4xDaily Specific Humidity", "Pressure Level", 0.032666, 1e-6),
    "rhum": ("rhum", "%", "4xDaily Relative Humidity", "Pressure Level", 302.66, 0.01),
    "omega": ("omega", "Pascal/s", "4xDaily Omega", "Pressure Level", 28.765, 0.001),
    "air.sig995": (
        "air",
        "degK",
        "4xDaily Air temperature at sigma level 995",
        "Surface",
        512.81,
        0.01,
    ),
    "slp": ("slp", "Pascals", "4xDaily Sea Level Pressure", "Sea Level", 119765.0, 1.0),
    "pres.sfc": ("pres", "Pascals", "4xDaily Surface Pressure", "Surface", 367650.0, 10.0),
}
PRESSURE = ("hgt", "air", "uwnd", "vwnd", "shum", "rhum", "omega")


def values(name: str, year: int, times: int) -> np.ndarray:
    """(time, [level], lat, lon) as packed whole numbers, another for every point."""
    shape = (times, len(LEVELS), 4, 8) if name in PRESSURE else (times, 4, 8)
    rng = np.random.default_rng([year, *name.encode()])
    return rng.integers(-30_000, 30_000, shape).astype(np.int16)


def write(path: Path, name: str, year: int, times: int = 20, *, packed: bool = True) -> np.ndarray:
    """Write ``{name}.{year}.nc``; return its values in the file's own units."""
    variable, units, words, level, offset, scale = KINDS[name]
    stored = values(name, year, times)
    with netCDF4.Dataset(path, "w", format="NETCDF4_CLASSIC" if packed else "NETCDF4") as file:
        file.Conventions = "COARDS"
        file.title = "4x daily NMC reanalysis (2014)"
        file.description = "Data is from NMC initialized reanalysis\n(4x/day).  It consists of most"
        file.platform = "Model"
        dims = ["time", "lat", "lon"]
        if name in PRESSURE:
            dims.insert(1, "level")
            file.createDimension("level", len(LEVELS))
            axis = file.createVariable("level", "f4", ("level",))
            axis.setncatts(
                {"units": "millibar", "long_name": "Level", "positive": "down", "axis": "Z"}
            )
            axis[:] = LEVELS
        for axis_name, units_, points in (
            ("lat", "degrees_north", LATITUDE),
            ("lon", "degrees_east", LONGITUDE),
        ):
            file.createDimension(axis_name, len(points))
            axis = file.createVariable(axis_name, "f4", (axis_name,))
            axis.setncatts(
                {"units": units_, "long_name": axis_name, "axis": "YX"["n" in axis_name]}
            )
            axis[:] = points
        file.createDimension("time", None)
        time = file.createVariable("time", "f8", ("time",))
        time.setncatts(
            {
                "long_name": "Time",
                "delta_t": "0000-00-00 06:00:00",
                "standard_name": "time",
                "units": "hours since 1800-01-01 00:00:0.0",
                "axis": "T",
            }
        )
        begin = (np.datetime64(f"{year}-01-01") - np.datetime64("1800-01-01")).astype(int) * 24
        time[:] = begin + 6.0 * np.arange(times)
        fill = np.int16(32766) if packed else np.float32(-9.96921e36)
        field = file.createVariable(variable, "i2" if packed else "f4", dims, fill_value=fill)
        field.setncatts(
            {
                "long_name": words,
                "units": units,
                "precision": np.int16(2),
                "GRIB_id": np.int16(11),
                "GRIB_name": "TMP",
                "var_desc": words.removeprefix("4xDaily ").split(" at ")[0],
                "dataset": "NMC Reanalysis",
                "level_desc": level,
                "statistic": "Individual Obs",
                "parent_stat": "Other",
                "missing_value": fill,
            }
        )
        physical = stored * np.float64(scale) + offset
        if packed:
            field.setncatts({"add_offset": np.float32(offset), "scale_factor": np.float32(scale)})
            field.set_auto_maskandscale(False)
            field[:] = stored
        else:
            field[:] = physical
    return physical


def content(folder: Path, name: str, year: int, times: int = 20) -> bytes:
    """Return such a file as bytes."""
    path = folder / f"made_{name}.{year}.nc"
    write(path, name, year, times)
    return path.read_bytes()
