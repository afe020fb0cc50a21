"""The config of networks and their SMoE layers."""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from smoecast.config.section import RARE, Section

# Upper bounds are far above what anyone has run. They keep a slip, or a stranger's config, from
# taking a machine's memory or its days.
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


Positive = Annotated[int, Field(ge=1, le=1_000_000)]


Natural = Annotated[int, Field(ge=0, le=1_000_000)]


Hundreds = Annotated[int, Field(ge=1, le=1000)]


Rate = Annotated[float, Field(gt=0)]


def _check_places(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what names no convolution in any network."""
    known = re.compile(r"first|last|hidden|alternate|(hidden|block)\.(0|[1-9][0-9]{0,3})")
    if not names or not all(map(known.fullmatch, names)):
        raise ValueError(
            "a list of places holds first, last, hidden, alternate, hidden.N or block.N, N counted "
            "from 0"
        )
    return names


Group = Literal["none", "first", "last", "ends", "hidden", "alternate", "all"]


Places = Annotated[tuple[str, ...], AfterValidator(_check_places)]


Layers = Annotated[
    Annotated[Group, Tag("[one]")] | Annotated[Places, Tag("[several]")],
    Discriminator(lambda value: "[several]" if isinstance(value, list | tuple) else "[one]"),
]
"""Which convolutions of a network; the tags keep messages to the branch that was meant."""


Factor = Annotated[float, Field(ge=1.0, le=1024.0)]


Count = Annotated[int, Field(ge=1, le=256)]


Number = TypeVar("Number", int, float)


def _check_keys(places: dict[str, Number]) -> dict[str, Number]:
    """Refuse what names no convolution in any network."""
    if places:
        _check_places(tuple(places))
    return places


FactorsAt = Annotated[dict[str, Factor], AfterValidator(_check_keys)]


CountsAt = Annotated[dict[str, Count], AfterValidator(_check_keys)]


class SmoeAdvanced(Section):
    """What only research on SMoE layers turns; `Smoe.preset` says what each key is by default."""

    order: Literal["score", "expert"] = Field(
        "expert", description="order of the selected channels: by score (the paper) or by expert"
    )
    routing: Literal["global", "grouped"] = Field(
        "grouped",
        description="global: the K best of all experts (the paper); grouped: one expert of a group "
        "of `expansion` for each channel, so that a channel keeps its meaning",
    )
    routing_loss: Literal["points", "experts"] = Field(
        "experts",
        description="an error counts as large beside those of other points (the paper), or beside "
        "what the other experts of the group would have made of the point; then error_quantile "
        "plays no part",
    )
    error_memory: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.9,
        description="routing_loss experts: share of earlier steps in the errors by which experts "
        "are compared, where all samples share a gate's scores",
    )
    compared_samples: Natural = Field(
        0,
        description="routing_loss experts: experts are compared on so many samples of a batch, "
        "which is cheaper; 0: on all",
    )
    shared: bool = Field(
        True,
        description="a filter that all points share, to which experts add (grouped routing only)",
    )
    bias: bool = Field(True, description="one learned number per expert (the paper has none)")
    start: Literal["random", "plain", "regions"] = Field(
        "regions",
        description="random scores (the paper); begin as a plain convolution; or each expert with "
        "its own parts of the globe",
    )
    expert_start: Literal["own", "copies"] = Field(
        "copies",
        description="own random filters (the paper), or all of a group alike at first",
    )
    error_quantile: Fraction = Field(0.5, description="outputs above this quantile are incorrect")
    damping: Fraction = Field(1.0, description="factor on the gradient of incorrect outputs")
    routing_loss_weight: Annotated[float, Field(ge=0)] = Field(
        1.0, description="weight of the routing classification loss"
    )
    gate: Literal["tensor", "conv", "coordconv", "local", "linear"] = Field(
        "tensor", description="what scores the experts at each point"
    )
    share_gates: bool = Field(
        False,
        description="one gate for all SMoE layers with the same experts and grid (the paper's "
        "WeatherBench network)",
    )
    expansion_at: FactorsAt = Field(
        {}, description="`expansion` of some places of `layers`: {last: 8}"
    )
    experts_per_channel_at: CountsAt = Field(
        {}, description="`experts_per_channel` of some places of `layers`: {last: 4}"
    )


PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "comparative": MappingProxyType({}),
        "paper": MappingProxyType(
            {
                "order": "score",
                "routing": "global",
                "routing_loss": "points",
                "error_memory": 0.0,
                "shared": False,
                "bias": False,
                "start": "random",
                "expert_start": "own",
                "error_quantile": 0.3,
                "damping": 0.1,
            }
        ),
    }
)
"""What each preset says otherwise than the defaults of `SmoeAdvanced`."""


class Smoe(Section):
    """Where and how convolutions become Spatial Mixture-of-Experts layers (arXiv 2211.13491)."""

    preset: Literal["comparative", "paper"] = Field(
        "comparative", description="how they learn: experts compared at each point, or as published"
    )
    layers: Layers = Field(
        "last",
        description="which convolutions: none, first, last, ends, hidden, alternate, all, or a "
        "list of places: [hidden.3, last]",
    )
    expansion: Factor = Field(4.0, description="experts to choose from for each that is chosen")
    experts_per_channel: Count = Field(
        1, description="experts chosen for each channel and point; their values add up"
    )
    advanced: SmoeAdvanced = Field(
        SmoeAdvanced(),
        description="for research on the layer; what is not given is as the preset has it",
        json_schema_extra=RARE,
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, value: Any) -> Any:
        """Give every advanced key that is not given the value of the preset."""
        if not isinstance(value, dict):
            return value
        given, name = value.get("advanced", {}), value.get("preset")
        changes = PRESETS.get(name, {}) if isinstance(name, str) else {}
        if isinstance(given, SmoeAdvanced):
            given = given.model_dump(exclude_unset=True)
        # what is no section is refused with the others
        return {**value, "advanced": {**changes, **given}} if isinstance(given, dict) else value

    @field_validator("expansion", "experts_per_channel", mode="before")
    @classmethod
    def _one_for_all(cls, value: object) -> object:
        if isinstance(value, dict):
            raise ValueError(
                "one number for all places; numbers by place stand in advanced.expansion_at and "
                "advanced.experts_per_channel_at now"
            )
        return value

    @property
    def places_with_size(self) -> tuple[str, ...]:
        """Places that have an expansion or experts per channel of their own."""
        return (*self.advanced.expansion_at, *self.advanced.experts_per_channel_at)

    def sizes_at(self, names: Collection[str]) -> tuple[float, int]:
        """Return expansion and experts per channel at the place that answers to these names."""
        return (
            _at(self.advanced.expansion_at, names, self.expansion),
            _at(self.advanced.experts_per_channel_at, names, self.experts_per_channel),
        )


def _at(by_place: Mapping[str, Number], names: Collection[str], elsewhere: Number) -> Number:
    return next((v for name, v in by_place.items() if name in names), elsewhere)


class NetworkAdvanced(Section):
    """What only research on networks turns."""

    first_kernel_size: Literal[0, 3, 5, 7] = Field(
        0, description="of the first convolution; 0: as the others"
    )
    position_channels: Annotated[int, Field(ge=0, le=1024)] = Field(
        0, description="learned input fields, one value a point"
    )
    position_embedding: Literal["none", "first", "all"] = Field(
        "none",
        description="a learned number for each channel at each point, added to what the first "
        "convolution makes, or to what it and every hidden one make",
    )
    polar_padding: bool = Field(
        False,
        description="on a globe, fields go on across the poles, on the opposite meridian; else "
        "zeros lie there",
    )


class Network(Section):
    """The network between normalised inputs and normalised targets."""

    kind: Literal["resnet", "cnn", "unet", "linear"] = Field(
        "resnet", description="which network; none of the other keys applies to linear"
    )
    width: Annotated[int, Field(ge=1, le=8192)] = Field(
        48, description="channels inside; of a U-Net's finest level"
    )
    blocks: Annotated[int, Field(ge=1, le=200)] = Field(
        5, description="two convolutions each (resnet), or one (cnn)"
    )
    levels: Annotated[int, Field(ge=1, le=12)] = Field(
        3, description="resolutions of a U-Net, each half the one before"
    )
    kernel_size: Literal[3, 5, 7] = Field(
        3, description="of every convolution", json_schema_extra=RARE
    )
    normalization: Literal["batch", "group", "none"] = Field(
        "batch",
        description="after each activation: over the batch, over groups of channels, none",
        json_schema_extra=RARE,
    )
    dropout: Fraction = Field(
        0.0, description="share of values dropped in training", json_schema_extra=RARE
    )
    local_bias: bool = Field(
        False, description="a learned number for each output at each point, whatever the weather"
    )
    input_skip: bool = Field(
        False, description="the last layer sees the inputs too, beside the fields within"
    )
    convolution: Literal["smoe", "plain", "coordconv", "lowrank", "local", "frozen"] = Field(
        "smoe",
        description="what stands at smoe.layers: SMoE, what it is compared with, or (frozen) a "
        "filter for each point, as `smoecast models freeze` makes it of SMoE",
    )
    smoe: Smoe = Field(Smoe(), description="Spatial Mixture-of-Experts layers")
    advanced: NetworkAdvanced = Field(
        NetworkAdvanced(), description="for research on networks", json_schema_extra=RARE
    )

    def decisive(self) -> dict[str, Any]:
        """Return what makes it this network: without the preset, whose keys all stand in it.

        An advanced key that came later counts only where it is set, so that older runs can go on.
        """
        kept = self.model_dump(mode="json", exclude={"smoe": {"preset"}})
        for values, section in (
            (kept["advanced"], self.advanced),
            (kept["smoe"]["advanced"], self.smoe.advanced),
        ):
            for key in _LATER & values.keys():
                if values[key] == type(section).model_fields[key].default:
                    del values[key]
        return kept


_LATER = {"position_embedding", "polar_padding", "compared_samples"}
