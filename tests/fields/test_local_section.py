"""What a GRIB result says of itself in its first message: found, or its damage is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from made_results import forecasts
from write_whole import write_grib

from smoecast.errors import InputError, OutputError
from smoecast.fields import checksums, local_section
from smoecast.fields.read.results import read_attributes


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of about 10 kB."""
    path = tmp_path_factory.mktemp("whole") / "f.grib"
    write_grib(forecasts("t2m"), path)
    return path


@pytest.fixture
def file(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "f.grib"))


def refused(path: Path, words: str = "make it again", whole: bool = True) -> None:
    with pytest.raises(OutputError, match=words) as caught:
        checksums.check(path, whole=whole)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("all_of_it", [True, False])
def test_every_flipped_byte_is_found(file: Path, all_of_it: bool) -> None:
    checksums.check(file, whole=all_of_it)
    content = file.read_bytes()
    end = len(content)
    for place in sorted({*range(0, end, 97), *range(200), *range(end - 100, end)}):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        file.write_bytes(damaged)
        refused(file, whole=all_of_it)


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c[:2000], lambda c: c + b"\0"])
def test_what_was_cut_or_went_on_is_found(
    file: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]
) -> None:
    file.write_bytes(change(file.read_bytes()))
    refused(file)
    monkeypatch.setattr(checksums, "PIECE_BYTES", 1000)
    refused(file, "it was cut, or something follows it")


def test_pieces_of_a_large_file_are_read_in_samples(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "PIECE_BYTES", 256)
    monkeypatch.setattr(checksums, "SAMPLE_BYTES", 512)
    write_grib(forecasts("t2m"), file)
    content = bytearray(file.read_bytes())
    content[-700] ^= 1
    file.write_bytes(content)
    checksums.check(file, whole=False)
    refused(file, "between bytes")


def test_two_results_in_a_row_are_none(file: Path) -> None:
    file.write_bytes(2 * file.read_bytes())
    refused(file)
    assert read_attributes(file)["title"] == "made"


def test_grib_of_others_carries_none(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[content.index(b"GRIB", 4) :])  # from the second message on
    with pytest.raises(InputError, match="carries no checksums"):
        checksums.check(file, whole=True)
    assert read_attributes(file) == {}


@pytest.mark.parametrize(
    "content", [b"GRIB", b"GRIB" + bytes(200), b"GRIB" + b"\xff" * 200, b"GRIB\0\0\0\2" + bytes(12)]
)
def test_what_only_begins_as_grib(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.grib"
    path.write_bytes(content)
    assert read_attributes(path) == {}
    with pytest.raises(InputError, match="carries no checksums"):
        checksums.check(path, whole=True)


@pytest.mark.parametrize("body", [b"[", b"[1]", b"{}", b'{"attributes": 1}', b"[" * 100_000])
def test_a_record_that_is_none(file: Path, body: bytes) -> None:
    """Its own checksum fits, and what it says does not."""
    bare = file.read_bytes()
    bare = bare[bare.index(b"GRIB", 4) :]
    length = 100_200
    message = bytearray(local_section.with_section(bare, length))
    begin = message.index(bytes(length))
    filled = body.ljust(length - 80)
    digest = local_section._sha256(filled).encode()
    message[begin : begin + length] = local_section.MARK + digest + filled
    file.write_bytes(message)
    assert read_attributes(file) == {}
    refused(file, "its checksums are damaged")


def test_the_section_is_where_the_wmo_has_it(file: Path) -> None:
    content = file.read_bytes()
    assert int.from_bytes(content[16:20], "big") == 21
    length = int.from_bytes(content[37:41], "big")
    assert content[41] == 2
    said = json.loads(content[42 + 80 : 37 + length])
    assert said["attributes"]["title"] == "made"
    assert content[37 + length :][4] == 3
    total = int.from_bytes(content[8:16], "big")
    assert content[total - 4 : total] == b"7777"
