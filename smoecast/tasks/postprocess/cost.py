"""What fitting a calibration will cost, told before anything is fitted."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smoecast.config.postprocess import NETWORKS, Postprocess
from smoecast.config.run import Config
from smoecast.data.store_plan import plan_stores
from smoecast.fields.grid import Grid
from smoecast.fields.store import store
from smoecast.nn.cost import count_parameters, multiply_adds, peak_of_tensors
from smoecast.nn.normalize import Statistics
from smoecast.tasks.postprocess.network import (
    check_members,
    is_apart,
    new_correction,
    predictors_of,
)

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
    settings, path = config.postprocess, config.ensemble_store
    if path.exists():
        described = _describe_store(path)
    else:
        planned = plan_stores(config)["ensembles"]
        described = {"there": False, "samples": planned["shape"]["init_time"]}
        described |= {key: planned[key] for key in ("store", "shape", "bytes")}
    described["samples"] *= len(settings.lead_hours)
    shape = described["shape"]
    summary = {"method": settings.method, "protocol": settings.protocol, **described}
    points = int(np.prod(list(shape.values())[-2:]))
    if settings.method not in NETWORKS:
        # one channel of one lead time at once, in double precision
        return {**summary, "memory": 8 * shape["init_time"] * shape.get("number", 2) * points}
    check_members(settings, shape.get("number", 0), path)
    return {**summary, **_network(settings, config.data.constants, shape, summary["samples"])}


def _describe_store(path: Path) -> dict[str, Any]:
    """Return what `plan` says of a store; its samples are starts."""
    with store.open_store(path) as dataset:
        shape = {str(name): size for name, size in dataset["fields"].sizes.items()}
        starts = int(dataset["train"].sum())
    size = 4 * int(np.prod(list(shape.values())))
    return {"store": str(path), "there": True, "shape": shape, "bytes": size, "samples": starts}


def _network(
    settings: Postprocess, constants: Sequence[str], shape: dict[str, int], samples: int
) -> dict[str, Any]:
    height, width = list(shape.values())[-2:]
    members = shape.get("number", 2)
    with torch.device("meta"):
        whole, _ = _new_network(settings, constants, (height, width))
        parameters = count_parameters(whole)
    grid = min(height, PROBE[0]), min(width, PROBE[1])
    larger = height * width / (grid[0] * grid[1])
    network, count = _new_network(settings, constants, grid)
    if settings.method == "transformer":
        count += (members - 1) * len(settings.channels)
    adds = multiply_adds(network, (count, *grid))
    held, seconds = _try_network(network, torch.randn(1, count, *grid), settings.training.threads)
    batch = settings.training.batch_size
    batch_bytes = 4 * batch * count * height * width
    return {
        "parameters": parameters,
        "multiply_adds": round(adds * larger),
        "batch_bytes": batch_bytes,
        "memory": batch_bytes + round(batch * held * larger) + 16 * parameters,
        "epochs": settings.training.epochs,
        "seconds_per_sample": seconds * larger,
        "hours": seconds * larger * samples * settings.training.epochs / 3600,
    }


def _new_network(
    settings: Postprocess, constants: Sequence[str], grid: tuple[int, int]
) -> tuple[nn.Module, int]:
    """Return a network on a globe of so many points, and the channels of its statistics."""
    latitude = np.linspace(90, -90, grid[0] + 2)[1:-1]
    place = Grid(latitude, np.arange(grid[1]) * 360.0 / grid[1])
    blank = np.zeros(grid, np.float32)
    predictors = predictors_of(settings, place, dict.fromkeys(constants, blank))
    own = len(settings.channels) * (1 if settings.method == "transformer" else 2)
    beside, _ = predictors.statistics(np.array(settings.lead_hours, np.float64))
    count, targets = own + len(beside), len(settings.targets)
    statistics = Statistics(
        input_mean=torch.zeros(count, device="cpu"),
        input_std=torch.ones(count, device="cpu"),
        target_scale=torch.ones(targets, device="cpu"),
        base=torch.arange(targets, device="cpu"),
        target_mean=torch.zeros(targets, device="cpu"),
    )
    apart = [statistics] * len(settings.lead_hours) if is_apart(settings) else []
    return new_correction(settings, predictors, statistics, apart), count


def _try_network(network: nn.Module, inputs: Tensor, wanted: int) -> tuple[int, float]:
    """Return bytes that a sample's way there and back holds at most, and its seconds."""

    def step() -> None:
        network(inputs).sum().backward()

    network.train()
    if wanted:
        torch.set_num_threads(wanted)
    step()  # the gradients of weights are there from now on
    held = peak_of_tensors(step, "cpu")
    began = time.perf_counter()
    for _ in range(3):
        step()
    return held, (time.perf_counter() - began) / 3
