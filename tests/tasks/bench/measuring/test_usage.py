"""CPU time and memory of this process and its children."""

import subprocess
import sys

from smoecast.tasks.bench.measuring.usage import cpu_seconds, peak_bytes

BURN = """
import sys, time
while time.process_time() < 0.3: pass
held = b"1" * 300_000_000
print(flush=True)
sys.stdin.read()
"""


def test_children_count_while_they_live_and_afterwards() -> None:
    before = cpu_seconds()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", BURN], **pipes) as child:
        child.stdout.readline()
        assert cpu_seconds() - before > 0.25
        assert peak_bytes() > 300_000_000
        child.stdin.close()
    assert cpu_seconds() - before > 0.25
    assert peak_bytes() > 300_000_000
