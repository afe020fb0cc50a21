"""The config of what learns: networks, their SMoE layers, and training."""

import re
from collections.abc import Collection
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Discriminator, Field, Tag

from smoecast.config_section import Section

# Upper bounds are far above what anyone has run. They keep a slip, or a stranger's config, from
# taking a machine's memory or its days.
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1, le=1_000_000)]
Natural = Annotated[int, Field(ge=0, le=1_000_000)]
Hundreds = Annotated[int, Field(ge=1, le=1000)]
Rate = Annotated[float, Field(gt=0)]


def _known_places(names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what names no convolution in any network."""
    known = re.compile(r"first|last|hidden|alternate|(hidden|block)\.(0|[1-9][0-9]{0,3})")
    if not names or not all(map(known.fullmatch, names)):
        raise ValueError(
            "a list of places holds first, last, hidden, alternate, hidden.N or block.N, N counted "
            "from 0"
        )
    return names


Group = Literal["none", "first", "last", "ends", "hidden", "alternate", "all"]
Places = Annotated[tuple[str, ...], AfterValidator(_known_places)]
Layers = Annotated[
    Annotated[Group, Tag("[one]")] | Annotated[Places, Tag("[several]")],
    Discriminator(lambda value: "[several]" if isinstance(value, list | tuple) else "[one]"),
]
"""Which convolutions of a network; the tags keep messages to the branch that was meant."""


Factor = Annotated[float, Field(ge=1.0, le=1024.0)]
Terms = Annotated[int, Field(ge=1, le=256)]
Number = TypeVar("Number", int, float)


def _known_keys(places: dict[str, Number]) -> dict[str, Number]:
    """Refuse what names no convolution in any network."""
    _known_places(tuple(places))
    return places


_PLACES = AfterValidator(_known_keys), Tag("[by place]")
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
    def sized(self) -> tuple[str, ...]:
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


class FineTuning(Section):
    """A second training that goes on from the best weights of the first."""

    epochs: Natural = Field(0, description="at most; 0: no fine-tuning")
    learning_rate: Rate = Field(2e-4, description="Adam step, at first")
    gate_learning_rate: Annotated[float, Field(ge=0)] = Field(
        0.0, description="of routing scores; 0: they stay as they are"
    )
    rollout_steps: Hundreds = Field(
        1, description="steps of the model's own output that it learns from"
    )


class Training(Section):
    """How the network learns."""

    epochs: Positive = Field(20, description="at most")
    batch_size: Positive = Field(32, description="samples a pass; of each process under torchrun")
    accumulate: Positive = Field(1, description="passes per step: a batch of so many batch_size")
    learning_rate: Rate = Field(1e-3, description="Adam step, at first")
    gate_learning_rate: Annotated[float, Field(ge=0)] = Field(
        1.0, description="of routing scores; 0: they stay as they are"
    )
    expert_factor: Rate = Field(
        1.0, description="on the learning rate of SMoE experts, whose values add up at a point"
    )
    optimizer: Literal["adamw", "adam"] = Field("adamw", description="how steps are made")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.0, description="decoupled (adamw), or as a penalty in the loss (adam)"
    )
    schedule: Literal["plateau", "cosine"] = Field(
        "plateau", description="when the learning rate falls"
    )
    warmup_steps: Natural = Field(0, description="steps in which the rate rises, before that")
    plateau_patience: Positive = Field(2, description="epochs without gain before the rate falls")
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="by this factor")
    minimum_rate: Annotated[float, Field(ge=0)] = Field(1e-6, description="never below this rate")
    patience: Positive = Field(5, description="epochs without gain before training stops")
    clip: Annotated[float, Field(ge=0)] = Field(1.0, description="gradient norm; 0 for none")
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="decay of averaged weights, which are validated and kept; 0 for none"
    )
    precision: Literal["float32", "bf16", "fp16", "auto"] = Field(
        "float32",
        description="of the network's passes in training; weights stay float32. auto: bf16 where "
        "the device computes in it, float32 elsewhere",
    )
    start_from: str = Field(
        "", description="begin with the weights of this model: a run's folder or a name in the zoo"
    )
    keep_statistics: bool = Field(
        False, description="take its normalisation too, in place of that of the new store"
    )
    rollout_steps: Hundreds = Field(
        1,
        description="steps of the model's own output that it learns from; for fine-tuning",
    )
    fine_tuning: FineTuning = Field(
        FineTuning(), description="then once more, from the best epoch's weights"
    )
    save_minutes: Rate = Field(
        10.0, description="a crash loses no more than this (beside the save at each epoch's end)"
    )
    keep_last: bool = Field(False, description="keep the last epoch's model too, in folder last")
    log: tuple[Literal["tensorboard", "mlflow"], ...] = Field(
        (), description="tell epochs to these too: tensorboard, mlflow"
    )
    channel_weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="loss weight by target; others 1"
    )
    cache: Literal["disk", "memory", "device"] = Field(
        "disk", description="where the fields lie while training: the store, memory, or the device"
    )
    threads: Annotated[int, Field(ge=0, le=4096)] = Field(0, description="CPU threads; 0 for all")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 ...")

    def tuning(self, start_from: str) -> "Training":
        """Return how the model `start_from` is fine-tuned: as before, but for `fine_tuning`."""
        kept = {"start_from": start_from, "keep_statistics": True}
        return self.model_copy(update={**self.fine_tuning.model_dump(), **kept})

    def decisive(self) -> dict[str, Any]:
        """Return the keys that decide the weights: all but where and how safely it runs.

        A key that came later counts only where it is set, so that older runs can go on.
        """
        unused = set() if self.fine_tuning.epochs else {"fine_tuning"}
        kept = self.model_dump(mode="json", exclude=_INDECISIVE | unused)
        defaults = {name: type(self).model_fields[name].default for name in _LATER}
        return {k: v for k, v in kept.items() if k not in defaults or v != defaults[k]}


_INDECISIVE = {"threads", "device", "cache", "save_minutes", "keep_last", "log"}
_LATER = (
    "expert_factor", "optimizer", "accumulate", "warmup_steps", "ema", "precision", "start_from",
    "keep_statistics", "rollout_steps",
)  # fmt: skip
