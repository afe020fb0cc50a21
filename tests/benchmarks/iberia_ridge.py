"""Linear regressions of the Iberian series: what place is worth, and the strongest linear rival.

Run ``python tests/benchmarks/iberia_ridge.py STORE`` for the RMSE on the validation years of three
regressions from all channels of two days and the season: from 3 x 3 points with coefficients that
all points share, the same with coefficients of each point's own, and from all points of the domain
with coefficients of each point's own. Fitted to the training years; the ridge of each channel and
lead time is the one that does best on the validation years.
"""

import sys
from pathlib import Path

import numpy as np
import xarray as xr

from smoecast.fields.grid import grid_of
from smoecast.fields.store.store import open_store
from smoecast.fields.times import JULIAN_YEAR_DAYS

RIDGES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Tried, in units of normalised predictors."""
TARGETS, LEADS = ["z500", "t850", "msl", "t2m"], [24, 72]


class Series:
    """The normalised fields of a store up to the end of one of its parts; later ones are not read.

    Parameters
    ----------
    store : xr.Dataset
        Daily fields, with the masks of the split.
    targets : list of str
        Channels that are predicted, D of them.
    part : str
        The part that is scored.
    """

    def __init__(self, store: xr.Dataset, targets: list[str], part: str) -> None:
        masks = [store[name].values for name in ("train", "validation", part)]
        last = max(int(np.flatnonzero(mask)[-1]) for mask in masks)
        seen = store.isel(time=slice(0, last + 1))
        fields = seen["fields"].values.astype(np.float64)
        self.masks = {name: seen[name].values for name in ("train", "validation", part)}
        train = self.masks["train"]
        mean, spread = (f(fields[train], axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
        names = [str(name) for name in seen["channel"].values]
        self.wanted = [names.index(target) for target in targets]
        self.normal = (fields - mean) / spread  # (T, C, H, W)
        self.units = spread[0, self.wanted, 0, 0]
        self.weights = grid_of(seen).weights()
        self.season = season(seen["time"].values)

    def change(self, ahead: int) -> np.ndarray:
        """Return the change of the targets over so many days, (T - ahead, D, H, W)."""
        return self.normal[ahead:, self.wanted] - self.normal[:-ahead, self.wanted]

    def starts(self, part: str, ahead: int) -> np.ndarray:
        """Return the starts within a part whose day before and target are there."""
        mask = self.masks[part]
        both = np.flatnonzero(mask[:-ahead] & mask[ahead:])
        return both[both > 0]

    def rmse(self, squares: np.ndarray) -> np.ndarray:
        """Return the area-weighted RMSE (D,) in SI units from mean squares (D, H, W)."""
        return np.sqrt((squares.mean(axis=2) * self.weights).mean(axis=1)) * self.units


def season(times: np.ndarray) -> np.ndarray:
    """Return two waves of the year and a constant, (T, 5)."""
    angle = (times - times.astype("datetime64[Y]")) / np.timedelta64(1, "D") / JULIAN_YEAR_DAYS
    waves = [turn(2 * np.pi * n * angle) for n in (1, 2) for turn in (np.cos, np.sin)]
    return np.column_stack([*waves, np.ones(len(angle))])


def both_days(normal: np.ndarray) -> np.ndarray:
    """Return fields beside those of the day before, (T, 2 C, H, W); the first has no day before."""
    return np.concatenate([normal, np.roll(normal, 1, axis=0)], axis=1)


def ridge(store: xr.Dataset, targets: list[str], leads: list[int], part: str) -> dict[str, float]:
    """Return the RMSE of the regression from all points, by target and lead time (h), on a part."""
    series = Series(store, targets, part)
    flat = both_days(series.normal).reshape(len(series.normal), -1)
    predictors = np.column_stack([flat, series.season])
    scores = {}
    for hours in leads:
        ahead = hours // 24
        change = series.change(ahead)
        train, validation = series.starts("train", ahead), series.starts("validation", ahead)
        x = predictors[train]
        inner, cross = x.T @ x, x.T @ change[train].reshape(len(train), -1)

        def errors(weights: np.ndarray, starts: np.ndarray, of: np.ndarray = change) -> np.ndarray:
            error = (predictors[starts] @ weights).reshape(of[starts].shape) - of[starts]
            return series.rmse((error**2).mean(axis=0))

        solved = [np.linalg.solve(inner + r * np.eye(len(inner)), cross) for r in RIDGES]
        best = np.argmin([errors(weights, validation) for weights in solved], axis=0)  # (D,)
        judged = [errors(weights, series.starts(part, ahead)) for weights in solved]
        for place, target in enumerate(targets):
            scores[f"{target} {hours} h"] = float(judged[best[place]][place])
    return scores


def near(store: xr.Dataset, own: bool) -> dict[str, float]:
    """Return the validation RMSE of a regression from 3 x 3 points, each with its own or not."""
    series = Series(store, TARGETS, "validation")
    around = np.pad(both_days(series.normal), ((0, 0), (0, 0), (1, 1), (1, 1)))
    points = list(np.ndindex(series.normal.shape[2:]))

    def seen(i: int, j: int, starts: np.ndarray) -> np.ndarray:
        window = around[starts, :, i : i + 3, j : j + 3].reshape(len(starts), -1)
        return np.column_stack([window, series.season[starts]])

    scores = {}
    for hours in LEADS:
        ahead = hours // 24
        change = series.change(ahead)
        train, validation = series.starts("train", ahead), series.starts("validation", ahead)
        moments = {}
        for i, j in points:
            x = seen(i, j, train)
            moments[i, j] = x.T @ x, x.T @ change[train][:, :, i, j]
        if not own:
            pooled = [sum(part) for part in zip(*moments.values(), strict=True)]
            moments = dict.fromkeys(points, tuple(pooled))
        squares = np.zeros((len(RIDGES), *change.shape[1:]))
        for i, j in points:
            inner, cross = moments[i, j]
            x, y = seen(i, j, validation), change[validation][:, :, i, j]
            for number, strength in enumerate(RIDGES):
                weights = np.linalg.solve(inner + strength * np.eye(len(inner)), cross)
                squares[number, :, i, j] = ((x @ weights - y) ** 2).mean(axis=0)
        best = np.min([series.rmse(of) for of in squares], axis=0)
        scores |= {f"{t} {hours} h": float(v) for t, v in zip(TARGETS, best, strict=True)}
    return scores


def main() -> None:
    """Print the three regressions."""
    store = open_store(Path(sys.argv[1]))
    print("3 x 3 points, shared:", near(store, own=False))
    print("3 x 3 points, own:", near(store, own=True))
    print("all points, own:", ridge(store, TARGETS, LEADS, "validation"))


if __name__ == "__main__":
    main()
