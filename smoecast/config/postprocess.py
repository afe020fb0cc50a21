"""What a run says of the calibration of ensembles: its section `postprocess`."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from smoecast.config.data import Channels, Ens10, Hours, OpenData, Split, check_channels
from smoecast.config.forecast import check_layout
from smoecast.config.network import Natural, Network
from smoecast.config.products import WORDS, products
from smoecast.config.reading import Assume, Select, without_unset
from smoecast.config.section import BRIEF, RARE, Section
from smoecast.config.training import Training
from smoecast.variables import is_never_negative

Protocol = Literal["default", "ens10-paper"]
NETWORKS = ("mlp", "lenet", "unet", "transformer", "smoe")
"""Values of `postprocess.method` that are networks."""
DEFAULT: Protocol = "default"
ENS10_PAPER: Protocol = "ens10-paper"
ENS10_SPLIT = Split(
    train=(date(1998, 1, 1), date(2015, 12, 31)),
    validation=0.0,
    test=(date(2016, 1, 1), date(2017, 12, 31)),
)
"""Of the benchmark (Ashkboos et al. 2022, arXiv 2206.14786), which chooses on the test years."""


MemberCount = Annotated[int, Field(ge=2, le=10_000)]


class PostprocessAdvanced(Section):
    """What only research on calibrations turns."""

    correction_units: Literal["spread", "error"] = Field(
        "spread",
        description="networks move the mean in units of the ensemble's spread (ENS-10), or of the "
        "usual error of its mean in the training part, which few members do not make noisy",
    )
    lead_statistics: Literal["together", "apart"] = Field(
        "together",
        description="mean, spread and usual error of the fields, by which networks normalise and "
        "errors are weighed: over all lead times, or of each",
    )
    member_counts: tuple[MemberCount, ...] = Field(
        (),
        max_length=100,
        description="networks that see mean and spread learn from so many of the members, another "
        "choice for each sample, and see how many there are; none given: from all of them",
    )

    @field_validator("member_counts")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"member_counts names a number twice: {list(value)}")
        return value

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what came later where it is not set: older calibrations stay what they are."""
        later = {"lead_statistics": "together", "member_counts": ()}
        kept = handler(self)
        return {k: v for k, v in kept.items() if k not in later or getattr(self, k) != later[k]}


