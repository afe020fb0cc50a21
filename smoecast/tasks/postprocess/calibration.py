"""A calibration as one thing: fitted from a run's ensembles, saved, opened, applied."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.calibration.calibrated_forecast import CalibratedForecast
from smoecast.config.postprocess import Postprocess
from smoecast.data.members import check_several
from smoecast.errors import ModelError
from smoecast.fields.grid import Grid, ProjectedGrid, place_from_dict
from smoecast.nn.cost import count_parameters
from smoecast.tasks.descriptions import calibration_config
from smoecast.tasks.postprocess import statistical
from smoecast.tasks.postprocess.network import METHODS, open_correction
from smoecast.tasks.postprocess.statistical import Apply
from smoecast.training.model_files import identity_of, load_state, load_tensors, of_model

Fields = NDArray[np.floating[Any]]
KINDS = ("emos", "mbm", *METHODS)
"""What the state of a calibration calls its kind: a value of `postprocess.method`."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A fitted calibration.

    Attributes
    ----------
    channels, targets : tuple of str
        What it reads, and what it corrects.
    lead_hours : tuple of int
        For which it was fitted.
    grid : Grid, Plane or None
        Where it holds; None where it does not matter.
    sha256 : str
        Of its state, and through that of its tensors.
    method : str
        Of `postprocess.method`.
    protocol : str
        Of `postprocess.protocol`, as it was fitted.
    parameters : int
        Learned values.
    apply : Apply
    """

    channels: tuple[str, ...]
    targets: tuple[str, ...]
    lead_hours: tuple[int, ...]
    grid: Grid | ProjectedGrid | None
    sha256: str
    method: str
    protocol: str
    parameters: int
    apply: Apply

    @property
    def gives_members(self) -> bool:
        """Whether it corrects member by member, and gives no distribution."""
        return self.method in ("raw", "mbm")


def raw_calibration(settings: Postprocess) -> Calibration:
    """Return the calibration that corrects nothing."""
    columns = [settings.channels.index(t) for t in settings.targets]

    def apply(members: Fields, _: NDArray[np.datetime64], __: Fields) -> CalibratedForecast:
        check_several(members)
        return CalibratedForecast(members=members[:, :, :, columns])

    return Calibration(
        settings.channels, settings.targets, settings.lead_hours, None, "raw", "raw",
        settings.protocol, 0, apply,
    )  # fmt: skip


def open_calibration(folder: Path) -> Calibration:
    """Load a fitted calibration from a run folder or the zoo.

    Raises
    ------
    ModelError
        It is missing, damaged, of another kind or another schema.
    """
    state = load_state(folder)
    if state.get("kind") not in KINDS:
        raise ModelError(f"{folder}: this is a {state.get('kind')} model, no calibration")
    with of_model(folder):
        config = calibration_config(state)
        grid = place_from_dict(state["grid"])
    settings = config.postprocess
    tensors = load_tensors(folder, state)
    size = sum(tensor.numel() for tensor in tensors.values())
    with of_model(folder):
        if state["kind"] in METHODS:
            apply, network = open_correction(settings, state, tensors, grid)
            size = count_parameters(network)
            anywhere = state["kind"] == "mlp"
        else:
            apply = statistical.open_coefficients(settings, state, tensors, grid.shape)
            anywhere = True
    pooled = settings.coefficients == "pooled"  # such coefficients fit any grid
    return Calibration(
        settings.channels,
        settings.targets,
        settings.lead_hours,
        None if pooled and anywhere else grid,
        identity_of(state),
        state["kind"],
        state.get("protocol", "default"),
        size,
        apply,
    )


def select_part(ensembles: xr.Dataset, truth: xr.DataArray, part: str | None) -> xr.DataArray:
    """Return the forecasts of one part of the split, or of all, whose truth is known, lazy."""
    fields = ensembles["fields"]
    valid = fields["init_time"].values[:, None] + fields["lead_time"].values[None, :]
    known = np.isin(valid, truth["time"].values).all(axis=1)
    inside = True if part is None else ensembles[part].values
    return fields.isel(init_time=np.flatnonzero(inside & known))
