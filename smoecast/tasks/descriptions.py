"""What the ``state.json`` of a model must say, checked once, on opening.

All of it is known without the network, and without PyTorch: a run that finds its result made does
not load it.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from smoecast.config import yaml_file
from smoecast.config.postprocess import DEFAULT, Protocol
from smoecast.config.renamed import upgrade
from smoecast.config.run import Config
from smoecast.config.yaml_text import one_line
from smoecast.data.inputs import Inputs
from smoecast.errors import ModelError
from smoecast.fields.grid import Grid
from smoecast.training.model_files import STATE, identity_of, load_state, of_model

if TYPE_CHECKING:
    from torch import Tensor

CONSTANTS = "constants"
"""Tensor (N, H, W) in a model's file: the fields without time that its inputs hold."""

OFFSET = "offset_seconds"
"""Entry of a model that starts at other times than multiples of its step from midnight UTC."""

_Names = list[str]


class _Described(BaseModel):
    """Of any model; what else it says is told and not used."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    config: dict[str, Any]
    grid: dict[str, Any]


class _Spread(BaseModel):
    """Mean and standard deviation of each channel."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    mean: dict[str, float]
    std: dict[str, Annotated[float, Field(gt=0)]]


class _Forecasting(_Described):
    inputs: _Names
    channels: _Names
    targets: _Names
    constants: _Names
    statistics: _Spread
    offset_seconds: Annotated[int, Field(ge=0)] = 0


class FitRecord(BaseModel):
    """What the coefficients of one channel at one lead time rest on, see `short_records.Record`.

    Of those of several rolling windows it is the one with the fewest starts.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True)
    channel: str
    lead_hours: int
    starts: int
    cases: float
    coefficients: int
    share: float
    fewest: int
    """Starts that a record needs that is not short."""

    @property
    def is_short(self) -> bool:
        """Whether the coefficients were drawn to the raw ensemble."""
        return self.starts < self.fewest


class _Calibrating(_Described):
    constants: _Names = []
    windows: _Names = []
    protocol: Protocol = DEFAULT
    record: list[FitRecord] = []


def record_in(state: dict[str, Any]) -> tuple[FitRecord, ...]:
    """Return what a fitted calibration rests on; nothing of a network or an earlier version.

    Raises
    ------
    ModelError
        It is no such record.
    """
    return tuple(_check(list[FitRecord], state.get("record", [])))


@dataclass(frozen=True, eq=False)
class Description:
    """What a forecast model says of itself.

    Attributes
    ----------
    folder : Path
        Of the model.
    state : dict
        Its ``state.json``.
    config : Config
        What it was trained under.
    grid : Grid
        Where it forecasts.
    """

    folder: Path
    state: dict[str, Any]
    config: Config
    grid: Grid

    @cached_property
    def identity(self) -> str:
        """One sha256 over all that the model is."""
        return identity_of(self.state)

    @property
    def offset(self) -> np.timedelta64:
        """Return how long after midnight UTC, or a step from it, the times of its data lie."""
        return np.timedelta64(self.state.get(OFFSET, 0), "s")


def read_description(folder: Path) -> Description:
    """Read what a forecast model of a run folder or the zoo says of itself.

    Raises
    ------
    ModelError
        It is missing, damaged, of another kind or another schema.
    """
    state = load_state(folder)
    if state.get("kind") != "forecast":
        kind = one_line(str(state.get("kind")), 40)
        raise ModelError(f"{folder}: this is a {kind} model, no forecast model")
    with of_model(folder):
        return Description(folder, state, _forecast_config(state), Grid.from_dict(state["grid"]))


def _forecast_config(state: dict[str, Any]) -> Config:
    """Return the config of a forecast model, once its state is one.

    Raises
    ------
    ModelError
        An entry is missing or wrong, or two of them disagree.
    """
    said = _check(_Forecasting, state)
    config = yaml_file.validate(upgrade(said.config), "its config")
    config.sample.check_step(config.data.step_hours)
    for name, of_config in (
        ("channels", config.data.channels),
        ("targets", config.targets),
        ("constants", config.data.constants),
    ):
        if tuple(getattr(said, name)) != of_config:
            raise ModelError(
                f"{STATE} says that {name} are {one_line(', '.join(getattr(said, name)), 100)}, "
                f"its config {', '.join(of_config)}: train again or fetch it anew"
            )
    for what in (said.statistics.mean, said.statistics.std):
        if what.keys() != set(said.channels):
            raise ModelError(f"{STATE} lacks statistics of its channels: train again")
    return config


def calibration_config(state: dict[str, Any]) -> Config:
    """Return the config of a calibration, once its state is one.

    Raises
    ------
    ModelError
        An entry is missing or wrong, or two of them disagree.
    """
    said = _check(_Calibrating, state)
    config = yaml_file.validate(upgrade(said.config), "its config")
    kind, method = state["kind"], config.postprocess.method
    if kind != method:
        raise ModelError(f"{STATE} says that it is {kind}, its config {method}: fit it again")
    return config


def _check(kind: Any, state: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_python(state)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = one_line(".".join(map(str, first["loc"])), 100)
        raise ModelError(
            f"{key} in {STATE} is wrong ({one_line(first['msg'])}): train again or fetch it anew"
        ) from None


def constants_of(
    state: dict[str, Any], tensors: dict[str, "Tensor"], shape: tuple[int, int]
) -> dict[str, NDArray[np.float32]]:
    """Take the fields without time out of a model's tensors.

    Parameters
    ----------
    state : dict
        Names them.
    tensors : dict
        Without them afterwards.
    shape : tuple of int
        (H, W).

    Raises
    ------
    ModelError
        They are missing, of another shape, or not finite.
    """
    names = state.get("constants", [])
    stacked = tensors.pop(CONSTANTS, None)
    if stacked is None or str(stacked.dtype) != "torch.float32":
        raise ModelError(f"the tensor {CONSTANTS} is missing or of another type")
    if stacked.shape != (len(names), *shape) or len(set(names)) != len(names):
        raise ModelError(
            f"the tensor {CONSTANTS} has the shape {tuple(stacked.shape)}, {STATE} names "
            f"{len(names)} fields of {shape[0]} x {shape[1]} points"
        )
    if not stacked.isfinite().all():
        raise ModelError(f"the tensor {CONSTANTS} holds values that are not finite")
    return dict(zip(names, stacked.numpy(), strict=True))


def check_inputs(
    state: dict[str, Any], inputs: Inputs, tensors: dict[str, "Tensor"], leads: int
) -> None:
    """Refuse a network whose inputs or outputs are not those that its state tells.

    Parameters
    ----------
    state : dict
    inputs : Inputs
        The recipe that its config makes.
    tensors : dict
        Its statistics among them.
    leads : int
        L.

    Raises
    ------
    ModelError
        They differ.
    """
    if list(inputs.names) != state["inputs"]:
        raise ModelError(f"inputs in {STATE} are not those of its config: train again")
    from smoecast.nn.normalize import statistics_of  # noqa: PLC0415

    known = statistics_of(tensors)
    fits = known.base.tolist() == inputs.base(state["targets"], leads)
    if not fits or len(known.input_mean) != len(inputs.names):
        raise ModelError("its network has other inputs or outputs than its config: train again")
