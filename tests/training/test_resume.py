import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from small_training import small_model, small_settings

from smoecast.errors import ConfigError, Interrupted, ModelError
from smoecast.training.loop import train
from smoecast.training.resume import RESUME, first_difference


def stop_after(calls):
    """A tick that sends SIGTERM to this process at the given step of the session."""

    def tick(_share):
        tick.done += 1
        if tick.done == calls:
            os.kill(os.getpid(), signal.SIGTERM)

    tick.done = 0
    return tick


def run_until_done(task, stops):
    """Train, stopped at each of these numbers of steps; return the model and its history."""
    for calls in stops:
        with pytest.raises(Interrupted) as caught:
            train(small_model(), **task, tick=stop_after(calls))
        assert caught.value.exit_code == 143
    model = small_model()
    train(model, **task)
    lines = (task["folder"] / "history.jsonl").read_text().splitlines()
    return model, [{**json.loads(line), "seconds": None} for line in lines]


@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
def test_resume_anywhere_is_exact_to_the_bit(task, tmp_path, schedule):
    """3 epochs of 6 steps: stop in the middle, at an epoch's last step, at the first step."""
    task["settings"] = small_settings(schedule=schedule, plateau_patience=1)
    task["folder"] = tmp_path / "whole"
    expected, history = run_until_done(task, [])
    drawn = np.random.default_rng(11).integers(1, 6, size=3)
    for number, stops in enumerate([(6,), (1, 1, 1), (7, 5), (17,), tuple(int(d) for d in drawn)]):
        task["folder"] = tmp_path / f"parts{number}"
        model, other = run_until_done(task, stops)
        assert other == history, stops
        for name, value in expected.state_dict().items():
            assert torch.equal(value, model.state_dict()[name]), (stops, name)


def test_a_killed_run_goes_on_from_its_last_save(task, tmp_path):
    """SIGKILL cannot be caught: what counts is the file of the last save, wherever that was."""
    task["folder"] = tmp_path / "whole"
    expected, _ = run_until_done(task, [])
    task["settings"] = small_settings(save_minutes=1e-9)  # a save after every step
    task["folder"] = tmp_path / "killed"

    def die(_share):
        die.done += 1
        if die.done == 9:
            raise KeyboardInterrupt  # stands for a death that saves nothing

    die.done = 0
    with pytest.raises(KeyboardInterrupt):
        train(small_model(), **task, tick=die)
    task["settings"] = small_settings()
    model, _ = run_until_done(task, [])
    for name, value in expected.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_history_lost_in_a_crash_is_written_again(task):
    task["settings"] = small_settings(epochs=2)
    train(small_model(), **task)
    history = task["folder"] / "history.jsonl"
    expected = history.read_text()
    history.unlink()
    train(small_model(), **task)
    assert history.read_text() == expected


@pytest.mark.parametrize(
    ("identity", "named"),
    [
        ({"network": {"width": 5}, "data": "abc"}, r"network\.width \(4, now 5\)"),
        ({"network": {"width": 4}, "data": "abd"}, r'data \("abc", now "abd"\)'),
        ({"network": {"width": 4}}, r'data \("abc", now null\)'),
    ],
)
def test_another_identity_is_refused(task, identity, named):
    train(small_model(), **task)
    task["identity"] = identity
    with pytest.raises(ConfigError, match=rf"another {named}: choose another run name"):
        train(small_model(), **task)


def test_paths_and_tuples_in_the_identity_survive_json(task):
    task["identity"] = {"folder": Path("runs"), "leads": (6, 12)}
    train(small_model(), **task)
    assert not train(small_model(), **task)["trained"]


def test_first_difference():
    assert first_difference({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}) == ""
    assert first_difference({"a": {"b": 1, "c": 2}}, {"a": {"c": 3, "b": 1}}) == "a.c (2, now 3)"


@pytest.mark.parametrize("finished", [True, False])
def test_another_network_is_refused(task, finished):
    if finished:
        train(small_model(), **task)
    else:
        with pytest.raises(Interrupted):
            train(small_model(), **task, tick=stop_after(2))
    with pytest.raises(ConfigError, match="holds another network"):
        train(small_model(layers="none"), **task)


@pytest.mark.parametrize("damage", ["cut", "flip", "garbage", "other"])
def test_a_damaged_file_is_refused(task, damage):
    train(small_model(), **task)
    path = task["folder"] / RESUME
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-3] ^= 16
    if damage == "other":  # a sound file of other content
        from safetensors.torch import save

        content = save({"weight": torch.ones(2)})
    path.write_bytes({"cut": content[:-100], "garbage": b"pickle"}.get(damage, content))
    with pytest.raises(ModelError, match=r"resume\.safetensors is damaged: add --fresh"):
        train(small_model(), **task)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from small_training import Fields, small_loss, small_model, small_settings
from smoecast.errors import SmoecastError
from smoecast.training.loop import train
try:
    train(
        small_model(), Fields(22), Fields(9, seed=1), small_loss, small_settings(epochs=10**6,
        patience=10**6), folder=Path(sys.argv[2]), seed=3, identity={},
        report=lambda record: print(record["epoch"], flush=True),
    )
except SmoecastError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_from_outside_saves_and_tells(tmp_path, signum):
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parent), str(tmp_path / "run")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "1\n"
        time.sleep(0.05)
        process.send_signal(signum)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    assert f"stopped by {signum.name}: epoch" in errors
    assert "Traceback" not in errors
    assert (tmp_path / "run" / RESUME).exists()
