"""How a calibration of few starts does on others, against the raw ensemble, drawn to it or not.

Run ``python tests/benchmarks/short_records.py``: made seasonal forecasts (`made_seasonal`), 25
members on 8 x 16 points, coefficients pooled, 16 seeds, 60 held-out starts each. CRPS of EMOS is
that of its distribution, of member by member and raw that of the members.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from smoecast.calibration import emos, mbm
from smoecast.calibration.emos import Emos
from smoecast.scores.crps import crps_ensemble

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from made_seasonal import DRIFT, LATITUDE, seasonal

WEIGHTS = np.cos(np.deg2rad(LATITUDE))[:, None]
SEEDS = 16


def losses(method, starts, to_raw):
    """CRPS less that of raw, as a share of it, (SEEDS, lead times)."""
    found = np.empty((SEEDS, len(DRIFT)))
    for seed in range(SEEDS):
        past, new = seasonal(starts, seed), seasonal(60, 1000 + seed)
        for lead in range(len(DRIFT)):
            one, other = past.isel(lead_time=lead), new.isel(lead_time=lead)
            fitted = method.fit(
                one["t2m"].values, one["truth"].values,
                where="pooled", weights=WEIGHTS, to_raw=to_raw,
            )  # fmt: skip
            members, truth = other["t2m"].values, other["truth"].values
            if isinstance(fitted, Emos):
                scores = fitted.forecast(members).crps(truth)
            else:
                scores = crps_ensemble(truth, fitted.members(members), axis=1)
            raw = crps_ensemble(truth, members, axis=1)
            found[seed, lead] = ((scores - raw) * WEIGHTS).mean() / (raw * WEIGHTS).mean()
    return found


def main():
    torch.set_num_threads(1)
    print("| method | starts | drawn |", " | ".join(f"{d} d, {b} K" for d, b in DRIFT.items()), "|")
    print("|---|" + "---|" * (2 + len(DRIFT)))
    for method in (emos, mbm):
        for starts, drawn in ((2, True), (4, False), (4, True), (8, False), (8, True), (12, False)):
            found = 100 * losses(method, starts, drawn)
            cells = [f"{a:.0f} ({b:.0f})" for a, b in zip(found.mean(0), found.max(0), strict=True)]
            word = "yes" if drawn else "no"
            print(
                f"| {method.__name__[-4:].strip('.')} | {starts} | {word} |",
                " | ".join(cells),
                "|",
                flush=True,
            )


if __name__ == "__main__":
    main()
