"""`smoecast plot --input`: maps and meteograms of any file, without a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoecast import run_record
from smoecast.errors import ConfigError, InputError
from smoecast.fields import channels as channels_
from smoecast.tasks.plot.saving import is_picture, require_matplotlib, save_pictures

if TYPE_CHECKING:
    from smoecast.tasks.plot.file_maps import Choice

FOLDER = Path("plots")


def plot_input(
    inputs: Sequence[str],
    *,
    channels: Sequence[str] = (),
    output: Path | None = None,
    point: str | None = None,
    **choice: Any,
) -> dict[str, Any]:
    """Draw what is in files.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders, globs and Zarr groups.
    channels : sequence of str
        Which; none: all there are.
    output : Path, optional
        A picture, or a folder for one a channel; default: ``plots`` here.
    point : str, optional
        ``LAT,LON``: a meteogram of the nearest grid point in place of maps.
    **choice
        See `file_maps.Choice`.

    Returns
    -------
    dict
        ``folder``, ``files``: the pictures.

    Raises
    ------
    ConfigError
        matplotlib is not installed, or what is asked for is nothing that can be drawn.
    InputError
        A file is refused, or does not have what is asked for.
    OutputError
        A picture cannot be written.
    LockedError
        Another run draws in the same folder.
    """
    require_matplotlib()
    place = output or FOLDER
    single = is_picture(place)
    run_record.set_folder(place.parent if single else place)
    with run_record.stage("imports"):  # matplotlib is an extra, and slow to load
        from smoecast.tasks.plot import file_maps, meteogram, opening  # noqa: PLC0415
        from smoecast.tasks.plot.cartography import quantities  # noqa: PLC0415

    with run_record.stage("open"):
        opened = opening.open_input(inputs)
    there = file_maps.channels_in(opened.dataset)
    for channel in channels:
        if channel not in there:
            channels_.field(opened.dataset, channel, opened.source, "--channel")
    wanted = list(dict.fromkeys(channels)) or there
    if not wanted:
        raise InputError(f"{opened.source}: holds no channel that can be drawn: give another file")
    if single and not point and len(wanted) > 1:
        raise ConfigError(
            f"{place}: a picture shows one channel: name it with --channel ({', '.join(wanted)}), "
            "or a folder with --output"
        )
    chosen: Choice = file_maps.Choice(**choice)
    quantities.check_units(chosen.units, wanted)
    pictures = (
        iter([("meteogram", meteogram.draw(opened, wanted, chosen, point))])
        if point
        else ((name, file_maps.draw_channel(opened, name, chosen)) for name in wanted)
    )
    with run_record.stage("draw"):
        files = save_pictures(pictures, place, ("--channel",))
    return {"folder": str(place.parent if single else place), "files": files}
