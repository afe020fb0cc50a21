"""A ridge regression for each point of the Iberian series, from all fields of the whole domain.

The strongest linear rival that the data allows: every output at every point has weights of its own
for all channels of both days at all points, and for the season. Fitted to the training years; the
ridge of each channel and lead time is the one that does best on the validation years.
"""

import numpy as np
import xarray as xr

from smoecast.fields.grid import grid_of
from smoecast.fields.times import JULIAN_YEAR_DAYS

RIDGES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Tried, in units of normalised predictors."""


def ridge(store: xr.Dataset, targets: list[str], leads: list[int], part: str) -> dict[str, float]:
    """Return the RMSE of each target and lead time (h) on a part of the split, area-weighted."""
    lasts = [store["train"], store["validation"], store[part]]
    last = max(int(np.flatnonzero(mask.values)[-1]) for mask in lasts)
    seen = store.isel(time=slice(0, last + 1))  # what comes later is not read
    fields, times = seen["fields"].values.astype(np.float64), seen["time"].values
    train = seen["train"].values
    mean = fields[train].mean(axis=(0, 2, 3), keepdims=True)
    spread = fields[train].std(axis=(0, 2, 3), keepdims=True)
    normal = (fields - mean) / spread
    predictors = _predictors(normal, times)
    names = [str(name) for name in seen["channel"].values]
    wanted = [names.index(target) for target in targets]
    weights = grid_of(seen).weights()
    scores = {}
    for hours in leads:
        ahead = hours // 24
        change = normal[ahead:, wanted] - normal[:-ahead, wanted]  # (T - ahead, D, H, W)

        def starts(of: str, ahead: int = ahead) -> np.ndarray:
            mask = seen[of].values
            both = np.flatnonzero(mask[:-ahead] & mask[ahead:])
            return both[both > 0]  # the day before is there

        inner, cross = _moments(predictors, change, starts("train"))
        solved = [np.linalg.solve(inner + r * np.eye(len(inner)), cross) for r in RIDGES]
        tried = [_errors(w, predictors, change, starts("validation"), weights) for w in solved]
        best = np.argmin(tried, axis=0)  # (D,)
        judged = {
            number: _errors(solved[number], predictors, change, starts(part), weights)
            for number in set(best.tolist())
        }
        for place, target in enumerate(targets):
            error = judged[int(best[place])][place] * spread[0, wanted[place], 0, 0]
            scores[f"{target} {hours} h"] = float(error)
    return scores


def _predictors(normal: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return both days and the season, (T, 2 C H W + 5); the first row has no day before."""
    flat = normal.reshape(len(normal), -1)
    angle = (times - times.astype("datetime64[Y]")) / np.timedelta64(1, "D") / JULIAN_YEAR_DAYS
    waves = [turn(2 * np.pi * n * angle) for n in (1, 2) for turn in (np.cos, np.sin)]
    return np.column_stack([flat, np.roll(flat, 1, axis=0), *waves, np.ones(len(flat))])


def _moments(
    predictors: np.ndarray, change: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    chosen = predictors[starts]
    return chosen.T @ chosen, chosen.T @ change[starts].reshape(len(starts), -1)


def _errors(
    solved: np.ndarray,
    predictors: np.ndarray,
    change: np.ndarray,
    starts: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Return the area-weighted RMSE of each output, (D,), normalised."""
    error = (predictors[starts] @ solved).reshape(change[starts].shape) - change[starts]
    rows = (error**2).mean(axis=(0, 3))  # (D, H)
    return np.sqrt((rows * weights).mean(axis=1))
