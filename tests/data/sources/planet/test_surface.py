"""Geography, balance, products near the ground."""

from dataclasses import replace

import numpy as np
import pytest

from smoecast.data.sources.planet import dynamics, geography, nature, spectral, surface
from smoecast.data.sources.planet.climate import ROTATION, Climate, ground


@pytest.fixture(scope="module")
def flow():
    return dynamics.build(Climate())


@pytest.fixture(scope="module")
def place():
    return surface.lay_ground(Climate())


@pytest.fixture(scope="module")
def state(flow):
    return nature.first_state(flow, seed=0, season=1.0)


def test_geography_is_fixed_and_bounded():
    lat, lon = surface.LATITUDE[:, None], surface.LONGITUDE[None, :]
    land = geography.land_fraction(lat, lon)
    weights = np.cos(np.deg2rad(lat)) / np.cos(np.deg2rad(lat)).mean()
    assert 0.2 < (land * weights).mean() < 0.4
    assert land.min() >= 0.0
    assert land.max() <= 1.0
    height = geography.mountain_height(lat, lon)
    assert 2000.0 < height.max() < 3600.0
    for kind in (0, 1):
        rough = geography.texture(lat, lon, kind)
        assert np.abs(rough).max() <= 1.0
        np.testing.assert_array_equal(rough, geography.texture(lat, lon, kind))
    assert np.abs(geography.texture(lat, lon, 0) - geography.texture(lat, lon, 1)).max() > 0.5


def test_geography_has_no_seam_and_single_poles():
    np.testing.assert_allclose(
        geography.land_fraction(np.array([10.0]), np.array([360.0])),
        geography.land_fraction(np.array([10.0]), np.array([0.0])),
        atol=1e-12,
    )
    around = geography.mountain_height(np.full(8, -90.0), np.arange(8) * 45.0)
    np.testing.assert_allclose(around, around[0], atol=1e-6)


def test_smoothing_and_lowering_the_mountains():
    true, lower = ground(Climate()), ground(Climate(mountain_factor=0.8))
    np.testing.assert_allclose(lower, 0.8 * true)
    smooth = ground(Climate(mountain_smoothing=10.0))
    share = spectral.power(smooth)[1:] / spectral.power(true)[1:]
    assert np.all(np.diff(share) < 0)


def test_balance_of_solid_rotation():
    """psi = -a U sin(lat) balances Phi = -Omega a U sin(lat)^2 plus a constant."""
    balance = surface.balance_matrix(21)
    psi = np.zeros((22, 2, 22))
    psi[0, 0, 1] = -1.0 / np.sqrt(3.0)  # psi = -sin(lat)
    phi = (psi @ balance)[0, 0]
    # -Omega sin^2 = -Omega (1/3 + 2/3 (3 sin^2 - 1) / 2), P2 normalised has a factor sqrt 5
    expected = np.zeros(22)
    expected[2] = -ROTATION * 2.0 / 3.0 / np.sqrt(5.0)
    np.testing.assert_allclose(phi, expected, atol=1e-18)


def test_balance_solves_its_equation_in_the_interior():
    """lap Phi = div(f grad psi), checked through the transforms for a wave well inside T21."""
    grid, quadrature = spectral.gaussian_pair(21, 32, 64)
    psi = np.zeros((22, 2, 22))
    psi[3, 0, 7], psi[3, 1, 6] = 1.0, -0.5
    f = 2.0 * ROTATION * grid.sin_latitude[:, None]
    east, north = spectral.gradient(grid, psi)
    right = spectral.divergence(quadrature, f * east, f * north)
    left = (psi @ surface.balance_matrix(21)) * spectral.laplacian(21)
    np.testing.assert_allclose(left, right, atol=1e-14)


def test_winds_are_geostrophic_away_from_the_equator(flow, place, state):
    """In solid rotation u = U cos(lat), whatever the layer."""
    psi = np.zeros_like(state.pv)
    speed = 20.0
    psi[:, 0, 0, 1] = -6.371e6 * speed / np.sqrt(3.0)
    pv = dynamics.potential_vorticity(flow, psi)
    air = surface.upper_air(place, flow, dynamics.State(pv, state.slow))
    expected = speed * np.cos(np.deg2rad(surface.LATITUDE))[:, None] + np.zeros((32, 64))
    np.testing.assert_allclose(air["u250"], expected, atol=1e-9)
    np.testing.assert_allclose(air["u750"], expected, atol=1e-9)
    np.testing.assert_allclose(air["v250"], 0.0, atol=1e-9)
    assert np.all(np.diff(air["z500"][:15, 0]) > 0)  # higher towards the equator
    assert np.all(np.diff(air["z500"][17:, 0]) < 0)


def test_sunshine():
    strength, wave = surface.sunshine(np.array(["2001-06-21T12", "2001-12-21T00"], "M8[s]"))
    assert strength.shape == (2, 32, 1)
    assert wave.shape == (2, 1, 64)
    assert strength[0, 0, 0] > 0.3  # midnight sun
    assert strength[1, 0, 0] == 0.0  # polar night
    # at 12 UTC it is 15 h at 45 degrees east; at 0 UTC at 225
    assert wave[0, 0].argmax() == 8
    assert wave[1, 0].argmax() == 40


def test_t2m_knows_land_sea_and_hour(flow, place, state):
    noon = surface.products(place, flow, state, np.array("2001-07-01T12", "M8[s]"))["t2m"]
    night = surface.products(place, flow, state, np.array("2001-07-01T00", "M8[s]"))["t2m"]
    swing = np.abs(noon - night)
    assert swing[place.land < 0.01].max() < 0.2
    assert swing[(place.land > 0.9) & (surface.LATITUDE[:, None] > 0)].max() > 4.0


def test_t2m_of_the_sea_follows_its_memory(flow, place, state):
    warm = dynamics.State(state.pv, 0.9 * state.slow)
    when = np.array("2001-01-01", "M8[s]")
    change = (
        surface.products(place, flow, warm, when)["t2m"]
        - surface.products(place, flow, state, when)["t2m"]
    )
    memory = (
        surface.upper_air(place, flow, warm)["sea"] - surface.upper_air(place, flow, state)["sea"]
    )
    sea = (place.land < 0.01) & (np.abs(memory) > 0.5)
    share = change[sea] / memory[sea]
    assert sea.sum() > 300
    assert share.min() > 0.1
    assert share.max() < 1.0


def test_cold_air_collects_in_hollows_but_not_without_limit(flow, place, state):
    when = np.array("2001-01-01", "M8[s]")
    air = surface.upper_air(place, flow, state)
    deep = replace(place, hollow=np.ones_like(place.hollow))
    flat = replace(place, hollow=np.zeros_like(place.hollow))
    pool = surface.near_surface(flat, air, when) - surface.near_surface(deep, air, when)
    assert pool.min() > -4.1
    assert 5.0 < pool.max() < 20.1


def test_a_biased_copy_is_warm_and_cold_by_terrain(flow, place, state):
    biased = surface.lay_ground(Climate(terrain_bias=1.0))
    when = np.array("2001-07-01", "M8[s]")
    difference = (
        surface.products(biased, flow, state, when)["t2m"]
        - surface.products(place, flow, state, when)["t2m"]
    )
    assert difference.min() < -0.3
    assert difference.max() > 0.3
    np.testing.assert_array_equal(biased.height, place.height)
