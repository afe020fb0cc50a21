"""GRIB sifted as it comes, however the bytes are cut, and after any kind of end."""

import errno
import os
import tracemalloc

import eccodes
import numpy as np
import pytest
from made_ens10 import message

from smoecast.data.download import grib_filter
from smoecast.data.download.grib_filter import GribSieve, message_length
from smoecast.errors import InputError

MESSAGES = [message(("t2m", 0, 1998 + i, 1, 48), "0104") for i in range(6)]
FILE = b"".join(MESSAGES)
SECOND = b"".join(MESSAGES[1::2])


def sieve(folder):
    """Keep every second message."""
    return GribSieve(folder / "file.part", lambda _, number: number % 2 == 0, "the file")


def kept(folder):
    return (folder / "file.part").read_bytes()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def large(points, bits):
    """Return a message of edition 1 that may be too long for its three bytes of length."""
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib1")
    eccodes.codes_set(handle, "Ni", points)
    eccodes.codes_set(handle, "Nj", 2000)
    eccodes.codes_set(handle, "bitsPerValue", bits)
    eccodes.codes_set_values(handle, np.arange(points * 2000.0) % 1000)
    content = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return content


def test_length_of_short_messages():
    assert message_length(MESSAGES[0]) == message_length(MESSAGES[0][:16]) == len(MESSAGES[0])
    assert message_length(b"GRIB" + bytes(3) + b"\x02" + (1 << 33).to_bytes(8, "big")) == 1 << 33
    for short in (b"", b"G", b"GRIB", MESSAGES[0][:15]):
        assert message_length(short) is None


@pytest.mark.parametrize("points", [1000, 2100, 3000, 3001, 3017])
def test_length_of_long_messages_as_eccodes_writes_them(points):
    content = large(points, 16)
    assert message_length(content) == len(content)
    assert message_length(content[:16]) in (None, len(content))  # more has to be seen


def test_a_long_message_with_a_bitmap():
    """Where the high bit is set but section 4 is long, the three bytes are all there is."""
    head = bytearray(8 + 28) + bytearray(12)
    head[:8] = b"GRIB" + (0x800000 | 10).to_bytes(3, "big") + b"\x01"
    head[8:11] = (28).to_bytes(3, "big")
    head[15] = 0x40  # a bitmap, no grid
    assert message_length(head[:30]) is None  # the length of section 3 has to come
    head[36:39] = (6).to_bytes(3, "big")
    assert message_length(head[:43]) is None  # and that of section 4
    head[42:45] = (20).to_bytes(3, "big")
    assert message_length(head) == 10 * 120 - 20 + 4
    head[42:45] = (120).to_bytes(3, "big")
    assert message_length(head) == 0x80000A


@pytest.mark.parametrize(
    ("head", "words"),
    [(b"<htm", "no GRIB message begins with"), (MESSAGES[0][:7] + b"\x03" + bytes(8), "edition 3")],
)
def test_what_is_no_grib(head, words):
    with pytest.raises(InputError, match=words):
        message_length(head)


@pytest.mark.parametrize("size", [1, 7, len(MESSAGES[0]), 4096, 1 << 20])
def test_any_cut_of_the_bytes(tmp_path, size):
    part = sieve(tmp_path)
    for begin in range(0, len(FILE), size):
        part.append(FILE[begin : begin + size])
        assert part.there == min(begin + size, len(FILE))
    assert kept(tmp_path) == SECOND
    assert part.explain_cut() == ""
    part.forget()
    assert names(tmp_path) == []
    assert part.there == 0


def test_zeros_between_messages_are_passed_over(tmp_path):
    part = sieve(tmp_path)
    padded = b"".join(one + bytes(100) for one in MESSAGES)
    part.append(padded)
    assert (kept(tmp_path), part.there, part.explain_cut()) == (SECOND, len(padded), "")


@pytest.mark.parametrize("cut", [0, 10, len(MESSAGES[0]) * 3 + 5, len(FILE) - 1])
def test_a_killed_run_goes_on_at_the_message(tmp_path, cut):
    sieve(tmp_path).append(FILE[:cut])
    again = sieve(tmp_path)
    assert again.there == cut // len(MESSAGES[0]) * len(MESSAGES[0])
    again.append(FILE[again.there :])
    assert kept(tmp_path) == SECOND


def test_what_the_journal_does_not_know_is_cut_off(tmp_path):
    sieve(tmp_path).append(FILE[: 2 * len(MESSAGES[0])])
    with (tmp_path / "file.part").open("ab") as file:
        file.write(MESSAGES[3][:50])
    again = sieve(tmp_path)
    again.append(FILE[again.there :])
    assert kept(tmp_path) == SECOND


@pytest.mark.parametrize("journal", ["", "{", "[]", '{"read": 5}', None])
def test_without_a_journal_all_begins_anew(tmp_path, journal):
    part = sieve(tmp_path)
    part.append(FILE)
    part.journal.unlink() if journal is None else part.journal.write_text(journal)
    assert sieve(tmp_path).there == 0
    assert kept(tmp_path) == b""


def test_a_part_shorter_than_its_journal_begins_anew(tmp_path):
    """The machine went down before the disk had the messages."""
    sieve(tmp_path).append(FILE)
    os.truncate(tmp_path / "file.part", 10)
    assert sieve(tmp_path).there == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            FILE + b"<html>",
            r"the file: message 7: no GRIB message begins with b'<htm': use another",
        ),
        (FILE[:-1] + b"8" + FILE, "message 6 does not end as GRIB does"),
        (b"GRIB" + bytes(3) + b"\x01" + bytes(20), "message 1 claims to have 0 bytes"),
        (
            b"GRIB" + bytes(3) + b"\x02" + b"\xff" * 8,
            "message 1 claims to have 18446744073709551615",
        ),
    ],
)
def test_what_is_damaged_does_not_stay(tmp_path, content, words):
    part = sieve(tmp_path)
    with pytest.raises(InputError, match=words):
        part.append(content)
    assert names(tmp_path) == []
    assert part.there == 0


def test_a_file_that_ends_too_soon_says_so(tmp_path):
    part = sieve(tmp_path)
    part.append(b"")
    assert part.explain_cut() == "the file holds no message"
    part.append(FILE[:-1])
    assert part.explain_cut() == "the file ends within message 6"


def test_full_disk_leaves_what_another_run_goes_on_from(tmp_path, monkeypatch):
    part = sieve(tmp_path)
    part.append(FILE[: 3 * len(MESSAGES[0])])

    def full(file, content):
        file.write(content[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(grib_filter, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        part.append(FILE[3 * len(MESSAGES[0]) :])
    monkeypatch.undo()
    again = sieve(tmp_path)
    assert again.there == 3 * len(MESSAGES[0])
    again.append(FILE[again.there :])
    assert kept(tmp_path) == SECOND


def test_memory_and_disk_hold_little_of_a_long_file(tmp_path):
    """400 messages of 84 kB pass, 34 MB in all; one in a hundred stays."""
    long = large(42, 8)
    part = GribSieve(tmp_path / "file.part", lambda _, number: number % 100 == 0, "the file")
    part.append(long)  # what is imported at first use is no memory of the file's
    peaks = []
    for _ in range(3):  # nor is what another thread takes meanwhile, once or twice
        tracemalloc.start()
        for _ in range(133):
            part.append(long)
            assert (tmp_path / "file.part").stat().st_size <= 4 * len(long)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert min(peaks) < 6 * len(long)
    assert part.there == 400 * len(long)
    assert len(kept(tmp_path)) == 4 * len(long)
