"""What a forecast model wants and gives, as values and in words."""

from dataclasses import dataclass

import numpy as np

from smoecast.fields.channels import attributes_of
from smoecast.fields.grid import Grid
from smoecast.tasks.descriptions import Description


@dataclass(frozen=True, eq=False)
class ModelInputs:
    """What a model wants of analyses, and what it forecasts; `str` of it is a few lines of words.

    Attributes
    ----------
    name : str
        Of its run.
    channels : tuple of str
        That it starts from.
    units : dict of str to str
        Of each channel and target, SI.
    history_hours : tuple of int
        Before a start, at which it needs an analysis; 0 is the start itself.
    step_hours : int
        Analyses that are used lie at multiples of it, from `offset` after midnight UTC.
    offset : timedelta64
    grid : Grid
        Of the model; fields on another regular grid that reaches as far are brought to it.
    targets : tuple of str
        That it forecasts.
    lead_hours : tuple of int
        Its own; a model that forecasts all that it starts from reaches their multiples.
    """

    name: str
    channels: tuple[str, ...]
    units: dict[str, str]
    history_hours: tuple[int, ...]
    step_hours: int
    offset: np.timedelta64
    grid: Grid
    targets: tuple[str, ...]
    lead_hours: tuple[int, ...]

    def __str__(self) -> str:
        """Return it in words."""
        lines = [f"{self.name} starts from analyses of"]
        for channel in self.channels:
            words = attributes_of(channel)["long_name"]
            lines.append(f"  {channel}: {words}, {self.units[channel]} (or units that convert)")
        earlier = [hours for hours in self.history_hours if hours]
        when = f" and {_join(earlier)} h before" if earlier else ""
        begin = f"{self.offset / np.timedelta64(1, 'h'):g} UTC" if self.offset else "midnight UTC"
        lines += [
            f"at the start{when}, every {self.step_hours} h from {begin}",
            f"on {self.grid.describe()}, or any regular grid that reaches as far;",
            f"it forecasts {', '.join(self.targets)} {_join(self.lead_hours)} h ahead",
        ]
        return "\n".join(lines)


def inputs_of(model: Description) -> ModelInputs:
    """Return what a model wants and gives."""
    data, sample, targets = model.config.data, model.config.sample, model.config.targets
    units = {name: attributes_of(name)["units"] for name in (*data.channels, *targets)}
    return ModelInputs(
        model.config.name, data.channels, units, sample.history_hours, data.step_hours,
        model.offset, model.grid, targets, sample.lead_hours,
    )  # fmt: skip


def _join(hours: tuple[int, ...] | list[int]) -> str:
    *first, last = map(str, hours)
    return f"{', '.join(first)} and {last}" if first else last
