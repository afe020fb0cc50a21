"""What --keep removes, and what it never touches."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from made_results import forecasts
from write_whole import write_netcdf

from smoecast.disk.locks import lock_output
from smoecast.disk.read_locks import hold_for_reading
from smoecast.errors import ConfigError
from smoecast.tasks import retention
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.provenance import IDENTITY

DAYS = np.timedelta64(30, "D")


def result(path: Path) -> None:
    write_netcdf(forecasts("t2m").assign_attrs({IDENTITY: "x"}), path)
    path.with_suffix(".config.yaml").write_text("name: x\n")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_old_results_go_with_their_configs_and_nothing_else(tmp_path: Path) -> None:
    name = OutputName(str(tmp_path / "fc_{init_time}.nc"))
    for when in ("2026010100", "2026020100", "2026030100", "2026030200"):
        result(tmp_path / f"fc_{when}.nc")
    (tmp_path / "fc_2025010100.nc").write_bytes(b"of somebody else")
    result(tmp_path / "forecast.nc")
    result(tmp_path / "fc_2025.nc")
    gone = retention.remove_results(name, DAYS)
    assert [path.name for path in gone] == ["fc_2026010100.nc"]
    assert names(tmp_path) == {
        *("fc_2026020100.nc", "fc_2026020100.config.yaml"),
        *("fc_2026030100.nc", "fc_2026030100.config.yaml"),
        *("fc_2026030200.nc", "fc_2026030200.config.yaml"),
        *("fc_2025010100.nc", "forecast.nc", "forecast.config.yaml"),
        *("fc_2025.nc", "fc_2025.config.yaml"),
    }


def test_the_newest_stays_however_old(tmp_path: Path) -> None:
    name = OutputName(str(tmp_path / "fc_{init_time}.nc"))
    result(tmp_path / "fc_1999010100.nc")
    os.utime(tmp_path / "fc_1999010100.nc", (0, 0))
    assert not retention.remove_results(name, np.timedelta64(1, "s"))


def test_what_is_made_or_read_just_now_stays(tmp_path: Path) -> None:
    name = OutputName(str(tmp_path / "fc_{init_time}.nc"))
    for when in ("2026010100", "2026030200"):
        result(tmp_path / f"fc_{when}.nc")
    with lock_output(tmp_path / "fc_2026010100.nc"):
        assert not retention.remove_results(name, DAYS)
    stores = OutputName(str(tmp_path / "fc_{init_time}.zarr"))
    for when in ("2026010100", "2026030200"):
        (tmp_path / f"fc_{when}.zarr").mkdir()
        (tmp_path / f"fc_{when}.zarr" / ".zattrs").write_text(json.dumps({IDENTITY: "x"}))
    with hold_for_reading(tmp_path / "fc_2026010100.zarr"):
        assert not retention.remove_results(stores, DAYS)
    assert len(retention.remove_results(stores, DAYS)) == 1
    assert not (tmp_path / "fc_2026010100.zarr").exists()


def test_one_file_for_all_starts_cannot_be_kept_for_a_while() -> None:
    retention.check_keep(OutputName("fc_{init_time}.nc"), DAYS)
    retention.check_keep(OutputName("fc.nc"), None)
    with pytest.raises(ConfigError, match="here all are in one: name it as fc_"):
        retention.check_keep(OutputName("fc.nc"), DAYS)


def test_old_records_go(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    kept = ("20260301T000000Z_forecast_abcdef.json", "20260215T000000Z_forecast_abcdef.json")
    others = ("20250101T000000Z_forecast_abcdef.json.bak", "notes.json")
    odd = ("20269999T000000Z_forecast_abcdef.json", "20260101T000000Z_forecast_xyz.json")
    old = ("20260101T000000Z_forecast_abcdef.json", "20251231T000000Z_cycle_000000.json")
    for name in (*kept, *others, *odd, *old):
        (folder / name).touch()
    ahead = "22600101T000000Z_forecast_abcdef.json"  # by a clock that went wrong
    (folder / ahead).touch()
    assert len(retention.remove_records(tmp_path, DAYS)) == 2
    assert names(folder) == {*kept, *others, *odd, ahead}
    assert not retention.remove_records(tmp_path / "nowhere", DAYS)
