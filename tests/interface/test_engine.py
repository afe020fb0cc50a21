"""The engine of xarray: what `smoecast.open` gives, under the name that the wheel declares."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_world import analyses

import smoecast
from smoecast.errors import ConfigError, InputError
from smoecast.fields.read.open import open_file
from smoecast.interface.engine import SmoecastBackend

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
FILES = sorted(p for p in DATA.rglob("*") if p.suffix in (".nc", ".grib") and p.is_file())


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The entry points of pyproject.toml, as an installed wheel would have them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / "declared-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: declared\nVersion: 1\n")
    points = project["entry-points"]["xarray.backends"]
    lines = "".join(f"{name} = {place}\n" for name, place in points.items())
    (info / "entry_points.txt").write_text(f"[xarray.backends]\n{lines}")
    monkeypatch.syspath_prepend(info.parent)
    xr.backends.refresh_engines()
    yield
    monkeypatch.undo()
    xr.backends.refresh_engines()


def test_it_is_found_by_its_name(declared: None, tmp_path: Path) -> None:
    analyses(days=2).assign(zust=analyses(days=2)["t2m"].drop_attrs()).to_netcdf(tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc", engine="smoecast", drop_variables="z500") as opened:
        plain = smoecast.open(tmp_path / "a.nc")
        xr.testing.assert_identical(opened, plain.drop_vars("z500"))
        assert "zust" in opened.attrs["smoecast_left_out"]
        lazy = xr.open_dataset(tmp_path / "a.nc", engine="smoecast", chunks={})
        assert lazy["t2m"].chunks is not None


def test_it_takes_what_open_takes(tmp_path: Path) -> None:
    for name, part in (("a", slice(4)), ("b", slice(4, None))):
        analyses(days=2).isel(time=part).to_netcdf(tmp_path / f"{name}.nc")
    opened = xr.open_dataset(
        str(tmp_path / "*.nc"), engine=SmoecastBackend, select={"variable": "t2m"}
    )
    np.testing.assert_array_equal(opened["t2m"], analyses(days=2)["t2m"])


def test_it_reads_names_alone() -> None:
    with pytest.raises(ConfigError, match="reads files by their names, no bytes"):
        xr.open_dataset(b"CDF", engine=SmoecastBackend)  # type: ignore[arg-type]


@pytest.mark.skipif(not FILES, reason="../shared/data is not there")
@pytest.mark.parametrize("part", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2))])
def test_real_files_open_as_the_reader_reads_them(part: int) -> None:
    read = 0
    for path in FILES[part::3]:
        try:
            wanted = open_file(path, any_grid=True)
        except InputError as problem:
            with pytest.raises(InputError) as said:
                xr.open_dataset(path, engine=SmoecastBackend)
            assert str(said.value) == str(problem)
            continue
        opened = xr.open_dataset(path, engine=SmoecastBackend)
        assert set(opened.variables) == set(wanted.variables), path
        for name in wanted.coords:
            np.testing.assert_array_equal(opened[name], wanted[name], err_msg=str(path))
        name = next(iter(wanted.data_vars))
        first = dict.fromkeys(wanted[name].dims[:-2], 0)
        np.testing.assert_array_equal(opened[name].isel(first), wanted[name].isel(first))
        read += 1
    assert read >= 6
