"""Scores as they are drawn."""

import json
from pathlib import Path

import pytest

from smoecast.errors import InputError
from smoecast.tasks.plot.records import read_results, unit_of

OWN = {"forecast": "forecast", "channel": "t2m", "lead_hours": 24, "rmse": 1.0, "starts": 7}
BASE = {
    "forecast": "persistence",
    "channel": "t2m",
    "lead_hours": 24,
    "rmse": 2.0,
    "rmse_difference": -1.0,
    "rmse_difference_low": -1.2,
    "rmse_difference_high": -0.8,
}


def write(path: Path, **more: object) -> Path:
    path.write_text(json.dumps({"scores": [OWN, BASE], **more}))
    return path


def test_skill_is_the_difference_over_the_baseline(tmp_path: Path) -> None:
    (one,) = read_results(write(tmp_path / "scores.json")).skills()
    assert (one.forecast, one.baseline, one.lead_hours) == ("forecast", "persistence", 24)
    assert (one.value, one.low, one.high) == pytest.approx((0.5, 0.4, 0.6))
    assert one.certain


def test_without_an_interval_nothing_is_certain(tmp_path: Path) -> None:
    few = {k: v for k, v in BASE.items() if not k.endswith(("low", "high"))}
    (one,) = read_results(write(tmp_path / "scores.json", scores=[OWN, few])).skills()
    assert one.low is None
    assert not one.certain


def test_seasons_are_left_out_and_cases_and_truth_found(tmp_path: Path) -> None:
    summer = {**OWN, "season": "JJA", "starts": 2}
    path = write(
        tmp_path / "scores.json", scores=[summer, OWN], truth="simulated planet (store.zarr)"
    )
    results = read_results(path)
    assert len(results.scores) == 1
    assert results.starts(channel="t2m") == "7 starts"
    assert results.starts(channel="z500") == ""
    assert results.simulated
    assert results.foot.endswith("truth: simulated planet")
    assert not read_results(write(tmp_path / "scores.json")).simulated


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="scores cannot be read"):
        read_results(tmp_path / "scores.json")


def test_units() -> None:
    assert unit_of("z500") == "m2 s-2"
    assert unit_of("colour") == ""
