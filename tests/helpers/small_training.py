"""A small learning task, quick enough to train many times."""

import numpy as np
import torch

from smoecast.config.network import Network, Smoe, SmoeAdvanced
from smoecast.config.training import Training, TrainingAdvanced
from smoecast.nn.build import forecaster
from smoecast.nn.losses import weighted_mse
from smoecast.nn.normalize import Statistics
from smoecast.training import loop
from smoecast.training.job import TrainingJob

GRID = (5, 6)


class Fields:
    """Random fields; the target is the first one, smoothed along longitude."""

    def __init__(self, count, seed=0):
        drawn = np.random.default_rng(seed).normal(size=(count, 2, *GRID)).astype(np.float32)
        self.inputs = torch.from_numpy(drawn)
        self.targets = 0.5 * (self.inputs[:, :1] + self.inputs[:, :1].roll(1, -1))

    def __len__(self):
        return len(self.inputs)

    def batch(self, indices):
        return self.inputs[indices], self.targets[indices]


def smoe_of(**keys):
    """A section `smoe` whose advanced keys are given beside the others."""
    advanced = {key: keys.pop(key) for key in [*keys] if key in SmoeAdvanced.model_fields}
    return Smoe(**keys, advanced=advanced)


def small_model(seed=0, layers="all"):
    torch.manual_seed(seed)
    one = torch.ones(1)
    statistics = Statistics(torch.zeros(2), torch.ones(2), one, torch.tensor([0]), torch.zeros(1))
    config = Network(
        width=4,
        blocks=1,
        dropout=0.2,
        smoe=Smoe(layers=layers),
        advanced={"position_channels": 1},
    )
    return forecaster(config, statistics, GRID, True)


def pure_model(seed=0, gate="tensor", width=4, **network):
    """A network in which samples of a batch do not see each other, and nothing is random."""
    torch.manual_seed(seed)
    one = torch.ones(1)
    statistics = Statistics(torch.zeros(2), torch.ones(2), one, torch.tensor([0]), torch.zeros(1))
    smoe = smoe_of(layers="all", gate=gate, start="random", damping=0.5)
    config = Network(width=width, blocks=1, normalization="none", smoe=smoe, **network)
    return forecaster(config, statistics, GRID, True)


def small_settings(**changes):
    settings = {"epochs": 3, "batch_size": 4, "device": "cpu", "patience": 5, "threads": 1}
    settings |= changes
    advanced = {
        key: settings.pop(key) for key in [*settings] if key in TrainingAdvanced.model_fields
    }
    return Training(**settings, advanced=advanced)


def small_loss(output, target):
    return weighted_mse(output, target, torch.linspace(0.5, 1.0, GRID[0]), torch.ones(1))


def new_task(folder):
    """Keyword arguments of `train`, for a run in this folder."""
    return {
        "samples": Fields(22),
        "validation": Fields(9, seed=1),
        "loss": small_loss,
        "settings": small_settings(),
        "folder": folder,
        "seed": 3,
        "identity": {"network": {"width": 4}, "data": "abc"},
    }


def train(model, samples, validation, loss, settings, *, report=None, fresh=False, **task):
    """Train a model on a job of these samples and settings."""
    job = TrainingJob(samples, validation, loss, settings, **task)
    return loop.train(model, job, report=report, fresh=fresh)
