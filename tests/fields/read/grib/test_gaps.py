"""What stands outside messages: headings and padding are passed over, anything else is refused."""

from pathlib import Path

import numpy as np
import pytest
from made_grib import message, temperature, write

from smoecast.errors import InputError
from smoecast.fields.read.open import open_file

LINE = b"\r\r\n"
HEADING = b"HTXX50 KWBC 010000"


def bulletins(*messages: bytes) -> bytes:
    """Return messages as a centre sends them over the GTS."""
    return b"".join(
        b"\1" + LINE + b"%03d" % number + LINE + HEADING + LINE + one + LINE + b"\3"
        for number, one in enumerate(messages, start=1)
    )


def files_of_bulletins(*messages: bytes) -> bytes:
    """Return messages as files of bulletins have them, with a last bulletin of no length."""
    parts = (bulletins(one) for one in messages)
    return b"".join(b"%08d00" % len(part) + part for part in parts) + b"0000000000"


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(bulletins, id="31 bytes"),
        pytest.param(files_of_bulletins, id="41 bytes"),
        pytest.param(lambda *m: b"".join(HEADING + LINE + x for x in m), id="21 bytes"),
        pytest.param(lambda *m: b"".join(HEADING + b" RRA" + LINE + x for x in m), id="25 bytes"),
        pytest.param(
            lambda *m: b"".join(b"****%010d****\n" % len(x) + HEADING + b"\r\n" + x for x in m),
            id="39 bytes",
        ),
        pytest.param(lambda *m: bytes(300) + (b"\r\n" + bytes(7)).join(m) + b" \n", id="padding"),
    ],
)
@pytest.mark.parametrize("sample", ["regular_ll_pl_grib1", "regular_ll_pl_grib2"])
def test_headings_of_bulletins(tmp_path, wrap, sample):
    messages = [message(sample, level, shortName="t", level=level) for level in (500, 850)]
    found = open_file(write(tmp_path / "a.bin", wrap(*messages)))["t"].squeeze()
    assert found["level"].values.tolist() == [500, 850]
    np.testing.assert_allclose(found.values[:, 0, 0], [500, 850], atol=1e-4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"junk" + temperature(),
            r"4 bytes before message 1 belong to no GRIB message .*byte 1 of",
        ),
        (b"HTXX50 KWBC 01" + temperature(), "14 bytes before message 1"),
        (b"\xff" * 41 + temperature(), "41 bytes before message 1"),
        (bulletins(temperature())[:-1] + temperature()[-9:], r"12 bytes after message 1"),
        (bulletins(temperature(), temperature()[:-9]), "message 2 is broken or cut"),
        (HEADING * 2 + temperature(), "36 bytes before message 1"),
        (temperature() + LINE.join([HEADING] * 300), "6297 bytes after message 1"),
    ],
)
def test_other_bytes_are_named(tmp_path, content, words):
    """What is left of a damaged message must not pass for a heading."""
    refused(write(tmp_path / "a.grib", content), words)


@pytest.mark.parametrize(
    "content",
    [
        *[b"The word GRIB\r\nin a text file", b"GRI", b"xGRIB\0\0\0\3", b"xGRIB\0\0\0\1", b"xGRIB"],
        b"BUFR" + bytes(50),
        bytes(2000) + temperature(),
    ],
)
def test_what_is_no_grib(tmp_path, content):
    refused(write(tmp_path / "a.grib", content), "neither GRIB nor NetCDF, for it begins with b'")


def refused(path: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_file(path)
    assert "\n" not in str(caught.value)
