"""Events, such as t2m>273.15, whose probability is written or scored."""

import math
import re
from dataclasses import dataclass

from smoecast.names import parse_channel

_EVENT = re.compile(r"([a-z]\w*)\s*([<>])\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")

COLDEST = 100.0
"""K: no air of the atmosphere below 100 km is colder (the summer mesopause has some 130)."""


@dataclass(frozen=True)
class Event:
    """Something that comes or does not: a channel above or below a threshold.

    Attributes
    ----------
    channel : str
    above : bool
        False: below.
    threshold : float
        SI units.
    """

    channel: str
    above: bool
    threshold: float

    def __str__(self) -> str:
        """Return it as a config writes it: ``t2m>273.15``."""
        return f"{self.channel}{'>' if self.above else '<'}{self.threshold:g}"


def event(text: str) -> Event:
    """Read one event, such as ``t2m>273.15``.

    Raises
    ------
    ValueError
        It is not a channel, ``<`` or ``>``, and a number, or a temperature that can only be meant
        in degrees Celsius.
    """
    match = _EVENT.fullmatch(text.strip())
    channel = parse_channel(match[1]) if match else None
    if match is None or channel is None:
        raise ValueError(
            f"'{text}' is no event: give a channel, < or >, and a number in SI units, as t2m>273.15"
        )
    threshold = float(match[3])
    if not math.isfinite(threshold):
        raise ValueError(f"'{text}' is no event: the threshold is infinite")
    if channel.variable.units == "K" and threshold < COLDEST:
        kelvin = f"{match[1]}{match[2]}{threshold + 273.15:g}"
        raise ValueError(
            f"'{text}' is in kelvin, and no air is so cold: for degrees Celsius write {kelvin}"
        )
    return Event(match[1], match[2] == ">", threshold)
