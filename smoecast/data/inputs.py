"""What a network sees at a start of forecast: history, constants and the clock.

Training and forecasting both assemble their inputs here, so that they cannot differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoecast.fields.grid import Grid
from smoecast.fields.times import JULIAN_YEAR_DAYS

CLOCK = ("cos_local_hour", "sin_local_hour", "cos_season", "sin_season")
LATITUDE = "sin_latitude"
LEAD = "lead_time"
LEAD_UNIT = np.timedelta64(100, "h")
"""The lead time enters in hundreds of hours, as in Rasp and Thuerey's (2021) continuous model."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """The recipe for a network's input channels.

    Attributes
    ----------
    channels : tuple of str
        Fields of the store, C of them.
    history : tuple of int
        Hours before the start, newest (0) first, S of them.
    clock : bool
        Whether hour of day and season are inputs.
    constants : dict of str to (H, W) float32
        Fields without time, N of them, in SI units.
    grid : Grid
        Where the fields hold.
    lead : bool
        Whether the lead time is an input.
    """

    channels: tuple[str, ...]
    history: tuple[int, ...]
    clock: bool
    constants: dict[str, NDArray[np.float32]]
    grid: Grid
    lead: bool = False

    @property
    def extra_names(self) -> tuple[str, ...]:
        """Names of the inputs that are no history: constants, latitude, clock, lead time."""
        clock, lead = CLOCK if self.clock else (), (LEAD,) if self.lead else ()
        return (*self.constants, LATITUDE, *clock, *lead)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of every input channel, in order."""
        history = (f"{c}@-{h}h" if h else c for h in self.history for c in self.channels)
        return (*history, *self.extra_names)

    def extra(
        self, times: NDArray[np.datetime64], ahead: NDArray[np.timedelta64] | None = None
    ) -> NDArray[np.float32]:
        """Return constants, sine of latitude, clock, lead time: (B, X, H, W) for B start times.

        `ahead` (B,) is asked for where the lead time is an input, and only there.
        """
        known = self._fields_at_start(times)
        if not self.lead or ahead is None:
            return known
        plane = (ahead / LEAD_UNIT).astype(np.float32)[:, None, None, None]
        shape = (len(times), 1, *self.grid.shape)
        return np.concatenate([known, np.broadcast_to(plane, shape)], axis=1)

    def _fields_at_start(self, times: NDArray[np.datetime64]) -> NDArray[np.float32]:
        """Return what the start alone decides: (B, N + 1, H, W), with the clock N + 5."""
        height, width = self.grid.shape
        fields = [field.astype(np.float32) for field in self.constants.values()]
        sine = np.sin(np.deg2rad(self.grid.latitude)).astype(np.float32)
        fixed = np.stack([*fields, np.repeat(sine[:, None], width, axis=1)])  # (N + 1, H, W)
        fixed = np.broadcast_to(fixed, (len(times), *fixed.shape))
        if not self.clock:
            return fixed
        local, season = _angles(times, self.grid.longitude)
        moving = np.stack([np.cos(local), np.sin(local), np.cos(season), np.sin(season)], axis=1)
        moving = np.broadcast_to(moving[:, :, None, :], (len(times), 4, height, width))
        return np.concatenate([fixed, moving.astype(np.float32)], axis=1)

    def assemble(
        self,
        history: NDArray[np.float32],
        times: NDArray[np.datetime64],
        ahead: NDArray[np.timedelta64] | None = None,
    ) -> NDArray[np.float32]:
        """Return network inputs (B, S * C + X, H, W) from history (B, S, C, H, W)."""
        batch, steps, channels, height, width = history.shape
        # (B, S, C, H, W) -> (B, S * C, H, W)
        flat = history.reshape(batch, steps * channels, height, width)
        extra = self.extra(times, ahead)  # nosec B610
        return np.concatenate([flat, extra], axis=1)

    def statistics(
        self, mean: NDArray[np.float64], std: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and spread of every input channel from those of the store's channels."""
        repeat = len(self.history)
        fields = [np.asarray(f, np.float64) for f in self.constants.values()]
        spreads = [f.std() if f.std() > 0 else 1.0 for f in fields]
        rest = len(self.extra_names) - len(fields)  # of size one by nature
        return (
            np.concatenate([np.tile(mean, repeat), [f.mean() for f in fields], np.zeros(rest)]),
            np.concatenate([np.tile(std, repeat), spreads, np.ones(rest)]),
        )

    def base(self, targets: Sequence[str], leads: int) -> list[int]:
        """Return, for each output (lead by lead), the input channel of the same field at start."""
        return [self.channels.index(target) for _ in range(leads) for target in targets]


def season_angle(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return the day of the year as an angle in radians, 0 when the year begins."""
    start = times.astype("datetime64[Y]")
    year: NDArray[np.float64] = ((times - start) / np.timedelta64(1, "D")) / JULIAN_YEAR_DAYS
    return 2 * np.pi * year


def _angles(
    times: NDArray[np.datetime64], longitude: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return local solar time (B, W) and season (B, W), both in radians."""
    days = times.astype("datetime64[D]")
    seconds = (times - days) / np.timedelta64(1, "s")
    local = 2 * np.pi * seconds[:, None] / 86400.0 + np.deg2rad(longitude)[None, :]
    return local, np.broadcast_to(season_angle(times)[:, None], local.shape)
