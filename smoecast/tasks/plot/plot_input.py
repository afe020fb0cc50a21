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
    truths: Sequence[str] = (),
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
    truths : sequence of str
        Files of analyses, beside which they are drawn; none: alone.
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
        from smoecast.tasks.plot import truth as opening_truth  # noqa: PLC0415
        from smoecast.tasks.plot.cartography import quantities  # noqa: PLC0415

    with run_record.stage("open"):
        opened = opening.open_input(inputs)
        truth = opening_truth.open_truth(truths, opened) if truths else None
    there = file_maps.channels_in(opened.dataset)
    for channel in channels:
        if channel not in there:
            channels_.field(opened.dataset, channel, opened.source, "--channel")
    if truth and not channels:
        there = [name for name in there if channels_.has_field(truth.dataset, name)]
    wanted = list(dict.fromkeys(channels)) or there
    if not wanted and truth:
        raise InputError(f"{truth.source}: holds no channel of {opened.source}: give its truth")
    if not wanted:
        raise InputError(f"{opened.source}: holds no channel that can be drawn: give another file")
    if single and not point and len(wanted) > 1:
        raise ConfigError(
            f"{place}: a picture shows one channel: name it with --channel ({', '.join(wanted)}), "
            "or a folder with --output"
        )
    chosen: Choice = file_maps.Choice(**choice)
    if truth and chosen.kinds and not {*chosen.kinds} & {*file_maps.BESIDE_TRUTH}:
        raise ConfigError("--truth: is for --kind truth and error: add one of them")
    quantities.check_units(chosen.units, wanted)
    pictures = (
        iter([("meteogram", meteogram.draw(opened, wanted, chosen, point, truth))])
        if point
        else ((name, file_maps.draw_channel(opened, name, chosen, truth)) for name in wanted)
    )
    with run_record.stage("draw"):
        files = save_pictures(pictures, place, ("--channel",))
    return {"folder": str(place.parent if single else place), "files": files}
