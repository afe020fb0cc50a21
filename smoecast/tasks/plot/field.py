"""A map of one field of any data set."""

from pathlib import Path

import xarray as xr

from smoecast import run_record
from smoecast.errors import ConfigError
from smoecast.fields import channels, times
from smoecast.tasks.plot.saving import FORMATS, is_picture, require_matplotlib, save_one


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
        The picture: PNG, SVG or PDF.

    Returns
    -------
    str
        What was drawn.

    Raises
    ------
    ConfigError
        matplotlib is not installed, or the name is none of a picture.
    InputError
        The channel is not there, or has no value.
    OutputError
        Something that is no regular file has the name of the picture, or the disk refuses.
    """
    require_matplotlib()
    if not is_picture(output):
        raise ConfigError(f"{output}: a picture is {', '.join(FORMATS)}: choose another name")
    with run_record.stage("imports"):  # matplotlib is an extra, and slow to load
        from smoecast.tasks.plot.file_maps import Choice, draw_channel  # noqa: PLC0415
        from smoecast.tasks.plot.opening import Opened, attributes_say_simulated  # noqa: PLC0415

    field, words = channels.field(dataset, channel, source), [channel]
    leads: tuple[float, ...] = ()
    for axis in ("time", "init_time", "lead_time"):
        if axis in field.dims:
            last = dataset[axis].values[-1]
            if axis == "lead_time":
                leads = (float(times.as_hours(last)),)
            words.append(f"{leads[0]:g} h ahead" if leads else times.iso(last))
    simulated = attributes_say_simulated(dataset.attrs)
    opened = Opened(dataset, source, str(dataset.attrs.get("title", "")), simulated)
    save_one(draw_channel(opened, channel, Choice(kinds=("value",), leads=leads)), output)
    return ", ".join(words)
