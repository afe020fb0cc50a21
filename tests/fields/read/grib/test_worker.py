"""ecCodes may die, hang or run out of memory: it ends in a sentence, and the next file is read."""

import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from made_grib import message, temperature, write
from made_killers import PACKINGS, killer

from smoecast import signals
from smoecast.cli.main import app
from smoecast.errors import InputError, SmoecastError
from smoecast.fields.read.grib import worker as grib_worker
from smoecast.fields.read.grib.grid import GribGrid
from smoecast.fields.read.grib.index import decode, describe, index
from smoecast.fields.read.open import open_file

GOOD = temperature(7.0)
_SCRIPT = """
import sys
sys.path[:] = sys.argv[2:]
from smoecast.fields.read.grib import server
def work(request, desk):
    {}
server._work = work
server.serve(int(sys.argv[1]))
"""


@pytest.fixture
def fresh():
    """No worker before, none after."""
    grib_worker._KEEPER.end()
    yield
    grib_worker._KEEPER.end()


@pytest.fixture
def worker_that(fresh, monkeypatch):
    """Have the workers of this test do something else."""

    def begin(code):
        monkeypatch.setattr(grib_worker, "_BEGIN", _SCRIPT.format(code))

    yield begin
    monkeypatch.undo()


def first(path):
    """Return the first value of a file."""
    return float(open_file(path)["t"].values.flat[0])


def pid():
    worker = grib_worker._KEEPER.worker
    assert worker is not None
    return worker._process.pid


def is_there(process):
    """Whether a process lives; one that only waits to be asked after does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(process):
    """Wait until a process is gone."""
    while is_there(process):
        time.sleep(0.01)
    return True


# ---- messages that kill


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_byte_that_ends_the_decoder(tmp_path, packing, capfd):
    """One byte of each is changed; the process that decoded it aborted, exit status 134.

    JPEG's decoder reads past its memory: whether that ends it depends on what lies there.
    """
    path = write(tmp_path / "a.grib", killer(packing))
    after = write(tmp_path / "b.grib", GOOD)
    rounds = 2 if packing == PACKINGS[0] else 1
    for _ in range(rounds):  # by a worker that lives, and by a new one
        try:
            open_file(path).load()
        except InputError as refusal:
            assert re.search(r"a\.grib: message 1 .*: .*fetch", str(refusal))
            assert "\n" not in str(refusal)
        else:
            assert packing == "jpeg"
    assert first(after) == 7.0
    assert capfd.readouterr() == ("", "")


def test_the_command_line_says_one_sentence(tmp_path, monkeypatch, capfd):
    path = write(tmp_path / "a.grib", killer("complex"))
    run = tmp_path / "run.yaml"
    data = f"{{source: files, files: ['{path}'], channels: [t500]}}"
    run.write_text(f"name: a\ndata: {data}\nsample: {{lead_hours: [24]}}\n")
    words = ["preprocess", "-q", "-c", str(run), "--set", f"folder={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["smoecast", *words])
    with pytest.raises(SystemExit) as end:
        app()
    said = capfd.readouterr()  # by any process
    assert (end.value.code, said.out) == (3, "")
    assert re.fullmatch(r".*a\.grib: message 1 .*\n", said.err)


# ---- what a worker may die of


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("server.os.abort()", r"makes ecCodes crash \(SIGABRT\): it is damaged"),
        (
            "server.os.kill(server.os.getpid(), 9)",
            "had its decoding killed, most likely .*: make room",
        ),
        ("server.os._exit(7)", r"makes ecCodes crash \(exit 7\): it is damaged"),
        ("raise MemoryError", "wants more memory than a field can need"),
        ("bytearray(1 << 33)", "wants more memory than a field can need"),
        (
            "server.SECONDS = 0\n    server._begin(desk, 0, 0)\n    while True: pass",
            "keeps ecCodes busy without end",
        ),
    ],
)
def test_ends_of_a_worker(tmp_path, worker_that, code, words):
    path = write(tmp_path / "a.grib", GOOD)
    worker_that(code)
    with pytest.raises(InputError, match=rf"a\.grib {words}") as caught:
        index(path)
    assert "\n" not in str(caught.value)


def test_the_message_under_way_is_named(tmp_path, worker_that):
    worker_that("server._begin(desk, 41, 0)\n    server.os.abort()")
    with pytest.raises(InputError, match=r"a\.grib: message 41 makes ecCodes crash"):
        index(write(tmp_path / "a.grib", GOOD))


def test_a_worker_that_is_wrong_shows_its_traceback(tmp_path, worker_that):
    worker_that("1 / 0")
    with pytest.raises(RuntimeError, match="ZeroDivisionError: division by zero") as caught:
        index(write(tmp_path / "a.grib", GOOD))
    assert "in work" in caught.value.__notes__[0]


def test_a_file_that_cannot_be_read(tmp_path, worker_that):
    worker_that("raise OSError(5, 'Input/output error')")
    with pytest.raises(OSError, match=r"Input/output error.*a\.grib"):
        index(write(tmp_path / "a.grib", GOOD))


def test_without_eccodes(tmp_path, fresh, monkeypatch):
    path = write(tmp_path / "a.grib", GOOD)
    no_library = grib_worker._BEGIN.replace(
        "import sys\n", "import sys\nsys.modules['eccodes'] = None\n"
    )
    monkeypatch.setattr(grib_worker, "_BEGIN", no_library)
    with pytest.raises(SmoecastError, match=r"ecCodes cannot be used \(import of eccodes"):
        index(path)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(
        SmoecastError, match=r"ecCodes cannot be used \(its worker ends as it begins\)"
    ):
        index(path)


def test_an_interrupt_while_a_worker_begins(tmp_path, fresh, monkeypatch):
    def interrupted(worker):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(grib_worker._Worker, "_answer", interrupted)
        index(write(tmp_path / "a.grib", GOOD))
    assert grib_worker._KEEPER.worker is None  # and no warning of a process left over


# ---- life of a worker


def test_one_worker_for_all_files(tmp_path, fresh):
    paths = [write(tmp_path / f"{i}.grib", temperature(float(i))) for i in range(3)]
    first(paths[0])
    there = pid()
    assert [first(path) for path in paths] == [0, 1, 2]
    assert pid() == there
    assert os.getpgid(there) != os.getpgid(0)  # Ctrl-C does not reach it


def test_signals_to_a_whole_service_are_for_its_first_process(tmp_path, fresh):
    path = write(tmp_path / "a.grib", GOOD)
    assert first(path) == 7.0
    there = pid()
    for signum in signals.SIGNALS:
        os.kill(there, signum)
    assert first(path) == 7.0
    assert pid() == there


def test_a_worker_that_was_killed_meanwhile_is_replaced(tmp_path, fresh):
    path = write(tmp_path / "a.grib", GOOD)
    assert first(path) == 7.0
    os.kill(pid(), signal.SIGKILL)
    assert first(path) == 7.0


def test_an_answer_that_nobody_waited_for_is_not_the_next_one(tmp_path, fresh, monkeypatch):
    one, other = (write(tmp_path / f"{i}.grib", temperature(i)) for i in (1.0, 2.0))
    first(one)

    def interrupted(worker):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(grib_worker._Worker, "_answer", interrupted)
        index(one)
    assert first(other) == 2.0


def test_threads(tmp_path, fresh):
    paths = [write(tmp_path / f"{i}.grib", temperature(float(i))) for i in range(6)]
    bad = write(tmp_path / "bad.grib", killer("png"))

    def values(path):
        try:
            return first(path)
        except InputError as problem:
            return str(problem)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(values, [*paths, bad, *paths]))
    assert found[:6] == found[7:] == [0, 1, 2, 3, 4, 5]
    assert "bad.grib: message 1" in found[6]


_CHILD = """
import os, sys
from pathlib import Path
from smoecast.fields.read.grib import worker
from smoecast.fields.read.grib.index import index
path = Path(sys.argv[1])
def pid():
    assert len(index(path)[0]) == 1
    return worker._KEEPER.worker._process.pid
