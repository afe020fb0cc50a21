"""Real files become stores whose statistics are those of plain NumPy on the raw values.

The plain side decodes the files by itself, with netCDF4 or ecCodes and nothing of smoecast.
"""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import eccodes
import netCDF4
import numpy as np
import pytest

from smoecast.config import yaml_file
from smoecast.fields.store import store
from smoecast.tasks.preprocess.preprocess import preprocess

SHARED = Path(__file__).parents[3] / "shared" / "data"
WHOLE = "{train: 1.0, validation: 0.0, test: 0.0}"
Values = dict[str, np.ndarray]

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared data folder does not stand beside the repository"
)


def from_netcdf(names: dict[str, str], level: int | None = None) -> Callable[[list[Path]], Values]:
    """Concatenate variables of files over time; of those on levels take one."""

    def read(paths: list[Path]) -> Values:
        parts: dict[str, list[np.ndarray]] = defaultdict(list)
        for path in paths:
            with netCDF4.Dataset(path) as file:
                for channel, name in names.items():
                    values = file[name][:].astype(np.float64)
                    if level is not None:
                        values = values[file["level"][:].tolist().index(level)]
                    parts[channel].append(np.ma.filled(values, np.nan).ravel())
        return {channel: np.concatenate(found) for channel, found in parts.items()}

    return read


def from_grib(names: dict[str, tuple[str, int]]) -> Callable[[list[Path]], Values]:
    """Gather the values of all messages by short name and level."""

    def read(paths: list[Path]) -> Values:
        parts: dict[str, list[np.ndarray]] = defaultdict(list)
        wanted = {key: channel for channel, key in names.items()}
        for path in paths:
            with path.open("rb") as file:
                while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
                    key = (
                        eccodes.codes_get(handle, "shortName"),
                        eccodes.codes_get(handle, "level"),
                    )
                    if key in wanted:
                        parts[wanted[key]].append(eccodes.codes_get_values(handle))
                    eccodes.codes_release(handle)
        return {channel: np.concatenate(found) for channel, found in parts.items()}

    return read


LEVELS = {"z500": ("z", 500), "z850": ("z", 850), "t500": ("t", 500), "t850": ("t", 850)}
ANALYSES = {
    "era5-finse": ("era5-finse/*.nc", 1, from_netcdf({n: n for n in ("t2m", "d2m", "sp", "tp")})),
    "era5-uk": ("era5-uk/*.grib", 1, from_grib({"t2m": ("2t", 0)})),
    "ecmwf-zt": ("ecmwf-zt/*.grib", 12, from_grib(LEVELS)),
    "era5-tl31": (
        "era5-tl31/*.nc",
        6,
        from_netcdf({"z500": "geopotential", "t500": "temperature"}, level=500),
    ),
}
ENSEMBLES = {
    "era5-members": ("era5-members/era5-levels-members.grib", 0, from_grib(LEVELS)),
    "ecmwf-ens": ("ecmwf-ens/z500_ens.grib", 96, from_grib({"z500": ("z", 500)})),
}


def compare(path: Path, expected: Values) -> None:
    with store.open_store(path) as dataset:
        for channel, values in expected.items():
            found = dataset.sel(channel=channel)
            assert found["fields"].size == values.size
            assert float(found["mean"]) == pytest.approx(values.mean(), rel=1e-6)
            assert float(found["std"]) == pytest.approx(values.std(), rel=1e-6)


@pytest.mark.parametrize("name", ANALYSES)
def test_analyses(tmp_path: Path, name: str) -> None:
    pattern, step, read = ANALYSES[name]
    paths = sorted(SHARED.glob(pattern))
    expected = read(paths)
    text = f"""
name: real
folder: {tmp_path}
data: {{source: files, files: ["{SHARED / pattern}"], channels: [{", ".join(expected)}],
       step_hours: {step}, split: {WHOLE}}}
sample: {{lead_hours: [{step}]}}
"""
    config = yaml_file.parse(text, "real.yaml")
    preprocess(config)
    compare(config.store, expected)


@pytest.mark.parametrize("name", ENSEMBLES)
def test_ensembles(tmp_path: Path, name: str) -> None:
    pattern, lead, read = ENSEMBLES[name]
    expected = read(sorted(SHARED.glob(pattern)))
    channels = ", ".join(expected)
    text = f"""
name: real
folder: {tmp_path}
data: {{source: none}}
postprocess: {{source: files, files: ["{SHARED / pattern}"], channels: [{channels}],
              targets: [{channels}], lead_hours: [{lead}], split: {WHOLE}}}
"""
    config = yaml_file.parse(text, "real.yaml")
    preprocess(config)
    compare(config.ensemble_store, expected)
