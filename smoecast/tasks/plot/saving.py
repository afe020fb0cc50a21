"""Pictures as files: PNG, SVG or PDF, one under its name or several in a folder."""

import importlib.util
import io
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smoecast import run_record
from smoecast.disk.atomic import refuse_special, write_atomic
from smoecast.disk.confine import confine
from smoecast.disk.explain import explain_errors
from smoecast.disk.locks import lock
from smoecast.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 130
FORMATS = (".png", ".svg", ".pdf")
_OTHERS = (".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".webp", ".eps", ".ps", ".bmp")


def require_matplotlib() -> None:
    """Refuse to draw where matplotlib is not installed, and let it say errors alone.

    Raises
    ------
    ConfigError
        It is not.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("plots need matplotlib: pip install 'smoecast[plot]'")
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # nobody asks where its cache is


def is_picture(output: Path) -> bool:
    """Tell whether an output is one picture and no folder.

    Raises
    ------
    ConfigError
        It has the name of a picture of another kind.
    """
    suffix = output.suffix.lower()
    if suffix in _OTHERS and not output.is_dir():
        raise ConfigError(f"{output}: a picture is {', '.join(FORMATS)}: choose another name")
    return suffix in FORMATS and not output.is_dir()


def save(figure: "Figure", path: Path) -> None:
    """Write a picture, whole or not at all, in the format that its name ends in.

    Raises
    ------
    OSError
        The disk is full or refuses.
    """
    kind = path.suffix.lower().removeprefix(".")
    # the same data makes the same file
    when = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    picture = io.BytesIO()
    figure.savefig(picture, format=kind, dpi=DPI, metadata=when)
    write_atomic(path, picture.getvalue())


def save_one(figure: "Figure", path: Path) -> None:
    """Write a picture where a user wants it, in place of a regular file alone.

    Raises
    ------
    OutputError
        Something that is no regular file has its name, or the disk refuses.
    """
    refuse_special(path)
    with explain_errors(path):
        save(figure, path)
    run_record.add_output(path)


def save_pictures(
    pictures: Iterable[tuple[str, "Figure"]], output: Path, choose: Sequence[str]
) -> list[str]:
    """Write pictures: the only one as the file `output`, or each by its name in the folder.

    Parameters
    ----------
    pictures : iterable of (str, Figure)
        Name without ending, and picture; drawn while it is gone through.
    output : Path
    choose : sequence of str
        Options with which one may be chosen, for the message.

    Returns
    -------
    list of str
        The files.

    Raises
    ------
    ConfigError
        Several pictures would be one file.
    OutputError
        See `save_one`.
    InputError
        The name of a picture, which results have chosen, is none.
    LockedError
        Another run draws in the same folder.
    """
    if is_picture(output):
        made = list(pictures)
        if len(made) > 1:
            raise ConfigError(
                f"{output}: {len(made)} pictures ({made[0][0]}, {made[1][0]}, ...) are no single "
                f"file: name a folder, or choose with {' or '.join(choose)}"
            )
        for _, figure in made:
            save_one(figure, output)
        return [str(output)] if made else []
    files = []
    with lock(output):
        for name, figure in pictures:
            path = confine(output, f"{name}.png")
            save_one(figure, path)
            files.append(str(path))
    return files