class Postprocess(Section):
    """Ensemble in, calibrated ensemble out."""

    source: Literal["planet", "files", "ens10", "opendata"] = Field(
        "planet", description="where ensembles come from"
    )
    ens10: Ens10 = Field(Ens10(), description="for source ens10", json_schema_extra=RARE)
    opendata: OpenData = Field(
        OpenData(), description="for source opendata", json_schema_extra=RARE
    )
    files: tuple[str, ...] = Field((), description="ensemble forecasts: paths, folders or globs")
    truth: tuple[str, ...] = Field((), description="analyses to fit to; none: the store of `data`")
    select: Select = Field(
        {}, description="as data.select, of the ensembles' files", json_schema_extra=RARE
    )
    assume: Assume = Field(
        {}, description="as data.assume, of the ensembles' files", json_schema_extra=RARE
    )
    channels: Channels = Field(("z500", "t850", "t2m"), description="what it sees")
    targets: Channels = Field(("t2m",), description="what it corrects")
    lead_hours: tuple[Hours, ...] = Field(
        (48,), max_length=10_000, description="hours ahead that it corrects"
    )
    split: Split = Field(Split(), description="by start of forecast")
    method: Literal["raw", "emos", "mbm", "mlp", "lenet", "unet", "transformer", "smoe"] = Field(
        "emos",
        description="not at all, by regression (emos), member by member (mbm), by a network",
    )
    protocol: Protocol = Field(
        DEFAULT,
        description="latitude weights, chosen on the validation part; or as the ENS-10 benchmark: "
        "1998 to 2015 train, 2016 and 2017 choose and judge, every grid point counts the same",
        json_schema_extra=RARE,
    )
    coefficients: Literal["pooled", "local"] = Field(
        "local", description="one set for all points, which serves any grid, or one a point"
    )
    distribution: Literal["normal", "truncated_normal", "csg"] = Field(
        "normal",
        description="of emos; truncated_normal for wind speed, csg (gamma) for precipitation",
    )
    season: Literal["none", "harmonic"] = Field(
        "none",
        description="coefficients of emos and mbm follow the day of the year",
        json_schema_extra=RARE,
    )
    window_days: Natural = Field(
        0,
        description="emos and mbm are fitted anew to the days before each start; 0: once",
        json_schema_extra=RARE,
    )
    network: Network = Field(
        Network(),
        description="of method smoe: keys of network above that differ from their defaults",
        json_schema_extra=BRIEF,
    )
    training: Training = Field(
        Training(),
        description="of a network: keys of training above that differ from their defaults",
        json_schema_extra=BRIEF,
    )
    members: Annotated[int, Field(ge=0, le=10_000)] = Field(
        0, description="members written; 0: as many as came in", json_schema_extra=RARE
    )
    reordering: Literal["ecc-q", "ecc-r", "ecc-t", "schaake"] = Field(
        "ecc-q",
        description="members in the ranks of the raw ones, as quantiles, draws, or the raw ones "
        "stretched; or quantiles in the ranks of the truth of earlier dates (Schaake shuffle)",
        json_schema_extra=RARE,
    )
    write: tuple[str, ...] = Field(("members", "mean", "std"), description=f"of {WORDS}")
    output: str = Field(
        "",
        max_length=1000,
        description="name in the run's folder, a file a start with {init_time:%Y%m%d%H} in it; "
        "none given: calibrated.nc for all",
        json_schema_extra=RARE,
    )
    format: Literal["netcdf", "grib"] = Field("netcdf", description="CF NetCDF, or GRIB 2")
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
    any_lead: bool = Field(
        False,
        description="calibrate every lead time of the input, also those it was not fitted for: "
        "as the nearest that it was",
        json_schema_extra=RARE,
    )
    advanced: PostprocessAdvanced = Field(
        PostprocessAdvanced(), description="for research on calibrations", json_schema_extra=RARE
    )
    _check = field_validator("channels", "targets")(check_channels)

    @field_validator("write")
    @classmethod
    def _can_be_written(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        products(value)
        return value

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_unset(handler(self))

    @model_validator(mode="before")
    @classmethod
    def _years_of_the_protocol(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("protocol") == ENS10_PAPER:
            return {"split": ENS10_SPLIT, **value}
        return value

    @model_validator(mode="after")
    def _keeps_to_the_protocol(self) -> "Postprocess":
        if self.protocol == ENS10_PAPER and self.split != ENS10_SPLIT:
            raise ValueError(
                f"protocol {ENS10_PAPER} trains on 1998 to 2015, has no validation part and tests "
                "on 2016 and 2017: leave split out, or take protocol default"
            )
        return self

    @model_validator(mode="after")
    def _layout_fits(self) -> "Postprocess":
        check_layout(self.layout, self.format)
        return self

    @model_validator(mode="after")
    def _fits_the_method(self) -> "Postprocess":
        if self.distribution != "normal" and self.method != "emos":
            raise ValueError(f"distribution {self.distribution} is for method emos only")
        if (self.season != "none" or self.window_days) and self.method not in ("emos", "mbm"):
            raise ValueError("season and window_days are for methods emos and mbm only")
        alone = [m for m in NETWORKS if m != "transformer"]
        later = self.advanced.member_counts or self.advanced.lead_statistics != "together"
        if later and self.method not in alone:
            raise ValueError(
                "advanced.member_counts and lead_statistics are for networks that see mean and "
                f"spread, methods {', '.join(alone)}, not for {self.method}"
            )
        if self.season != "none" and self.window_days:
            raise ValueError("season and window_days exclude each other: both follow the season")
        wrong = [t for t in self.targets if not is_never_negative(t)]
        if wrong and self.distribution != "normal":
            raise ValueError(
                f"distribution {self.distribution} is for what is never below 0, not for {wrong}"
            )
        return self
