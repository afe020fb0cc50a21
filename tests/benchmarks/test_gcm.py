"""From the layers of a circulation model to pressure levels."""

import numpy as np
import pytest
from gcm import DRY_AIR, GRAVITY, LAPSE_RATE, VAPOUR, interpolate_to_pressure

SIGMA = np.array([0.025, 0.095, 0.2, 0.34, 0.51, 0.685, 0.835, 0.95])


def column(surface, q=0.0, per_height=-20.0):
    """Layers of air whose virtual temperature is linear in ln p, with the exact geopotential."""
    pressure = SIGMA[:, None] * np.atleast_1d(surface)
    fields = exact(pressure, surface, per_height)
    fields["t"] = fields["t"] / (1 + VAPOUR * q)
    fields["q"] = np.full_like(pressure, q)
    return pressure, fields


def exact(pressure, surface, per_height):
    up = np.log(surface / pressure)
    return {
        "z": 300.0 + DRY_AIR * (288.0 * up + 0.5 * per_height * up**2),
        "t": 288.0 + per_height * up,
        "u": 5.0 + 12.0 * up,
        "v": 1.0 - 3.0 * up,
    }


@pytest.mark.parametrize("q", [0.0, 0.01])
def test_between_layers_geopotential_follows_from_temperature_exactly(q):
    surface = np.array([1.0e5, 9.5e4])
    levels = [2.5e4, 5.0e4, 8.5e4]
    found = interpolate_to_pressure(*column(surface, q), levels)
    want = exact(np.array(levels)[:, None], surface, -20.0)
    np.testing.assert_allclose(found["z"], want["z"], rtol=1e-12)
    np.testing.assert_allclose(found["t"] * (1 + VAPOUR * q), want["t"], rtol=1e-12)
    np.testing.assert_allclose(found["u"], want["u"], rtol=1e-12)
    np.testing.assert_allclose(found["v"], want["v"], rtol=1e-12)
    np.testing.assert_allclose(found["q"], q, rtol=1e-12)


def test_at_a_layer_it_is_the_layer_itself():
    pressure, fields = column(np.array([1.0e5]))
    found = interpolate_to_pressure(pressure, fields, [5.1e4])
    for name, values in fields.items():
        np.testing.assert_allclose(found[name][0], values[4], rtol=1e-12)


def test_below_the_ground_air_grows_warmer_by_a_set_lapse_and_stays_hydrostatic():
    pressure, fields = column(np.array([6.0e4]), q=0.004)
    levels = np.geomspace(pressure[-1, 0], 8.5e4, 2001)
    found = interpolate_to_pressure(pressure, fields, levels)
    warm = found["t"][:, 0] * (1 + VAPOUR * 0.004)
    middle = 0.5 * (warm[1:] + warm[:-1])
    fall = -DRY_AIR * middle * np.diff(np.log(levels))
    np.testing.assert_allclose(np.diff(found["z"][:, 0]), fall, rtol=1e-5)
    climb = np.diff(found["z"][:, 0]) / GRAVITY
    np.testing.assert_allclose(np.diff(warm) / climb, -LAPSE_RATE, rtol=1e-5)
    assert np.all(found["u"][:, 0] == fields["u"][-1, 0])


def test_a_level_above_the_highest_layer_is_refused():
    with pytest.raises(ValueError, match="above the highest layer"):
        interpolate_to_pressure(*column(np.array([1.0e5])), [1.0e3])
