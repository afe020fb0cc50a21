"""Training on several steps: exact resume, and one step is what it was."""

import json
import os
import signal

import numpy as np
import pytest
import torch
from small_training import GRID, small_settings, train

from smoecast.config.network import Network, Smoe
from smoecast.config.training import FineTuning, Training
from smoecast.errors import Interrupted
from smoecast.nn.build import forecaster
from smoecast.nn.losses import weighted_mse
from smoecast.nn.normalize import Statistics
from smoecast.nn.rollout import Unrolled


class Waves:
    """Two fields that turn into each other, and a third input that tells the step."""

    def __init__(self, count, steps, seed=0):
        rng = np.random.default_rng(seed)
        now = torch.from_numpy(rng.normal(size=(count, 2, *GRID)).astype(np.float32))
        told = [torch.full((count, 1, *GRID), 0.1 * step) for step in range(steps)]
        self.inputs = torch.cat([now, *told], dim=1)
        ahead = [now]
        for _ in range(steps):
            ahead.append(0.9 * ahead[-1].flip(1).roll(1, -1))
        self.targets = torch.cat(ahead[1:], dim=1)

    def __len__(self):
        return len(self.inputs)

    def batch(self, indices):
        return self.inputs[indices], self.targets[indices]


def one_step():
    torch.manual_seed(0)
    two, three = torch.ones(2), torch.ones(3)
    statistics = Statistics(0 * three, three, two, torch.tensor([0, 1]), 0 * two)
    smoe = Smoe(layers="all")
    position = {"position_channels": 1}
    config = Network(width=4, blocks=1, dropout=0.2, smoe=smoe, advanced=position)
    return forecaster(config, statistics, GRID, True)


def several(steps):
    return Unrolled(one_step(), states=1, fields=2, extra=1, steps=steps)


def loss(output, target):
    scale = torch.ones(output.shape[1])
    return weighted_mse(output, target, torch.linspace(0.5, 1.0, GRID[0]), scale)


def trained(model, folder, steps, tick=lambda done: None, **changes):
    task = {"folder": folder, "seed": 3, "identity": {"steps": steps}}
    samples, validation = Waves(22, steps), Waves(9, steps, seed=1)
    train(model, samples, validation, loss, small_settings(**changes), tick=tick, **task)
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [{**json.loads(line), "seconds": None} for line in lines]


def test_resume_is_exact_to_the_bit(tmp_path):
    whole, history = several(3), trained(model := several(3), tmp_path / "whole", 3)
    whole = model
    calls = []

    def stop(_share):
        calls.append(1)
        if len(calls) == 8:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        trained(several(3), tmp_path / "parts", 3, tick=stop)
    again = several(3)
    assert trained(again, tmp_path / "parts", 3) == history
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_one_step_has_the_losses_it_always_had(tmp_path):
    plain = trained(one_step(), tmp_path / "plain", 1)
    assert trained(several(1), tmp_path / "wrapped", 1) == plain
    assert "rollout_steps" not in Training().decisive()
    assert Training(rollout_steps=2).decisive()["rollout_steps"] == 2


def test_fine_tuning_decides_the_weights_only_where_there_is_one() -> None:
    unused = Training(fine_tuning=FineTuning(rollout_steps=4))
    assert unused.decisive() == Training().decisive()
    tuned = Training(fine_tuning=FineTuning(epochs=1)).decisive()["fine_tuning"]
    assert tuned["epochs"] == 1
    assert not {"free_filters", "schedule"} & tuned.keys()  # older runs go on


def test_several_steps_are_learned_gates_included(tmp_path):
    model = several(3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    history = trained(model, tmp_path / "run", 3, epochs=8)
    assert history[-1]["train_loss"] < 0.8 * history[0]["train_loss"]
    scores = [name for name in before if name.endswith("scores")]
    assert scores
    assert all(not torch.equal(before[name], model.state_dict()[name]) for name in scores)
