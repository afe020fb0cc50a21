"""Slopes of a censored gamma distribution in blocks: where one ends, and among certain cases."""

import numpy as np
import pytest

from smoecast.calibration import csg_slopes
from smoecast.calibration.csg_slopes import slopes_of_cases

RNG = np.random.default_rng(0)
MEAN = RNG.gamma(1, 3, 500) + 0.01
STD, SHIFT = MEAN * np.exp(RNG.uniform(-9, 1, 500)), RNG.uniform(0, 2, 500)
DRY = np.where(np.arange(500) % 3 == 0, 0.0, RNG.gamma(2, 2, 500))


def test_a_case_does_not_depend_on_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on which sums others of the block are worth."""
    whole = slopes_of_cases(MEAN, STD, SHIFT, DRY)
    monkeypatch.setattr(csg_slopes, "_BLOCK", 7)
    np.testing.assert_allclose(slopes_of_cases(MEAN, STD, SHIFT, DRY), whole, rtol=1e-7, atol=1e-9)


def test_a_certain_case_leaves_the_others_alone() -> None:
    alone = slopes_of_cases(MEAN, STD, SHIFT, DRY)
    std = np.where(np.arange(500) % 5 == 0, 0.0, STD)
    mixed = slopes_of_cases(MEAN, std, SHIFT, DRY)
    np.testing.assert_allclose(mixed[:, std > 0], alone[:, std > 0], rtol=1e-7, atol=1e-9)
    score, by_mean, by_std, by_shift = mixed[:, std == 0]
    error = np.maximum(MEAN - SHIFT, 0.0)[std == 0] - DRY[std == 0]
    np.testing.assert_array_equal(score, np.abs(error))
    np.testing.assert_array_equal(by_mean, -by_shift)
    assert not by_std.any()
