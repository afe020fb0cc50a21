"""`smoecast bench train`: an epoch beside a plain loop of PyTorch, steps beside plain networks."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoecast.tasks.bench.made_files import make_analyses
from smoecast.tasks.bench.measuring.case import OURS, Case, Setting, Task, Way, Work
from smoecast.tasks.bench.networks import autocast, steps, steps_of_programs

if TYPE_CHECKING:
    from smoecast.config.run import Config

PUBLISHED = ("planet-resnet", "planet-smoe")
"""Models of the zoo whose network learns for an epoch."""
PRECISIONS = {"float32": "float32", "bfloat16": "bf16", "float16": "fp16"}
PLAIN = "a plain loop on tensors in memory"
GATHER = "fancy indices of a numpy.memmap"
BATCH = 32


def make_data(setting: Setting) -> None:
    """Write analyses, the store that the published networks learn from, and one to read."""
    from smoecast.fields.regrid import grid_by_name
    from smoecast.tasks.preprocess.preprocess import preprocess

    grid = grid_by_name("f4" if setting.quick else "5.625")
    analyses = make_analyses(grid, 60 if setting.quick else 210, 12)
    analyses.to_netcdf(setting.folder / "analyses.nc")
    preprocess(config_of(PUBLISHED[0], setting))
    _write_readable(setting)


def config_of(name: str, setting: Setting) -> "Config":
    """Return a published config, on the made data."""
    from smoecast import zoo
    from smoecast.config import yaml_file

    tiny = ["network.width=4", "network.blocks=2"] if setting.quick else []
    settings = [
        f"folder={setting.folder}",
        "name=bench",
        "data.source=files",
        f"data.files=[{setting.folder / 'analyses.nc'}]",
        "data.constants=[]",
        "data.split={train: 0.8, validation: 0.1, test: 0.1}",
        f"training.precision={PRECISIONS[setting.dtype]}",
        f"training.device={setting.device}",
        f"training.batch_size={8 if setting.quick else BATCH}",
        *tiny,
    ]
    return yaml_file.load(zoo.locate(name, zoo.CONFIG), settings)


class EpochRun:
    """A published network and the samples of an epoch.

    Parameters
    ----------
    name : str
        Of the zoo.
    setting : Setting
        Where the store is, device and precision.
    """

    def __init__(self, name: str, setting: Setting) -> None:
        import torch

        from smoecast.fields.store import store
        from smoecast.tasks.forecast_model import inputs_of, new_network, samples_of

        self.config = config = config_of(name, setting)
        self.setting = setting
        with store.open_store(config.store) as dataset:
            inputs = inputs_of(config.data, config.sample, dataset, config.store)
            rows = store.rows_of(config.store)
            every = samples_of(config.sample, config.data.step_hours, dataset, inputs, rows)
            self.samples, self.validation = every["train"], every["validation"]
            self.network = new_network(config.network, config.seed, dataset, self.samples)
        self.network.to(setting.device)
        weights = torch.from_numpy(inputs.grid.weights()).float().to(setting.device)
        scale = torch.from_numpy(self.samples.change_scale).float().to(setting.device)
        self.weights, self.scale = weights, scale

    def loss(self, output: Any, targets: Any) -> Any:
        """Return what is made small."""
        from smoecast.nn.losses import weighted_mse

        return weighted_mse(output, targets, self.weights, self.scale)


def _epoch_by_smoecast(name: str, setting: Setting) -> Work:
    import numpy as np
    import torch

    from smoecast.training.checkpoint import TrainingProgress
    from smoecast.training.distributed import ProcessGroup
    from smoecast.training.job import TrainingJob
    from smoecast.training.step import take_step
    from smoecast.training.trainer import Trainer

    run = EpochRun(name, setting)
    settings = run.config.training
    job = TrainingJob(
        run.samples, run.validation, run.loss, settings, setting.folder, seed=0, identity={}
    )
    trainer = Trainer(run.network, settings, torch.device(setting.device), ProcessGroup())
    order = np.random.default_rng(0).permutation(len(run.samples))
    run.network.train()

    def work(_: Path) -> float:
        trainer.ledger = TrainingProgress()
        while trainer.ledger.step < job.steps:
            take_step(trainer, job, order)
        return trainer.ledger.loss_sum / len(order)

    return work


def _epoch_by_plain_loop(name: str, setting: Setting) -> Work:
    import numpy as np
    import torch

    run = EpochRun(name, setting)
    inputs, targets = (
        part.to(setting.device) for part in run.samples.batch(np.arange(len(run.samples)))
    )
    optimizer = torch.optim.Adam(run.network.parameters(), run.config.training.learning_rate)
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(inputs))).to(setting.device)
    run.network.train()

    def work(_: Path) -> float:
        total = 0.0
        for indices in torch.split(order, run.config.training.batch_size):
            optimizer.zero_grad()
            with autocast(setting):
                output = run.network(inputs[indices])
            loss = run.loss(output.float(), targets[indices])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(indices)
        return total / len(order)

    return work


def _heat_step(layer: str, setting: Setting) -> Work:
    """Take a step of the heat experiment of the paper (section 3.1): 1 of 3 experts, Adam."""
    import torch
    from torch.nn import functional

    from smoecast.nn.smoe.layer import SpatialMoE2d
    from smoecast.tasks.bench.released_structure import ReleasedStructure, backward

    torch.manual_seed(0)
    grid = (8, 8) if setting.quick else (64, 64)
    inputs, targets = (torch.randn(32, 1, *grid, device=setting.device) for _ in range(2))
    released = ReleasedStructure(1, 1, 3, grid, quantile=0.3, damping=0.0).to(setting.device)
    ours = SpatialMoE2d(1, 1, 3, grid=grid, error_quantile=0.3, damping=0.0).to(setting.device)
    used: Any = ours if layer == OURS else released
    optimizer = torch.optim.Adam(used.parameters(), 1e-3)

    def work(_: Path) -> None:
        optimizer.zero_grad()
        output = used(inputs)
        if used is released:
            backward(released, output, 2.0 * (output.detach() - targets) / output.numel())
        else:
            torch.autograd.backward(functional.mse_loss(output, targets))
        optimizer.step()

    return work


CHANNEL_COUNT, HISTORY, LEAD, TARGETS = 38, (0, 1, 2), 12, (3, 17, 36)
"""Of shuffled reading: three steps of all channels, three of them one step ahead."""


def _shape(setting: Setting) -> tuple[int, ...]:
    return (60, CHANNEL_COUNT, 4, 8) if setting.quick else (400, CHANNEL_COUNT, 32, 64)


def _stamps(times: int) -> Any:
    import numpy as np

    return np.datetime64("2001-01-01", "ns") + np.arange(times) * np.timedelta64(6, "h")


def _write_readable(setting: Setting) -> None:
    """Write the same content as a store and as an array."""
    import numpy as np
    import xarray as xr

    from smoecast.fields.store import writer

    shape = _shape(setting)
    plain = np.random.default_rng(0).standard_normal(shape, np.float32)
    np.save(setting.folder / "plain.npy", plain)
    dims = ("time", "channel", "latitude", "longitude")
    content = xr.Dataset({"fields": (dims, plain)}, {"time": _stamps(shape[0])})
    draft = writer.start_draft(content, setting.folder / "plain.zarr", {"identity": "bench"})
    for chunk in draft.chunks:
        draft.write(chunk, plain[draft.slice_of(chunk)], {})
    draft.finish(xr.Dataset())


def _samples(setting: Setting, in_memory: bool) -> Any:
    """Return the samples of the store."""
    import numpy as np

    from smoecast.data.inputs import Inputs
    from smoecast.data.samples import Samples
    from smoecast.data.samples import load as load_samples
    from smoecast.fields.grid import Grid
    from smoecast.fields.store import store

    times, _, rows, columns = _shape(setting)
    grid = Grid(90 - 180 / rows * (0.5 + np.arange(rows)), 360 / columns * np.arange(columns))
    names = tuple(map(str, range(CHANNEL_COUNT)))
    inputs = Inputs(names, tuple(6 * step for step in HISTORY), False, {}, grid)
    source: Any = store.rows_of(setting.folder / "plain.zarr")
    starts = np.arange(HISTORY[-1], times - LEAD)
    source = load_samples(source) if in_memory else source
    return Samples(source, _stamps(times), starts, inputs, np.array(TARGETS), HISTORY, (LEAD,))


def _read(kind: str, setting: Setting) -> Work:
    """Read twenty batches in random order."""
    import numpy as np

    samples = _samples(setting, kind == IN_MEMORY)
    plain = np.load(setting.folder / "plain.npy", mmap_mode="r")
    order = np.random.default_rng(0).integers(0, len(samples), (20, BATCH))

    def work(_: Path) -> None:
        for indices in order:
            if kind == GATHER:
                starts = samples.starts[indices]
                plain[starts[:, None] - np.array(HISTORY)]
                plain[(starts + LEAD)[:, None], np.array(TARGETS)]
            else:
                samples.batch(indices)

    return work


IN_MEMORY = f"{OURS}, in memory"


def _tasks(setting: Setting) -> dict[str, Task]:
    epochs = {
        f"an epoch of {name} from a store": Task(
            {
                OURS: Way(partial(_epoch_by_smoecast, name)),
                PLAIN: Way(partial(_epoch_by_plain_loop, name)),
            },
            together=True,
        )
        for name in PUBLISHED
    }
    heat = {name: Way(partial(_heat_step, name)) for name in (OURS, "the released structure")}
    reading = {name: Way(partial(_read, name)) for name in (OURS, GATHER, IN_MEMORY)}
    return {
        **epochs,
        **steps(setting),
        **steps_of_programs(setting),
        "a step of heat diffusion": Task(heat, together=True),
        "640 shuffled samples read": Task(reading, (OURS, IN_MEMORY)),
    }


CASE = Case("training", _tasks, make_data, rounds=3, uses_torch=True)
