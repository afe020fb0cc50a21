"""What a source has, and the refusal of what it lacks."""

from dataclasses import dataclass

from smoecast.errors import ConfigError
from smoecast.names import Channel, parse_channel


@dataclass(frozen=True)
class Offer:
    """The channels and constants of a source.

    Attributes
    ----------
    source : str
        Its name, for messages.
    on_levels : tuple of str
        Variables that it has at each of `levels`.
    single : tuple of str
        Variables without level, and constants.
    levels : tuple of int
        hPa.
    key : str
        Config key that names channels, for messages.
    """

    source: str
    on_levels: tuple[str, ...]
    single: tuple[str, ...]
    levels: tuple[int, ...]
    key: str = "data.channels"

    def has(self, name: str) -> bool:
        """Whether the variable of a channel is there, at whatever level."""
        channel = parse_channel(name)
        return channel is not None and channel.variable.name in (*self.on_levels, *self.single)

    def channel(self, name: str) -> Channel:
        """Return a channel that the source has.

        Raises
        ------
        ConfigError
            It lacks the variable or the level.
        """
        channel = parse_channel(name)
        if channel is None or not self.has(name):
            have = " ".join([f"{v}<level>" for v in self.on_levels] + [*self.single])
            raise ConfigError(
                f"{self.key} names {name}, which source {self.source} lacks; it has {have}"
            )
        if channel.level is not None and channel.level not in self.levels:
            raise ConfigError(
                f"{self.key} names {name}, but source {self.source} has {channel.variable.name} "
                f"at {' '.join(map(str, self.levels))} hPa"
            )
        return channel
