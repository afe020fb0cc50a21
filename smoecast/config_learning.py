"""The config of what learns: networks, their SMoE layers, and training."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of the config: immutable, no key but the declared ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Smoe(Section):
    """Where and how convolutions become Spatial Mixture-of-Experts layers (arXiv 2211.13491)."""

    layers: Literal["none", "first", "last", "ends", "all"] = Field(
        "last", description="which convolutions become SMoE layers; ends: first and last"
    )
    expansion: Annotated[float, Field(ge=1)] = Field(
        2.0, description="experts per selected expert: E = expansion x K"
    )
    gate: Literal["tensor", "conv", "coordconv", "local", "linear"] = Field(
        "tensor", description="what scores the experts at each point"
    )
    start: Literal["random", "plain"] = Field(
        "plain", description="random scores (the paper), or begin as a plain convolution"
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
        description="experts that a plain start leaves unselected: own random filters, or copies "
        "of the selected ones",
    )
    bias: bool = Field(False, description="one learned number per expert (the paper has none)")
    error_quantile: Fraction = Field(0.5, description="outputs above this quantile are incorrect")
    damping: Fraction = Field(1.0, description="factor on the gradient of incorrect outputs")
    routing_loss_weight: Annotated[float, Field(ge=0)] = Field(
        1.0, description="weight of the routing classification loss"
    )


class Network(Section):
    """The network between normalised inputs and normalised targets."""

    kind: Literal["resnet"] = Field("resnet", description="backbone")
    width: Positive = Field(48, description="channels inside")
    blocks: Positive = Field(5, description="residual blocks of two convolutions")
    kernel_size: Literal[3, 5, 7] = Field(3, description="of every convolution")
    normalization: Literal["batch", "group", "none"] = Field(
        "batch", description="after each activation: over the batch, over groups of channels, none"
    )
    dropout: Fraction = Field(0.0, description="share of values dropped in training")
    position_channels: int = Field(0, ge=0, description="learned input fields, one value a point")
    smoe: Smoe = Field(Smoe(), description="Spatial Mixture-of-Experts layers")


class Training(Section):
    """How the network learns."""

    epochs: Positive = Field(20, description="at most")
    batch_size: Positive = Field(32, description="samples per step")
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="Adam step, at first")
    gate_learning_rate: Annotated[float, Field(gt=0)] = Field(3e-2, description="of routing scores")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, description="decoupled (AdamW)")
    schedule: Literal["plateau", "cosine"] = Field(
        "plateau", description="when the learning rate falls"
    )
    plateau_patience: Positive = Field(2, description="epochs without gain before the rate falls")
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="by this factor")
    minimum_rate: Annotated[float, Field(ge=0)] = Field(1e-6, description="never below this rate")
    patience: Positive = Field(5, description="epochs without gain before training stops")
    clip: Annotated[float, Field(ge=0)] = Field(1.0, description="gradient norm; 0 for none")
    save_minutes: Annotated[float, Field(gt=0)] = Field(
        10.0, description="a crash loses no more than this (beside the save at each epoch's end)"
    )
    channel_weights: dict[str, float] = Field({}, description="loss weight by target; others 1")
    cache: Literal["disk", "memory", "device"] = Field(
        "disk", description="where the fields lie while training: the store, memory, or the device"
    )
    threads: int = Field(0, ge=0, description="CPU threads; 0 for all")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 ...")

    def decisive(self) -> dict[str, Any]:
        """Return the keys that decide the weights: all but where and how safely it runs."""
        return self.model_dump(mode="json", exclude={"threads", "device", "cache", "save_minutes"})