first = pid()
"""


def test_a_fork_has_its_own_worker(tmp_path):
    path = write(tmp_path / "a.grib", GOOD)
    code = """
child = os.fork()
if not child:
    assert pid() != first
    worker._KEEPER.end()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert pid() == first
assert "eccodes" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _CHILD + code, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
@pytest.mark.parametrize("how", ["ends", "is killed"])
def test_the_worker_ends_with_its_process(tmp_path, how):
    path = write(tmp_path / "a.grib", GOOD)
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD + "print(first, flush=True)\ninput()", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        worker = int(parent.stdout.readline())
        assert is_there(worker)
        if how == "is killed":
            parent.kill()
        else:
            parent.communicate("\n")
    assert gone(worker)


def test_without_memory_files(tmp_path, fresh, monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    assert first(write(tmp_path / "a.grib", GOOD)) == 7.0


# ---- questions


def test_a_field_larger_than_the_desk(tmp_path, fresh):
    keys = {"Ni": 1800, "Nj": 1500, "bitsPerValue": 8}
    keys |= {"iDirectionIncrementInDegrees": 30 / 1799, "jDirectionIncrementInDegrees": 20 / 1499}
    one = message("regular_ll_pl_grib2", shortName="t", level=500, **keys)
    found = open_file(write(tmp_path / "a.grib", one, GOOD[:0]))["t"].values
    np.testing.assert_allclose(found.ravel(), np.arange(1800 * 1500), atol=0.2)
    assert describe(one, 1, "it") == index(tmp_path / "a.grib")[0][0]


def test_more_fields_than_memory(tmp_path):
    place = GribGrid("regular_ll", (1 << 13, 1 << 13), (90, 0, -90, 359), (1, 1), 0, *3 * [False])
    where = np.zeros((1 << 20, 3), np.int64)
    with pytest.raises(InputError, match=r"a\.grib: 1048576 fields of 8192 x 8192 .* not fit into"):
        decode(write(tmp_path / "a.grib", GOOD), where, place)
