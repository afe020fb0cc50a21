import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save
from small_training import new_task, small_model, small_settings, train

from smoecast.errors import ConfigError, Interrupted, ModelError
from smoecast.training.checkpoint import RESUME, SEAL, digest, load, seal
from smoecast.training.optimizers import OPTIMIZERS


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


EVERYTHING = {
    "epochs": 6,
    "batch_size": 2,
    "accumulate": 2,
    "warmup_steps": 9,
    "ema": 0.95,
    "precision": "fp16",
    "optimizer": "adam",
    "schedule": "cosine",
    "weight_decay": 0.01,
    "expert_factor": 0.3,
}
"""Settings (beside dropout and batch normalisation) that give a run more to remember."""


def death_after(calls):
    """A tick that dies at the given step of the session and saves nothing."""

    def tick(_done):
        tick.calls += 1
        if tick.calls == calls:
            raise KeyboardInterrupt

    tick.calls = 0
    return tick


@pytest.mark.parametrize(
    "changes",
    [{}, EVERYTHING, pytest.param({**EVERYTHING, "precision": "bf16"}, marks=pytest.mark.slow)],
)
def test_ten_deaths_at_random_steps_leave_no_trace(task, tmp_path, changes):
    """36 steps (or 18), saved after each; killed ten times in their course."""
    task["settings"] = small_settings(save_minutes=1e-9, **changes)
    task["folder"] = tmp_path / "whole"
    expected, history = run_until_done(task, [])
    task["folder"] = tmp_path / "killed"
    for calls in np.random.default_rng(7).integers(2, 3 if not changes else 5, size=10):
        with pytest.raises(KeyboardInterrupt):
            train(small_model(), **task, tick=death_after(calls))
    model, other = run_until_done(task, [])
    assert other == history
    for name, value in expected.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_the_scale_of_fp16_is_taken_up_again(task):
    task["settings"] = small_settings(**EVERYTHING)
    with pytest.raises(Interrupted):
        train(small_model(), **task, tick=stop_after(3))
    _, ledger = load(task["folder"] / RESUME, task["identity"])
    assert ledger.scaler["scale"] == 2.0**16
    assert ledger.scaler["_growth_tracker"] == 3
    assert ledger.step == 3


def test_a_run_from_before_these_settings_goes_on():
    old = {"epochs": 3, "batch_size": 4, "patience": 5}
    kept = small_settings().decisive()
    assert "ema" not in kept
    assert {key: kept[key] for key in old} == old
    assert small_settings(ema=0.9).decisive()["ema"] == 0.9
    assert "log" not in small_settings(log=("mlflow",), keep_last=True).decisive()


def test_the_last_weights_are_handed_over_once(task):
    kept, model = [], small_model()
    task["settings"] = small_settings(epochs=10, learning_rate=0.03, patience=10)
    # the better it learns, the worse it seems
    task["validation"].targets = -task["validation"].targets
    outcome = train(model, **task, last=kept.append)
    assert len(kept) == 1
    assert outcome["best_epoch"] < 10
    assert any(not torch.equal(kept[0][k], v) for k, v in model.state_dict().items())


def test_history_lost_in_a_crash_is_written_again(task):
    task["settings"] = small_settings(epochs=2)
    train(small_model(), **task)
    history = task["folder"] / "history.jsonl"
    expected = history.read_text()
    history.unlink()
    train(small_model(), **task)
    assert history.read_text() == expected


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """The folder of a run that came to its end."""
    task = new_task(tmp_path_factory.mktemp("training") / "run")
    train(small_model(), **task)
    return task["folder"]


@pytest.fixture
def ended(task, whole_run):
    """A task whose folder has a run that came to its end."""
    shutil.copytree(whole_run, task["folder"])
    return task


@pytest.mark.parametrize(
    ("identity", "named"),
    [
        ({"network": {"width": 5}, "data": "abc"}, r"network\.width \(4, now 5\)"),
        ({"network": {"width": 4}, "data": "abd"}, r'data \("abc", now "abd"\)'),
        ({"network": {"width": 4}}, r'data \("abc", now null\)'),
    ],
)
def test_another_identity_is_refused(ended, identity, named):
    ended["identity"] = identity
    with pytest.raises(ConfigError, match=rf"another {named}: choose another run name"):
        train(small_model(), **ended)


