"""Mirrors of a file: asked while its own address is busy, with the time that was lost counted."""

from types import SimpleNamespace

import numpy as np
import pytest
from loopback import serving
from made_buckets import WORDS, Bucket, BucketHandler

from smoecast.data.download import retry as retry_module
from smoecast.data.download.collect import collect
from smoecast.data.download.fetch import fetch
from smoecast.data.download.manifest import Manifest
from smoecast.data.download.ranges import fetch_pieces
from smoecast.data.download.remote_file import RemoteFile
from smoecast.data.download.retry import Limits, RetryBudget, RetryBudgetError
from smoecast.errors import InputError, NotPublishedError

BODY = np.random.default_rng(0).bytes(60_000)
QUICK = Limits(first_wait=0.002, longest_wait=0.01, retry_seconds=5.0, timeout_seconds=5.0)
PIECES = ((100, 20_000), (30_000, 5000), (50_000, 7000))
CUT = b"".join(BODY[first : first + length] for first, length in PIECES)


@pytest.fixture
def buckets():
    """The own address, and two mirrors."""
    with (
        serving(Bucket({"/file": BODY}), BucketHandler) as own,
        serving(Bucket({"/file": BODY}), BucketHandler) as first,
        serving(Bucket({"/file": BODY}), BucketHandler) as second,
    ):
        yield own, first, second


def get(buckets, folder, limits=QUICK, **more):
    own, *mirrors = (f"{bucket.address}/file" for bucket in buckets)
    patience = RetryBudget(limits)
    return fetch(own, folder / "file", mirrors=mirrors, patience=patience, **more)


def get_pieces(buckets, folder, limits=QUICK, missing=InputError):
    own, *mirrors = (f"{bucket.address}/file" for bucket in buckets)
    return fetch_pieces(
        own,
        folder / "file",
        PIECES,
        mirrors=mirrors,
        missing=missing,
        patience=RetryBudget(limits),
        progress=lambda done, total: None,
        record=lambda entry: None,
    )


def asked(buckets):
    return [len(bucket.asked) for bucket in buckets]


@pytest.mark.parametrize("kind", list(WORDS))
def test_who_is_busy_is_not_waited_for(buckets, tmp_path, capsys, kind):
    own, first, _ = buckets
    own.kind, own.busy, own.rest = kind, 1, "3600"
    entry = get(buckets, tmp_path)
    assert (tmp_path / "file").read_bytes() == BODY
    assert asked(buckets) == [1, 1, 0]
    assert entry.url == f"{first.address}/file"
    told = capsys.readouterr().err
    assert f"/file: the server answers {WORDS[kind][0]}" in told
    assert f"; asking {first.address}/file" in told
    assert ("(SlowDown" in told) == kind.startswith("s3")


def test_nobody_listens_at_the_own_address(buckets, tmp_path):
    _, first, _ = buckets
    patience = RetryBudget(QUICK)
    mirrors = [f"{first.address}/file"]
    fetch("http://127.0.0.1:9/file", tmp_path / "file", mirrors=mirrors, patience=patience)
    assert (tmp_path / "file").read_bytes() == BODY


def test_what_a_busy_address_costs_is_counted(buckets, tmp_path):
    own, *_ = buckets
    own.busy = 1
    with pytest.raises(RetryBudgetError, match=r"503 \(SlowDown\); given up, for no more than 0 m"):
        get(buckets, tmp_path, Limits(retry_seconds=0.0))
    assert asked(buckets) == [1, 0, 0]


