"""What a run says of its data: the sections of a config that download and preprocess read."""

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)

from smoecast import names
from smoecast.config.network import Fraction, Hundreds
from smoecast.config.reading import Assume, Select, without_unset
from smoecast.config.section import RARE, Section

Hours = Annotated[int, Field(ge=0, le=100_000)]


Lead = Annotated[int, Field(ge=1, le=100_000)]
"""Hours ahead, or between two times."""


Seed = Annotated[int, Field(ge=0, lt=2**63)]


FIRST, LAST = date(1678, 1, 1), date(2261, 12, 31)
"""Between them lies every time of 64 bits of nanoseconds."""


def _written_out(value: object) -> object:
    """Refuse a number for a day: it would count seconds since 1970."""
    if isinstance(value, int | float) or (isinstance(value, str) and "-" not in value):
        raise ValueError("a day is written as 2001-12-31")
    return value


Day = Annotated[date, BeforeValidator(_written_out), Field(ge=FIRST, le=LAST)]


Year = Annotated[int, Field(ge=FIRST.year, le=LAST.year)]


Channels = Annotated[tuple[str, ...], Field(max_length=1000)]


RUN_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""What a run may be called: a folder's name, never a path, and short enough for any disk."""


def check_channels(values: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a name that is no channel, and one named twice."""
    for value in values:
        if names.parse_channel(value) is None:
            close = names.suggest_channel(value)
            hint = f"; did you mean {close}?" if close else ""
            raise ValueError(
                names.explain_channel(value)
                or f"'{value}' is no channel: use a variable and, on pressure levels, its level "
                f"in hPa (z500, t850, t2m){hint}"
            )
    if len(set(values)) != len(values):
        raise ValueError("a channel is named twice")
    return values


Part = Annotated[
    Annotated[Fraction, Tag("[share]")] | Annotated[tuple[Day, Day], Tag("[days]")],
    Discriminator(lambda value: "[days]" if isinstance(value, list | tuple) else "[share]"),
]


Degrees = Annotated[float, Field(ge=-360, le=360)]


class Split(Section):
    """Which times train, choose and judge. All three as fractions in order of time, or as dates."""

    train: Part = Field(0.7, description="share of the series, or [first day, last day]")
    validation: Part = Field(0.1, description="chooses the best model, never trains")
    test: Part = Field(0.2, description="touched by the final score alone")

    @model_validator(mode="after")
    def _one_kind_and_apart(self) -> "Split":
        parts = (self.train, self.validation, self.test)
        # 0 means that there is no such part, beside dates as well
        fractions = [p for p in parts if isinstance(p, float) and p]
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

    years: Annotated[float, Field(gt=0, le=500)] = Field(3.0, description="how many are simulated")
    start: Day = Field(date(2001, 1, 1), description="first day", json_schema_extra=RARE)
    seed: Seed = Field(0, description="same seed, same weather", json_schema_extra=RARE)
    ensemble_years: Annotated[float, Field(ge=0, le=500)] = Field(
        0.0, description="years with ensemble forecasts, two starts a week; 0: none"
    )
    members: Hundreds = Field(10, description="ensemble members", json_schema_extra=RARE)

    @model_validator(mode="after")
    def _ends_in_time(self) -> "Planet":
        if self.start.year + self.years > LAST.year:
            raise ValueError(f"{self.years:g} years from {self.start} end after {LAST}")
        return self


class Download(Section):
    """How `download` fetches what is not on this machine."""

    url: str = Field("", description="mirror to use in place of the source's own address")
    parallel: Hundreds = Field(4, description="files under way at once")
    retry_minutes: Annotated[float, Field(ge=0, le=1e6)] = Field(
        10.0, description="that may be lost to failures before it gives up"
    )
    wait_hours: Annotated[float, Field(ge=0, le=1e5)] = Field(
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
        1.0, description="spacing of the grid that is asked for"
    )
    area: tuple[Degrees, Degrees, Degrees, Degrees] | tuple[()] = Field(
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

    source: Literal[
        "planet",
        "files",
        "ncep",
        "weatherbench",
        "weatherbench2",
        "arco-era5",
        "era5",
        "opendata",
        "none",
    ] = Field("planet", description="where analyses come from; none: ensembles alone")
    files: tuple[str, ...] = Field((), description="for source files: paths, folders or globs")
    select: Select = Field(
        {}, description="what to take of them: {typeOfLevel: isobaricInhPa, step: 0, not: {...}}"
    )
    assume: Assume = Field(
        {},
        description="what they do not say, by file name: {'z500*.nc': {level: 500}}",
        json_schema_extra=RARE,
    )
    run: str = Field(
        "",
        pattern=f"^({RUN_NAME})?$",
        description="another run, whose raw files and stores are used; none given: this one's",
    )
    years: tuple[Year, ...] = Field(
        (),
        max_length=1000,
        description="to fetch from sources on the network: [2017, 2018] or 1979-2018",
    )
    channels: Channels = Field(
        ("z500", "t850", "t2m"), description="fields in the store, in this order"
    )
    constants: Channels = Field((), description="fields without time: orography, lsm, slt")
    step_hours: Lead = Field(6, description="hours between two times of the store")
    grid: str = Field(
        "", description="spacing of its grid: 5.625, 2.8125, 1.40625 ...; none given: as the data"
    )
    regrid: Literal["bilinear", "conservative"] = Field(
        "bilinear", description="how, to `grid`", json_schema_extra=RARE
    )
    precision: Literal["float32", "float16"] = Field(
        "float32",
        description="of the store; float16 halves it, after normalisation",
        json_schema_extra=RARE,
    )
    split: Split = Field(Split(), description="by date or by fraction")
    planet: Planet = Field(Planet(), description="for source planet")
    era5: Era5 = Field(Era5(), description="for source era5")
    _check = field_validator("channels", "constants")(check_channels)

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_unset(handler(self))

    @field_validator("years", mode="before")
    @classmethod
    def _spell_out(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        ends = re.fullmatch(r"\s*([0-9]{4})\s*-\s*([0-9]{4})\s*", value)
        if ends is None:
            raise ValueError("years are a list such as [2017, 2018], or 1979-2018")
        return tuple(range(int(ends[1]), int(ends[2]) + 1))

    @field_validator("grid", mode="before")
    @classmethod
    def _by_name(cls, value: object) -> object:
        # in YAML 5.625 without quotation marks is a number, and nothing at all is None
        value = "" if value is None else value
        if value is True or (isinstance(value, int | float) and not 0 < value <= 180):
            raise ValueError("a grid is named by its spacing in degrees, or as f32")
        return f"{value:g}" if isinstance(value, int | float) else value


class Ens10(Section):
    """What of ENS-10 is kept, for source ens10."""

    keep: Literal["members", "statistics"] = Field(
        "statistics", description="every member, or mean and spread over members alone"
    )
    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = Field(
        (), max_length=12, description="of the start dates of 2018; none given: all 105 dates"
    )


class OpenData(Section):
    """What of ECMWF's open data is fetched, for ensembles of source opendata."""

    model: Literal["ifs", "aifs-ens"] = Field(
        "ifs", description="the ensemble of IFS, or of ECMWF's learned model AIFS"
    )