def test_a_run_of_before_the_new_names_goes_on(task):
    """What it is known by is told under the names of today."""
    smoe = {"layers": "all", "expansion": {"last": 8.0}, "terms": 1, "judge": "experts"}
    task["identity"] = {
        "config": {"sample": {"clock": True}, "network": {"offset": False, "smoe": smoe}},
        "fitted": {"where": "local", "training": {"gate_learning_rate": 1.0}},
    }
    task["settings"] = small_settings(epochs=1)
    train(small_model(), **task)
    advanced = {
        "expansion_at": {"last": 8.0},
        "experts_per_channel_at": {},
        "routing_loss": "experts",
    }
    sizes = {"layers": "all", "expansion": 4.0, "experts_per_channel": 1, "advanced": advanced}
    network = {"local_bias": False, "smoe": sizes}
    today = {
        "config": {"sample": {"time_features": True}, "network": network},
        "fitted": {"coefficients": "local", "training": {"advanced": {"gate_learning_rate": 1.0}}},
    }
    _, ledger = load(task["folder"] / RESUME, today)
    assert ledger.finished
    network["local_bias"] = True
    with pytest.raises(ConfigError, match=r"config\.network\.local_bias \(false, now true\)"):
        load(task["folder"] / RESUME, today)


def test_paths_and_tuples_in_the_identity_survive_json(task):
    task["identity"] = {"folder": Path("runs"), "leads": (6, 12)}
    train(small_model(), **task)
    assert not train(small_model(), **task)["trained"]


def settled(task, folder, **changes):
    """A task whose identity has the settings in it, as that of `smoecast train`."""
    settings = small_settings(**{"plateau_patience": 1, **changes})
    said = {"config": {"training": settings.decisive()}}
    more = {"identity": said, "growing": "config.training.epochs"}
    return {**task, "settings": settings, "folder": folder, **more}


def test_more_epochs_for_a_finished_run_go_on_from_it(task, tmp_path):
    expected, history = run_until_done(settled(task, tmp_path / "whole", epochs=4), [])
    run_until_done(settled(task, tmp_path / "grown", epochs=2), [])
    longer, asked = small_model(), settled(task, tmp_path / "grown", epochs=4)
    reported = []
    assert train(longer, **asked, report=reported.append)["trained"]
    assert [record["epoch"] for record in reported] == [3, 4]
    assert len(history) == 4
    for name, value in expected.state_dict().items():
        assert torch.equal(value, longer.state_dict()[name]), name
    assert not train(small_model(), **asked)["trained"]
    with pytest.raises(ConfigError, match=r"another config\.training\.epochs \(4, now 3\)"):
        train(small_model(), **settled(task, tmp_path / "grown", epochs=3))
    with pytest.raises(ConfigError, match=r"another config\.training\.batch_size"):
        train(small_model(), **settled(task, tmp_path / "grown", epochs=5, batch_size=5))


def test_a_run_of_before_kept_too_little_to_go_on(task, tmp_path):
    train(small_model(), **settled(task, tmp_path / "old", epochs=1))
    path = tmp_path / "old" / RESUME
    with safe_open(path, framework="pt") as file:
        scalars = json.loads(file.metadata()["run"])
        names = [name for name in file.keys() if name.startswith("best.")]  # noqa: SIM118
        tensors = {name: file.get_tensor(name) for name in names}
    scalars["sha256"] = digest(tensors)
    path.write_bytes(save(tensors, metadata={"run": json.dumps({**scalars, SEAL: seal(scalars)})}))
    assert not train(small_model(), **settled(task, tmp_path / "old", epochs=1))["trained"]
    with pytest.raises(ConfigError, match="kept the best model alone"):
        train(small_model(), **settled(task, tmp_path / "old", epochs=2))


def test_a_run_that_stopped_for_want_of_gain_does_not_go_on(task, tmp_path):
    task["loss"] = lambda output, _: output.sum() * 0 + 1
    asked = settled(task, tmp_path / "flat", epochs=9, patience=1)
    assert train(small_model(), **asked)["epochs"] == 2
    with safe_open(tmp_path / "flat" / RESUME, framework="pt") as file:
        assert {name.split(".")[0] for name in file.keys()} == {"best", "routing"}  # noqa: SIM118
    longer = settled(task, tmp_path / "flat", epochs=10, patience=1)
    assert not train(small_model(), **longer)["trained"]


@pytest.mark.parametrize("finished", [True, False])
def test_another_network_is_refused(task, finished):
    if finished:
        train(small_model(), **task)
    else:
        with pytest.raises(Interrupted):
            train(small_model(), **task, tick=stop_after(2))
    with pytest.raises(ConfigError, match="holds another network"):
        train(small_model(layers="none"), **task)


