"""Training on a device: precisions, going on to the bit, nccl, the network of the paper's size."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from devices import BOTH, CUDA, CUDA_ALONE, keep_time
from small_training import Fields, small_model, small_settings, train

from smoecast.config.yaml_file import load
from smoecast.errors import Interrupted
from smoecast.nn.build import forecaster
from smoecast.nn.losses import weighted_mse
from smoecast.nn.normalize import Statistics
from smoecast.training.distributed import ProcessGroup
from smoecast.training.job import TrainingJob
from smoecast.training.step import take_step
from smoecast.training.trainer import Trainer

HERE = Path(__file__).parent
ZOO = HERE.parents[1] / "models" / "weatherbench-smoe" / "config.yaml"


def loss_on(device):
    rows, scale = torch.linspace(0.5, 1.0, 5, device=device), torch.ones(1, device=device)
    return lambda output, target: weighted_mse(output, target, rows, scale)


def learn(device, folder, **settings):
    """Train a small network; return its weights and the losses of the epochs."""
    model, records = small_model(), []
    train(
        model,
        Fields(64),
        Fields(16, seed=1),
        loss_on(device),
        small_settings(device=device, batch_size=8, learning_rate=1e-2, **settings),
        folder=folder,
        seed=3,
        identity={},
        report=records.append,
    )
    return model.state_dict(), [record["train_loss"] for record in records]


@BOTH
@pytest.mark.parametrize("precision", ["float32", "bf16", "fp16"])
def test_precisions_learn_alike(device, precision, tmp_path):
    """fp16 has a GradScaler, whose factor the layers must see through."""
    _, losses = learn(device, tmp_path / "run", epochs=3, precision=precision)
    assert losses[-1] < 0.8 * losses[0]
    if device != "cpu":
        _, exact = learn("cpu", tmp_path / "exact", epochs=3)
        assert losses[-1] == pytest.approx(exact[-1], rel=0.2)


@BOTH
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_training_that_was_stopped_ends_the_same_to_the_bit(device, precision, tmp_path):
    flags = torch.backends.cudnn.flags(enabled=True, deterministic=True)
    with flags:
        whole, _ = learn(device, tmp_path / "whole", epochs=3, precision=precision)
        with pytest.raises(Interrupted):
            stop_and_learn(device, tmp_path / "parts", epochs=3, precision=precision)
        parts, _ = learn(device, tmp_path / "parts", epochs=3, precision=precision)
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


def stop_and_learn(device, folder, **settings):
    """Be stopped by a signal in the second epoch."""

    class Stopping(Fields):
        read = 0

        def batch(self, indices):
            self.read += 1
            if self.read == 12:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().batch(indices)

    settings = small_settings(device=device, batch_size=8, learning_rate=1e-2, **settings)
    task = {"folder": folder, "seed": 3, "identity": {}}
    train(small_model(), Stopping(64), Fields(16, seed=1), loss_on(device), settings, **task)


@pytest.mark.parametrize("device", [pytest.param("cpu", marks=pytest.mark.slow), CUDA])
def test_distributed_in_one_process_is_the_same(device, tmp_path):
    """`torchrun` with nccl on one GPU; gloo on the CPU."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    done = subprocess.run(
        [*command, "1", str(HERE / "one_process.py"), device],
        capture_output=True, text=True, timeout=200, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"equal": True, "processes": 1}


class Made:
    """Fields of noise on the device, in units of one; the targets are smoothed inputs."""

    def __init__(self, count, channels, targets, grid, device):
        generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(count, channels, *grid, generator=generator).to(device)
        smooth = self.inputs[:, :targets]
        self.targets = 0.5 * (smooth + smooth.roll(1, -1))

    def __len__(self):
        return len(self.inputs)

    def batch(self, indices):
        return self.inputs[indices], self.targets[indices]


def network_of(layers, share_gates, size):
    """The network of models/weatherbench-smoe, or a small one of the same kind."""
    asked = [f"layers={layers}", f"advanced.share_gates={str(share_gates).lower()}"]
    network = load(ZOO, [f"network.smoe.{key}" for key in asked]).network
    return network if size == "full" else network.model_copy(update={"width": 8, "blocks": 2})


SIZES = {"full": (117, 3, (32, 64), 64), "small": (12, 2, (8, 16), 4)}
"""Inputs, targets, grid, batch."""


@pytest.mark.parametrize(
    ("device", "size"), [("cpu", "small"), pytest.param("cuda", "full", marks=CUDA.marks)]
)
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize(("layers", "share_gates"), [("last", False), ("alternate", True)])
def test_the_network_of_the_paper_learns(
    device, size, layers, share_gates, precision, tmp_path, record_property
):
    channels, targets, grid, batch = SIZES[size]
    statistics = Statistics(
        torch.zeros(channels), torch.ones(channels), torch.ones(targets),
        torch.arange(targets), torch.zeros(targets),
    )  # fmt: skip
    torch.manual_seed(0)
    model = forecaster(network_of(layers, share_gates, size), statistics, grid, True)
    made = Made(4 * batch, channels, targets, grid, device)
    rows, scale = torch.ones(grid[0], device=device), torch.ones(targets, device=device)
    settings = small_settings(device=device, batch_size=batch, precision=precision, threads=0)

    def loss(output, target):
        return weighted_mse(output, target, rows, scale)

    job = TrainingJob(made, made, loss, settings, tmp_path, 0, {}, team=ProcessGroup())
    run = Trainer(model, settings, torch.device(device), job.team)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    losses = []

    def epoch():
        run.ledger = replace(run.ledger, step=0, loss_sum=0.0)
        run.network.train()
        for _ in range(job.steps):
            take_step(run, job, np.arange(len(made)))
        losses.append(run.ledger.loss_sum / len(made))

    name = f"network with SMoE {layers}, {precision}: {job.steps} steps of {batch}"
    keep_time(record_property, device, name, epoch, 5 if size == "full" else 2)
    assert losses[-1] < losses[0]
    if device == "cuda":
        record_property(f"{name}, memory in GiB", torch.cuda.max_memory_allocated() / 2**30)


@CUDA_ALONE
def test_batches_that_are_read_ahead_are_the_same(device, tmp_path):
    """From the CPU by pinned memory, and from the device itself."""

    class There(Fields):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.inputs, self.targets = self.inputs.to(device), self.targets.to(device)

    states = []
    for number, kind in enumerate((Fields, There)):
        model, settings = small_model(), small_settings(device=device, batch_size=8)
        task = {"folder": tmp_path / str(number), "seed": 3, "identity": {}}
        with torch.backends.cudnn.flags(enabled=True, deterministic=True):
            train(model, kind(64), kind(16, seed=1), loss_on(device), settings, **task)
        states.append(model.state_dict())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
