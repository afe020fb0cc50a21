"""Several processes: parts of a batch, words between them, and equality with one process."""

import json
import signal
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from small_training import Fields, pure_model, small_loss, small_settings, train

from smoecast.errors import ConfigError
from smoecast.training import distributed
from smoecast.training.checkpoint import RESUME
from smoecast.training.distributed import ProcessGroup, join

HERE = str(Path(__file__).parents[1] / "helpers")
SCRIPT = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from small_training import Fields, pure_model, small_loss, small_model, small_settings, train
from smoecast.errors import SmoecastError
from smoecast.nn.smoe.model_layers import gate_parameters
from smoecast.training.distributed import join

options = json.loads(sys.argv[3])
make = small_model if options.pop("mixed", False) else pure_model
deaths, stray = options.pop("deaths", 0), options.pop("stray", None)
folder, calls = Path(sys.argv[2]), []

def tick(done):
    calls.append(done)
    if team.rank == stray and len(calls) == 2:
        with torch.no_grad():
            gate_parameters(model)[0][0, 0, 0] += 1e-3
    if len(calls) == deaths:
        raise KeyboardInterrupt

with join("cpu") as team:
    if team.first:
        time.sleep(0.3)
        (folder / "word").touch()
    team.wait()
    assert (folder / "word").exists()  # nobody went on before
    model = make()
    try:
        train(
            model, Fields(options.pop("samples", 22)), Fields(9, seed=1), small_loss,
            small_settings(**options), folder=folder, seed=3, identity={}, team=team, tick=tick,
        )
    except SmoecastError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    if team.first:
        gradients = {f"gradient of {name}": p.grad for name, p in model.named_parameters()}
        torch.save(model.state_dict() | gradients, folder / "weights.pt")
    print("rank", team.rank, "of", team.size, flush=True)
