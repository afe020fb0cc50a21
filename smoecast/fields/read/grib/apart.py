"""The GRIB key in which two messages differ, by which `data.select` can take one of them."""

from pathlib import Path

from smoecast.fields.read.grib.index import texts
from smoecast.fields.read.grib.message import Message

OF_FIELDS = (
    *("shortName", "dataType", "stepType", "stepRange", "typeOfLevel", "expver", "stream", "class"),
    *("number", "generatingProcessIdentifier", "typeOfGeneratingProcess", "centre"),
)
"""Keys that may tell two fields of a quantity apart, the plainest first."""
OF_KINDS = ("dataType", "typeOfProcessedData", "productDefinitionTemplateNumber", *OF_FIELDS)
"""Keys that may tell analyses, forecasts and members of ensembles apart."""
OF_GRIDS = ("gridType", "Ni", "Nj", "N", "iDirectionIncrementInDegrees", *OF_FIELDS)
"""Keys that may tell fields on two grids apart."""


def name_in_file(message: Message, path: Path) -> str:
    """Return ecCodes' short name of a message, or our name where it has none."""
    ((short,),) = texts(path, [message], ["shortName"])
    return short or message.variable.name


def select_one(
    first: Message, second: Message, path: Path, keys: tuple[str, ...] = OF_FIELDS
) -> str:
    """Return the setting that takes the first of two messages and leaves the second.

    Parameters
    ----------
    first, second : Message
        Both of the file `path`.
    path : pathlib.Path
        GRIB file.
    keys : tuple of str
        Among which to look.

    Returns
    -------
    str
        ``with data.select: {stepRange: 0-6}``, after a blank; empty where they differ in none of
        the keys.
    """
    for key, mine, theirs in zip(keys, *texts(path, [first, second], keys), strict=True):
        if mine and mine != theirs:
            value = f"'{mine}'" if mine.isdigit() and str(int(mine)) != mine else mine
            return f" with data.select: {{{key}: {value}}}"
    return ""
