"""What was freed is used again, by the command that is installed."""

import platform
import subprocess
import sys

import pytest

from smoecast.freed_memory import VARIABLES

FAULTS = """
import resource, smoecast.cli.entry
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [bytearray(16 << 20) for _ in range(4)]
    del held
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
@pytest.mark.parametrize(
    ("given", "fetched"), [({}, False), ({"MALLOC_TRIM_THRESHOLD_": "131072"}, True)]
)
def test_memory_that_was_freed_is_used_again_unless_somebody_says_so(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], fetched: bool
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-c", FAULTS], stdout=subprocess.PIPE, check=True)
    assert (int(done.stdout) > 32 << 20) == fetched
