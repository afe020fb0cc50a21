"""`smoecast bench crps`: scores of ensembles and of single forecasts, from arrays in memory."""

from pathlib import Path
from typing import Any

from smoecast.tasks.bench.measuring.case import OURS, Case, Setting, Task, Way, Work
from smoecast.tasks.bench.measuring.peers import load

MEMBERS, STARTS, GRID = 20, 4, (121, 240)


def _ensemble(setting: Setting) -> tuple[Any, Any]:
    """Return members (number, start, latitude, longitude) and truth, float32."""
    import numpy as np

    rng = np.random.default_rng(0)
    shape = (2, 8, 16) if setting.quick else (STARTS, *GRID)
    members = 280 + rng.standard_normal((MEMBERS, *shape), np.float32)
    return members, 280 + rng.standard_normal(shape, np.float32)


def _label(members: Any, truth: Any) -> tuple[Any, Any]:
    """Return both as xarray has them."""
    import xarray as xr

    dims = ("start", "latitude", "longitude")
    return xr.DataArray(members, dims=("member", *dims)), xr.DataArray(truth, dims=dims)


def _crps_by_smoecast(setting: Setting) -> Work:
    from smoecast.scores.crps import crps_ensemble

    members, truth = _ensemble(setting)
    return lambda _: crps_ensemble(truth, members, axis=0)


def _crps_by_scoringrules(setting: Setting) -> Work:
    score = load("scoringrules").crps_ensemble
    members, truth = _ensemble(setting)
    return lambda _: score(truth, members, m_axis=0)


def _crps_by_xskillscore(setting: Setting) -> Work:
    score = load("xskillscore").crps_ensemble
    members, truth = _label(*_ensemble(setting))
    return lambda _: score(truth, members, dim=[]).values


def _ranks_by_smoecast(setting: Setting) -> Work:
    import numpy as np

    from smoecast.scores.ensemble import ranks

    members, truth = _ensemble(setting)

    def work(_: Path) -> Any:
        found = ranks(truth, members, 0, np.random.default_rng(0))
        return np.bincount(found.ravel(), minlength=MEMBERS + 1)

    return work


def _ranks_by_xskillscore(setting: Setting) -> Work:
    count = load("xskillscore").rank_histogram
    members, truth = _label(*_ensemble(setting))
    return lambda _: count(truth, members).values


def _forecasts(setting: Setting) -> tuple[Any, Any, Any, Any]:
    """Return forecasts, truth and climatology (start, lead, latitude, longitude), and weights."""
    import numpy as np

    rng = np.random.default_rng(0)
    shape = (3, 2, 8, 16) if setting.quick else (30, 4, *GRID)
    climate = 280 + rng.standard_normal(shape, np.float32)
    truth = climate + rng.standard_normal(shape, np.float32)
    forecast = truth + rng.standard_normal(shape, np.float32)
    weights = np.cos(np.deg2rad(np.linspace(90, -90, shape[2])))
    return forecast, truth, climate, weights / weights.mean()


def _scores_by_smoecast(setting: Setting) -> Work:
    import numpy as np

    from smoecast.scores.aggregate import partial
    from smoecast.scores.statistics import forecast_scores, forecast_statistics

    forecast, truth, climate, weights = _forecasts(setting)

    def work(_: Path) -> Any:
        points = forecast_statistics(forecast, truth, climate)
        sums = {n: partial(p, weights[:, None], (0, 2, 3)) for n, p in points.items()}
        scores = forecast_scores(sums)
        return np.stack([scores["rmse"], scores["acc"]])

    return work


def _scores_by_xarray(setting: Setting) -> Work:
    """Compute what WeatherBench-X's `RMSE`, `MAE`, `Bias` and `ACC` are defined to be.

    Their statistics are taken at each point, then averaged over starts and, by area, over space;
    the root and the ratio come last (Rasp et al. 2024, arXiv 2308.15560; google-research/
    weatherbenchX, ``metrics/deterministic.py``). Six statistics; ours are eight.
    """
    import numpy as np
    import xarray as xr

    dims = ("start", "lead", "latitude", "longitude")
    *fields, rows = _forecasts(setting)
    forecast, truth, climate = (xr.DataArray(values, dims=dims) for values in fields)
    weights = xr.DataArray(rows, dims="latitude")
    over = ("start", "latitude", "longitude")

    def work(_: Path) -> Any:
        ahead, actual = forecast - climate, truth - climate
        error = forecast - truth
        statistics = {
            "squared": error**2,
            "absolute": abs(error),
            "error": error,
            "cross": ahead * actual,
            "own": ahead**2,
            "true": actual**2,
        }
        mean = {name: value.weighted(weights).mean(over) for name, value in statistics.items()}
        acc = mean["cross"] / np.sqrt(mean["own"] * mean["true"])
        return np.stack([np.sqrt(mean["squared"]), acc])

    return work


def _tasks(setting: Setting) -> dict[str, Task]:
    crps = {
        OURS: Way(_crps_by_smoecast),
        "scoringrules": Way(_crps_by_scoringrules, "scoringrules"),
        "xskillscore": Way(_crps_by_xskillscore, "xskillscore"),
    }
    histogram = {
        OURS: Way(_ranks_by_smoecast),
        "xskillscore": Way(_ranks_by_xskillscore, "xskillscore"),
    }
    scores = {
        OURS: Way(_scores_by_smoecast),
        "xarray, the statistics of WeatherBench-X": Way(_scores_by_xarray),
    }
    return {
        "CRPS, 20 members, 116,160 points": Task(crps),
        "rank histogram, 20 members, 116,160 points": Task(histogram),
        "RMSE, MAE, bias and ACC, 120 fields": Task(scores),
    }


CASE = Case("scores", _tasks)
