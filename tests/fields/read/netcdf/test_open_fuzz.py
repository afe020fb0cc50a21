"""Whatever a NetCDF file holds: values or one sentence, in seconds, and nothing else.

Where this finds a fault, the file that showed it becomes a test of its own beside the part that
was mended.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_strange import CLASSIC, alike, good, mutated, outcome, strange, write

from smoecast.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore")
SECONDS = 10
"""Of the processor, for one file."""
HDF5 = (
    {"kind": "NETCDF4"},
    {"kind": "NETCDF4", "packed": True, "zlib": True, "shuffle": True},
    {"kind": "NETCDF4_CLASSIC", "zlib": True, "fletcher32": True},
)


def few(count: int) -> settings:
    return settings(derandomize=True, deadline=None, max_examples=count)


# ---- strange contents


def check_contents(contents: list[dict]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [write(Path(folder) / f"{i}.nc", content) for i, content in enumerate(contents)]
        assert outcome(*paths) in ("values", "refused")


@few(60)
@given(strange())
def test_strange_contents(content):
    check_contents([content])


@few(20)
@given(alike())
def test_strange_contents_of_several_files(contents):
    check_contents(contents)


@pytest.mark.slow
@few(3000)
@given(strange())
def test_strange_contents_by_the_thousand(content):
    check_contents([content])


@pytest.mark.slow
@few(1500)
@given(alike())
def test_strange_contents_of_several_files_by_the_thousand(contents):
    check_contents(contents)


# ---- changed bytes of classic files


def check_classic(kind: str, packed: bool, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = good(Path(folder) / "a.nc", kind, packed)
        path.write_bytes(mutated(path.read_bytes(), str(seed)))
        assert outcome(path) in ("values", "refused")


CASES = (st.sampled_from(CLASSIC), st.booleans(), st.integers(0, 2**32))


@few(60)
@given(*CASES)
def test_changed_bytes_of_classic_files(kind, packed, seed):
    check_classic(kind, packed, seed)


@pytest.mark.slow
@few(4000)
@given(*CASES)
def test_changed_bytes_of_classic_files_by_the_thousand(kind, packed, seed):
    check_classic(kind, packed, seed)


# ---- changed bytes of HDF5: its library might end the process, and does not always come back


def run_cases(first: int, last: int) -> None:
    """Read changed files one after the other and tell of each; in a process of its own."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nc"
        contents = [good(path, **options).read_bytes() for options in HDF5]
        for case in range(first, last):
            path = Path(folder) / f"{case}.nc"
            path.write_bytes(mutated(contents[case % len(HDF5)], str(case)))
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                found = outcome(path)
            except Exception as problem:  # noqa: BLE001  # told to the test
                found = f"{type(problem).__name__}: {problem}"
            print(json.dumps([case, found]), flush=True)
            path.unlink()


def ends_of(count: int) -> tuple[set[str], dict[int, str]]:
    """Return what cases came to, and those that ended their process, by signal."""
    found: set[str] = set()
    killed: dict[int, str] = {}
    first = 0
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    while first < count:
        last = min(first + 500, count)
        program = f"import test_open_fuzz as t; t.run_cases({first}, {last})"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        told = [what for _, what in map(json.loads, done.stdout.splitlines())]
        found |= set(told)
        first += len(told)
        if done.returncode == InputError.exit_code:  # the watchdog: HDF5 went in circles
            found.add("refused")
            first += 1
        elif done.returncode:
            assert done.returncode < 0, f"case {first}: exit {done.returncode}"
            killed[first] = signal.Signals(-done.returncode).name
            first += 1
    return found, killed


def test_changed_bytes_of_hdf5():
    assert ends_of(60) == ({"values", "refused"}, {})


@pytest.mark.slow
def test_changed_bytes_of_hdf5_by_the_thousand():
    """HDF5 2.2 goes round for ever in a heap with an empty object: one case in ten thousand."""
    assert ends_of(10_000) == ({"values", "refused"}, {})
