"""Results: written whole or not at all, whatever happens."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from made_fields import forecast, leftovers
from write_whole import write_netcdf

from smoecast.disk.leftovers import sweep
from smoecast.errors import OutputError
from smoecast.fields.read.netcdf.open import open_netcdf
from smoecast.fields.write import cf, netcdf
from smoecast.fields.write.netcdf import netcdf_writer

# ---- whole or not at all


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e20])
def test_missing_values_are_not_kept(tmp_path, value):
    given = forecast("t2m", "msl")
    given["msl"][1, 1, 3, 3] = value
    (tmp_path / "out.nc").write_text("the result of yesterday")
    with pytest.raises(OutputError, match=r"out\.nc: 1 of 864 values of msl are missing"):
        write_netcdf(given, tmp_path / "out.nc")
    assert (tmp_path / "out.nc").read_text() == "the result of yesterday"
    assert leftovers(tmp_path) == ["out.nc"]


def test_replaces_an_older_file(tmp_path):
    for value in (1.0, 2.0):
        write_netcdf(forecast("t2m") * 0 + value, tmp_path / "out.nc")
        assert open_netcdf(tmp_path / "out.nc")["t2m"].values.max() == value
    assert leftovers(tmp_path) == ["out.nc"]


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "folder").touch()
    with pytest.raises(OutputError, match=r"out\.nc: it cannot be written, .*folder is no folder"):
        write_netcdf(forecast("t2m"), tmp_path / "folder" / "out.nc")


def damage_before_verifying(monkeypatch, damage):
    """Have what was written be damaged before it is verified."""
    real = netcdf._verify

    def verify(template, part, path, gaps):
        damage(part)
        return real(template, part, path, gaps)

    monkeypatch.setattr(netcdf, "_verify", verify)


def test_damage_between_writing_and_verifying(tmp_path, monkeypatch):
    def damage(path: Path) -> None:
        with netCDF4.Dataset(path, "a") as file:
            file["latitude"][0] = 12.0

    damage_before_verifying(monkeypatch, damage)
    with pytest.raises(OutputError, match="the coordinate latitude was not stored right"):
        write_netcdf(forecast("t2m"), tmp_path / "out.nc")
    assert leftovers(tmp_path) == []


def test_a_field_of_another_shape(tmp_path, monkeypatch):
    given = forecast("t2m")

    def damage(path: Path) -> None:
        path.unlink()
        with netCDF4.Dataset(path, "w") as file:
            cf.define(file, cf.prepare(given.transpose(..., "latitude")))

    damage_before_verifying(monkeypatch, damage)
    with pytest.raises(OutputError, match=r"t2m was stored as \(3, 2, 16, 9\)"):
        write_netcdf(given, tmp_path / "out.nc")


@pytest.mark.parametrize("gaps", [False, True])
def test_a_block_that_was_never_written(tmp_path, gaps):
    given = forecast("t2m", "msl", members=2)
    words = r"out\.nc: 576 of 1728 values of t2m never came"
    with (
        pytest.raises(OutputError, match=words),
        netcdf_writer(given, tmp_path / "out.nc", gaps) as append,
    ):
        for start in (0, 2):
            append(given.isel(init_time=slice(start, start + 1)))
    assert leftovers(tmp_path) == []


PROGRAM = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    import numpy as np, xarray as xr
    from smoecast.errors import OutputError
    from smoecast.fields.write.netcdf import netcdf_writer
    PRELUDE
    times = np.datetime64("2020-01-01", "ns") + np.arange(40) * np.timedelta64(6, "h")
    coords = {"time": times, "latitude": np.linspace(80, -80, 32), "longitude": np.arange(64) * 5.0}
    values = np.random.default_rng(0).normal(size=(40, 32, 64)).astype("f4")
    given = xr.Dataset({"t2m": xr.DataArray(values, coords, dims=tuple(coords))})
    try:
        with netcdf_writer(given, Path(sys.argv[1])) as append:
            for index in range(40):
                BLOCK
                append(given.isel(time=slice(index, index + 1)))
    except OutputError as problem:
        print(problem)
        sys.exit(problem.exit_code)
    """
)


def program(prelude: str = "pass", block: str = "pass") -> list[str]:
    return [sys.executable, "-c", PROGRAM.replace("PRELUDE", prelude).replace("BLOCK", block)]


def test_killed_in_the_middle(tmp_path):
    path = tmp_path / "out.nc"
    slow = program(block="print('block', flush=True); time.sleep(0.05)")
    with subprocess.Popen([*slow, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert len(leftovers(tmp_path)) == 1
    sweep(tmp_path)  # as the next run does
    write_netcdf(forecast("t2m"), path)
    assert leftovers(tmp_path) == ["out.nc"]


def test_full_disk(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"
    done = subprocess.run(
        [*program(prelude=limit), tmp_path / "out.nc"], capture_output=True, text=True, check=False
    )
    assert done.returncode == OutputError.exit_code, done.stderr
    assert "out.nc: it cannot be written" in done.stdout
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("make", [os.mkfifo, lambda p: p.symlink_to("elsewhere"), Path.mkdir])
def test_what_is_no_regular_file_is_left_alone(tmp_path, make):
    make(tmp_path / "out.nc")
    before = (tmp_path / "out.nc").lstat()
    with pytest.raises(OutputError, match="which is not replaced: choose another name"):
        write_netcdf(forecast("t2m"), tmp_path / "out.nc")
    assert (tmp_path / "out.nc").lstat() == before
    assert leftovers(tmp_path) == ["out.nc"]


def test_a_file_that_is_not_confirmed_is_not_kept(tmp_path):
    write_netcdf(forecast("t2m"), tmp_path / "out.nc")
    before = (tmp_path / "out.nc").read_bytes()
    seen = []

    def refuse() -> None:
        seen.append(leftovers(tmp_path))
        raise OutputError("the input changed")

    with pytest.raises(OutputError, match="the input changed"):
        write_netcdf(forecast("t2m") + 1, tmp_path / "out.nc", confirm=refuse)
    assert len(seen[0]) == 2
    assert leftovers(tmp_path) == ["out.nc"]
    assert (tmp_path / "out.nc").read_bytes() == before
