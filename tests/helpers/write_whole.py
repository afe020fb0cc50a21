"""Datasets written as one block."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import xarray as xr

from smoecast.fields.write.grib.writer import grib_writer
from smoecast.fields.write.netcdf import netcdf_writer
from smoecast.fields.write.wb2 import wb2_writer

Writer = Callable[..., AbstractContextManager[Callable[[xr.Dataset], None]]]


def _write(writer: Writer, dataset: xr.Dataset, path: Path, **options: Any) -> None:
    with writer(dataset, path, **options) as append:
        append(dataset)


def write_netcdf(dataset: xr.Dataset, path: Path, **options: Any) -> None:
    """Write a dataset to a NetCDF file at once."""
    _write(netcdf_writer, dataset, path, **options)


def write_wb2(dataset: xr.Dataset, path: Path, **options: Any) -> None:
    """Write forecasts to a WeatherBench 2 store at once."""
    _write(wb2_writer, dataset, path, **options)


def write_grib(dataset: xr.Dataset, path: Path, **options: Any) -> None:
    """Write forecasts to a GRIB 2 file at once."""
    _write(grib_writer, dataset, path, **options)
