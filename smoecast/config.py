"""What a run is: one frozen, typed description, read from one YAML file.

Each section belongs to one part of the chain. Unknown keys are refused. Loading, overriding and
saving live in `smoecast.configfile`.
"""

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from smoecast import names
from smoecast.config_learning import Fraction, Network, Positive, Section, Training

Hours = Annotated[int, Field(ge=0)]


def _channels(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if names.parse_channel(value) is None:
            raise ValueError(
                f"'{value}' is no channel: use a variable and, on pressure levels, its level "
                "in hPa (z500, t850, t2m)"
            )
    if len(set(values)) != len(values):
        raise ValueError("a channel is named twice")
    return values


class Split(Section):
    """Which times train, choose and judge. All three as fractions in order of time, or as dates."""

    train: Fraction | tuple[date, date] = Field(
        0.7, description="share of the series, or [first day, last day]"
    )
    validation: Fraction | tuple[date, date] = Field(0.1, description="chooses; never trains")
    test: Fraction | tuple[date, date] = Field(0.2, description="touched by the final score alone")

    @model_validator(mode="after")
    def _one_kind_and_apart(self) -> "Split":
        parts = (self.train, self.validation, self.test)
        fractions = [p for p in parts if isinstance(p, float)]
        periods = sorted(p for p in parts if isinstance(p, tuple))
        if fractions and periods:
            raise ValueError("train, validation and test are either all fractions or all dates")
        if fractions and sum(fractions) > 1.0 + 1e-9:
            raise ValueError(f"the fractions add up to {sum(fractions):g}, more than 1")
        if any(first > last for first, last in periods):
            raise ValueError("a period ends before it begins")
        if any(a[1] >= b[0] for a, b in pairwise(periods)):
            raise ValueError("train, validation and test overlap")
        return self


class Planet(Section):
    """The simulated planet: weather that anyone can make in a minute; never real weather."""

    years: Annotated[float, Field(gt=0)] = Field(3.0, description="length of the series")
    start: date = Field(date(2001, 1, 1), description="first day")
    seed: int = Field(0, description="same seed, same weather")
    ensemble_years: Annotated[float, Field(ge=0)] = Field(
        0.0, description="years of ensemble forecasts, two starts a week; 0 for none"
    )
    members: Positive = Field(10, description="ensemble members")


class Download(Section):
    """How `download` fetches what is not on this machine."""

    url: str = Field("", description="mirror to use in place of the source's own address")
    parallel: Positive = Field(4, description="files under way at once")
    retry_minutes: Annotated[float, Field(ge=0)] = Field(
        10.0, description="that may be lost to failures before it gives up"
    )
    wait_hours: Annotated[float, Field(ge=0)] = Field(
        24.0, description="in the queue of source era5 before it ends with exit code 4"
    )

    @model_validator(mode="after")
    def _address_without_secrets(self) -> "Download":
        # the config is saved beside every result; the message must not quote the address either
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url is no address: it begins with https:// or http://")
        if any(sign in self.url for sign in "@?#"):
            raise ValueError(
                "url must be plain, without user, password or token: those belong in ~/.netrc"
            )
        return self


class Era5(Section):
    """What of ERA5 is asked for, beside channels, years and step."""

    grid_degrees: Annotated[float, Field(ge=0.25, le=10)] = Field(
        1.0, description="spacing of the grid, which the Climate Data Store interpolates to"
    )
    area: tuple[float, float, float, float] | tuple[()] = Field(
        (), description="[north, west, south, east] in degrees; none given: the whole Earth"
    )

    @field_validator("area")
    @classmethod
    def _north_first(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if value and not (90 >= value[0] > value[2] >= -90 and value[1] < value[3]):
            raise ValueError("an area is [north, west, south, east], north above south")
        return value


class Data(Section):
    """Where the analyses come from and what of them is kept."""

    source: Literal["planet", "files", "ncep", "weatherbench", "era5", "none"] = Field(
        "planet", description="where analyses come from; none: ensembles alone"
    )
    files: tuple[str, ...] = Field((), description="source files: paths, folders or globs")
    years: tuple[int, ...] = Field((), description="to fetch, for sources on the network")
    channels: tuple[str, ...] = Field(
        ("z500", "t850", "t2m"), description="fields in the store, in this order"
    )
    constants: tuple[str, ...] = Field((), description="fields without time: orography, lsm, slt")
    step_hours: Positive = Field(6, description="spacing of the store in time")
    split: Split = Field(Split(), description="by date or by fraction")
    planet: Planet = Field(Planet(), description="for source planet")
    era5: Era5 = Field(Era5(), description="for source era5")
    _check = field_validator("channels", "constants")(_channels)


class Sample(Section):
    """What one training sample is."""

    history_hours: tuple[Hours, ...] = Field((0,), description="hours before the start, 0 first")
    lead_hours: tuple[Positive, ...] = Field((6,), description="hours ahead, all predicted at once")
    targets: tuple[str, ...] = Field((), description="predicted channels; none given: all channels")
    clock: bool = Field(True, description="hour of day and season as inputs")
    _check = field_validator("targets")(_channels)

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
    every_hours: Positive = Field(24, description="spacing of starts inside a split or range")
    lead_hours: tuple[Positive, ...] = Field(
        (), description="written lead times; past the model's own it rolls out; none: the model's"
    )
    title: str = Field("smoecast forecast", description="global attribute")
    institution: str = Field("not stated", description="global attribute: who ran it")
    license: str = Field("not stated", description="global attribute: terms of use")


class Postprocess(Section):
    """Ensemble in, calibrated ensemble out."""

    source: Literal["planet", "files"] = Field("planet", description="where ensembles come from")
    files: tuple[str, ...] = Field((), description="ensemble forecasts: paths, folders or globs")
    truth: tuple[str, ...] = Field((), description="analyses to fit to; none: the store of `data`")
    channels: tuple[str, ...] = Field(("z500", "t850", "t2m"), description="predictors")
    targets: tuple[str, ...] = Field(("t2m",), description="calibrated channels")
    lead_hours: tuple[Hours, ...] = Field((48,), description="lead times to calibrate")
    split: Split = Field(Split(), description="by start of forecast")
    method: Literal["raw", "emos", "smoe"] = Field(
        "emos", description="no correction, Gaussian EMOS, or a small SMoE network"
    )
    where: Literal["pooled", "local"] = Field(
        "local", description="EMOS coefficients: one set for all points, or one a point"
    )
    network: Network = Field(Network(), description="for method smoe")
    training: Training = Field(Training(), description="how the calibration is fitted")
    members: int = Field(0, ge=0, description="members written; 0: as many as came in")
    _check = field_validator("channels", "targets")(_channels)


class Evaluate(Section):
    """What `evaluate` compares with."""

    baselines: tuple[Literal["persistence", "climatology"], ...] = Field(
        ("persistence", "climatology"), description="scored beside the forecast"
    )


class Config(Section):
    """A whole run."""

    name: str = Field("planet", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="of the run")
    folder: Path = Field(Path("runs"), description="results go to folder/name")
    seed: int = Field(0, description="of everything random but the planet")
    data: Data = Field(Data(), description="the analyses")
    download: Download = Field(Download(), description="how raw data is fetched")
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
    def raw(self) -> Path:
        """Where `download` puts raw files."""
        return self.place / "raw"

    @property
    def store(self) -> Path:
        """The analyses that `preprocess` made."""
        return self.place / "store.zarr"

    @property
    def ensemble_store(self) -> Path:
        """The ensemble forecasts that `preprocess` made."""
        return self.place / "ensemble.zarr"

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
        if self.data.source not in ("planet", "files", "none") and not self.data.years:
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
        strange = set(self.training.channel_weights) - set(self.targets)
        if strange:
            raise ValueError(f"training.channel_weights names {sorted(strange)}, no targets")
        return self
