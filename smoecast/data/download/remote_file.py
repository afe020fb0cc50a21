"""What a source has to offer: one remote file, and how its address is shown to people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from urllib.parse import unquote, urlsplit, urlunsplit

from smoecast.config.data import Data
from smoecast.errors import ConfigError
from smoecast.names import Channel, parse_channel


@dataclass(frozen=True)
class Offer:
    """The channels, constants and times of a source.

    Attributes
    ----------
    source : str
        Its name, for messages.
    levels : mapping of str to tuple of int
        Variables on pressure levels, and at which, hPa.
    single : tuple of str
        Variables without level, and constants.
    key : str
        Config key that names channels, for messages.
    step_hours : int
        Spacing in time.
    first, last : int or None
        Years; None for `last` where the source goes on.
    """

    source: str
    levels: Mapping[str, tuple[int, ...]]
    single: tuple[str, ...]
    key: str = "data.channels"
    step_hours: int = 1
    first: int = 0
    last: int | None = None

    def has(self, name: str) -> bool:
        """Whether the variable of a channel is there, at whatever level."""
        channel = parse_channel(name)
        return channel is not None and channel.variable.name in (*self.levels, *self.single)

    def channel(self, name: str) -> Channel:
        """Return a channel that the source has.

        Raises
        ------
        ConfigError
            It lacks the variable or the level.
        """
        channel = parse_channel(name)
        if channel is None or not self.has(name):
            have = " ".join([*(f"{v}<level>" for v in self.levels), *self.single])
            raise ConfigError(
                f"{self.key} names {name}, which source {self.source} lacks; it has {have}"
            )
        levels = self.levels.get(channel.variable.name, ())
        if channel.level is not None and channel.level not in levels:
            raise ConfigError(
                f"{self.key} names {name}, but source {self.source} has {channel.variable.name} "
                f"at {' '.join(map(str, levels))} hPa"
            )
        return channel

    def check_times(self, data: Data) -> None:
        """Refuse a spacing in time, or a year, that the source does not have.

        Raises
        ------
        ConfigError
            It names the first one.
        """
        if data.step_hours % self.step_hours:
            raise ConfigError(
                f"data.step_hours = {data.step_hours}, but source {self.source} has a time every "
                f"{self.step_hours} h: take a multiple"
            )
        outside = [y for y in data.years if y < self.first or y > (self.last or y)]
        if outside:
            has = f"begins in {self.first}"
            has = has if self.last is None else f"has {self.first} to {self.last}"
            raise ConfigError(f"data.years names {outside[0]}, but source {self.source} {has}")


ENSEMBLES = "ensembles"
"""Folder of fetched ensembles in that of the raw files: apart, beside a manifest of their own."""


_SHOWN_QUERIES = ("path", "files")
"""Parameters of an address that say which file is meant; every other may be a secret."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a source.

    Attributes
    ----------
    name : str
        File name in the raw folder.
    url : str
        Where it is; empty while the source has yet to prepare it (see `data.sources.era5.source`).
    size : int or None
        Bytes, where the source says so.
    checksum : str or None
        ``algorithm:hexadecimal``, such as ``md5:...``, where the source says so.
    about : int
        Bytes to expect, for a person; 0 where nobody knows.
    published : datetime.date or None
        Before this day the file may not be there yet; None: it is there.
    final : datetime.date or None
        From this day on the file no longer changes, and one that was fetched before is looked at
        again; None: it never changes.
    grows : bool
        Whether the source appends to the file until then, so that every run looks again.
    gives : tuple of str
        Names of the files unpacked from it, which are then kept in its place; none: it is kept.
    pieces : tuple of (int, int)
        First byte and length of what is wanted of the remote file; none: all of it.
    absent : str
        What it means that the source does not have the file, and the mend, for the message.
    mirrors : tuple of str
        Other addresses of the very same file, asked in this order while `url` is busy.
    series : str
        Name under which a plan shows it together with its like; none given: by itself.
    """

    name: str
    url: str
    size: int | None = None
    checksum: str | None = None
    about: int = 0
    published: date | None = None
    final: date | None = None
    grows: bool = False
    gives: tuple[str, ...] = ()
    pieces: tuple[tuple[int, int], ...] = ()
    absent: str = ""
    mirrors: tuple[str, ...] = ()
    series: str = ""

    @property
    def final_names(self) -> tuple[str, ...]:
        """Names of the files that stay in the raw folder."""
        return self.gives or (self.name,)

    def may_come_after(self, day: date) -> bool:
        """Whether the file may not be there yet on `day`."""
        return self.published is not None and day < self.published


@dataclass(frozen=True)
class About:
    """A source in one line of `smoecast download --list`.

    Attributes
    ----------
    name : str
        As in `data.source`.
    what : str
        In words.
    size : str
        How much it is.
    licence : str
        Its terms.
    needs : str
        What a person needs first.
    truth : str
        What forecasts are scored against where they are scored against it; none given: its files.
    """

    name: str
    what: str
    size: str
    licence: str
    needs: str
    truth: str = ""


def shown(url: str) -> str:
    """Return an address without user, password and tokens: fit for messages, logs, manifests."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the address"
    host = parts.netloc.rpartition("@")[2]
    query = "&".join(_parameter(pair) for pair in parts.query.split("&") if pair)
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def _parameter(pair: str) -> str:
    """Return ``key=value`` with the value only where it names a file."""
    key, equals, value = pair.partition("=")
    if not equals:
        return "..."
    return f"{key}={unquote(value) if key in _SHOWN_QUERIES else '...'}"
