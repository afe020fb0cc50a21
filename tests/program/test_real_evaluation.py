"""Scores of real ensembles on a map projection: MOGREPS-UK against the UKV analysis.

Skipped where the shared data is not beside the repository.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from mogreps_uk import UK, smoecast, uk_config

from smoecast.scores.crps import crps_ensemble, crps_gaussian

pytestmark = pytest.mark.skipif(
    not UK.is_dir(), reason="the shared data folder does not stand beside the repository"
)


@pytest.fixture(scope="module")
def uk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibration fitted on 2 and 3 June and applied to 4 June."""
    return uk_config(
        tmp_path_factory.mktemp("uk"),
        ("preprocess", "postprocess", "evaluate"),
        "evaluate: {normal: true, events: [t2m>288]}",
    )


def test_points_of_a_projection_count_alike(uk: Path) -> None:
    said = json.loads((uk.parent / "uk" / "scores.json").read_text())
    records = {r["forecast"]: r for r in said["scores"]}
    day = "20170604T{}Z-PT00{}H-temperature_at_screen_level.nc"
    with xr.open_dataset(UK / "history" / day.format("0300", "12")) as history:
        raw = history["air_temperature"].values
    with xr.open_dataset(UK / "truth" / day.format("1500", "00")) as analysis:
        truth = analysis["air_temperature"].values
    with xr.open_dataset(uk.parent / "uk" / "calibrated.nc") as made:
        mean, std = made["t2m_mean"].values[0, 0], made["t2m_std"].values[0, 0]
    expected = {
        "raw": crps_ensemble(truth, raw, axis=0).mean(),
        "calibrated normal": crps_gaussian(truth, mean, std).mean(),
    }
    for name, crps in expected.items():
        assert records[name]["crps"] == pytest.approx(crps, rel=1e-6)
    assert records["raw"]["crps"] == pytest.approx(0.298, abs=5e-4)
    assert records["calibrated normal"]["crps"] < 0.270
    assert {r["region"] for r in said["scores"]} == {"all points"}
    top = [r for r in said["curves"] if (r["kind"], r["forecast"]) == ("rank", "raw")][-1]
    assert top["share"] == pytest.approx(float((truth > raw.max(axis=0)).mean()), abs=2e-3)
    brier = {r["forecast"]: r["brier"] for r in said["events"]}
    chance = (raw > 288).mean(axis=0, dtype=np.float64)
    assert brier["raw"] == pytest.approx(((chance - (truth > 288)) ** 2).mean(), rel=1e-6)


def test_raw_files_are_scored_as_they_are(uk: Path, tmp_path: Path) -> None:
    source = UK / "history" / "20170604T0300Z-PT0012H-temperature_at_screen_level.nc"
    out = tmp_path / "s.json"
    result = smoecast("evaluate", "-q", "-c", str(uk), "-i", str(source), "-o", str(out))
    assert result.exit_code == 0, result.output
    raw, own = json.loads(out.read_text())["scores"]
    assert own["crps"] == raw["crps"]
    assert own["crpss"] == 0.0


def test_a_projection_has_no_regions(uk: Path) -> None:
    words = ("-s", "evaluate.regions=[europe]")
    result = smoecast("evaluate", "-q", "-c", str(uk), *words)
    assert result.exit_code == 3
    assert "have no latitudes for evaluate.regions" in result.output


def test_another_projection_is_refused(uk: Path, tmp_path: Path) -> None:
    with xr.open_dataset(uk.parent / "uk" / "calibrated.nc", decode_timedelta=True) as made:
        moved = made.load().assign_coords(
            projection_x_coordinate=made.projection_x_coordinate + 7e3
        )
    moved.to_netcdf(tmp_path / "moved.nc")
    result = smoecast("evaluate", "-q", "-c", str(uk), "-i", str(tmp_path / "moved.nc"))
    assert result.exit_code == 3
    assert "score against a truth on the same grid" in result.output
