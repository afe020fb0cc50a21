"""A map of one field of any data set."""

from pathlib import Path

import numpy as np
import xarray as xr

from smoecast import run_record
from smoecast.disk.atomic import refuse_special
from smoecast.disk.explain import explain_errors
from smoecast.errors import ConfigError, InputError
from smoecast.fields import channels, times
from smoecast.fields.grid import ProjectedGrid, place_of
from smoecast.names import channel_of
from smoecast.tasks.plot.plot import require_matplotlib, save


def plot_field(dataset: xr.Dataset, channel: str, source: str, output: Path) -> str:
    """Draw the last field of a channel: of the last start the longest lead time, of members a mean.

    Parameters
    ----------
    dataset : xr.Dataset
        Canonical.
    channel : str
        Which it has.
    source : str
        Names its files.
    output : Path
        The picture, PNG.

    Returns
    -------
    str
        What was drawn.

    Raises
    ------
    ConfigError
        matplotlib is not installed, or the picture would be no PNG.
    InputError
        The channel is not there, or has no value.
    OutputError
        Something that is no regular file has the name of the picture, or the disk refuses.
    """
    require_matplotlib()
    if output.suffix.lower() != ".png":
        raise ConfigError(f"{output}: a picture is PNG, so its name ends in .png: choose another")
    refuse_special(output)
    with run_record.stage("imports"):  # matplotlib is an extra, and slow to load
        from smoecast.tasks.plot import figures  # noqa: PLC0415

    field, words = _last_field(dataset, channel, source)
    values = field.values
    if np.isnan(values).all():
        raise InputError(f"{source}: {words} has no value: nothing can be drawn")
    place = place_of(dataset)
    if isinstance(place, ProjectedGrid):
        axes, labels = (place.y / 1000, place.x / 1000), ("y [km]", "x [km]")
    else:
        axes, labels = (place.latitude, place.longitude), ("latitude", "longitude")
    unit = channel_of(channel).variable.units
    panels = {"mean of the members" if "number" in dataset.dims else "": (values, False)}
    figure = figures.maps(panels, *axes, title=words, unit=unit, labels=labels)
    with explain_errors(output):
        save(figure, output)
    return words


def _last_field(dataset: xr.Dataset, channel: str, source: str) -> tuple[xr.DataArray, str]:
    """Return the field that is drawn, and what it is."""
    field, words = channels.field(dataset, channel, source), [channel]
    for axis in ("time", "init_time", "lead_time"):
        if axis in field.dims:
            last = dataset[axis].values[-1]
            lead = f"{times.as_hours(last):g} h ahead" if axis == "lead_time" else times.iso(last)
            words.append(lead)
            field = field.isel({axis: -1})
    if "number" in field.dims:
        field = field.mean("number")
    return field, ", ".join(words)
