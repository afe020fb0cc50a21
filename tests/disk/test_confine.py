"""Names of files that others have chosen stay in our folders."""

import pytest

from smoecast.disk.confine import confine
from smoecast.errors import InputError


@pytest.mark.parametrize(
    "name", ["x.nc", "a/b c/0.0.0", "1959-2023_01_10-6h.zarr/t/0", "ü.nc", "x~"]
)
def test_names_that_stay_in_their_folder(tmp_path, name):
    assert confine(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "a/../x", "a/../../x", "/etc/x", "//x", "a//x", "a/", "/"),
        *("C:x", "C:/x", "\\\\server\\x", "a\\..\\x", "x:stream", ".hidden", "a/.lock"),
        *("a\0b", "a\nb", "a\x7fb", "a\u2028b", "a\ud800b", "x" * 256, "ü" * 128),
    ],
)
def test_names_that_lead_out_of_it(tmp_path, name):
    with pytest.raises(InputError, match="is no name of a file in this folder") as caught:
        confine(tmp_path, name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


def test_links_that_lead_out_of_a_folder(tmp_path):
    raw, elsewhere = tmp_path / "raw", tmp_path / "elsewhere"
    raw.mkdir()
    elsewhere.mkdir()
    (raw / "out").symlink_to(elsewhere)
    (raw / "x.nc").symlink_to(elsewhere / "x.nc")
    (raw / "loop").symlink_to(raw / "loop")
    (raw / "inside").symlink_to(raw)
    for name in ("out", "out/x.nc", "x.nc", "inside/out/x.nc"):
        with pytest.raises(InputError, match="a symbolic link leads out"):
            confine(raw, name)
    assert confine(raw, "inside/y.nc") == raw / "inside/y.nc"
    assert confine(raw, "loop/y.nc") == raw / "loop/y.nc"  # opening it fails of itself


def test_a_folder_that_is_a_link_itself(tmp_path):
    (tmp_path / "big disk").mkdir()
    (tmp_path / "raw").symlink_to(tmp_path / "big disk")
    assert confine(tmp_path / "raw", "x.nc") == tmp_path / "raw" / "x.nc"
