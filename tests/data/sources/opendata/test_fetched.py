"""Old runs of open data go; what is needed and what is not ours stays."""

from pathlib import Path

import numpy as np

from smoecast.data.download.manifest import Manifest, entry_of
from smoecast.data.sources.opendata import fetched

DAYS = np.timedelta64(30, "D")


def test_old_runs_of_open_data_go_and_leave_the_manifest(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    names = [f"opendata_{run}_oper_0h_abcdef01.grib2" for run in (2026010100, 2026030100)]
    needed = "opendata_2026010200_oper_0h_abcdef01.grib2"
    for name in (*names, needed):
        (tmp_path / name).write_bytes(b"GRIB")
        manifest.add(name, entry_of(tmp_path / name, "https://a.example"))
    (tmp_path / "opendata_2025010100_oper_0h_mine.grib2").touch()
    gone = fetched.remove_old(tmp_path, [tmp_path / needed], DAYS)
    assert [path.name for path in gone] == [names[0]]
    assert Manifest(tmp_path).get(names[0]) is None
    assert Manifest(tmp_path).get(names[1]) is not None
    assert (tmp_path / "opendata_2025010100_oper_0h_mine.grib2").exists()
    assert not fetched.remove_old(tmp_path / "nowhere", [], DAYS)