def test_moments_of_weights_that_were_arranged_in_another_way_are_refused(task, monkeypatch):
    with pytest.raises(Interrupted):
        train(small_model(), **task, tick=stop_after(2))
    load_state = torch.optim.AdamW.load_state_dict

    def load_older(optimizer, saved):
        for moments in saved["state"].values():
            moments["exp_avg"] = moments["exp_avg"][None]
        load_state(optimizer, saved)

    monkeypatch.setattr(OPTIMIZERS["adamw"], "load_state_dict", load_older)
    with pytest.raises(ConfigError, match=r"resume\.safetensors was begun by an older smoecast"):
        train(small_model(), **task)


@pytest.mark.parametrize("damage", ["cut", "flip", "garbage", "other"])
def test_a_damaged_file_is_refused(ended, damage):
    path = ended["folder"] / RESUME
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-3] ^= 16
    if damage == "other":  # a sound file of other content
        content = save({"weight": torch.ones(2)})
    path.write_bytes({"cut": content[:-100], "garbage": b"pickle"}.get(damage, content))
    with pytest.raises(ModelError, match=r"resume\.safetensors is damaged: add --fresh"):
        train(small_model(), **ended)


def rewritten(path, change):
    """Write a run's file anew, its scalars changed."""
    with safe_open(path, framework="pt") as file:
        scalars = json.loads(file.metadata()["run"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    scalars = change(scalars)
    path.write_bytes(save(tensors, metadata={"run": json.dumps(scalars)}))


def without_seal(scalars):
    return {name: value for name, value in scalars.items() if name != "seal"}


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {**s, "ledger": {**s["ledger"], "epoch": 1}},
        lambda s: {**without_seal(s), "ledger": {"epoch": 1}},
        lambda s: {**without_seal(s), "ledger": {**s["ledger"], "more": 1}},
        lambda s: [],
        lambda s: "run",
    ],
)
def test_scalars_that_were_changed_are_refused(ended, change):
    rewritten(ended["folder"] / RESUME, change)
    with pytest.raises(ModelError, match="is damaged: add --fresh"):
        train(small_model(), **ended)


def test_a_run_of_before_without_a_seal_goes_on(task):
    with pytest.raises(Interrupted):
        train(small_model(), **task, tick=stop_after(2))
    rewritten(task["folder"] / RESUME, without_seal)
    assert train(small_model(), **task)["trained"]


def test_a_pipe_in_the_place_of_the_file_is_refused(task):
    task["folder"].mkdir()
    os.mkfifo(task["folder"] / RESUME)
    with pytest.raises(ModelError, match="is damaged: add --fresh"):
        train(small_model(), **task)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from small_training import Fields, small_loss, small_model, small_settings, train
from smoecast.errors import SmoecastError
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


# that SIGINT ends a command in 130 is held by tests/cli/test_failures.py and test_boundary.py
@pytest.mark.parametrize(
    "signum", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_from_outside_saves_and_tells(tmp_path, signum):
    command = [
        sys.executable,
        "-c",
        SCRIPT,
        str(Path(__file__).parents[1] / "helpers"),
        str(tmp_path / "run"),
    ]
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


KILLED = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from small_training import Fields, small_loss, small_model, small_settings, train
train(
    small_model(), Fields(22), Fields(9, seed=1), small_loss,
    small_settings(save_minutes=1e-9, **json.loads(sys.argv[3])), folder=Path(sys.argv[2]), seed=3,
    identity={}, tick=lambda done: print(done, flush=True),
)
"""


@pytest.mark.slow
def test_ten_kills_at_random_moments_leave_no_trace(task, tmp_path):
    """SIGKILL, wherever the process is: in a step, in a save, in the validation."""
    task["settings"] = small_settings(**EVERYTHING)
    task |= {"folder": tmp_path / "whole", "identity": {}}
    expected, history = run_until_done(task, [])
    task["folder"] = tmp_path / "killed"
    options = [
        str(Path(__file__).parents[1] / "helpers"),
        str(task["folder"]),
        json.dumps(EVERYTHING),
    ]
    rng = np.random.default_rng(5)
    for _ in range(10):
        command = [sys.executable, "-c", KILLED, *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for _ in range(rng.integers(1, 4)):
                assert process.stdout.readline()
            time.sleep(rng.uniform(0, 0.02))
            process.kill()
        assert process.returncode == -signal.SIGKILL
    model, other = run_until_done(task, [])
    assert other == history
    for name, value in expected.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
