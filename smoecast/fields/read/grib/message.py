"""What is known of one message of a GRIB file, and how that travels between two processes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from smoecast.fields.read.grib.grid import GribGrid
from smoecast.fields.read.grib.sections import number_of
from smoecast.fields.read.intervals import Interval
from smoecast.names import Channel
from smoecast.variables import VARIABLES, Variable


@dataclass(frozen=True)
class Message:
    """One used message.

    Attributes
    ----------
    number : int
        Its place in the file, from 1.
    offset, length : int
        Where its bytes are.
    variable : Variable
        The quantity.
    unit : str
        Of its values.
    level : int or None
        Pressure in hPa; None for variables without levels.
    member : int or None
        Ensemble member, the control is 0; None outside ensembles.
    init_time : numpy.datetime64
        Start of the forecast, or time of the analysis.
    lead_time : numpy.timedelta64
        End of the step.
    analysis : bool
        Whether it is known by the time at which it holds.
    experiment : str
        ECMWF's `expver`.
    place : GribGrid
        Its grid.
    field : int
        Which of the fields of the message, from 1; 0 where it holds one only.
    since : numpy.timedelta64 or None
        Begin of the step of a sum; None where it is no sum, or does not say.
    """

    number: int
    offset: int
    length: int
    variable: Variable
    unit: str
    level: int | None
    member: int | None
    init_time: np.datetime64
    lead_time: np.timedelta64
    analysis: bool
    experiment: str
    place: GribGrid
    field: int = 0
    since: np.timedelta64 | None = None

    @property
    def where(self) -> tuple[int, int, int, int]:
        """Number, offset, length and field, as `fields.read.grib.index.decode` wants them."""
        return self.number, self.offset, self.length, self.field

    @property
    def label(self) -> str:
        """Its number in words, ``3``, or ``3.2`` for a field among others of its message."""
        return number_of(self.number, self.field)

    @property
    def interval(self) -> Interval | None:
        """Over what it is a sum; None where it is none, or does not say."""
        if self.since is None:
            return None
        return self.since.astype(int).item(), self.lead_time.astype(int).item()

    @property
    def channel(self) -> str:
        """Channel name, ``z500``."""
        return Channel(self.variable, self.level).name


def to_plain(messages: Sequence[Message]) -> dict[str, Any]:
    """Return messages as lists, numbers and texts, which JSON can carry."""
    places: dict[GribGrid, int] = {}
    rows = [
        (
            *(m.number, m.offset, m.length, m.field, m.variable.name, m.unit, m.level),
            *(m.member, m.init_time.astype(int).item(), m.lead_time.astype(int).item()),
            *(m.analysis, m.experiment, places.setdefault(m.place, len(places))),
            None if m.since is None else m.since.astype(int).item(),
        )
        for m in messages
    ]
    return {"places": [asdict(place) for place in places], "messages": rows}


def from_plain(plain: dict[str, Any]) -> list[Message]:
    """Return the messages of which `to_plain` made this."""
    places = [place_from_plain(place) for place in plain["places"]]
    return [_message(places, *row) for row in plain["messages"]]


def _message(
    places: Sequence[GribGrid],
    number: int,
    offset: int,
    length: int,
    field: int,
    name: str,
    unit: str,
    level: int | None,
    member: int | None,
    init_time: int,
    lead_time: int,
    analysis: bool,
    experiment: str,
    place: int,
    since: int | None,
) -> Message:
    return Message(
        number=number,
        offset=offset,
        length=length,
        field=field,
        variable=VARIABLES[name],
        unit=unit,
        level=level,
        member=member,
        init_time=np.datetime64(init_time, "ns"),
        lead_time=np.timedelta64(lead_time, "ns"),
        analysis=analysis,
        experiment=experiment,
        place=places[place],
        since=None if since is None else np.timedelta64(since, "ns"),
    )


def place_from_plain(plain: dict[str, Any]) -> GribGrid:
    """Return the grid of which JSON has made lists, as `dataclasses.asdict` gives it."""
    keys: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()}
    return GribGrid(**keys)
