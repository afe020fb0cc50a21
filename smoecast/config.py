"""What a run is: one frozen, typed description, read from one YAML file.

Each section belongs to one part of the chain. Unknown keys are refused. Loading, overriding and
saving live in `smoecast.configfile`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from smoecast import names
from smoecast.config_calibration import Postprocess
from smoecast.config_data import (
    RUN_NAME,
    Channels,
    Data,
    Degrees,
    Download,
    Hours,
    Lead,
    Preprocess,
    Seed,
    known_channels,
)
from smoecast.config_learning import Natural, Network, Positive, Training
from smoecast.config_products import event
from smoecast.config_section import Section


class Sample(Section):
    """What one training sample is."""

    history_hours: tuple[Hours, ...] = Field(
        (0,), max_length=1000, description="hours before the start, 0 first"
    )
    lead_hours: tuple[Lead, ...] = Field(
        (6,), max_length=1000, description="hours ahead that it learns"
    )
    targets: Channels = Field((), description="predicted channels; none given: all channels")
    lead_input: bool = Field(
        False, description="the lead time is an input: one model for every lead time in between"
    )
    clock: bool = Field(True, description="hour of day and season as inputs")
    _check = field_validator("targets")(known_channels)

    @field_validator("history_hours", "lead_hours")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)) or not value:
            raise ValueError("hours must be given, ascending and without repeats")
        return value

    @field_validator("history_hours")
    @classmethod
    def _from_now(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value[0] != 0:
            raise ValueError("the first entry must be 0, the start itself")
        return value


class Forecast(Section):
    """What `forecast` writes."""

    init_times: tuple[str, ...] = Field(
        ("test",), description="ISO times, a split (test), or first/last pairs as A/B"
    )
    every_hours: Lead = Field(24, description="spacing of starts inside a split or range")
    lead_hours: tuple[Lead, ...] = Field(
        (),
        max_length=10_000,
        description="written lead times; past the model's own it rolls out; none: the model's",
    )
    models: tuple[str, ...] = Field(
        (),
        max_length=1000,
        description="run folders or names in the zoo, each a member; none: the run's own",
    )
    members: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1, description="starts of each model: the analysis, and others with noise added"
    )
    perturbation: Annotated[float, Field(ge=0)] = Field(
        0.0, description="of that noise: its share of each channel's standard deviation"
    )
    perturbation_km: Annotated[float, Field(gt=0, le=1e5)] = Field(
        1000.0, description="length over which that noise is alike"
    )
    lags_hours: tuple[Hours, ...] = Field(
        (0,), max_length=1000, description="members that start from analyses so many hours older"
    )
    format: Literal["netcdf", "wb2"] = Field(
        "netcdf", description="CF NetCDF, or a WeatherBench 2 store (Zarr)"
    )
    title: str = Field("smoecast forecast", description="global attribute")
    institution: str = Field("not stated", description="global attribute: who ran it")
    license: str = Field("not stated", description="global attribute: terms of use")

    @model_validator(mode="after")
    def _can_differ(self) -> "Forecast":
        if self.members > 1 and not self.perturbation:
            raise ValueError("several members need a perturbation above 0: all would be the same")
        if self.perturbation and self.members == 1:
            raise ValueError("one member is the analysis itself: a perturbation needs members")
        if list(self.lags_hours) != sorted(set(self.lags_hours)) or not self.lags_hours:
            raise ValueError("lags_hours must be given, ascending and without repeats")
        return self


class Evaluate(Section):
    """What `evaluate` compares with, and over what it takes its means."""

    baselines: tuple[Literal["persistence", "climatology", "weekly_climatology", "linear"], ...] = (
        Field(("persistence", "climatology"), description="scored beside the forecast")
    )
    regions: tuple[str, ...] = Field(
        ("global",), max_length=1000, description=f"of {', '.join(names.AREAS)}, or named in boxes"
    )
    boxes: dict[str, tuple[Degrees, Degrees, Degrees, Degrees]] = Field(
        {},
        max_length=1000,
        description="regions of your own, each name: [north, west, south, east] in degrees",
    )
    seasons: bool = Field(False, description="also DJF, MAM, JJA, SON, by the time it holds")
    resamples: Natural = Field(
        1000, description="of the bootstrap of differences to each baseline; 0: none"
    )
    block_days: Positive = Field(7, description="starts that the bootstrap keeps together")
    events: tuple[str, ...] = Field(
        (),
        max_length=1000,
        description="of ensembles, Brier score and reliability: t2m>273.15, SI units",
    )
    normal: bool = Field(
        False,
        description="score <var>_mean and <var>_std as a normal distribution where there are "
        "members too",
    )
    climate_days: Annotated[int, Field(ge=0, le=366)] = Field(
        17, description="model climate of EFI: starts so near in the season; 0: no EFI"
    )

    @field_validator("events")
    @classmethod
    def _are_events(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            event(text)
        return value

    @model_validator(mode="after")
    def _known_regions(self) -> "Evaluate":
        for name, (north, west, south, east) in self.boxes.items():
            if name in names.AREAS:
                raise ValueError(f"boxes names {name}, which is a region already")
            if not (90 >= north > south >= -90 and west < east):
                raise ValueError(f"box {name} is not [north, west, south, east], north above south")
        unknown = sorted({*self.regions} - {*names.AREAS} - {*self.boxes})
        if unknown or not (self.regions or self.boxes):
            known = ", ".join(names.AREAS)
            raise ValueError(f"regions: {unknown or 'none is named'}; there are {known}, and boxes")
        return self


class Config(Section):
    """A whole run."""

    name: str = Field("planet", max_length=200, pattern=f"^{RUN_NAME}$", description="of the run")
    folder: Path = Field(Path("runs"), description="results go to folder/name")
    seed: Seed = Field(0, description="of everything random but the planet")
    data: Data = Field(Data(), description="the analyses")
    download: Download = Field(Download(), description="how raw data is fetched")
    preprocess: Preprocess = Field(Preprocess(), description="how the store is made")
    sample: Sample = Field(Sample(), description="one training sample")
    network: Network = Field(Network(), description="the forecast network")
    training: Training = Field(Training(), description="how it learns")
    forecast: Forecast = Field(Forecast(), description="what forecast writes")
    postprocess: Postprocess = Field(Postprocess(), description="ensemble calibration")
    evaluate: Evaluate = Field(Evaluate(), description="what evaluate compares with")

    @property
    def targets(self) -> tuple[str, ...]:
        """Predicted channels: `sample.targets`, or every channel of the store."""
        return self.sample.targets or self.data.channels

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
        step = self.data.step_hours
        odd = [h for h in (*self.sample.history_hours, *self.sample.lead_hours) if h % step]
        if odd:
            raise ValueError(f"hours {odd} are no multiples of data.step_hours = {step}")
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
