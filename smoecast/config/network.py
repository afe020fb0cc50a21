"""The config of what learns: networks, their SMoE layers, and training."""

import re
from collections.abc import Collection
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Discriminator, Field, Tag

from smoecast.config.section import Section

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


Terms = Annotated[int, Field(ge=1, le=256)]


Number = TypeVar("Number", int, float)


def _check_keys(places: dict[str, Number]) -> dict[str, Number]:
    """Refuse what names no convolution in any network."""
    _check_places(tuple(places))
    return places


_PLACES = AfterValidator(_check_keys), Tag("[by place]")


_ONE_OR_PLACES = Discriminator(lambda value: "[by place]" if isinstance(value, dict) else "[one]")


Factors = Annotated[
    Annotated[Factor, Tag("[one]")] | Annotated[dict[str, Factor], *_PLACES], _ONE_OR_PLACES
]


Counts = Annotated[
    Annotated[Terms, Tag("[one]")] | Annotated[dict[str, Terms], *_PLACES], _ONE_OR_PLACES
]
"""One number for all places of SMoE layers, or some for places by their names."""


EXPANSION, TERMS = 4.0, 1
"""At all places of SMoE layers that a config does not name."""


def _at(value: Number | dict[str, Number], names: Collection[str], elsewhere: Number) -> Number:
    if isinstance(value, dict):
        return next((v for name, v in value.items() if name in names), elsewhere)
    return value


class Smoe(Section):
    """Where and how convolutions become Spatial Mixture-of-Experts layers (arXiv 2211.13491).

    The defaults are those of comparative routing, docs/smoe.md; there the paper's are named too.
    """

    layers: Layers = Field(
        "last",
        description="which convolutions become SMoE layers: none, first, last, ends (both), hidden "
        "(all between), alternate (every second one between), all; or a list of first, last, "
        "hidden, alternate, hidden.3 (counted from 0), block.2 (all of one block)",
    )
    expansion: Factors = Field(
        EXPANSION,
        description="experts per selected expert: E = expansion x K; or by place: {last: 8}, 4 "
        "elsewhere",
    )
    gate: Literal["tensor", "conv", "coordconv", "local", "linear"] = Field(
        "tensor", description="what scores the experts at each point"
    )
    share: bool = Field(
        False,
        description="one gate for all SMoE layers with the same experts and grid (the paper's "
        "WeatherBench network)",
    )
    start: Literal["random", "plain", "regions"] = Field(
        "regions",
        description="random scores (the paper); begin as a plain convolution; or each expert with "
        "its own parts of the globe",
    )
    order: Literal["score", "expert"] = Field(
        "expert", description="order of the selected channels: by score (the paper) or by expert"
    )
    routing: Literal["global", "grouped"] = Field(
        "grouped",
        description="global: the K best of all experts (the paper); grouped: one expert of a group "
        "of `expansion` for each channel, so that a channel keeps its meaning",
    )
    expert_start: Literal["own", "copies"] = Field(
        "copies",
        description="own random filters (the paper), or all of a group alike at first",
    )
    judge: Literal["points", "experts"] = Field(
        "experts",
        description="an error counts as large beside those of other points (the paper), or beside "
        "what the other experts of the group would have made of the point; then error_quantile "
        "plays no part",
    )
    error_memory: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.9,
        description="judge experts: share of earlier steps in the errors that experts are judged "
        "by, where all samples share a gate's scores",
    )
    terms: Counts = Field(
        TERMS,
        description="experts that serve a channel together, their values added up, each chosen "
        "from a group of its own (grouped routing only); or by place: {last: 4}, 1 elsewhere",
    )
    shared: bool = Field(
        True,
        description="a filter that all points share, to which experts add (grouped routing only)",
    )
    bias: bool = Field(True, description="one learned number per expert (the paper has none)")
    error_quantile: Fraction = Field(0.5, description="outputs above this quantile are incorrect")
    damping: Fraction = Field(1.0, description="factor on the gradient of incorrect outputs")
    routing_loss_weight: Annotated[float, Field(ge=0)] = Field(
        1.0, description="weight of the routing classification loss"
    )

    @property
    def places_with_size(self) -> tuple[str, ...]:
        """Places that `expansion` or `terms` name."""
        return tuple(n for v in (self.expansion, self.terms) if isinstance(v, dict) for n in v)

    def sizes_at(self, names: Collection[str]) -> tuple[float, int]:
        """Return `expansion` and `terms` at the place that answers to these names."""
        return _at(self.expansion, names, EXPANSION), _at(self.terms, names, TERMS)


class Network(Section):
    """The network between normalised inputs and normalised targets."""

    kind: Literal["resnet", "cnn", "unet", "linear"] = Field(
        "resnet",
        description="backbone; linear has no convolutions, and none of the keys below apply to it",
    )
    width: Annotated[int, Field(ge=1, le=8192)] = Field(
        48, description="channels inside; of a U-Net's finest level"
    )
    blocks: Annotated[int, Field(ge=1, le=200)] = Field(
        5,
        description="residual blocks of two convolutions (resnet), hidden convolutions (cnn)",
    )
    levels: Annotated[int, Field(ge=1, le=12)] = Field(
        3, description="resolutions of a U-Net, each half the one before"
    )
    kernel_size: Literal[3, 5, 7] = Field(3, description="of every convolution")
    first_kernel_size: Literal[0, 3, 5, 7] = Field(
        0, description="of the first convolution; 0: as the others"
    )
    normalization: Literal["batch", "group", "none"] = Field(
        "batch", description="after each activation: over the batch, over groups of channels, none"
    )
    dropout: Fraction = Field(0.0, description="share of values dropped in training")
    position_channels: Annotated[int, Field(ge=0, le=1024)] = Field(
        0, description="learned input fields, one value a point"
    )
    offset: bool = Field(
        False,
        description="a learned number for each output channel and point, added to the output: what "
        "a place has in every weather",
    )
    shortcut: bool = Field(
        False, description="the last layer sees the inputs too, beside the fields within"
    )
    convolution: Literal["smoe", "plain", "coordconv", "lowrank", "local"] = Field(
        "smoe",
        description="what stands at smoe.layers: SMoE, or what it is compared with; all else is "
        "plain",
    )
    smoe: Smoe = Field(Smoe(), description="Spatial Mixture-of-Experts layers")
