"""Solar radiation at the top of the atmosphere, from time and place alone.

The Sun's place is that of the Astronomical Almanac's short series (Michalsky 1988,
doi:10.1016/0038-092X(88)90045-X), right to 0.01 degrees from 1950 to 2050; the irradiance at one
astronomical unit is 1361 W m-2 (Kopp & Lean 2011, doi:10.1029/2010GL045777).
"""

import numpy as np

SOLAR_CONSTANT = 1361.0
"""W m-2 at the mean distance of the Sun."""

_NOON_2000 = np.datetime64("2000-01-01T12:00:00", "ns")
_DAY = np.timedelta64(86_400, "s")


def sun(times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where the Sun stands.

    Parameters
    ----------
    times : numpy.ndarray
        (T,) datetime64, UTC.

    Returns
    -------
    tuple of numpy.ndarray
        Declination in radians, the hour angle at Greenwich in radians (zero at its noon), and
        the distance in astronomical units, each (T,) float64.
    """
    days = (times.astype("datetime64[ns]") - _NOON_2000) / _DAY
    mean_longitude = np.deg2rad((280.460 + 0.9856474 * days) % 360.0)
    anomaly = np.deg2rad((357.528 + 0.9856003 * days) % 360.0)
    longitude = mean_longitude + np.deg2rad(1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    tilt = np.deg2rad(23.439 - 4e-7 * days)
    declination = np.arcsin(np.sin(tilt) * np.sin(longitude))
    ascension = np.arctan2(np.cos(tilt) * np.sin(longitude), np.cos(longitude))
    # the equation of time, mean longitude less right ascension, is what a sundial runs ahead
    hour_angle = 2 * np.pi * (days % 1.0) + mean_longitude - ascension
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)
    return declination, hour_angle, distance


def incoming(
    times: np.ndarray, latitude: np.ndarray, longitude: np.ndarray, hours: float = 1.0
) -> np.ndarray:
    """Return the solar radiation that came in at the top of the atmosphere.

    The cosine of the zenith angle is integrated in closed form from sunrise to sunset; the Sun's
    declination and distance are those of the middle of the interval.

    Parameters
    ----------
    times : numpy.ndarray
        (T,) datetime64, UTC: ends of the intervals, as in ERA5.
    latitude, longitude : numpy.ndarray
        (H,) and (W,) degrees.
    hours : float
        Length of the intervals, at most a day.

    Returns
    -------
    numpy.ndarray
        (T, H, W) float32, J m-2 on a horizontal surface.
    """
    length = np.timedelta64(round(hours * 3600), "s")
    declination, hour_angle, distance = sun(times - length / 2)
    rows = np.deg2rad(latitude)
    level = np.sin(rows) * np.sin(declination)[:, np.newaxis]  # (T, H)
    swing = np.cos(rows) * np.cos(declination)[:, np.newaxis]  # (T, H), cos(zenith) less `level`
    half_day = np.arccos(np.clip(-level / np.maximum(swing, 1e-12), -1.0, 1.0))
    middle = hour_angle[:, np.newaxis] + np.deg2rad(longitude)  # (T, W)
    half = np.pi * hours / 24.0
    parts = [part[..., np.newaxis] for part in (level, swing, half_day)]  # (T, H, 1)
    turned = _risen(middle[:, np.newaxis] + half, *parts)
    turned -= _risen(middle[:, np.newaxis] - half, *parts)
    joules = SOLAR_CONSTANT / distance**2 * 86_400.0 / (2 * np.pi)  # for each radian of the day
    return np.asarray(np.clip(turned * joules[:, np.newaxis, np.newaxis], 0.0, None), np.float32)


def _risen(
    angle: np.ndarray, level: np.ndarray, swing: np.ndarray, half_day: np.ndarray
) -> np.ndarray:
    """Integrate max(0, level + swing cos(angle)) over the hour angle, from a noon long ago."""
    turns = np.floor((angle + np.pi) / (2 * np.pi))
    lit = np.clip(angle - 2 * np.pi * turns, -half_day, half_day)
    whole_day = 2 * (level * half_day + swing * np.sin(half_day))
    return np.asarray(level * lit + swing * np.sin(lit) + turns * whole_day)
