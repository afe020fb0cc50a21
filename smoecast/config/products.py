"""What `postprocess` writes, as the words of a config say it."""

from collections.abc import Sequence
from dataclasses import dataclass

from smoecast.events import Event, event

WORDS = "members, mean, std, quantiles=0.1:0.5:0.9, probabilities=t2m>273.15"


@dataclass(frozen=True)
class Products:
    """What is written of a calibrated ensemble.

    Attributes
    ----------
    members, mean, std : bool
    quantiles : tuple of float
        Levels between 0 and 1, ascending.
    events : tuple of Event
        Whose probabilities are wanted, in ascending order of threshold.
    """

    members: bool
    mean: bool
    std: bool
    quantiles: tuple[float, ...]
    events: tuple[Event, ...]


def products(words: Sequence[str]) -> Products:
    """Read the words of `postprocess.write`.

    Parameters
    ----------
    words : sequence of str
        Such as `WORDS`; several levels or events stand apart with colons.

    Raises
    ------
    ValueError
        A word is unknown or there twice, a level is not between 0 and 1, or an event is not a
        channel, ``<`` or ``>``, and a number.
    """
    given: dict[str, str] = {}
    for word in words:
        name, _, value = word.strip().partition("=")
        if name in given or name not in ("members", "mean", "std", "quantiles", "probabilities"):
            raise ValueError(f"'{word}' is unknown or there twice: write some of {WORDS}")
        if bool(value) != (name in ("quantiles", "probabilities")):
            raise ValueError(f"'{word}' says too little or too much: write some of {WORDS}")
        given[name] = value
    if not given:
        raise ValueError(f"nothing would be written: write some of {WORDS}")
    levels = {_level(text) for text in given.get("quantiles", "").split(":") if text}
    events = {event(text) for text in given.get("probabilities", "").split(":") if text}
    return Products(
        "members" in given,
        "mean" in given,
        "std" in given,
        tuple(sorted(levels)),
        tuple(sorted(events, key=lambda e: (e.channel, e.above, e.threshold))),
    )


def _level(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = -1.0
    if not 0.0 < level < 1.0:
        raise ValueError(f"'{text}' is no quantile: give numbers between 0 and 1, as 0.1:0.5:0.9")
    return level
