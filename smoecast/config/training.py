"""The config of training, and of the samples that it learns from."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from smoecast.config.data import Channels, Hours, Lead, check_channels
from smoecast.config.network import Hundreds, Natural, Positive, Rate
from smoecast.config.section import RARE, Section
from smoecast.errors import ConfigError


class Sample(Section):
    """What one training sample is."""

    history_hours: tuple[Hours, ...] = Field(
        (0,), max_length=1000, description="hours before the start, 0 first"
    )
    lead_hours: tuple[Lead, ...] = Field(
        (6,), max_length=1000, description="hours ahead that it learns"
    )
    targets: Channels = Field((), description="predicted channels; none given: all channels")
    lead_input: bool = Field(
        False,
        description="the lead time is an input: one model for every lead time in between",
        json_schema_extra=RARE,
    )
    time_features: bool = Field(True, description="hour of day and season as inputs")
    _check = field_validator("targets")(check_channels)

    @field_validator("history_hours", "lead_hours")
    @classmethod
    def _check_ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)) or not value:
            raise ValueError("hours must be given, ascending and without repeats")
        return value

    @field_validator("history_hours")
    @classmethod
    def _from_now(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value[0] != 0:
            raise ValueError("the first entry must be 0, the start itself")
        return value

    def check_step(self, step_hours: int) -> None:
        """Refuse hours between two times of a store that is `step_hours` apart.

        Raises
        ------
        ConfigError
            Names the key and what it could be.
        """
        for key, hours in (("history", self.history_hours), ("lead", self.lead_hours)):
            odd = [hour for hour in hours if hour % step_hours]
            if odd:
                raise ConfigError(
                    f"sample.{key}_hours: {odd} are no multiples of data.step_hours = "
                    f"{step_hours}: write sample.{key}_hours: "
                    f"{sorted({-(-hour // step_hours) * step_hours for hour in hours})}"
                )


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
    schedule: Literal["same", "plateau", "cosine"] = Field(
        "same", description="when the rate falls; same: as in the first training"
    )
    free_filters: bool = Field(
        False,
        description="begin with one filter for each point at smoe.layers, the sum of its experts "
        "or (network.convolution: plain) that of all points, which then learns by itself",
    )


class TrainingAdvanced(Section):
    """What only research on the training of SMoE layers turns."""

    gate_learning_rate: Annotated[float, Field(ge=0)] = Field(
        1.0, description="of routing scores; 0: they stay as they are"
    )
    expert_factor: Rate = Field(
        1.0,
        description="on the learning rate of SMoE experts, whose values add up at a point, and of "
        "the filters of points that they become",
    )


class Training(Section):
    """How the network learns."""

    epochs: Positive = Field(
        20, description="at most so many passes through the data; more, later, go on from there"
    )
    batch_size: Positive = Field(32, description="samples at once; of each process under torchrun")
    accumulate: Positive = Field(
        1, description="passes per step: a batch of so many batch_size", json_schema_extra=RARE
    )
    learning_rate: Rate = Field(1e-3, description="at first")
    optimizer: Literal["adamw", "adam"] = Field(
        "adamw", description="how steps are made", json_schema_extra=RARE
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="decoupled (adamw), or as a penalty in the loss (adam)",
        json_schema_extra=RARE,
    )
    schedule: Literal["plateau", "cosine"] = Field(
        "plateau", description="when the learning rate falls"
    )
    warmup_steps: Natural = Field(
        0, description="steps in which the rate rises, before that", json_schema_extra=RARE
    )
    plateau_patience: Positive = Field(
        2, description="epochs without gain before the rate falls", json_schema_extra=RARE
    )
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="by this factor", json_schema_extra=RARE
    )
    minimum_rate: Annotated[float, Field(ge=0)] = Field(
        1e-6, description="never below this rate", json_schema_extra=RARE
    )
    patience: Positive = Field(5, description="epochs without gain before training stops")
    clip: Annotated[float, Field(ge=0)] = Field(
        1.0, description="gradient norm; 0 for none", json_schema_extra=RARE
    )
    ema: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="decay of averaged weights, which are validated and kept; 0 for none",
        json_schema_extra=RARE,
    )
    precision: Literal["float32", "bf16", "fp16", "auto"] = Field(
        "float32",
        description="in training; auto: bf16 where the device has it, else float32",
    )
    initial_weights: str = Field(
        "", description="begin with those of this model: a run's folder or a name in the zoo"
    )
    keep_statistics: bool = Field(
        False,
        description="take its normalisation too, in place of that of the new store",
        json_schema_extra=RARE,
    )
    rollout_steps: Hundreds = Field(
        1,
        description="steps of the model's own output that it learns from; for fine-tuning",
        json_schema_extra=RARE,
    )
    fine_tuning: FineTuning = Field(
        FineTuning(),
        description="then once more, from the best epoch's weights",
        json_schema_extra=RARE,
    )
    compile: bool = Field(
        False,
        description="make a program of the network first (torch.compile): minutes once, with a C++ "
        "compiler, then shorter steps",
        json_schema_extra=RARE,
    )
    save_minutes: Rate = Field(
        10.0,
        description="a crash loses no more than this (beside the save at each epoch's end)",
        json_schema_extra=RARE,
    )
    keep_last: bool = Field(
        False,
        description="keep the last epoch's model too, in folder last",
        json_schema_extra=RARE,
    )
    log: tuple[Literal["tensorboard", "mlflow"], ...] = Field(
        (), description="tell epochs to these too: tensorboard, mlflow", json_schema_extra=RARE
    )
    channel_weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="loss weight by target; others 1", json_schema_extra=RARE
    )
    cache: Literal["disk", "memory", "device"] = Field(
        "disk",
        description="where the fields lie while training: the store, memory, or the device",
        json_schema_extra=RARE,
    )
    threads: Annotated[int, Field(ge=0, le=4096)] = Field(
        0, description="CPU threads; 0 for all", json_schema_extra=RARE
    )
    device: str = Field("auto", description="where it computes: auto, cpu, cuda, cuda:1 ...")
    advanced: TrainingAdvanced = Field(
        TrainingAdvanced(), description="for research on SMoE layers", json_schema_extra=RARE
    )

    def for_fine_tuning(self, initial_weights: str) -> "Training":
        """Return how a model is fine-tuned: as before, but for `fine_tuning`."""
        tuning = self.fine_tuning.model_dump(exclude={"free_filters"})
        if tuning["schedule"] == "same":
            tuning["schedule"] = self.schedule
        gates = {"gate_learning_rate": tuning.pop("gate_learning_rate")}
        changes = {
            "initial_weights": initial_weights,
            "keep_statistics": True,
            "advanced": self.advanced.model_copy(update=gates),
        }
        return self.model_copy(update={**tuning, **changes})

    def decisive(self) -> dict[str, Any]:
        """Return the keys that decide the weights: all but where and how safely it runs.

        A key that came later counts only where it is set, so that older runs can go on.
        """
        unused = set() if self.fine_tuning.epochs else {"fine_tuning"}
        kept = self.model_dump(mode="json", exclude=_INDECISIVE | unused)
        kept["advanced"] = _drop_unset(kept["advanced"], TrainingAdvanced)
        if not unused:
            kept["fine_tuning"] = _drop_unset(kept["fine_tuning"], FineTuning, _LATER_TUNING)
        return _drop_unset(kept, Training)


_INDECISIVE = {"threads", "device", "cache", "save_minutes", "keep_last", "log"}


_LATER = {
    "expert_factor", "optimizer", "accumulate", "warmup_steps", "ema", "precision",
    "initial_weights", "keep_statistics", "rollout_steps", "compile",
}  # fmt: skip
_LATER_TUNING = {"schedule", "free_filters"}


def _drop_unset(
    kept: dict[str, Any], section: type[Section], later: Collection[str] = _LATER
) -> dict[str, Any]:
    fields = section.model_fields
    return {k: v for k, v in kept.items() if k not in later or v != fields[k].default}
