"""A header is looked at before it is believed, whoever has made its checksums."""

from collections.abc import Callable
from pathlib import Path

import netCDF4
import pytest
from made_hdf5 import external_link, whole

from smoecast.errors import OutputError
from smoecast.fields.header_digest import digest, digest_checked


def with_attribute(path: Path) -> None:
    with netCDF4.Dataset(path, "a") as file:
        file["t2m"].setncattr("more", 1)


def with_coordinate(path: Path) -> None:
    with netCDF4.Dataset(path, "a") as file:
        file["time"][1] = 7.0


@pytest.mark.parametrize("change", [with_attribute, with_coordinate])
def test_every_change_of_a_header_shows(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = whole(tmp_path / "a.nc")
    before = digest(path)
    assert digest_checked(path) == before
    change(path)
    assert digest_checked(path) == digest(path) != before


def test_values_of_another_file_are_not_read(tmp_path: Path) -> None:
    path = external_link(tmp_path / "a.nc", whole(tmp_path / "other.nc"))
    with pytest.raises(OutputError, match="is a link to another file, which is not followed"):
        digest_checked(path)


def test_a_table_that_cannot_be_is_not_read(tmp_path: Path) -> None:
    path = whole(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file.createDimension("side", 2**20)
        file.createVariable("table", "f8", ("side", "side"), zlib=True, chunksizes=(1, 2**10))
    with pytest.raises(OutputError, match="of which a file of"):
        digest_checked(path)


@pytest.mark.parametrize("how", [digest, digest_checked])
def test_what_is_no_file_of_ours(tmp_path: Path, how: Callable[[Path], str]) -> None:
    path = tmp_path / "a.nc"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(OutputError, match=f"^{path}: it cannot be "):
        how(path)
