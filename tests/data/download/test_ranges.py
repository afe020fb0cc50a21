"""Pieces of a file by range requests: each byte once, whatever the network does."""

import random

import pytest
from loopback import Shelf, serving

from smoecast.data.download.ranges import fetch_pieces, join_ranges
from smoecast.data.download.retry import Limits, RetryBudget
from smoecast.errors import InputError, NotPublishedError

CONTENT = random.Random(7).randbytes(300_000)
PIECES = [(10, 1000), (50_000, 40_000), (90_000, 5), (200_000, 60_000)]
WANTED = b"".join(CONTENT[first : first + length] for first, length in PIECES)
QUICK = Limits(retry_seconds=20, timeout_seconds=5, first_wait=0.01, longest_wait=0.02)


@pytest.fixture
def shelf():
    with serving(Shelf({"/a.grib2": CONTENT})) as shelf:
        yield shelf


def get(shelf, path, limits=QUICK, missing=InputError, pieces=PIECES, told=None):
    told = [] if told is None else told
    return fetch_pieces(
        f"{shelf.address}/a.grib2",
        path,
        pieces,
        missing=missing,
        patience=RetryBudget(limits),
        progress=lambda done, total: told.append((done, total)),
        record=lambda entry: None,
    )


def test_pieces_that_touch_are_one():
    assert join_ranges(PIECES) == [(10, 1000), (50_000, 40_005), (200_000, 60_000)]
    assert join_ranges([(5, 5), (0, 5)]) == [(5, 5), (0, 5)]


def test_wanted_bytes_and_no_others(shelf, tmp_path):
    told = []
    entry = get(shelf, tmp_path / "a", told=told)
    assert (tmp_path / "a").read_bytes() == WANTED
    assert entry.bytes == shelf.sent["/a.grib2"] == len(WANTED)
    assert shelf.answered == [206, 206, 206]
    assert told[-1] == (len(WANTED), len(WANTED))
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_cuts_go_on_in_the_middle_of_a_piece(shelf, tmp_path):
    shelf.cuts = [1000, 20_000, 3, 30_000]
    get(shelf, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == WANTED
    assert shelf.sent["/a.grib2"] == len(WANTED)


def test_refusals_for_a_while(shelf, tmp_path):
    shelf.statuses["/a.grib2"] = [(429, {"Retry-After": "0"}), (503, {})]
    get(shelf, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == WANTED


@pytest.fixture
def hasty(monkeypatch):
    """Limits that give up at the second cut: a wait is 0.2 s, and no more than 0.3 may be lost."""
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    return Limits(retry_seconds=0.3, first_wait=0.4, longest_wait=0.4)


def test_another_day(shelf, tmp_path, hasty):
    """What an earlier run left is used if the file is the same, else all comes anew."""
    shelf.cuts = [1000, 20_000, 0]
    with pytest.raises(InputError, match="given up"):
        get(shelf, tmp_path / "a", hasty)
    assert (tmp_path / "a.part").stat().st_size == 21_000
    get(shelf, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == WANTED
    assert shelf.sent["/a.grib2"] == len(WANTED)


def test_the_file_changes_between_two_pieces(shelf, tmp_path, hasty):
    shelf.cuts = [1000, 20_000, 0]
    with pytest.raises(InputError, match="given up"):
        get(shelf, tmp_path / "a", hasty)
    other = shelf.files["/a.grib2"] = CONTENT[::-1]
    get(shelf, tmp_path / "a")
    expected = b"".join(other[first : first + length] for first, length in PIECES)
    assert (tmp_path / "a").read_bytes() == expected


def test_a_part_of_no_known_version_is_thrown_away(shelf, tmp_path):
    shelf.etags = False
    (tmp_path / "a.part").write_bytes(b"junk")
    get(shelf, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == WANTED


def test_a_server_that_sends_no_pieces(shelf, tmp_path):
    shelf.ranges = False
    with pytest.raises(InputError, match="sends no parts of files: use another mirror"):
        get(shelf, tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_beyond_the_end(shelf, tmp_path):
    with pytest.raises(InputError, match="the file is shorter than its index says: run again"):
        get(shelf, tmp_path / "a", pieces=[(400_000, 5)])


def test_the_last_piece_is_short(shelf, tmp_path):
    with pytest.raises(InputError, match="given up"):
        get(shelf, tmp_path / "a", Limits(retry_seconds=0.01), pieces=[(299_990, 20)])


def test_another_piece_than_asked_for(shelf, tmp_path):
    shelf.headers = {}
    wrong = {"Content-Range": "bytes 11-1010/300000"}
    shelf.statuses["/a.grib2"] = [(206, wrong)]
    get(shelf, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == WANTED


def test_no_such_file(shelf, tmp_path):
    shelf.files.clear()
    with pytest.raises(NotPublishedError, match="not published yet"):
        get(shelf, tmp_path / "a", missing=NotPublishedError)
    with pytest.raises(InputError, match="no such file"):
        get(shelf, tmp_path / "a")
