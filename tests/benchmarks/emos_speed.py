"""EMOS for every point of a global grid at once, against a loop of scipy's optimisers over points.

Run ``python tests/benchmarks/emos_speed.py``. Synthetic ensembles of 100 starts on 361 x 720
points; both fit the same four coefficients a point, of least CRPS, with one thread. scipy sees a
sample of the points, from the same first guess, and its time is scaled to all of them: BFGS with
the exact gradient, BFGS with differences, and Nelder-Mead, which IMPROVER uses for its EMOS (there
with a looser tolerance).
"""

import argparse
import time

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import ndtr

from smoecast.calibration import emos
from smoecast.scores.crps import crps_gaussian

WAYS = {
    "BFGS, exact gradient": {"method": "BFGS", "jac": True},
    "BFGS, differences": {"method": "BFGS"},
    "Nelder-Mead": {"method": "Nelder-Mead", "options": {"xatol": 1e-4, "fatol": 1e-6}},
}


def synthetic(dates, space):
    """Two members a date that have the wanted mean and variance, and a truth, all float32."""
    rng = np.random.default_rng(0)
    mean = rng.standard_normal((dates, *space), np.float32) * 4
    half = rng.uniform(0.3, 1.5, (dates, *space)).astype(np.float32) / np.sqrt(2, dtype=np.float32)
    slope = rng.uniform(0.7, 1.1, space).astype(np.float32)
    offset = rng.normal(0, 1.5, space).astype(np.float32)
    std = np.sqrt(0.25 + 2 * half**2)
    truth = offset + slope * mean + std * rng.standard_normal((dates, *space), np.float32)
    return np.stack([mean - half, mean + half], axis=1), truth


def loss(theta, mean, variance, truth, exact):
    """Mean CRPS of one point, and its gradient if asked for."""
    a, b, c, d = theta
    std = np.sqrt(c * c + d * d * variance)
    error = truth - a - b * mean
    z = error / std
    below, density = ndtr(z), np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    score = (error * (2 * below - 1) + std * (2 * density - 1 / np.sqrt(np.pi))).mean()
    if not exact:
        return score
    by_mean, by_std = 1 - 2 * below, (2 * density - 1 / np.sqrt(np.pi)) / std
    parts = (by_mean, by_mean * mean, by_std * c, by_std * d * variance)
    return score, np.array([part.mean() for part in parts])


def by_scipy(members, truth, points, way):
    """CPU seconds for these points (flat numbers), and the mean CRPS reached."""
    mean, variance = members.mean(1, dtype=np.float64), members.var(1, ddof=1, dtype=np.float64)
    began, scores = time.process_time(), []
    for point in range(points):
        given = (mean[:, point], variance[:, point], truth[:, point], "jac" in way)
        scores.append(minimize(loss, [0.0, 1.0, 0.5, 1.0], given, **way).fun)
    return time.process_time() - began, np.mean(scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dates", type=int, default=100)
    parser.add_argument("--rows", type=int, default=361)
    parser.add_argument("--sample", type=int, default=100)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    space = (settings.rows, 720)
    members, truth = synthetic(settings.dates, space)
    began = time.process_time()
    fitted = emos.fit(members, truth, where="local", shrinkage=1e-6, folds=0)
    ours = time.process_time() - began
    # the sample: points of the first row
    few, true = members[:, :, 0, : settings.sample], truth[:, 0, : settings.sample].astype("f8")
    mean, std = few.mean(1, dtype="f8"), few.std(1, ddof=1, dtype="f8")
    a, b, c, d = (v[0, : settings.sample] for v in fitted.to_tensors().values())
    score = crps_gaussian(true, a + b * mean, np.sqrt(c**2 + d**2 * std**2)).mean()
    count = space[0] * space[1]
    print(f"smoecast: {ours:.1f} s for {count} points; CRPS of the sample {score:.6f}")
    for words, way in WAYS.items():
        seconds, reached = by_scipy(few, true, settings.sample, way)
        whole = seconds / settings.sample * count
        print(
            f"scipy, {words}: {seconds:.2f} s for {settings.sample} points, {whole:.0f} s for all, "
            f"{whole / ours:.0f} times as long; CRPS of the sample {reached:.6f}"
        )


if __name__ == "__main__":
    main()
