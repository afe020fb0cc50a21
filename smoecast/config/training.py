"""The config of what learns: networks, their SMoE layers, and training."""

from typing import Annotated, Any, Literal

from pydantic import Field

from smoecast.config.network import Hundreds, Natural, Positive, Rate
from smoecast.config.section import Section


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

    def for_fine_tuning(self, start_from: str) -> "Training":
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
