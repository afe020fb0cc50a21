"""A run's scores as they are drawn: read once, by channel, lead time, region and forecast."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smoecast import names
from smoecast.config.yaml_text import one_line
from smoecast.errors import InputError
from smoecast.tasks.plot.cartography.maps import say_simulated

Record = Mapping[str, Any]

_NEEDED = {
    "scores": ("forecast", "channel", "lead_hours"),
    "events": ("event", "forecast", "lead_hours"),
    "curves": ("kind", "forecast", "region", "season", "lead_hours"),
}


@dataclass(frozen=True)
class Skill:
    """How much better a forecast is than another: 1 is perfect, 0 as good; with its interval."""

    forecast: str
    baseline: str
    channel: str
    region: str
    lead_hours: int
    value: float
    low: float | None
    high: float | None

    @property
    def certain(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, eq=False)
class Results:
    """Scores, events and curves of the whole year, and what they are of.

    Attributes
    ----------
    scores, events, curves : list of dict
        As ``scores.json`` has them.
    foot : str
        Run and truth, for the foot of a picture.
    simulated : bool
        Whether the truth is the simulated planet.
    """

    scores: list[dict[str, Any]]
    events: list[dict[str, Any]]
    curves: list[dict[str, Any]]
    foot: str
    simulated: bool

    @property
    def regions(self) -> list[str]:
        """Regions, in order; one empty name where the scores have none."""
        return list(dict.fromkeys(str(r.get("region", "")) for r in self.scores))

    @property
    def channels(self) -> list[str]:
        """Channels, in order, of scores, events and curves."""
        every = (*self.scores, *self.events, *self.curves)
        return list(dict.fromkeys(name for name in map(_channel, every) if name))

    def select(self, channels: Sequence[str], region: str | None) -> "Results":
        """Return what is of some channels and a region; of all without."""

        def keep(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [
                r
                for r in records
                if (not channels or _channel(r) in channels)
                and (region is None or r.get("region", "") == region)
            ]

        parts = {"scores": self.scores, "events": self.events, "curves": self.curves}
        kept: dict[str, Any] = {part: keep(records) for part, records in parts.items()}
        return replace(self, **kept)

    def starts(self, **wanted: Any) -> str:
        """Return in words of how many starts a record is: ``41 starts``; empty if unknown."""
        for r in (*self.scores, *self.events):
            if "starts" in r and all(r.get(key) == value for key, value in wanted.items()):
                return f"{r['starts']} starts"
        return ""

    def skills(self) -> Iterator[Skill]:
        """Yield the skill of each forecast against each baseline that it was compared with.

        A baseline's record has the difference of the scores and its interval, which over the
        baseline's own score are skill; a calibrated ensemble's has its CRPSS.
        """
        own = next((r["forecast"] for r in self.scores), "")
        for r in self.scores:
            there = (str(r["channel"]), str(r.get("region", "")), int(r["lead_hours"]))
            for score in ("rmse", "crps"):
                key = f"{score}_difference"
                if key in r and r.get(score):
                    value, low, high = (
                        -r[k] / r[score] if k in r else None
                        for k in (key, f"{key}_high", f"{key}_low")
                    )
                    name = "calibrated" if score == "crps" else own
                    yield Skill(name, r["forecast"], *there, float(value or 0.0), low, high)


def read_results(path: Path) -> Results:
    """Read a run's ``scores.json``, or that of a model in the zoo.

    Raises
    ------
    InputError
        It cannot be read, or is damaged.
    """
    try:
        read = json.loads(path.read_bytes())
        parts = {
            part: [dict(r) for r in read.get(part) or [] if r.get("season", "year") == "year"]
            for part in _NEEDED
        }
        whole = all(r.keys() >= set(_NEEDED[part]) for part, rs in parts.items() for r in rs)
    except OSError as error:
        raise InputError(f"{path}: the scores cannot be read ({error.strerror})") from error
    except (ValueError, AttributeError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise InputError(f"{path}: the scores are damaged; run `smoecast evaluate` again")
    truth = str(read.get("truth") or read.get("data") or "")
    simulated = say_simulated(truth) or "planet" in str(read.get("data", ""))
    truth = one_line(truth.partition(" (")[0], 60)
    foot = " | ".join(
        part for part in (path.parent.name, f"truth: {truth}" if truth else "") if part
    )
    return Results(**parts, foot=foot, simulated=simulated)


def _channel(record: Record) -> str:
    """Return the channel of a record, or that of its event: of ``t2m>273.15``, t2m."""
    return str(record.get("channel") or re.split("[<>]", str(record.get("event", "")))[0])


def unit_of(channel: str) -> str:
    """Return the SI unit in which a channel is scored; empty for what is no channel."""
    parsed = names.parse_channel(channel)
    return parsed.variable.units if parsed else ""
