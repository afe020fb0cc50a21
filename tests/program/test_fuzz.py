"""Files with a few bytes changed, given to the program: a documented exit code and one sentence.

What each reader makes of damage is tested beside it; here it is the way from the command line on.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_server import CommandServer
from hypothesis import given, settings
from hypothesis import strategies as st
from made_fields import forecast
from made_forecasts import forecasts
from made_grib import temperature
from made_models import classical_calibration, forecast_model
from made_results import forecasts as others
from made_stores import group
from made_strange import good, mutated
from write_whole import write_grib, write_netcdf, write_wb2

CONFIG = """
name: fuzz
data:
  source: files
  channels: [{channel}]
  constants: []
  step_hours: 6
  split: {{train: 0.7, validation: 0.3, test: 0.0}}
sample: {{lead_hours: [6]}}
"""
DOCUMENTED = {0, 2, 3, 4, 5, 6, 75}
FEW = settings(derandomize=True, deadline=None, max_examples=15)
MANY = settings(deadline=None, max_examples=2000)
SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def program() -> Iterator[CommandServer]:
    with CommandServer() as server:
        yield server


def ends_well(program: CommandServer, *arguments: str) -> None:
    code, said = program.run(*arguments)
    assert code in DOCUMENTED, (code, said)
    assert "Traceback" not in said
    if code and "verify" not in arguments:  # which tells of each file on stdout
        assert said.splitlines()[-1].startswith("smoecast: ")


def damage(path: Path, seed: int) -> None:
    """Change a file, or one of those in a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    file = files[seed % len(files)]
    file.write_bytes(mutated(file.read_bytes(), str(seed)))


# ---- raw files


def grib(folder: Path) -> Path:
    path = folder / "a.grib"
    path.write_bytes(b"".join(temperature(float(hour), dataTime=hour * 100) for hour in (0, 6, 12)))
    return path


RAW: dict[str, Callable[[Path], Path]] = {
    "grib": grib,
    "classic": lambda folder: good(folder / "a.nc", "NETCDF3_CLASSIC"),
    "packed": lambda folder: good(folder / "b.nc", "NETCDF3_64BIT_DATA", packed=True),
    "hdf5": lambda folder: good(folder / "c.nc", "NETCDF4", zlib=True),
    "zarr": lambda folder: group(folder / "d.zarr") and folder / "d.zarr",
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("raw")
    return {name: make(folder) for name, make in RAW.items()}


def copied(source: Path, folder: Path) -> Path:
    path = folder / source.name
    if source.is_dir():
        return Path(shutil.copytree(source, path))
    return Path(shutil.copy(source, path))


def preprocess(program: CommandServer, path: Path, folder: Path) -> None:
    config = folder / "fuzz.yaml"
    config.write_text(CONFIG.format(channel="t500" if path.suffix == ".grib" else "t2m"))
    named = path / ".zmetadata" if path.is_dir() else path
    ends_well(
        program, "preprocess", "-c", str(config),
        "--set", f"folder={folder}", "--set", f"data.files=[{named}]",
    )  # fmt: skip


def change_raw(program, raw, kind: str, seed: int, folder: Path) -> None:
    path = copied(raw[kind], folder)
    damage(path, seed)
    preprocess(program, path, folder)


@pytest.mark.parametrize("kind", RAW)
def test_whole_raw_files_are_read(program, raw, tmp_path: Path, kind: str) -> None:
    """Without it, refusals of anything would pass for a good end."""
    preprocess(program, copied(raw[kind], tmp_path), tmp_path)
    assert (tmp_path / "fuzz" / "store.zarr" / ".zmetadata").is_file()


@FEW
@given(st.sampled_from(list(RAW)), SEEDS)
def test_changed_raw_files(program, raw, tmp_path_factory, kind: str, seed: int) -> None:
    change_raw(program, raw, kind, seed, tmp_path_factory.mktemp("fuzz"))


@pytest.mark.slow
@MANY
@given(st.sampled_from(list(RAW)), SEEDS)
def test_thousands_of_changed_raw_files(program, raw, tmp_path_factory, kind, seed) -> None:
    change_raw(program, raw, kind, seed, tmp_path_factory.mktemp("fuzz"))


# ---- what smoecast wrote: results, stores, models


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, program, raw) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("written")
    write_netcdf(forecast("t2m"), folder / "a.nc")
    write_grib(others(), folder / "b.grib")
    write_wb2(forecasts(), folder / "c.zarr")
    preprocess(program, raw["hdf5"], folder)
    return {
        "netcdf": folder / "a.nc",
        "grib": folder / "b.grib",
        "wb2": folder / "c.zarr",
        "store": folder / "fuzz" / "store.zarr",
        "model": forecast_model(tmp_path_factory.mktemp("model")),
        "emos": classical_calibration(tmp_path_factory.mktemp("emos"), "emos"),
    }


WRITTEN = ("netcdf", "grib", "wb2", "store", "model", "emos")


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_is_whole_is_found_so(program, written, kind: str) -> None:
    assert program.run("verify", str(written[kind])) == (0, "")


def change_written(program, written, kind: str, seed: int, folder: Path) -> None:
    path = copied(written[kind], folder)
    damage(path, seed)
    ends_well(program, "verify", str(path))
    if kind in ("model", "emos"):
        ends_well(program, "models", "verify", str(path))
        ends_well(program, "models", "show", str(path))
        ends_well(program, "config", "check", "-c", str(path / "config.yaml"))


@FEW
@given(st.sampled_from(WRITTEN), SEEDS)
def test_changed_results_stores_and_models(
    program, written, tmp_path_factory, kind: str, seed: int
) -> None:
    change_written(program, written, kind, seed, tmp_path_factory.mktemp("fuzz"))


@pytest.mark.slow
@MANY
@given(st.sampled_from(WRITTEN), SEEDS)
def test_thousands_of_changed_results(program, written, tmp_path_factory, kind, seed) -> None:
    change_written(program, written, kind, seed, tmp_path_factory.mktemp("fuzz"))
