"""What commands load that only look, or find that nothing is to be done."""

import subprocess
import sys
from pathlib import Path

from small_world import small_run, write_world

from smoecast.config import yaml_file
from smoecast.tasks.preprocess.preprocess import preprocess

LOOK = """
import sys
from smoecast.cli.main import app
for words in {commands}:
    try:
        assert not app(words, standalone_mode=False)
    except SystemExit as end:
        assert not end.code, end.code
    loaded = {heavy} & sys.modules.keys()
    assert not loaded, (words, loaded)
"""
HEAVY = {"torch", "xarray", "pandas", "dask", "scipy", "netCDF4", "zarr", "requests"}


def check_light(commands: list[list[str]], heavy: set[str]) -> str:
    code = LOOK.format(commands=commands, heavy=heavy)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_only_looks_loads_nothing_that_computes(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    config = ["-c", "planet-smoe"]
    looking = [["--help"], ["models", "list"], ["config", "check", *config], ["channels"]]
    check_light([*looking, ["config", "show", *config], ["runs", "list"]], HEAVY)


def test_a_store_that_is_there_is_found_without_what_makes_it(tmp_path: Path) -> None:
    config = small_run(write_world(tmp_path), tmp_path / "run")
    preprocess(config)
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(config))
    heavy = {"torch", "dask.array", "zarr", "requests", "distributed", "eccodes"}
    said = check_light([["preprocess", "-c", str(path)]], heavy)
    assert said.count("nothing to do") == 2
    check_light([["inspect", str(tmp_path / "analyses_a.nc")]], {"torch", "zarr"})