def test_counted_once_and_to_its_end(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(retry_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    patience = RetryBudget(Limits(retry_seconds=10.0))
    patience.count("busy", 94.0)
    patience.count("busy", 94.0)  # another file, in the same six seconds
    clock.now = 104.0
    patience.count("busy", 100.0)
    clock.now = 105.0
    with pytest.raises(RetryBudgetError, match="busy; given up"):
        patience.count("busy", 104.0)


def test_all_are_busy_then_one_is_not(buckets, tmp_path, capsys):
    own, first, second = buckets
    own.busy, first.busy, second.busy = 3, 3, 2
    get(buckets, tmp_path)
    assert asked(buckets) == [3, 3, 3]
    told = capsys.readouterr().err
    assert told.count("trying again") == 2  # a wait a round, not one an address
    assert f"{own.address}/file: the server answers 503 (SlowDown); waited" in told


def test_all_are_busy_for_good(buckets, tmp_path):
    for bucket in buckets:
        bucket.busy = 10_000
    limits = Limits(first_wait=0.01, longest_wait=0.02, retry_seconds=0.2)
    with pytest.raises(RetryBudgetError, match=r"503 \(SlowDown\); given up"):
        get(buckets, tmp_path, limits)
    assert min(asked(buckets)) > 1


def test_an_address_that_asks_for_rest_gets_it(buckets, tmp_path):
    own, first, second = buckets
    own.busy, own.rest = 10_000, "3600"
    first.busy = second.busy = 2
    get(buckets, tmp_path)
    assert asked(buckets) == [1, 3, 2]


def test_the_shortest_rest_is_waited_for(buckets, tmp_path):
    for bucket, rest in zip(buckets, ("3600", "1", "3600"), strict=True):
        bucket.busy, bucket.rest = 1, rest
    get(buckets, tmp_path)
    assert asked(buckets) == [1, 2, 1]


@pytest.mark.parametrize("way", [get, get_pieces])
@pytest.mark.parametrize("status", [404, 403])
def test_a_mirror_without_the_file_is_passed_over(buckets, tmp_path, capsys, way, status):
    own, first, second = buckets
    own.busy = second.busy = 2
    first.statuses["/file"] = [(status, {})] * 9
    way(buckets, tmp_path)
    assert (tmp_path / "file").read_bytes() == (BODY if way is get else CUT)
    assert len(first.asked) == 1
    assert f"({status})" in (told := capsys.readouterr().err)
    assert told.count("this mirror is passed over") == 1


def test_a_mirror_with_another_content_is_passed_over(buckets, tmp_path):
    own, first, _ = buckets
    own.busy = 1
    first.files["/file"] = BODY[1:]
    get(buckets, tmp_path, size=len(BODY))
    assert (tmp_path / "file").read_bytes() == BODY
    assert asked(buckets) == [1, 1, 1]


def test_what_may_not_be_there_yet_a_mirror_knows(buckets, tmp_path):
    """Else a busy address would hide that there is nothing to wait for."""
    own, first, second = buckets
    own.busy = 10_000
    for mirror in (first, second):
        mirror.statuses["/file"] = [(404, {})]
    with pytest.raises(NotPublishedError, match=rf"{first.address}/file is not published yet"):
        get(buckets, tmp_path, missing=NotPublishedError)
    assert asked(buckets) == [1, 1, 1]
    own.busy = 1
    first.statuses["/file"] = [(404, {})]
    get(buckets, tmp_path, missing=NotPublishedError)  # a mirror may be late
    assert asked(buckets) == [2, 2, 2]


def test_pieces_of_which_an_index_tells_are_there(buckets, tmp_path):
    own, first, second = buckets
    own.busy = 2
    for mirror in (first, second):
        mirror.statuses["/file"] = [(404, {})]
    get_pieces(buckets, tmp_path, missing=NotPublishedError)
    assert (tmp_path / "file").read_bytes() == CUT
    assert [len(first.asked), len(second.asked)] == [1, 1]


@pytest.mark.parametrize("status", [404, 403])
def test_the_own_address_is_believed(buckets, tmp_path, status):
    own, *_ = buckets
    own.statuses["/file"] = [(status, {})]
    with pytest.raises(InputError, match=f"{status}"):
        get(buckets, tmp_path)
    assert asked(buckets) == [1, 0, 0]


def test_what_has_come_of_a_whole_file_is_kept(buckets, tmp_path):
    """A file of 24 GB does not begin anew for one answer."""
    own, *_ = buckets

    def then_busy(done, total):
        own.busy, buckets[0].cuts[:] = 3, []

    own.cuts = [20_000]
    get(buckets, tmp_path, progress=then_busy)
    assert (tmp_path / "file").read_bytes() == BODY
    assert asked(buckets) == [5, 0, 0]
    assert own.sent["/file"] == len(BODY)


def test_a_part_from_a_mirror_goes_on_there(buckets, tmp_path):
    own, first, _ = buckets
    own.busy, first.cuts = 1, [20_000]

    def killed(done, total):
        if done >= 20_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(buckets, tmp_path, progress=killed)
    entry = get(buckets, tmp_path)
    assert first.sent["/file"] < len(BODY) + 20_000
    assert entry.url == f"{first.address}/file"
    assert asked(buckets) == [1, 2, 0]


def test_a_mirror_that_has_lost_the_file_it_began(buckets, tmp_path, capsys):
    own, first, _ = buckets
    own.busy, first.cuts = 1, [20_000]
    first.statuses["/file"] = []

    def then_gone(done, total):
        first.files.clear()

    get(buckets, tmp_path, progress=then_gone)
    assert (tmp_path / "file").read_bytes() == BODY
    assert "the mirror from which it came serves it no more" in capsys.readouterr().err
    assert asked(buckets) == [2, 2, 0]


def test_pieces_begin_anew_at_a_mirror(buckets, tmp_path):
    """Busy after the first piece; versions of two addresses do not mix."""
    own, first, _ = buckets
    own.cuts = [20_000]
    first.files["/file"] = other = BODY[::-1]

    def busy_now(done, total):
        own.busy = 9

    own_url, mirror = (f"{bucket.address}/file" for bucket in (own, first))
    entry = fetch_pieces(
        own_url,
        tmp_path / "file",
        PIECES,
        mirrors=[mirror],
        missing=InputError,
        patience=RetryBudget(QUICK),
        progress=busy_now,
        record=lambda entry: None,
    )
    expected = b"".join(other[first : first + length] for first, length in PIECES)
    assert (tmp_path / "file").read_bytes() == expected
    assert entry.url == mirror
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_manifest_says_who_served(buckets, tmp_path):
    own, first, _ = buckets
    own.busy = 1
    addresses = [f"{bucket.address}/file" for bucket in buckets]
    remote = RemoteFile("file", addresses[0], mirrors=tuple(addresses[1:]))
    collect([remote], tmp_path, QUICK)
    assert Manifest(tmp_path).get("file").url == f"{first.address}/file"
