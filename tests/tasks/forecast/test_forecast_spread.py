"""Forecasts made by several processes: the same to the byte, whatever dies or fails."""

from pathlib import Path

import pytest
from same_data import assert_same, with_compute

from smoecast.config.run import Config
from smoecast.tasks.fan_out import cluster
from smoecast.tasks.forecast import pieces
from smoecast.tasks.forecast.forecast import forecast

NOISY = {"members": 3, "perturbation": 0.1}
STARTS = ("2001-02-20/2001-02-25",)
PATTERN = "fc_{init_time:%Y%m%d%H}.nc"


def asked(config: Config, **changes: object) -> Config:
    section = config.forecast.model_copy(update=changes)
    return config.model_copy(update={"forecast": section})


@pytest.fixture
def two(done: Config) -> Config:
    return with_compute(asked(done, **NOISY), workers=2)


def test_one_file_is_the_same(
    done: Config, two: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "BATCH", 4)
    here, there = tmp_path / "here", tmp_path / "there"
    forecast(asked(done, **NOISY), output=here / "a.nc")
    assert forecast(two, output=there / "a.nc")["written"]
    assert_same(here / "a.nc", there / "a.nc")
    monkeypatch.setattr(cluster, "_start", lambda _: pytest.fail("started"))
    assert not forecast(two, output=there / "a.nc")["written"]


def test_a_file_a_start_is_the_same_and_only_what_is_missing_is_made(
    done: Config, two: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    forecast(asked(done, **NOISY), init_times=STARTS, output=here / PATTERN)
    paths = sorted(here.glob("*.nc"))
    assert len(paths) == 6
    whole = forecast(two, init_times=STARTS, output=there / PATTERN)
    assert whole["made"] == 6
    for path in paths:
        assert_same(path, there / path.name)
    assert sorted(p.name for p in here.iterdir()) == sorted(p.name for p in there.iterdir())
    before = {path: path.stat().st_mtime_ns for path in there.iterdir()}
    monkeypatch.setattr(cluster, "_start", lambda _: pytest.fail("started"))
    assert not forecast(two, init_times=STARTS, output=there / PATTERN)["written"]
    (there / paths[2].name).unlink()
    with monkeypatch.context() as patch:
        # its members are spread
        patch.undo()
        assert forecast(two, init_times=STARTS, output=there / PATTERN)["made"] == 1
    assert_same(paths[2], there / paths[2].name)
    changed = {path.name for path in before if path.stat().st_mtime_ns != before[path]}
    assert changed == {paths[2].name}
