"""Reading that does not come back ends the process in one sentence."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from made_fields import surface

from smoecast.fields.read.netcdf import watchdog

READ = """
import sys
from pathlib import Path
from smoecast.fields import checksums, header_digest
from smoecast.fields.read import open as reader, results
from smoecast.fields.read.netcdf import watchdog
watchdog.CPU_SECONDS, watchdog._LOOK_SECONDS = 0.3, 0.05
{call}(Path(sys.argv[1]))
"""


def led_in_circles(path: Path) -> Path:
    """Write a file whose heap of references has free space of no size, which HDF5 never passes."""
    surface().to_netcdf(path, engine="netcdf4")
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    at, end = heap + 16, heap + int.from_bytes(content[heap + 8 : heap + 16], "little")
    while at < end and content[at] | content[at + 1]:  # an object's number; 0 is free space
        size = int.from_bytes(content[at + 8 : at + 16], "little")
        at += 16 + (size + 7) // 8 * 8
    content[at + 8 : at + 16] = bytes(8)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "call",
    [
        "reader.open_file",
        "results.read_attributes",
        "header_digest.digest_checked",
        "(lambda path: checksums.check(path, whole=True))",
    ],
)
def test_a_header_that_leads_in_circles_is_3_and_one_sentence(tmp_path: Path, call: str) -> None:
    path = led_in_circles(tmp_path / "a.nc")
    command = [sys.executable, "-c", READ.format(call=call), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 3
    words = "its header leads HDF5 in circles: fetch the file again"
    assert done.stderr == f"smoecast: {path}: {words}\n"


def test_what_comes_back_is_let_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(watchdog, "CPU_SECONDS", 0.2)
    monkeypatch.setattr(watchdog, "_LOOK_SECONDS", 0.01)
    with watchdog.watch(tmp_path / "a.nc"):
        time.sleep(0.5)  # waiting is not computing
    assert all(thread.name != "watch" for thread in threading.enumerate())
