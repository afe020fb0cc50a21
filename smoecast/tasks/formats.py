"""The formats of results: under which name, by which writer, and what they cannot hold."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, get_args

from smoecast.config.forecast import Forecast
from smoecast.config.postprocess import Postprocess
from smoecast.config.products import Products
from smoecast.disk.atomic import resolve
from smoecast.errors import ConfigError
from smoecast.fields.grid import Grid, ProjectedGrid
from smoecast.fields.write.blocks import Append
from smoecast.fields.write.grib.content import Content
from smoecast.fields.write.grib.grid import grid_keys
from smoecast.fields.write.grib.limits import check_content
from smoecast.fields.write.netcdf import netcdf_writer
from smoecast.tasks.output_names import OutputName

PATTERN = "{init_time:%Y%m%d%H}"
SUFFIXES = {"netcdf": ".nc", "wb2": ".zarr", "wb2-v3": ".zarr", "grib": ".grib"}
ALSO = {
    **dict.fromkeys((".nc4", ".cdf", ".netcdf"), ".nc"),
    **dict.fromkeys((".grb", ".grib2", ".grb2", ".gb2", ".grib1", ".grb1"), ".grib"),
}
"""Other endings of the same formats."""

Writer = Callable[..., AbstractContextManager[Append]]
"""Opened with a template and a path; with `confirm`, and of a calibrated ensemble `gaps`."""


def name_output(
    place: Path, name: str, settings: Forecast | Postprocess, output: Path | None
) -> OutputName:
    """Return what is written.

    Parameters
    ----------
    place : Path
        The run's folder.
    name : str
        Of the result there if none was given, without its suffix; in the layout ``cdo`` a file a
        start.
    settings : Forecast or Postprocess
        Of the verb; names the format, and perhaps the result.
    output : Path, optional
        What the command line named.

    Raises
    ------
    ConfigError
        It is no name of a result (`output_names.OutputName`), belongs to another format, or is one
        of the config that leads out of the run's folder.
    """
    wanted = SUFFIXES[settings.format]
    given = settings.output if output is None else str(output)
    if not given:
        whole = f"{name}_{PATTERN}" if settings.layout == "cdo" else name
        return OutputName(str(place / f"{whole}{wanted}"))
    if output is None and (given.startswith(("/", "~")) or ".." in Path(given).parts):
        raise ConfigError(
            f"{given}: leads out of the folder of the run, where a config may not write: set its "
            "folder, or name the result by --output"
        )
    found = OutputName(str(resolve(given) if output is not None else place / given))
    own = ALSO.get(found.suffix.lower(), found.suffix.lower())
    if own != wanted and own in SUFFIXES.values():
        known = get_args(type(settings).model_fields["format"].annotation)
        other = next((f"give --format {name} or " for name in known if SUFFIXES[name] == own), "")
        raise ConfigError(
            f"{given}: has the name of another format than {settings.format}; "
            f"{other or 'give '}a name that ends in {wanted}"
        )
    return found


def name_by_start(
    place: Path, name: str, settings: Forecast | Postprocess, verb: str
) -> OutputName:
    """Return what results of a start each are called: by the config, or `{name}_{PATTERN}`.

    Parameters
    ----------
    place : Path
        The run's folder.
    name : str
        ``forecast`` or ``calibrated``.
    settings : Forecast or Postprocess
    verb : str
        That makes a file a start, for the message.

    Raises
    ------
    ConfigError
        The config names one file for all starts; or see `name_output`.
    """
    ours = place / f"{name}_{PATTERN}{SUFFIXES[settings.format]}"
    found = name_output(place, name, settings, None if settings.output else ours)
    if not found.is_pattern:
        section = "postprocess" if isinstance(settings, Postprocess) else "forecast"
        raise ConfigError(
            f"{section}.output {settings.output}: is one file for all starts, but {verb} makes one "
            f"a start: name it as {ours.name}, or leave it out"
        )
    return found


def describe_format(settings: Forecast | Postprocess) -> dict[str, Any]:
    """Return what the format adds to what a result is made from."""
    if settings.layout != "default":
        return {"layout": settings.layout}
    if settings.format == "netcdf":
        return {}
    keys = {"format", *(["accumulation_hours"] if settings.format == "grib" else [])}
    return settings.model_dump(mode="json", include=keys)


def check_calibrated(
    settings: Postprocess, channels: Sequence[str], wanted: Products, place: Grid | ProjectedGrid
) -> None:
    """Refuse a calibrated ensemble that its format cannot hold, before it is fitted.

    All other refusals are those of the writer, which knows its template before a block is made.

    Parameters
    ----------
    settings : Postprocess
    channels : sequence of str
    wanted : Products
    place : Grid or ProjectedGrid

    Raises
    ------
    ConfigError
        See `limits.check_content` and `grid.grid_keys` of `fields.write.grib`.
    """
    if settings.format == "grib":
        check_content(
            Content(
                tuple(channels),
                tuple(map(float, settings.lead_hours)),
                size=settings.members or 1,
                quantiles=wanted.quantiles,
                events=wanted.events,
                accumulation_hours=settings.accumulation_hours,
            )
        )
        grid_keys(place)


def is_store(settings: Forecast | Postprocess) -> bool:
    """Whether a result is a folder, that of a Zarr store."""
    return SUFFIXES[settings.format] == ".zarr"


def writer_of(settings: Forecast | Postprocess, **more: Any) -> Writer:
    """Return what writes a result.

    Parameters
    ----------
    settings : Forecast or Postprocess
    **more : Any
        What GRIB says beside the fields: ``members`` and ``calibrated`` of `grib_writer`.
    """
    if settings.format == "grib":
        # imported where it is needed: it loads ecCodes and cfgrib
        from smoecast.fields.write.grib.writer import grib_writer  # noqa: PLC0415

        return partial(grib_writer, accumulation_hours=settings.accumulation_hours, **more)
    if is_store(settings):
        from smoecast.fields.write.wb2 import wb2_writer  # noqa: PLC0415  # it loads zarr

        return partial(wb2_writer, version=3) if settings.format == "wb2-v3" else wb2_writer
    return partial(netcdf_writer, layout=settings.layout)
