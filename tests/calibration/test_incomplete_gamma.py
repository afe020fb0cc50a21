"""The incomplete gamma function, its slope, and log-gamma: scipy and mpmath."""

import mpmath
import numpy as np
import pytest
from scipy.special import gammainc, gammaln, psi

from smoecast.calibration.incomplete_gamma import incomplete_gamma, log_gamma

RNG = np.random.default_rng(0)
SHAPE = np.exp(RNG.uniform(np.log(1e-6), np.log(300.0), 20_000))
AT = SHAPE * np.exp(RNG.normal(0, 1.5, 20_000)) + RNG.uniform(0, 1, 20_000)


def find(shape: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, ...]:
    return incomplete_gamma(shape, x, *log_gamma(shape + 1.0))


def test_log_gamma_and_its_slope_as_scipy_has_them() -> None:
    x = np.exp(RNG.uniform(-10, 8, 10_000))
    value, slope = log_gamma(x)
    np.testing.assert_allclose(value, gammaln(x), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(slope, psi(x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("count", [20_000, 50])
def test_the_function_as_scipy_has_it(count: int) -> None:
    """Of many values most are summed, of few most are asked for."""
    shape, x = SHAPE[:count], AT[:count]
    value, _, step = find(shape, x)
    np.testing.assert_allclose(value, gammainc(shape, x), rtol=1e-10, atol=1e-300)
    np.testing.assert_allclose(value - step, gammainc(shape + 1.0, x), rtol=1e-9, atol=1e-12)


def test_the_slope_as_mpmath_has_it() -> None:
    """To ten digits where x is small, to eight where it is not."""
    some = slice(None, None, 100)
    shape, x, slope = SHAPE[some], AT[some], find(SHAPE, AT)[1][some]
    wanted = [
        float(mpmath.diff(lambda a, x=x: mpmath.gammainc(a, 0, x, regularized=True), a))
        for a, x in zip(shape.tolist(), x.tolist(), strict=True)
    ]
    error, summed = np.abs(slope - wanted), x < 10.0
    assert error[summed].max() < 1e-10
    assert error[~summed].max() < 1e-8


@pytest.mark.parametrize("shape", [9.0, 1e3, 1e6])
@pytest.mark.parametrize("away", [-5.0, -1.0, 0.5, 4.0])
def test_a_great_shape_as_mpmath_has_it(shape: float, away: float) -> None:
    """There scipy loses half of its digits: its series ends too soon."""
    x = max(shape + away * shape**0.5, 0.6 * shape)
    with mpmath.workdps(40):
        edges = mpmath.linspace(max(0.0, shape - 14 * shape**0.5), x, 9)

        def mass(a: mpmath.mpf) -> mpmath.mpf:
            log = mpmath.loggamma(a)
            return mpmath.quad(lambda t: mpmath.exp((a - 1) * mpmath.log(t) - t - log), edges)

        step = mpmath.mpf(shape) * mpmath.mpf(10) ** -9
        wanted = float(mass(mpmath.mpf(shape)))
        slope = float((mass(shape + step) - mass(shape - step)) / (2 * step))
    value, found, _ = find(np.array([shape]), np.array([x]))
    np.testing.assert_allclose(value, wanted, rtol=1e-10)
    np.testing.assert_allclose(found, slope, rtol=1e-8)


def test_limits() -> None:
    shape, x = np.array([0.5, 1e-9, 3.0, 1e9]), np.array([0.0, 0.0, 1e6, 1.0])
    value, slope, step = find(shape, x)
    np.testing.assert_array_equal(value, [0.0, 0.0, 1.0, 0.0])
    np.testing.assert_array_equal(slope, np.zeros(4))
    np.testing.assert_array_equal(step, np.zeros(4))
    assert np.isnan(find(np.array([1.0]), np.array([np.nan]))[0]).all()
    assert find(np.empty(0), np.empty(0))[0].shape == (0,)
