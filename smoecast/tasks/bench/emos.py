"""`smoecast bench emos`: coefficients of least CRPS at each point of a grid.

scipy goes from point to point, over a few of them, and its time is scaled to all. The other
distributions, and member by member, have no peer: they are set beside the normal distribution.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoecast.tasks.bench.measuring.case import OURS, Case, Setting, Task, Way, Work

if TYPE_CHECKING:
    from smoecast.calibration.distributions import Name

STARTS, GRID, POINTS = 100, (91, 180), 30
FORMS = {
    "scipy, Nelder-Mead as IMPROVER has it": {
        "method": "Nelder-Mead",
        "tol": 0.02,
        "options": {"maxiter": 1000},
    },
    "scipy, BFGS with the exact gradient": {"method": "BFGS", "jac": True},
}
"""Of `scipy.optimize.minimize`. IMPROVER's are the defaults of its
``EstimateCoefficientsForEnsembleCalibration``: tolerance 0.02, at most 1000 iterations."""
NORMAL = "the normal distribution"
SMALL = (20, 36)
"""Points that all distributions are fitted at."""


def _shape(setting: Setting) -> tuple[int, int]:
    return (4, 8) if setting.quick else GRID


def make_ensemble(setting: Setting) -> tuple[Any, Any]:
    """Return two members a start that have the wanted mean and variance, and a truth, float32."""
    import numpy as np

    rng, space = np.random.default_rng(0), _shape(setting)
    starts = 20 if setting.quick else STARTS
    mean = rng.standard_normal((starts, *space), np.float32) * 4
    half = rng.uniform(0.3, 1.5, (starts, *space)).astype(np.float32) / np.float32(np.sqrt(2))
    slope = rng.uniform(0.7, 1.1, space).astype(np.float32)
    offset = rng.normal(0, 1.5, space).astype(np.float32)
    std = np.sqrt(0.25 + 2 * half**2)
    truth = offset + slope * mean + std * rng.standard_normal((starts, *space), np.float32)
    return np.stack([mean - half, mean + half], axis=1), truth


def mean_crps(
    coefficients: Any, mean: Any, variance: Any, truth: Any, *, exact: bool = False
) -> Any:
    """Return the mean CRPS at one point, and its gradient if asked for."""
    import numpy as np
    from scipy.special import ndtr

    a, b, c, d = coefficients
    std = np.sqrt(c * c + d * d * variance)
    error = truth - a - b * mean
    z = error / std
    below, density = ndtr(z), np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    sharpness = 2 * density - 1 / np.sqrt(np.pi)
    score = (error * (2 * below - 1) + std * sharpness).mean()
    if not exact:
        return score
    by_mean, by_std = 1 - 2 * below, sharpness / std
    parts = (by_mean, by_mean * mean, by_std * c, by_std * d * variance)
    return score, np.array([part.mean() for part in parts])


def _by_smoecast(setting: Setting) -> Work:
    from smoecast.calibration import emos

    members, truth = make_ensemble(setting)

    def work(_: Path) -> Any:
        fitted = emos.fit(members, truth, where="local", shrinkage=1e-6, folds=0)
        return [values[0].item() for values in _first_row(fitted)]

    return work


def _first_row(fitted: Any) -> list[Any]:
    return [values.reshape(-1) for values in fitted.to_tensors().values()]


def _by_scipy(form: dict[str, Any], setting: Setting) -> Work:
    import numpy as np
    from scipy.optimize import minimize

    members, truth = make_ensemble(setting)
    many = members.shape[:2]
    mean = members.reshape(*many, -1).mean(1, dtype=np.float64)
    variance = members.reshape(*many, -1).var(1, ddof=1, dtype=np.float64)
    truth = truth.reshape(len(truth), -1).astype(np.float64)
    loss = partial(mean_crps, exact=form.get("jac", False))

    def work(_: Path) -> Any:
        found = []
        for point in range(_count(setting)):
            given = (mean[:, point], variance[:, point], truth[:, point])
            slope, offset = np.polyfit(given[0], given[2], 1)
            # IMPROVER begins with the line through the means, and with the raw spread
            begin = [offset, slope, 0.0, 1.0]
            found.append(minimize(loss, begin, args=given, **form).x)
        return list(found[0])

    return work


def draw(what: str, setting: Setting) -> tuple[Any, Any]:
    """Return ten members of wind or rain a start, and a truth, none of them negative."""
    import numpy as np

    rng = np.random.default_rng(0)
    starts, space = (20, (2, 3)) if setting.quick else (STARTS, SMALL)
    shape = (starts, 10, *space)
    if what == "wind":
        middle = rng.gamma(4, 1.2, (starts, 1, *space))
        members = np.maximum(middle + rng.normal(0, 0.7, shape), 0)
        return members, np.maximum(0.9 * middle[:, 0] + rng.normal(-0.5, 1.2, (starts, *space)), 0)
    wet = rng.gamma(0.6, 4.0, (starts, 1, *space))
    members = np.maximum(wet * rng.lognormal(0, 0.5, shape) - 0.5, 0)
    return members, np.maximum(0.7 * wet[:, 0] * rng.lognormal(0, 0.7, (starts, *space)) - 0.5, 0)


def _by_distribution(name: "Name", what: str, setting: Setting) -> Work:
    from smoecast.calibration import emos

    members, truth = draw(what, setting)

    def work(_: Path) -> Any:
        fit = partial(emos.fit, members, truth, where="local", shrinkage=1e-6, folds=0)
        return fit(distribution=name).to_tensors()

    return work


def _by_members(setting: Setting) -> Work:
    from smoecast.calibration import mbm

    members, truth = draw("wind", setting)

    def work(_: Path) -> Any:
        return mbm.fit(members, truth, where="local", shrinkage=1e-6, folds=0).to_tensors()

    return work


def _count(setting: Setting) -> int:
    return 2 if setting.quick else POINTS


def _tasks(setting: Setting) -> dict[str, Task]:
    rows, columns = _shape(setting)
    share = _count(setting) / (rows * columns)
    peers = {name: Way(partial(_by_scipy, form), share=share) for name, form in FORMS.items()}
    ours = {
        f"{OURS}, truncated normal": Way(partial(_by_distribution, "truncated_normal", "wind")),
        f"{OURS}, member by member": Way(_by_members),
        f"{OURS}, censored gamma": Way(partial(_by_distribution, "csg", "rain")),
    }
    normal = Way(partial(_by_distribution, "normal", "wind"))
    return {
        "local, normal, 91 x 180 points": Task({OURS: Way(_by_smoecast), **peers}),
        "local, 720 points": Task({**ours, NORMAL: normal}, tuple(ours)),
    }


CASE = Case("EMOS at every point", _tasks, rounds=3)
