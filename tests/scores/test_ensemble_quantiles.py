"""Quantiles of members: numpy's, also where some are missing."""

import numpy as np

from smoecast.scores.ensemble import member_quantiles


def test_quantiles_are_those_of_numpy() -> None:
    members = np.random.default_rng(1).normal(size=(13, 3, 4)).astype(np.float32)
    members[:5, 0, 0] = np.nan
    levels = np.array([0.0, 0.1, 0.5, 0.99, 1.0])
    expected = np.nanquantile(members.astype(np.float64), levels, axis=0)
    np.testing.assert_allclose(member_quantiles(members, levels), expected, rtol=1e-6)
    members[:, 1, 1] = np.nan
    assert np.isnan(member_quantiles(members, levels)[:, 1, 1]).all()
