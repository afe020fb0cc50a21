"""`smoecast bench regrid`: a file of fields to a coarser grid, read, computed and written."""

import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from smoecast.tasks.bench.made_files import CHANNELS, describe_for_cdo, make_analyses
from smoecast.tasks.bench.measuring.case import OURS, Case, Setting, Task, Way, Work
from smoecast.tasks.bench.measuring.peers import load

if TYPE_CHECKING:
    from smoecast.fields.regrid import Method

FROM, TO = "1", "5.625"
"""Grids in degrees."""
NAMES = ("z500", "t850", "t2m", "u250")
PEERS: dict["Method", str] = {"conservative": "remapcon", "bilinear": "remapbil"}
"""What cdo calls the methods."""


def make_data(setting: Setting) -> None:
    """Write one file of four variables, and the target grid for cdo."""
    from smoecast.fields.regrid import grid_by_name

    source = grid_by_name("5.625" if setting.quick else FROM)
    channels = {name: CHANNELS[name] for name in NAMES}
    times = 3 if setting.quick else 100
    make_analyses(source, times, 6, channels).to_netcdf(setting.folder / "in.nc")
    target = grid_by_name(coarse(setting))
    (setting.folder / "grid.txt").write_text(describe_for_cdo(target))


def coarse(setting: Setting) -> str:
    """Return the grid that is made."""
    return "f8" if setting.quick else TO


def _by_smoecast(method: "Method", setting: Setting) -> Work:
    import smoecast
    from smoecast.fields.regrid import grid_by_name, regrid

    def work(place: Path) -> Path:
        fields = smoecast.open(setting.folder / "in.nc")
        moved = regrid(fields, grid_by_name(coarse(setting)), method)
        moved.to_netcdf(place / "out.nc")
        return place / "out.nc"

    return work


def _by_cdo(method: "Method", setting: Setting) -> Work:
    def work(place: Path) -> Path:
        source, target = setting.folder / "in.nc", place / "out.nc"
        how = ["-P", str(setting.threads or 1), f"{PEERS[method]},{setting.folder / 'grid.txt'}"]
        command = ["cdo", "-s", "-O", *how, str(source), str(target)]
        subprocess.run(command, check=True)
        return target

    return work


def _by_xarray_regrid(method: str, setting: Setting) -> Work:
    import xarray as xr

    from smoecast.fields.regrid import grid_by_name

    load("xarray_regrid")
    grid = grid_by_name(coarse(setting))
    target = xr.Dataset(coords={"latitude": grid.latitude, "longitude": grid.longitude})

    def work(place: Path) -> Path:
        with xr.open_dataset(setting.folder / "in.nc") as fields:
            if method == "conservative":
                moved = fields.regrid.conservative(target, latitude_coord="latitude")
            else:
                moved = fields.regrid.linear(target)
            moved.to_netcdf(place / "out.nc")
        return place / "out.nc"

    return work


def _tasks(_: Setting) -> dict[str, Task]:
    ways: dict[str, dict[str, Way]] = {
        method: {
            OURS: Way(partial(_by_smoecast, method)),
            f"cdo {operator}": Way(partial(_by_cdo, method), "cdo"),
            "xarray-regrid": Way(partial(_by_xarray_regrid, method), "xarray-regrid"),
        }
        for method, operator in PEERS.items()
    }
    return {f"{method}, 400 fields, 1 to 5.625 degrees": Task(w) for method, w in ways.items()}


CASE = Case("fields to another grid", _tasks, make_data)
