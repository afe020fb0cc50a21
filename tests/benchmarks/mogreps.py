"""Classical calibrations on real forecasts: MOGREPS-UK, fitted on 2 and 3 June 2017, tested on 4.

Run ``python tests/benchmarks/mogreps.py``; it needs the data folder ``../shared/data/mogreps-uk``.
12 members at +12 h on 200 x 200 points of a Lambert grid against the UKV analysis: temperature at
screen level and wind speed at 10 m. CRPS is the mean over all points, of the members (raw, mbm) or
of the distribution (EMOS); in the second column EMOS too is scored by 12 members.
"""

import time
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from smoecast.calibration import emos, mbm
from smoecast.scores.crps import crps_ensemble

DATA = Path(__file__).resolve().parents[2] / "../shared/data/mogreps-uk"
DAYS = ("20170602", "20170603", "20170604")
FIELDS = {
    "air_temperature": ("temperature_at_screen_level", "K", ("normal",), -np.inf),
    "wind_speed": ("horizontal_wind_speed_at_10m", "m s-1", ("normal", "truncated_normal"), 0.0),
}


def days(variable, name):
    """Members (3, 12, 200, 200) and truth (3, 200, 200)."""
    members, truth = [], []
    for day in DAYS:
        with xr.open_dataset(DATA / f"history/{day}T0300Z-PT0012H-{name}.nc") as dataset:
            members.append(dataset[variable].values)
        with xr.open_dataset(DATA / f"truth/{day}T1500Z-PT0000H-{name}.nc") as dataset:
            truth.append(dataset[variable].values)
    return np.stack(members), np.stack(truth)


def by_emos(members, truth, distribution, **how):
    """Score of the distributions of the last day, and of 12 members of them."""
    fitted = emos.fit(members[:2], truth[:2], distribution=distribution, **how)
    forecast = fitted.forecast(members[2:])
    drawn = forecast.members(members[2:], axis=1, rng=np.random.default_rng(0))
    return forecast.crps(truth[2:]).mean(), crps_ensemble(truth[2:], drawn, axis=1).mean()


def by_members(members, truth, lowest, **how):
    """Score of the last day's calibrated members, twice."""
    fitted = mbm.fit(members[:2], truth[:2], lowest=lowest, **how)
    score = crps_ensemble(truth[2:], fitted.members(members[2:]), axis=1).mean()
    return score, score


def main():
    torch.set_num_threads(1)
    with xr.open_dataset(DATA / "landmask.nc") as dataset:
        land = dataset["land_binary_mask"].values > 0.5
    ways = {
        "pooled": {"where": "pooled"},
        "pooled, land and sea apart": {"where": "pooled", "groups": land},
        "local": {"where": "local"},
        "pooled, plain fit": {"where": "pooled", "folds": 0},
    }
    for variable, (name, unit, distributions, lowest) in FIELDS.items():
        members, truth = days(variable, name)
        raw = crps_ensemble(truth[2], members[2], axis=0).mean()
        print(f"{variable}, CRPS on 4 June, {unit}\n{'raw':45} {raw:.4f} {raw:.4f}")
        for words, how in ways.items():
            for distribution in distributions:
                began = time.perf_counter()
                scores = by_emos(members, truth, distribution, **how)
                report(f"EMOS, {distribution}, {words}", scores, began)
            began = time.perf_counter()
            report(f"member by member, {words}", by_members(members, truth, lowest, **how), began)


def report(words, scores, began):
    print(f"{words:45} {scores[0]:.4f} {scores[1]:.4f} {time.perf_counter() - began:6.1f} s")


if __name__ == "__main__":
    main()
