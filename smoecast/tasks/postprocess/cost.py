"""What fitting a calibration will cost, told before anything is fitted."""

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smoecast.config.run import Config
from smoecast.data.ensemble_samples import Predictors
from smoecast.data.store_plan import plan_stores
from smoecast.fields.grid import Grid
from smoecast.fields.store import store
from smoecast.nn.cost import count_parameters, multiply_adds
from smoecast.nn.normalize import Statistics
from smoecast.tasks.postprocess.network import METHODS, check_members, new_correction, predictors_of

PROBE = (64, 128)
"""Points of the small grid on which a network is tried, at most."""


def plan(config: Config) -> dict[str, Any]:
    """Say what fitting the run's calibration will take; fit nothing.

    A network is tried on a small grid, and memory and time there grow with the number of points:
    what is said is about right, and time rather too short, for small fields stay in the cache.

    Returns
    -------
    dict
        ``method``, ``protocol``, ``store`` (path), ``there`` (whether it was made), ``shape``,
        ``bytes`` (of the store), ``samples`` (to fit to; at most, while there is no store) and
        ``memory`` (bytes at once while fitting). Of networks also ``parameters``,
        ``multiply_adds`` (of one sample forward), ``batch_bytes`` (inputs), ``epochs``,
        ``seconds_per_sample`` (fitting, on this machine's CPU) and ``hours``.

    Raises
    ------
    InputError
        Raw files that are there are damaged, or files of the config are missing.
    ConfigError
        There is no such data, or the network does not fit the grid or needs members.
    """
    settings = config.postprocess
    described = _store(config)
    shape = described["shape"]
    summary = {"method": settings.method, "protocol": settings.protocol, **described}
    points = int(np.prod(list(shape.values())[-2:]))
    if settings.method not in METHODS:
        # one channel of one lead time at once, in double precision
        return {**summary, "memory": 8 * shape["init_time"] * shape.get("number", 2) * points}
    return {**summary, **_network(config, shape, summary["samples"])}


def _store(config: Config) -> dict[str, Any]:
    path, leads = config.ensemble_store, len(config.postprocess.lead_hours)
    if path.exists():
        with store.open_store(path) as dataset:
            fields = dataset["fields"]
            shape = {str(name): size for name, size in fields.sizes.items()}
            samples = int(dataset["train"].sum()) * leads
        size = 4 * int(np.prod(list(shape.values())))
        return {
            "store": str(path),
            "there": True,
            "shape": shape,
            "bytes": size,
            "samples": samples,
        }
    planned = plan_stores(config)["ensembles"]
    samples = planned["shape"]["init_time"] * leads
    kept = {key: planned[key] for key in ("store", "shape", "bytes")}
    return {**kept, "there": False, "samples": samples}


def _network(config: Config, shape: dict[str, int], samples: int) -> dict[str, Any]:
    check_members(config, "number" in shape)
    height, width = list(shape.values())[-2:]
    settings, members = config.postprocess, shape.get("number", 2)
    with torch.device("meta"):
        parameters = count_parameters(_new_network(config, (height, width)))
    grid = min(height, PROBE[0]), min(width, PROBE[1])
    larger = height * width / (grid[0] * grid[1])
    network = _new_network(config, grid)
    inputs = _inputs(config, grid, members)
    adds = multiply_adds(network, (inputs.shape[1], *grid))
    kept, seconds = _try_network(network, inputs, settings.training.threads)
    batch = settings.training.batch_size
    batch_bytes = 4 * batch * inputs.shape[1] * height * width
    return {
        "parameters": parameters,
        "multiply_adds": round(adds * larger),
        "batch_bytes": batch_bytes,
        "memory": batch_bytes + round(batch * kept * larger) + 16 * parameters,
        "epochs": settings.training.epochs,
        "seconds_per_sample": seconds * larger,
        "hours": seconds * larger * samples * settings.training.epochs / 3600,
    }


def _predictors(config: Config, grid: tuple[int, int]) -> Predictors:
    """Return what a network sees beside the ensemble, on a globe of so many points."""
    latitude = np.linspace(90, -90, grid[0] + 2)[1:-1]
    place = Grid(latitude, np.arange(grid[1]) * 360.0 / grid[1])
    blank = np.zeros(grid, np.float32)
    return predictors_of(config, place, dict.fromkeys(config.data.constants, blank))


def _statistics(config: Config, grid: tuple[int, int]) -> Statistics:
    settings = config.postprocess
    own = len(settings.channels) * (1 if settings.method == "transformer" else 2)
    beside, _ = _predictors(config, grid).statistics(np.array(settings.lead_hours, np.float64))
    count, targets = own + len(beside), len(settings.targets)
    return Statistics(
        input_mean=torch.zeros(count, device="cpu"),
        input_std=torch.ones(count, device="cpu"),
        target_scale=torch.ones(targets, device="cpu"),
        base=torch.arange(targets, device="cpu"),
        target_mean=torch.zeros(targets, device="cpu"),
    )


def _new_network(config: Config, grid: tuple[int, int]) -> nn.Module:
    return new_correction(config, _predictors(config, grid), _statistics(config, grid))


def _inputs(config: Config, grid: tuple[int, int], members: int) -> Tensor:
    """Return one sample of what training reads."""
    count = len(_statistics(config, grid).input_mean)
    if config.postprocess.method == "transformer":
        count += (members - 1) * len(config.postprocess.channels)
    return torch.randn(1, count, *grid)


def _try_network(network: nn.Module, inputs: Tensor, wanted: int) -> tuple[int, float]:
    """Return bytes kept for the way back, and seconds of a sample's way there and back."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    network.train()
    if wanted:
        torch.set_num_threads(wanted)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        network(inputs).sum().backward()
    began = time.perf_counter()
    for _ in range(3):
        network(inputs).sum().backward()
    seconds = (time.perf_counter() - began) / 3
    own = sum(4 * parameter.numel() for parameter in network.parameters())
    return max(0, sum(kept.values()) - own), seconds
