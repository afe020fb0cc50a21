"""Which times train, choose and judge."""

import numpy as np
from numpy.typing import NDArray

from smoecast.config_data import Split
from smoecast.errors import ConfigError, InputError
from smoecast.fields.times import as_ns, iso

PARTS = ("train", "validation", "test")


def split_times(
    times: NDArray[np.datetime64], split: Split, source: str
) -> dict[str, NDArray[np.bool_]]:
    """Return a mask over `times` for each part.

    Parameters
    ----------
    times : (T,) datetime64
        Ascending.
    split : Split
        Fractions in order of time, or first and last days.
    source : str
        Names the files in messages.

    Raises
    ------
    ConfigError
        A part reaches outside the years that times can have.
    InputError
        A part that was asked for holds no time.
    """
    masks: dict[str, NDArray[np.bool_]] = {}
    position = np.arange(len(times))
    begin = 0.0
    for part in PARTS:
        value = getattr(split, part)
        if isinstance(value, tuple):
            days = np.array(value, "datetime64[D]")
            first, last = as_ns(days, f"the {part} split", ConfigError)
            masks[part] = (times >= first) & (times < last + np.timedelta64(24, "h"))
        else:
            # round() keeps 0.7 + 0.1 of 10 at 8 whatever the binary fractions say
            low, high = round(begin * len(times)), round((begin + value) * len(times))
            masks[part] = (position >= low) & (position < high)
            begin += value
        if value != 0.0 and not masks[part].any():
            shown = value if isinstance(value, float) else f"{value[0]} to {value[1]}"
            raise InputError(
                f"{source}: the {part} split ({shown}) holds none of the {len(times)} times from "
                f"{iso(times[0])} to {iso(times[-1])}; change the split or bring more data"
            )
    return masks
