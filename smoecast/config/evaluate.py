"""What a run says of its scores: its section `evaluate`."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from smoecast import names
from smoecast.config.data import Degrees
from smoecast.config.network import Natural, Positive
from smoecast.config.section import RARE, Section
from smoecast.events import event


class Evaluate(Section):
    """What `evaluate` compares with, and over what it takes its means."""

    baselines: tuple[Literal["persistence", "climatology", "weekly_climatology", "linear"], ...] = (
        Field(("persistence", "climatology"), description="scored beside the forecast")
    )
    regions: tuple[str, ...] = Field(
        ("global",),
        max_length=1000,
        description="global, tropics, europe, land, sea and more, or named in boxes",
    )
    boxes: dict[str, tuple[Degrees, Degrees, Degrees, Degrees]] = Field(
        {},
        max_length=1000,
        description="regions of your own, each name: [north, west, south, east] in degrees",
        json_schema_extra=RARE,
    )
    seasons: bool = Field(False, description="also DJF, MAM, JJA, SON, by the time it holds")
    resamples: Natural = Field(
        1000,
        description="of the bootstrap of differences to each baseline; 0: none",
        json_schema_extra=RARE,
    )
    block_days: Positive = Field(
        7, description="starts that the bootstrap keeps together", json_schema_extra=RARE
    )
    events: tuple[str, ...] = Field(
        (),
        max_length=1000,
        description="of ensembles, Brier score and reliability: t2m>273.15, SI units",
    )
    normal: bool = Field(
        False,
        description="score <var>_mean and <var>_std as a normal distribution where there are "
        "members too",
        json_schema_extra=RARE,
    )
    efi_window_days: Annotated[int, Field(ge=0, le=366)] = Field(
        17,
        description="model climate of EFI: starts so near in the season; 0: no EFI",
        json_schema_extra=RARE,
    )

    @field_validator("events")
    @classmethod
    def _are_events(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            event(text)
        return value

    @model_validator(mode="after")
    def _check_regions(self) -> "Evaluate":
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
