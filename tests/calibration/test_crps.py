"""CRPS of truncated normal and censored gamma: another library, gradients, certainty, limits."""

from typing import Any

import numpy as np
import pytest
import scoringrules
import torch
from scipy.integrate import quad
from scipy.stats import truncnorm

from smoecast.calibration.crps import (
    crps_csg,
    crps_truncated_normal,
    slopes_csg,
    slopes_truncated_normal,
)
from smoecast.scores.crps import crps_gaussian

RNG = np.random.default_rng(0)
LOCATION, SCALE = RNG.normal(3, 2, 2000), RNG.uniform(0.1, 4, 2000)
TRUTH = RNG.gamma(2, 2, 2000)
MEAN = RNG.gamma(1, 3, 2000) + 0.01
STD, SHIFT = MEAN * RNG.uniform(0.2, 2, 2000), RNG.uniform(0, 2, 2000)
DRY = np.where(np.arange(2000) % 3 == 0, 0.0, TRUTH)


def tensors(*arrays: Any) -> list[torch.Tensor]:
    return [torch.tensor(a, dtype=torch.float64) for a in arrays]


def test_truncated_normal_as_scoringrules_has_it() -> None:
    near = LOCATION > -SCALE  # beyond, scoringrules divides small numbers by each other
    truth, location, scale = TRUTH[near], LOCATION[near], SCALE[near]
    theirs = scoringrules.crps_tnormal(truth, location, scale, 0.0)
    ours = crps_truncated_normal(*tensors(location, scale, truth)).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_csg_as_scoringrules_has_it() -> None:
    ours = crps_csg(*tensors(MEAN, STD, SHIFT, DRY)).numpy()
    theirs = scoringrules.crps_csg0(DRY, (MEAN / STD) ** 2, scale=STD**2 / MEAN, shift=SHIFT)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("location", "scale", "truth"), [(-6, 1, 0.1), (-30, 1, 0.05)])
def test_a_location_far_below_zero(location: float, scale: float, truth: float) -> None:
    law = truncnorm(-location / scale, np.inf, location, scale)
    below = quad(lambda x: law.cdf(x) ** 2, 0, truth, epsabs=1e-13)[0]
    above = quad(lambda x: law.sf(x) ** 2, truth, truth + 2, epsabs=1e-13)[0]
    ours = crps_truncated_normal(*tensors(location, scale, truth))
    assert float(ours) == pytest.approx(below + above, abs=1e-9)


def test_far_from_zero_it_is_the_normal_one() -> None:
    ours = crps_truncated_normal(*tensors(280 + LOCATION, SCALE, 280 + TRUTH)).numpy()
    np.testing.assert_allclose(ours, crps_gaussian(280 + TRUTH, 280 + LOCATION, SCALE), atol=1e-12)


def test_a_negative_truth_adds_its_distance() -> None:
    at_zero = crps_truncated_normal(*tensors(1.0, 1.0, 0.0))
    assert float(crps_truncated_normal(*tensors(1.0, 1.0, -2.0)) - at_zero) == pytest.approx(2)


def test_certainty_scores_as_the_absolute_error() -> None:
    found = crps_truncated_normal(*tensors([1.0, -2.0, 3.0], [0.0] * 3, [3.0] * 3))
    np.testing.assert_array_equal(found, [2.0, 3.0, 0.0])
    found = crps_csg(*tensors([1.0, 1.0, 4.0], [0.0] * 3, [0.5, 2.0, 1.0], [3.0] * 3))
    np.testing.assert_array_equal(found, [2.5, 3.0, 0.0])
    near = crps_csg(*tensors(4.0, 2e-4, 1.0, 2.0))
    assert float(near) == pytest.approx(1.0 - 2e-4 / np.sqrt(np.pi), abs=1e-6)


def test_slopes_of_the_censored_gamma_are_its_derivatives() -> None:
    given, truth = tensors(MEAN, STD, SHIFT + 0.05), tensors(TRUTH)[0]
    _, *slopes = slopes_csg(*given, truth)
    for number, slope in enumerate(slopes):
        step = 1e-6 * given[number]
        ahead, behind = (
            crps_csg(*given[:number], given[number] + s * step, *given[number + 1 :], truth)
            for s in (1.0, -1.0)
        )
        torch.testing.assert_close(slope, (ahead - behind) / (2.0 * step), rtol=1e-5, atol=1e-6)


def test_slopes_at_certainty_are_finite() -> None:
    for slopes, values in (
        (slopes_truncated_normal, (1.0, 0.0, 3.0)),
        (slopes_csg, (1.0, 0.0, 0.0, 3.0)),
    ):
        assert all(torch.isfinite(slope) for slope in slopes(*tensors(*values)))


def test_slopes_of_the_truncated_normal_are_those_of_autograd() -> None:
    """Also where quotients of tails are taken apart, and on both sides of where that begins."""
    location = torch.cat([tensors(LOCATION)[0], torch.linspace(-40, -1, 2000)]).double()
    scale = torch.cat([tensors(SCALE)[0], torch.ones(2000)]).double()
    given = [part.requires_grad_() for part in (location, scale)]
    truth = torch.cat(tensors(TRUTH, 0.1 * TRUTH))
    score, *slopes = slopes_truncated_normal(*given, truth)
    wanted = torch.autograd.grad(score.sum(), given)
    for slope, derivative in zip(slopes, wanted, strict=True):
        torch.testing.assert_close(slope.detach(), derivative, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("score", [crps_truncated_normal, crps_csg])
def test_never_negative(score: Any) -> None:
    given = (LOCATION, SCALE, TRUTH) if score is crps_truncated_normal else (MEAN, STD, SHIFT, DRY)
    assert (score(*tensors(*given)) >= -1e-12).all()
