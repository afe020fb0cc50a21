"""The flow: conservation laws without forcing, inversion, seasons."""

from dataclasses import replace

import numpy as np
import pytest

from smoecast.data.sources.planet import dynamics, spectral
from smoecast.data.sources.planet.climate import RADIUS, Climate

T = 21


@pytest.fixture(scope="module")
def flow():
    return dynamics.build(Climate())


@pytest.fixture(scope="module")
def frictionless():
    """No forcing, friction or diffusion; f and mountains remain."""
    whole = dynamics.build(Climate())
    zero = np.zeros_like(whole.relax_own)
    return replace(
        whole,
        relax_own=zero,
        relax_other=zero,
        friction=np.zeros_like(whole.friction),
        forcing=np.zeros_like(whole.forcing),
    )


@pytest.fixture
def pv():
    rng = np.random.default_rng(5)
    m, n = np.arange(T + 1)[:, None], np.arange(T + 1)[None, :]
    eddies = 1e-5 * rng.standard_normal((2, T + 1, 2, T + 1)) * ((n >= m) & (n > 0))[:, None, :]
    eddies[:, 0, 1] = 0.0
    return eddies


def product(a, b):
    """Mean over the sphere of the product of two fields, summed over all but the first axis."""
    twice = np.where(np.arange(T + 1) > 0, 2.0, 1.0)[:, None, None]
    return np.sum(twice * a * b, axis=(1, 2, 3))


def test_inversion_round_trip(flow, pv):
    psi = dynamics.streamfunction(flow, pv)
    np.testing.assert_allclose(dynamics.potential_vorticity(flow, psi), pv, atol=1e-18)
    np.testing.assert_allclose(psi[0] - psi[1], dynamics.thickness(flow, pv), rtol=1e-9, atol=1e-6)


def test_jacobian_has_no_mean(frictionless, pv):
    change = dynamics.tendency(frictionless, pv, frictionless.forcing[0])
    assert np.abs(change[:, 0, 0, 0]).max() < 1e-14 * np.abs(change).max()


def test_energy_and_enstrophy_are_conserved(frictionless, pv):
    change = dynamics.tendency(frictionless, pv, frictionless.forcing[0])
    psi = dynamics.streamfunction(frictionless, pv)
    energy = product(psi, change)
    assert abs(energy.sum()) < 1e-12 * np.abs(psi * change).sum()
    q = pv + frictionless.background
    enstrophy = product(q, change)
    assert np.abs(enstrophy).max() < 1e-12 * np.abs(q * change).sum()


def test_the_energy_error_of_a_day_falls_with_the_order_of_the_scheme(frictionless, pv):
    def drift(length):
        climate = replace(frictionless.climate, step=length)
        flow, state = replace(frictionless, climate=climate), 0.3 * pv
        for _ in range(round(86400 / length)):
            state = dynamics.step(flow, state, flow.forcing[0])
        before, after = (
            -product(dynamics.streamfunction(flow, q), q).sum() for q in (0.3 * pv, state)
        )
        return abs(after / before - 1.0)

    coarse, fine = drift(3600.0), drift(1800.0)
    assert fine < 1e-3
    assert coarse / fine > 12.0


def test_a_zonal_flow_stays_where_it_is(frictionless):
    flat = replace(frictionless, background=frictionless.background[[0, 0]])
    zonal = np.zeros((2, T + 1, 2, T + 1))
    zonal[:, 0, 0, 1:8] = 1e-5
    assert np.abs(dynamics.tendency(flat, zonal, flat.forcing[0])).max() < 1e-22


def test_rossby_haurwitz_wave_moves_with_its_known_speed(frictionless):
    """A barotropic wave of one total wavenumber drifts west at 2 Omega / (n (n + 1))."""
    flat = replace(frictionless, background=frictionless.background[[0, 0]])
    n, m = 5, 4
    wave = np.zeros((2, T + 1, 2, T + 1))
    wave[:, m, 0, n] = 1e-6
    change = dynamics.tendency(flat, wave, flat.forcing[0])
    drift = 2.0 * 7.292e-5 / (n * (n + 1))
    np.testing.assert_allclose(change[:, m, 1, n], m * drift * wave[:, m, 0, n], rtol=1e-10)


def test_friction_takes_energy_from_the_lower_layer(frictionless, flow, pv):
    rough = replace(frictionless, friction=flow.friction)
    change = dynamics.tendency(rough, pv, flow.forcing[0] * 0.0)
    psi = dynamics.streamfunction(rough, pv)
    assert -product(psi, change).sum() < 0.0


def test_relaxation_pulls_towards_equilibrium(flow):
    tau = dynamics.equilibrium_thickness(flow, 0.3)
    psi = np.stack([tau, np.zeros_like(tau)])
    at_rest = dynamics.potential_vorticity(flow, psi)
    forcing = flow.forcing[0] + 0.3 * flow.forcing[1]
    linear = flow.relax_own * at_rest + flow.relax_other * at_rest[::-1]
    heating = linear[0] + forcing
    damping = 1.0 / (flow.climate.diffusion_days * dynamics.DAY)
    n = np.arange(T + 1)
    expected = -damping * (n * (n + 1.0) / (T * (T + 1.0))) ** 4 * at_rest[0]
    # the mean is left out: it carries no flow
    np.testing.assert_allclose(heating[..., 1:], expected[..., 1:], atol=1e-18)


def test_leading_axes_do_not_mix(flow, pv):
    both = np.stack([pv, 2.0 * pv])
    change = dynamics.tendency(flow, both, flow.forcing[0])
    alone = dynamics.tendency(flow, 2.0 * pv, flow.forcing[0])
    np.testing.assert_allclose(change[1], alone, rtol=1e-9, atol=1e-22)


def test_season_is_a_cosine_from_mid_january():
    assert dynamics.season(np.datetime64("2001-01-16")) == pytest.approx(1.0, abs=1e-4)
    assert dynamics.season(np.datetime64("2004-07-16T12")) == pytest.approx(-1.0, abs=1e-3)


def test_the_lower_layer_feels_mountains_and_f(flow):
    grid = flow.grid
    f1, f2 = spectral.synthesise(grid, flow.background)
    np.testing.assert_allclose(f1, 2 * 7.292e-5 * grid.sin_latitude[:, None] + 0 * f1, atol=1e-15)
    assert np.abs(f2 - f1).max() > 2e-5
    assert RADIUS == 6.371e6
