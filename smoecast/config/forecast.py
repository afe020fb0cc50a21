"""What a run says of its forecasts: its section `forecast`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from smoecast.config.data import Hours, Lead
from smoecast.config.section import RARE, Section


def check_layout(layout: str, format_: str) -> None:
    """Refuse a layout that a format does not have.

    Raises
    ------
    ValueError
        The layout is for NetCDF, and the format another.
    """
    if layout != "default" and format_ != "netcdf":
        raise ValueError(
            f"layout {layout} is for format netcdf, not {format_}: leave one of them out"
        )


class Forecast(Section):
    """What `forecast` writes."""

    init_times: tuple[str, ...] = Field(
        ("test",), description="ISO times, a split (test), or first/last pairs as A/B"
    )
    init_every_hours: Lead = Field(24, description="spacing of starts inside a split or range")
    lead_hours: tuple[Lead, ...] = Field(
        (),
        max_length=10_000,
        description="hours ahead; past the model's own it rolls out; none given: its own",
    )
    models: tuple[str, ...] = Field(
        (),
        max_length=1000,
        description="run folders or names in the zoo, each a member; none: the run's own",
        json_schema_extra=RARE,
    )
    members: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1,
        description="starts of each model: the analysis, and others with noise added",
        json_schema_extra=RARE,
    )
    perturbation: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="of that noise: its share of each channel's standard deviation",
        json_schema_extra=RARE,
    )
    perturbation_km: Annotated[float, Field(gt=0, le=1e5)] = Field(
        1000.0, description="length over which that noise is alike", json_schema_extra=RARE
    )
    lags_hours: tuple[Hours, ...] = Field(
        (0,),
        max_length=1000,
        description="members that start from analyses so many hours older",
        json_schema_extra=RARE,
    )
    output: str = Field(
        "",
        max_length=1000,
        description="name in the run's folder, a file a start with {init_time:%Y%m%d%H} in it; "
        "none given: forecast.nc for all",
        json_schema_extra=RARE,
    )
    format: Literal["netcdf", "wb2", "wb2-v3", "grib"] = Field(
        "netcdf",
        description="CF NetCDF, a WeatherBench 2 store (Zarr v2, or v3 in shards), or GRIB 2",
    )
    layout: Literal["default", "cdo"] = Field(
        "default",
        description="of netcdf: along start and lead time; or, for CDO, along the time at which "
        "fields hold, a file a start",
        json_schema_extra=RARE,
    )
    accumulation_hours: Hours | None = Field(
        None,
        description="grib: hours over which tp, cp, sf, ssrd, strd, tisr and fg10 are; 0: since "
        "the start of the forecast",
        json_schema_extra=RARE,
    )
    title: str = Field("smoecast forecast", description="what the result is called")
    institution: str = Field("not stated", description="who made it")
    license: str = Field("not stated", description="its terms of use")

    @model_validator(mode="after")
    def _can_differ(self) -> "Forecast":
        if self.members > 1 and not self.perturbation:
            raise ValueError("several members need a perturbation above 0: all would be the same")
        if self.perturbation and self.members == 1:
            raise ValueError("one member is the analysis itself: a perturbation needs members")
        if list(self.lags_hours) != sorted(set(self.lags_hours)) or not self.lags_hours:
            raise ValueError("lags_hours must be given, ascending and without repeats")
        return self

    @model_validator(mode="after")
    def _layout_fits(self) -> "Forecast":
        check_layout(self.layout, self.format)
        return self
