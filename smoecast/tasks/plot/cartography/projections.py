"""Map projections: longitude and latitude in, places on the paper out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_SEMI_MAJOR, _SEMI_MINOR = 6_378_137.0, 6_356_752.314_245
"""WGS 84, metres."""
_HORIZON = 120.0
"""Degrees from the centre of an azimuthal map, beyond which lines are left out."""


class Projection(Protocol):
    """Brings places of the globe to the paper."""

    @property
    def centre(self) -> float:
        """The longitude in the middle; the map is cut 180 degrees away from it."""

    def forward(self, longitude: Array, latitude: Array) -> tuple[Array, Array]:
        """Return x and y of points in degrees, which broadcast; NaN where they have none."""


@dataclass(frozen=True)
class PlateCarree:
    """Degrees as they are; in `middle` degrees north a degree is as long in both directions."""

    centre: float
    middle: float

    @property
    def aspect(self) -> float:
        """Height of a degree of latitude over width of one of longitude."""
        return float(1 / max(np.cos(np.deg2rad(self.middle)), 0.2))

    def forward(self, longitude: Array, latitude: Array) -> tuple[Array, Array]:
        """Return them broadcast."""
        x, y = np.broadcast_arrays(longitude, latitude)
        return x, y


_A = (1.340264, -0.081106, 0.000893, 0.003796)


@dataclass(frozen=True)
class EqualEarth:
    """The whole globe, areas true; unit: the radius of the Earth.

    Savric, Patterson and Jenny (2018), doi:10.1080/13658816.2018.1504949, equations 7 to 10.
    """

    centre: float

    def forward(self, longitude: Array, latitude: Array) -> tuple[Array, Array]:
        """Return x and y, both at most 2.71 from the middle."""
        away = np.deg2rad(np.asarray(longitude) - self.centre)
        theta = np.arcsin(np.sqrt(3) / 2 * np.sin(np.deg2rad(latitude)))
        two, six = theta**2, theta**6
        slope = 9 * _A[3] * theta**8 + 7 * _A[2] * six + 3 * _A[1] * two + _A[0]
        x = 2 * np.sqrt(3) * away * np.cos(theta) / (3 * slope)
        y = theta * (_A[3] * theta**8 + _A[2] * six + _A[1] * two + _A[0])
        x, y = np.broadcast_arrays(x, y)
        return x, y


@dataclass(frozen=True)
class AzimuthalEqualArea:
    """Lambert's azimuthal equal-area projection of the ellipsoid, in kilometres.

    Snyder (1987), Map Projections: A Working Manual, USGS Professional Paper 1395, equations 24-2
    to 24-20 and 3-11 to 3-12.
    """

    centre: float
    origin: float
    major: float = _SEMI_MAJOR
    minor: float = _SEMI_MINOR
    easting: float = 0.0
    northing: float = 0.0

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> "AzimuthalEqualArea | None":
        """Return what a grid mapping of CF says; None where it is another projection."""
        if mapping.get("grid_mapping_name") != "lambert_azimuthal_equal_area":
            return None
        names = ("longitude_of_projection_origin", "latitude_of_projection_origin")
        if not all(name in mapping for name in names):
            return None
        radius = mapping.get("earth_radius")
        centre, origin = (float(mapping[name]) for name in names)
        return cls(
            centre,
            origin,
            float(mapping.get("semi_major_axis", radius or _SEMI_MAJOR)),
            float(mapping.get("semi_minor_axis", radius or _SEMI_MINOR)),
            float(mapping.get("false_easting", 0.0)),
            float(mapping.get("false_northing", 0.0)),
        )

    def forward(self, longitude: Array, latitude: Array) -> tuple[Array, Array]:
        """Return x and y in kilometres; NaN beyond 120 degrees from the centre."""
        away = np.deg2rad(np.asarray(longitude) - self.centre)
        pole = self._authalic(np.asarray(90.0))
        beta = np.arcsin(np.clip(self._authalic(np.asarray(latitude)) / pole, -1, 1))
        first = np.arcsin(np.clip(self._authalic(np.asarray(self.origin)) / pole, -1, 1))
        cosine = np.sin(first) * np.sin(beta) + np.cos(first) * np.cos(beta) * np.cos(away)
        seen = cosine > np.cos(np.deg2rad(_HORIZON))
        radius = self.major * np.sqrt(pole / 2)
        length = radius * np.sqrt(2 / (1 + np.where(seen, cosine, np.nan)))
        stretch = self._stretch(first, radius)
        x = length * stretch * np.cos(beta) * np.sin(away)
        north = np.cos(first) * np.sin(beta) - np.sin(first) * np.cos(beta) * np.cos(away)
        y = length / stretch * north
        return (x + self.easting) / 1000, (y + self.northing) / 1000

    def _stretch(self, first: Array, radius: Array) -> Array:
        """Return Snyder's D, which keeps the scale at the origin the same in all directions."""
        phi = np.deg2rad(self.origin)
        if abs(self.origin) > 89.999:
            return np.asarray(1.0)
        normal = np.sqrt(1 - self._eccentricity * np.sin(phi) ** 2)
        return np.asarray(self.major * np.cos(phi) / (normal * radius * np.cos(first)))

    @property
    def _eccentricity(self) -> float:
        return float(1 - (self.minor / self.major) ** 2)

    def _authalic(self, latitude: Array) -> Array:
        """Return Snyder's q, to which the area south of a latitude is proportional."""
        sine, squared = np.sin(np.deg2rad(latitude)), self._eccentricity
        if squared < 1e-12:
            return np.asarray(2 * sine)
        e = np.sqrt(squared)
        lost = np.log((1 - e * sine) / (1 + e * sine)) / (2 * e)
        return np.asarray((1 - squared) * (sine / (1 - squared * sine**2) - lost))
