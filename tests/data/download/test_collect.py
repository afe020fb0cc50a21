"""Many files at once: parallel, bounded, and honest when one of them fails."""

import threading
import time
from datetime import date

import pytest
from loopback import Shelf, serving

from smoecast.data.download import collect as module
from smoecast.data.download.collect import Hooks, collect
from smoecast.data.download.manifest import Manifest
from smoecast.data.download.remote_file import RemoteFile
from smoecast.data.download.retry import Limits
from smoecast.errors import InputError, NotPublishedError

QUICK = Limits(parallel=3, first_wait=0.002, longest_wait=0.01, retry_seconds=1.0)


@pytest.fixture
def shelf():
    files = {f"/{i}": str(i).encode() * 1000 for i in range(6)}
    with serving(Shelf(files)) as shelf:
        yield shelf


def remotes(shelf, **more):
    return [RemoteFile(f"{i}.nc", f"{shelf.address}/{i}", **more) for i in range(6)]


def test_no_more_at_once_than_asked_for(shelf, tmp_path):
    under_way, most, lock = [0], [0], threading.Lock()

    def locate(remote, patience):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.02)
        with lock:
            under_way[0] -= 1
        return [remote]

    paths = collect(remotes(shelf), tmp_path, QUICK, Hooks(locate=locate))
    assert [p.read_bytes()[:1] for p in paths] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert most[0] == 3


def test_next_address_is_tried(shelf, tmp_path, capsys):
    def locate(remote, patience):
        return [RemoteFile(remote.name, f"{shelf.address}/gone"), remote]

    collect(remotes(shelf), tmp_path, QUICK, Hooks(locate=locate))
    assert shelf.answered.count(404) == 6
    assert "trying another way" in capsys.readouterr().err


def test_failure_of_one_ends_the_others(shelf, tmp_path):
    shelf.statuses["/0"] = [(403, {})]
    shelf.statuses["/1"] = shelf.statuses["/2"] = [(503, {"Retry-After": "1"})] * 9
    begin = time.monotonic()
    limits = Limits(parallel=3, retry_seconds=60.0)
    with pytest.raises(InputError, match="refuses access"):
        collect(remotes(shelf), tmp_path, limits)
    assert time.monotonic() - begin < 1.0
    assert not (tmp_path / "5.nc").exists()


def test_unpublished_files_do_not_keep_others_back(shelf, tmp_path):
    shelf.statuses["/0"] = [(404, {})]
    with pytest.raises(NotPublishedError, match=r"/0 is not published yet.*5 of 6 files are there"):
        collect(remotes(shelf, published=date(9999, 1, 1)), tmp_path, QUICK)
    assert len(list(tmp_path.glob("*.nc"))) == 5


def test_refused_content_does_not_stay(shelf, tmp_path):
    def inspect(path, remote):
        raise InputError(f"{remote.name}: not what was asked for")

    with pytest.raises(InputError, match="not what was asked for"):
        collect(remotes(shelf), tmp_path, QUICK, Hooks(inspect=inspect))
    assert list(tmp_path.glob("*.nc")) == []
    assert len(collect(remotes(shelf), tmp_path, QUICK)) == 6


def test_replaced_file_comes_again_once_it_is_final(shelf, tmp_path, monkeypatch):
    """As ERA5T: what was preliminary when it was fetched, and is final now."""
    wanted = remotes(shelf, final=date(2030, 5, 1))[:2]
    notes = {"0.nc": {"preliminary": 4}, "1.nc": {"preliminary": 0}}
    hooks = Hooks(inspect=lambda path, remote: notes[remote.name])
    collect(wanted, tmp_path, QUICK, hooks)
    assert Manifest(tmp_path).get("0.nc").notes == {"preliminary": 4}
    collect(wanted, tmp_path, QUICK, hooks)
    assert len(shelf.asked) == 2
    monkeypatch.setattr(module, "today", lambda: date(2030, 5, 2))
    collect(wanted, tmp_path, QUICK, hooks)
    assert [path for path, _ in shelf.asked[2:]] == ["/0"]


def test_interrupt_stops_the_threads(shelf, tmp_path, monkeypatch):
    def interrupt(futures):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "as_completed", interrupt)
    for i in range(6):
        shelf.statuses[f"/{i}"] = [(503, {"Retry-After": "30"})]
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        collect(remotes(shelf), tmp_path, Limits(parallel=6))
    assert time.monotonic() - begin < 5.0


def test_source_without_a_place(shelf, tmp_path):
    with pytest.raises(InputError, match=r"0.nc: the source names no place"):
        collect(remotes(shelf)[:1], tmp_path, QUICK, Hooks(locate=lambda remote, patience: []))


def test_spent_patience_tries_no_other_way(shelf, tmp_path):
    shelf.statuses["/0"] = [(500, {})]
    places = Hooks(locate=lambda remote, patience: [remote, remote])
    with pytest.raises(InputError, match="given up"):
        collect(remotes(shelf)[:1], tmp_path, Limits(retry_seconds=0.0), places)
    assert shelf.answered == [500]


NAMES = ["../x.nc", "/tmp/x.nc", "a/../../x.nc", ".lock", "a//b", "c:x", "a\\b"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_out_is_not_even_asked_for(shelf, tmp_path, name):
    folder = tmp_path / "run" / "raw"
    with pytest.raises(InputError, match="is no name of a file in this folder"):
        collect([RemoteFile(name, f"{shelf.address}/0")], folder, QUICK)
    assert not shelf.asked
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {".lock"}


def test_an_archive_gives_no_name_that_leads_out(shelf, tmp_path):
    folder = tmp_path / "raw"

    def unpack(path, remote):
        path.with_name("new").write_bytes(b"bad")
        yield "../out.nc", path.with_name("new")

    remote = RemoteFile("a.zip", f"{shelf.address}/0", gives=("../out.nc",))
    with pytest.raises(InputError, match=r"'\.\./out\.nc' is no name of a file"):
        collect([remote], folder, QUICK, Hooks(unpack=unpack))
    assert not (tmp_path / "out.nc").exists()


@pytest.mark.parametrize("name", ["sub/0.nc", "1.nc"])
def test_a_link_that_leads_out_is_not_followed(shelf, tmp_path, name):
    folder, elsewhere = tmp_path / "raw", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "sub").symlink_to(elsewhere)
    (folder / "1.nc.part").symlink_to(elsewhere / "1.nc")
    with pytest.raises(InputError, match="a symbolic link leads out"):
        collect([RemoteFile(name, f"{shelf.address}/0")], folder, QUICK)
    assert not list(elsewhere.iterdir())
