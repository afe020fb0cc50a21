"""`smoecast watch` as a process: what it says, how signals end it, and what it leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from log_lines import without_times
from typer.testing import CliRunner
from watching import Scene

from smoecast.cli import main
from smoecast.config import yaml_file
from smoecast.config.run import Config

SCRIPT = """
import sys
sys.argv[0] = "smoecast"
{before}
from smoecast.cli.entry import main
main()
"""
SLOW = """
import time
from pathlib import Path
from smoecast.tasks.forecast import blocks
def wait(*_):
    Path({sign!r}).touch()
    time.sleep(600)
blocks.predict = wait
"""


def begin(scene: Scene, *more: str, before: str = "") -> "subprocess.Popen[str]":
    """Start a watch of the folder of analyses."""
    config = scene.place / "run.yaml"
    config.write_text(yaml_file.dump(scene.config))
    command = ["watch", "-c", str(config), "-m", str(scene.model), "--every", "1s", *more]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(before=before), *command, str(scene.inputs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def wait_for(process: "subprocess.Popen[str]", sign: Callable[[], object]) -> None:
    """Wait for a sign of life, for as long as there is life."""
    while not sign():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_a_signal_ends_it_gently_and_the_next_start_goes_on(
    done: Config, world: Path, tmp_path: Path
) -> None:
    scene = Scene(done, world, tmp_path)
    for number in range(3):
        scene.bring(number)
    metrics = tmp_path / "watch.prom"
    process = begin(scene, "--metrics", str(metrics))
    wait_for(process, lambda: len(scene.made) == 2)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 143
    assert out == ""
    *lines, last = without_times(err).splitlines()
    assert [line.split(": ")[0][-13:-3] for line in lines] == ["2001010112", "2001010106"]
    assert last.startswith("smoecast: stopped by SIGTERM: what was in hand is whole (forecasts: 2)")
    assert 'smoecast_last_exit_code{run="small",verb="forecast"} 0' in metrics.read_text()
    assert [r["exit_code"] for r in scene.on_disk] == [0, 0]
    assert not list(scene.config.place.glob(".*"))


def test_a_second_signal_ends_it_at_once_with_nothing_half_written(
    done: Config, world: Path, tmp_path: Path
) -> None:
    scene = Scene(done, world, tmp_path)
    scene.bring(0)
    scene.bring(1)
    sign = tmp_path / "the network is at work"
    process = begin(scene, before=SLOW.format(sign=str(sign)))
    wait_for(process, sign.exists)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert process.poll() is None
    while process.poll() is None:  # one that comes before the first was heard is the same
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    process.communicate()
    assert process.returncode == -signal.SIGTERM
    assert scene.made == []
    scene.watch(lambda: None, lambda: None)
    assert scene.made == ["2001010106"]
    assert not list(scene.config.place.glob(".*"))


def test_a_restart_finds_what_is_made_without_pytorch(
    done: Config, world: Path, tmp_path: Path
) -> None:
    scene = Scene(done, world, tmp_path)
    scene.bring(0)
    scene.bring(1)
    scene.watch(lambda: None, lambda: None)
    process = begin(scene, "--once", before='sys.modules["torch"] = None')
    out, err = process.communicate()
    assert (process.returncode, out, err) == (0, "forecasts: 0\n", "")
    (scene.config.place / "forecast_2001010106.nc").unlink()
    process = begin(scene, "--once", "-q", before='sys.modules["torch"] = None')
    assert "torch" in process.communicate()[1]  # or else nothing was shown
    assert process.returncode == 1


def test_once_in_json(done: Config, world: Path, tmp_path: Path) -> None:
    scene = Scene(done, world, tmp_path)
    scene.bring(0)
    scene.bring(1)
    config = tmp_path / "run.yaml"
    config.write_text(yaml_file.dump(scene.config))
    asked = ["-c", str(config), "-m", str(scene.model), "--every", "0.1s", str(scene.inputs)]
    run = CliRunner().invoke
    first = run(main.app, ["watch", *asked, "--once", "--json", "-q"])
    assert (first.exit_code, json.loads(first.output)) == (0, {"forecast": 1})
    assert run(main.app, ["watch", *asked, "--once"]).stdout == "forecasts: 0\n"
    wrong = run(main.app, ["watch", *asked, "--every", "soon"])
    assert wrong.exit_code == 2
    assert "--every soon" in wrong.output
