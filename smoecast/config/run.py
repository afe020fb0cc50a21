"""What a run is: one frozen, typed description, read from one YAML file.

Each section belongs to one part of the chain. Unknown keys are refused. Loading, overriding and
saving live in `smoecast.config.yaml_file`.
"""

from pathlib import Path

from pydantic import Field, model_validator

from smoecast.config.data import (
    RUN_NAME,
    Data,
    Download,
    Hours,
    Seed,
)
from smoecast.config.evaluate import Evaluate
from smoecast.config.forecast import Forecast
from smoecast.config.network import Hundreds, Network
from smoecast.config.postprocess import Postprocess
from smoecast.config.section import RARE, Section
from smoecast.config.training import Sample, Training


class Compute(Section):
    """In which processes work is done; nothing of it changes a result."""

    workers: Hundreds = Field(1, description="processes on this machine")
    scheduler: str = Field(
        "",
        pattern="^$|^(tcp|tls)://",
        description="address of a Dask scheduler in their place: tcp://host:8786",
    )


class Cycle(Section):
    """What `cycle` makes its results of, beside the sections of its stages."""

    analyses: tuple[str, ...] = Field(
        (), description="files, folders or globs in which analyses arrive; none: those of data"
    )
    ensembles: tuple[str, ...] = Field(
        (), description="likewise of ensembles; none: what download brings of them, if anything"
    )
    calibration: str = Field(
        "", description="run folder or name in the zoo of a calibration; none: the run's own"
    )
    catch_up_hours: Hours = Field(
        24, description="starts that are missing are made if they are no older than this"
    )


class Config(Section):
    """A whole run."""

    name: str = Field(
        "planet", max_length=200, pattern=f"^{RUN_NAME}$", description="what it is called"
    )
    folder: Path = Field(Path("runs"), description="results go to folder/name")
    seed: Seed = Field(0, description="begins all that is random but the planet")
    data: Data = Field(Data(), description="the analyses")
    download: Download = Field(
        Download(), description="how raw data is fetched", json_schema_extra=RARE
    )
    compute: Compute = Field(
        Compute(),
        description="processes of preprocess, forecast, postprocess and evaluate",
        json_schema_extra=RARE,
    )
    sample: Sample = Field(Sample(), description="one training sample")
    network: Network = Field(Network(), description="the forecast network")
    training: Training = Field(Training(), description="how it learns")
    forecast: Forecast = Field(Forecast(), description="what forecast writes")
    postprocess: Postprocess = Field(Postprocess(), description="ensemble calibration")
    evaluate: Evaluate = Field(Evaluate(), description="what evaluate compares with")
    cycle: Cycle = Field(
        Cycle(), description="what cycle does every few hours", json_schema_extra=RARE
    )

    @property
    def targets(self) -> tuple[str, ...]:
        """Predicted channels: `sample.targets`, or every channel of the store."""
        return self.sample.targets or self.data.channels

    @property
    def final_network(self) -> Network:
        """The network of the model that `train` ends with: with filters of points if freed."""
        tuning = self.training.fine_tuning
        freed = bool(tuning.epochs) and tuning.free_filters
        return self.network.model_copy(update={"convolution": "frozen"} if freed else {})

    @property
    def adds_experts_up(self) -> bool:
        """Whether `train` makes a filter for each point of what its experts have learned."""
        return self.network.convolution == "smoe" and self.final_network.convolution == "frozen"

    def in_one_process(self) -> "Config":
        """Return the same run without what does not change its results, its section `compute`."""
        return self.model_copy(update={"compute": Compute()})

    @property
    def place(self) -> Path:
        """The folder of this run."""
        return self.folder / self.name

    @property
    def data_place(self) -> Path:
        """The folder of the run whose raw files and stores these are."""
        return self.folder / (self.data.run or self.name)

    @property
    def raw(self) -> Path:
        """Where `download` puts raw files."""
        return self.data_place / "raw"

    @property
    def store(self) -> Path:
        """The analyses that `preprocess` made."""
        return self.data_place / "store.zarr"

    @property
    def ensemble_store(self) -> Path:
        """The ensemble forecasts that `preprocess` made."""
        return self.data_place / "ensemble.zarr"

    @property
    def model(self) -> Path:
        """The run folder that `train` fills."""
        return self.place / "model"

    @property
    def calibration(self) -> Path:
        """The run folder that `postprocess` fills."""
        return self.place / "calibration"

    @model_validator(mode="after")
    def _hangs_together(self) -> "Config":
        missing = set(self.targets) - set(self.data.channels)
        if missing:
            raise ValueError(f"sample.targets names {sorted(missing)}, not in data.channels")
        if self.data.source == "files" and not self.data.files:
            raise ValueError("data.source is files, but data.files names none")
        if self.data.source not in ("planet", "files", "opendata", "none") and not self.data.years:
            raise ValueError(f"data.source is {self.data.source}, but data.years names none")
        missing = set(self.postprocess.targets) - set(self.postprocess.channels)
        if missing:
            raise ValueError(
                f"postprocess.targets names {sorted(missing)}, not in postprocess.channels"
            )
        self._can_roll_out()
        strange = set(self.training.channel_weights) - set(self.targets)
        if strange:
            raise ValueError(f"training.channel_weights names {sorted(strange)}, no targets")
        return self

    def _can_roll_out(self) -> None:
        """Refuse training on several steps of a model whose output is no next start."""
        tuning = self.training.fine_tuning
        if self.postprocess.training.rollout_steps > 1:
            raise ValueError("postprocess.training.rollout_steps: a calibration has one step")
        if self.training.rollout_steps > 1:
            key = "rollout_steps"
        elif tuning.epochs and tuning.rollout_steps > 1:
            key = "fine_tuning.rollout_steps"
        else:
            return
        sample, step = self.sample, self.sample.lead_hours[0]
        if self.targets != self.data.channels:
            why = "it predicts only some of the channels it starts from, or in another order"
        elif len(sample.lead_hours) > 1 or sample.lead_input:
            why = "it has several lead times"
        elif sample.history_hours != tuple(step * i for i in range(len(sample.history_hours))):
            why = f"its history is not spaced by its lead time of {step} h"
        else:
            return
        raise ValueError(f"training.{key}: the model is not iterative, {why}")
