"""EMOS on real forecasts: MOGREPS-UK temperature, fitted on two June days, tested on the third."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from smoecast.calibration.emos import fit
from smoecast.scores.crps import crps_ensemble, crps_gaussian

DATA = Path(__file__).resolve().parents[2] / "../shared/data/mogreps-uk"

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no MOGREPS-UK data in {DATA}")


def field(name: str) -> Any:
    with xr.open_dataset(DATA / name) as dataset:
        return dataset["air_temperature"].values


@pytest.fixture(scope="module")
def days() -> tuple[Any, Any]:
    """Members (3 days, 12, 200, 200) at +12 h and truth (3 days, 200, 200), K."""
    name = "{}T{}Z-PT00{}H-temperature_at_screen_level.nc"
    dates = ("20170602", "20170603", "20170604")
    members = [field("history/" + name.format(day, "0300", "12")) for day in dates]
    truth = [field("truth/" + name.format(day, "1500", "00")) for day in dates]
    return np.stack(members), np.stack(truth)


def test_raw_score_is_the_published_one(days: tuple[Any, Any]) -> None:
    members, truth = days
    assert crps_ensemble(truth[2], members[2], axis=0).mean() == pytest.approx(0.298, abs=5e-4)


@pytest.mark.parametrize(
    ("where", "by_land", "limit"),
    [("pooled", False, 0.2690), ("pooled", True, 0.2682), ("local", False, 0.2695)],
)
def test_calibrated_score(days: tuple[Any, Any], where: Any, by_land: bool, limit: float) -> None:
    members, truth = days
    with xr.open_dataset(DATA / "landmask.nc") as dataset:
        land = dataset["land_binary_mask"].values if by_land else None
    model = fit(members[:2], truth[:2], where=where, groups=land)
    score = crps_gaussian(truth[2:], *model.predict(members[2:])).mean()
    assert score < limit


def test_wind_speed_by_truncated_normal() -> None:
    """Every fourth point each way; all of them: tests/benchmarks/mogreps.py."""
    name = "{}/{}T{}Z-PT00{}H-horizontal_wind_speed_at_10m.nc"
    dates = ("20170602", "20170603", "20170604")
    fields: list[Any] = []
    for kind, hour, lead in (("history", "0300", "12"), ("truth", "1500", "00")):
        found = []
        for day in dates:
            with xr.open_dataset(DATA / name.format(kind, day, hour, lead)) as dataset:
                found.append(dataset["wind_speed"].values[..., ::4, ::4])
        fields.append(np.stack(found))
    members, truth = fields
    model = fit(members[:2], truth[:2], where="pooled", distribution="truncated_normal")
    raw = crps_ensemble(truth[2], members[2], axis=0).mean()
    assert model.forecast(members[2:]).crps(truth[2:]).mean() < raw
