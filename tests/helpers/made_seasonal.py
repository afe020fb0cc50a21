"""Seasonal forecasts in the style of SEAS5: one start a year, 25 members, months ahead.

Truth and members vary by a few patterns as wide as the globe, so that a start tells about as much
as a handful of numbers, however many points it has. The spread is right, and the forecast drifts.
"""

import numpy as np
import xarray as xr

LATITUDE = np.linspace(78.75, -78.75, 8)
LONGITUDE = np.arange(16) * 22.5
DRIFT = {30: 1.5, 60: 0.0, 90: 0.4, 120: 0.0}
"""Bias in K by lead time in days."""

_SIGNAL = (0.8, 0.5, 0.3, 0.2)
"""Correlation of the truth with what can be known of it, by lead time."""


def seasonal(starts: int, seed: int, members: int = 25) -> xr.Dataset:
    """Return `t2m` (init_time, lead_time, number, latitude, longitude), K, and its `truth`."""
    rng = np.random.default_rng(seed)
    patterns, drift = _patterns(), np.array(list(DRIFT.values()))
    signal = np.array(_SIGNAL)[:, None]
    noise = np.sqrt(1.0 - signal**2)
    shape = (starts, len(drift), len(patterns))
    known = signal * rng.normal(size=shape)

    def fields(weights: np.ndarray) -> np.ndarray:
        normal = 280.0 + 15.0 * np.cos(np.deg2rad(LATITUDE))[:, None]
        made = normal + np.einsum("...k,kij->...ij", weights, patterns)
        return (made + rng.normal(0.0, 0.2, made.shape)).astype(np.float32)

    each = known[:, None] + noise * rng.normal(size=(starts, members, *shape[1:]))
    raw = fields(each) + drift.astype(np.float32)[:, None, None]
    truth = fields(known + noise * rng.normal(size=shape))
    years = np.datetime64("1993-05-01") + np.arange(starts) * np.timedelta64(365, "D")
    dims = ("init_time", "lead_time", "number", "latitude", "longitude")
    return xr.Dataset(
        {
            "t2m": (dims, raw.swapaxes(1, 2), {"units": "K", "standard_name": "air_temperature"}),
            "truth": ((*dims[:2], *dims[3:]), truth, {"units": "K"}),
        },
        {
            "init_time": years.astype("datetime64[ns]"),
            "lead_time": np.array(list(DRIFT)) * np.timedelta64(86_400_000_000_000, "ns"),
            "number": np.arange(members),
            "latitude": LATITUDE,
            "longitude": LONGITUDE,
        },
    )


def _patterns() -> np.ndarray:
    """Return six patterns (6, H, W) whose squares add up to 1 on average."""
    north, east = np.deg2rad(LATITUDE)[:, None], np.deg2rad(LONGITUDE)
    wide, narrow = np.cos(north), np.cos(north) ** 2
    made = np.stack(
        [
            np.ones((8, 16)),
            np.sin(north) + 0.0 * east,
            wide * np.cos(east),
            wide * np.sin(east),
            narrow * np.cos(2.0 * east),
            narrow * np.sin(2.0 * east),
        ]
    )
    return np.asarray(made / np.sqrt((made**2).sum(0).mean()))
