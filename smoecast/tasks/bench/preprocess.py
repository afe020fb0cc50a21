"""`smoecast bench preprocess`: an archive to one store on a coarser grid."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from smoecast.tasks.bench.made_files import (
    CHANNELS,
    describe_for_cdo,
    make_analyses,
    write_by_variable,
)
from smoecast.tasks.bench.measuring.case import OURS, Case, Setting, Task, Way, Work

if TYPE_CHECKING:
    from smoecast.config.run import Config

NAMES = ("z500", "t850", "t2m", "u250")
BLOCK = 2**24


def make_data(setting: Setting) -> None:
    """Write an archive of four files, and the target grid for cdo."""
    from smoecast.fields.regrid import grid_by_name

    source = grid_by_name("5.625" if setting.quick else "1")
    archive = setting.folder / "archive"
    archive.mkdir()
    channels = {name: CHANNELS[name] for name in NAMES}
    write_by_variable(make_analyses(source, 40 if setting.quick else 182, 6, channels), archive)
    (setting.folder / "grid.txt").write_text(describe_for_cdo(grid_by_name(_coarse(setting))))


def _coarse(setting: Setting) -> str:
    return "f8" if setting.quick else "5.625"


def _text(setting: Setting, place: Path) -> str:
    return f"""
name: bench
folder: {place}
data:
  source: files
  files: ["{setting.folder}/archive/*.nc"]
  channels: [{", ".join(NAMES)}]
  step_hours: 6
  grid: {_coarse(setting)}
  regrid: conservative
"""


def _config(setting: Setting, place: Path) -> "Config":
    from smoecast.config import yaml_file

    return yaml_file.parse(_text(setting, place), "bench.yaml", [])


def _by_smoecast(setting: Setting) -> Work:
    from smoecast.tasks.preprocess.preprocess import preprocess

    def work(place: Path) -> Path:
        config = _config(setting, place)
        preprocess(config)
        return config.store

    return work


def _by_command(setting: Setting) -> Work:
    def work(place: Path) -> Path:
        path = place / "bench.yaml"
        path.write_text(_text(setting, place))
        program = "from smoecast.cli.entry import main; main()"
        words = ["preprocess", "-q", "-c", str(path)]
        subprocess.run([sys.executable, "-P", "-c", program, *words], check=True)
        return place / "bench" / "store.zarr"

    return work


def _by_cdo(setting: Setting) -> Work:
    def work(place: Path) -> Path:
        how = ["-P", str(setting.threads or 1), f"remapcon,{setting.folder / 'grid.txt'}"]
        for path in sorted((setting.folder / "archive").glob("*.nc")):
            subprocess.run(["cdo", "-s", "-O", *how, str(path), str(place / path.name)], check=True)
        return place

    return work


def _by_reading(setting: Setting) -> Work:
    def work(_: Path) -> None:
        for path in sorted((setting.folder / "archive").glob("*.nc")):
            with path.open("rb") as file:
                while file.read(BLOCK):
                    pass

    return work


def _tasks(_: Setting) -> dict[str, Task]:
    command = f"{OURS}, the command with its start"
    ways = {
        OURS: Way(_by_smoecast),
        "cdo remapcon": Way(_by_cdo, "cdo"),
        "reading the files alone": Way(_by_reading),
        command: Way(_by_command),
    }
    return {"728 fields, 1 to 5.625 degrees, conservative": Task(ways, (OURS, command))}


CASE = Case("an archive to a store", _tasks, make_data, rounds=3)
