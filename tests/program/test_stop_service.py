"""A signal to every process of a service at once: one line, one record, no process left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from log_lines import without_times
from small_world import small_run

from smoecast import signals
from smoecast.config import yaml_file

SCRIPT = "import sys; sys.argv[0] = 'smoecast'; from smoecast.cli.entry import main; main()"


def members(session: int) -> set[int]:
    """Return the living processes of a session."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.add(int(place.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
@pytest.mark.parametrize("signum", signals.SIGNALS)
def test_dask_workers_end_with_the_run(world: Path, tmp_path: Path, signum: int) -> None:
    config = small_run(world, tmp_path)
    (path := tmp_path / "run.yaml").write_text(yaml_file.dump(config))
    words = ["preprocess", "-q", "--workers", "2", "-c", str(path)]
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # what nohup ignores is heard again
        preexec_fn=lambda: [signal.signal(s, signal.SIG_DFL) for s in signals.SIGNALS],  # noqa: PLW1509
    )
    while len(members(run.pid)) < 4 and run.poll() is None:  # with its workers and their helper
        time.sleep(0.01)
    for process in members(run.pid):
        try:
            os.kill(process, signum)
        except ProcessLookupError:
            continue
    _, err = run.communicate()
    assert run.returncode == 128 + signum
    assert len(without_times(err).splitlines()) == 1, err
    while members(run.pid):  # the last are on their way
        time.sleep(0.01)
    (record,) = (config.place / "records").iterdir()
    assert json.loads(record.read_text())["exit_code"] == 128 + signum
