"""EMOS: ours and scipy's come to the same coefficients."""

from pathlib import Path

import numpy as np
from quick_bench import do_all

from smoecast.scores.crps import crps_gaussian
from smoecast.tasks.bench.emos import make_ensemble, mean_crps
from smoecast.tasks.bench.measuring.case import OURS, Setting


def test_all_come_to_the_same_score(tmp_path: Path) -> None:
    ways, others = do_all("emos", tmp_path).values()
    assert len(others) == 4
    for coefficients in others.values():
        assert {values.shape for values in coefficients.values()} == {(2, 3)}
        assert all(np.isfinite(values).all() for values in coefficients.values())
    members, truth = make_ensemble(Setting(tmp_path, quick=True))
    given = members[:, :, 0, 0].mean(1), members[:, :, 0, 0].var(1, ddof=1), truth[:, 0, 0]
    scores = {name: mean_crps(found, *given) for name, found in ways.items()}
    assert all(score < 1.02 * scores[OURS] for score in scores.values())
    assert scores["scipy, BFGS with the exact gradient"] == np.float64(scores[OURS]).round(3) or (
        abs(scores["scipy, BFGS with the exact gradient"] / scores[OURS] - 1) < 1e-3
    )


def test_the_score_that_scipy_makes_small() -> None:
    rng = np.random.default_rng(0)
    mean, variance, truth = rng.normal(size=9), rng.uniform(0.5, 2, 9), rng.normal(size=9)
    at = np.array([0.2, 0.9, 0.3, 0.8])
    std = np.sqrt(at[2] ** 2 + at[3] ** 2 * variance)
    score, gradient = mean_crps(at, mean, variance, truth, exact=True)
    assert np.isclose(score, crps_gaussian(truth, at[0] + at[1] * mean, std).mean())
    for index, step in enumerate(1e-6 * np.eye(4)):
        ahead, behind = (mean_crps(at + s, mean, variance, truth) for s in (step, -step))
        assert np.isclose((ahead - behind) / 2e-6, gradient[index])