"""


FORKED = """
import os, sys
sys.path.insert(0, sys.argv[1])
import small_training, torch._dynamo  # once, before there are two
os.environ |= {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": sys.argv.pop()}
child = os.fork()
os.environ |= dict.fromkeys(("RANK", "LOCAL_RANK"), "1" if child else "0")
"""
"""What torchrun does for two processes, in a third of its time."""
WAIT = """
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def fork(folder, **options):
    """As `torchrun`, of which the slow tests here are, and one in tests/tasks/test_train.py."""
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-c", FORKED + SCRIPT + WAIT, HERE, str(folder), json.dumps(options)]
    done = subprocess.run(
        [*command, port], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["rank 0 of 2", "rank 1 of 2"]
    return read(folder)


def torchrun(folder, *, processes=2, check=True, **options):
    """Train in so many processes; return the lines of history and the tensors, or the process.

    Tensors are the weights, and the gradients of the last step.
    """
    folder.mkdir(exist_ok=True)
    (script := folder / "train.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(processes), str(script), HERE, str(folder)]
    done = subprocess.run(
        [*command, json.dumps(options)], capture_output=True, text=True, timeout=300, check=False
    )
    if not check:
        return done
    assert done.returncode == 0, done.stderr
    return read(folder)


def read(folder):
    """Return the lines of history, and the tensors."""
    lines = (folder / "history.jsonl").read_text().splitlines()
    history = [{**json.loads(line), "seconds": None} for line in lines]
    return history, torch.load(folder / "weights.pt")


def numbers(history):
    keys = ("train_loss", "validation_loss", "routing_loss", "learning_rate")
    return [record[key] for record in history for key in keys]


def check_against_one_process(folder, history, tensors, **options):
    model, records = pure_model(), []
    train(
        model,
        Fields(options.pop("samples")),
        Fields(9, seed=1),
        small_loss,
        small_settings(**options),
        folder=folder,
        seed=3,
        identity={},
        report=records.append,
    )
    assert numbers(history) == pytest.approx(numbers(records), rel=1e-5)
    for name, value in model.state_dict().items():
        # Adam makes steps of 1e-3 also where a gradient is little more than rounding
        torch.testing.assert_close(tensors[name], value, rtol=1e-4, atol=1e-4, msg=name)
    for name, parameter in model.named_parameters():
        ours = tensors[f"gradient of {name}"]
        if parameter.grad is None:  # routing scores at rest
            assert ours is None and options["gate_learning_rate"] == 0
            continue
        torch.testing.assert_close(ours, parameter.grad, rtol=1e-3, atol=1e-6, msg=name)


def test_two_processes_equal_one_with_batches_twice_as_large(tmp_path):
    """21 samples: steps of 8, 8 and 5, which are parts of 3 and 2."""
    options = {"samples": 21, "optimizer": "adam", "weight_decay": 0.1}
    found = fork(tmp_path / "two", batch_size=4, **options)
    check_against_one_process(tmp_path / "one", *found, batch_size=8, **options)


@pytest.mark.slow
def test_passes_and_processes_and_a_process_without_samples(tmp_path):
    """17 samples in steps of 2 x 2 x 4 = 16 and 1: in the last, one process has none."""
    options = {"samples": 17, "ema": 0.9}
    found = torchrun(tmp_path / "two", batch_size=4, accumulate=2, **options)
    check_against_one_process(tmp_path / "one", *found, batch_size=16, **options)


@pytest.mark.slow
def test_gates_at_rest_in_two_processes(tmp_path):
    options = {"samples": 21, "gate_learning_rate": 0.0}
    found = torchrun(tmp_path / "two", batch_size=4, **options)
    check_against_one_process(tmp_path / "one", *found, batch_size=8, **options)


@pytest.mark.slow
def test_two_processes_resume_to_the_bit(tmp_path):
    """With dropout (each process its own), batch normalisation, averaged weights and fp16."""
    options = {"mixed": True, "batch_size": 2, "ema": 0.9, "precision": "fp16", "warmup_steps": 4}
    history, weights = torchrun(tmp_path / "whole", **options)
    died = torchrun(tmp_path / "parts", **options, save_minutes=1e-9, deaths=8, check=False)
    assert died.returncode == 1
    other, parts = torchrun(tmp_path / "parts", **options)
    assert other == history
    assert all(torch.equal(value, parts[name]) for name, value in weights.items())


@pytest.mark.slow
def test_a_signal_stops_all_processes_at_one_step_and_another_number_is_refused(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (script := folder / "train.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(script), HERE, str(folder)]
    options = json.dumps({"epochs": 10**6, "patience": 10**6})
    with subprocess.Popen([*command, options], stderr=subprocess.PIPE, text=True) as process:
        while not (folder / RESUME).exists():
            time.sleep(0.1)
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.count("stopped by SIGTERM: epoch") == 2
    with pytest.raises(ConfigError, match=r"another processes \(2, now null\)"):
        train(
            pure_model(),
            Fields(22),
            Fields(9, seed=1),
            small_loss,
            small_settings(epochs=10**6, patience=10**6),
            folder=folder,
            seed=3,
            identity={},
        )


@pytest.mark.slow
def test_a_process_whose_gates_went_astray_is_named_and_nothing_saved(tmp_path):
    """One score of one gate: every process ends with the code of a bad result."""
    done = torchrun(tmp_path, stray=1, check=False)
    assert done.returncode == 1  # torchrun's own
    assert done.stderr.count("the gates of process 1 differ from those of process 0") == 2
    assert done.stderr.count("exitcode  : 5") >= 1
    assert not (tmp_path / RESUME).exists()


def test_strays_are_found_by_their_last_bit():
    scores = torch.zeros(4)
    moved = torch.nextafter(scores, torch.ones(4))

    class Three(ProcessGroup):
        def numbers(self, mine):
            return np.array([mine, [zlib.crc32(moved.numpy())], mine])

    assert Three(0, 3).find_strays([scores]) == [1]
    assert ProcessGroup().find_strays([scores]) == []


def test_parts_of_a_batch():
    batch = np.arange(7)
    assert [ProcessGroup(rank, 3).part(batch).tolist() for rank in range(3)] == [
        [0, 1, 2],
        [3, 4],
        [5, 6],
    ]
    assert ProcessGroup().part(batch) is not None
    assert ProcessGroup().numbers([1.0, 2.0]).tolist() == [[1.0, 2.0]]


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with join("auto") as team:
        assert (team.rank, team.size, team.first) == (0, 1, True)


def test_one_device_for_several_processes_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="cuda:1 is one device for several"), join("cuda:1"):
        pass


def test_more_processes_than_devices_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "999")
    monkeypatch.setenv("LOCAL_RANK", "998")
    with pytest.raises(ConfigError, match="process 998 has no CUDA device"), join("cuda"):
        pass


def test_a_torch_without_distributed_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed.distributed, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"has no torch\.distributed: run without"), join("cpu"):
        pass
