"""A calibration as one thing: fitted from a run's ensembles, saved, opened, applied.

What it says of itself is read without PyTorch, which is loaded when it is applied.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config.postprocess import NETWORKS, Postprocess
from smoecast.config.yaml_text import one_line
from smoecast.data.members import check_several
from smoecast.errors import ModelError
from smoecast.fields.grid import Grid, ProjectedGrid, place_from_dict
from smoecast.tasks.descriptions import FitRecord, calibration_config, record_in
from smoecast.training.model_files import identity_of, load_state, load_tensors, of_model

if TYPE_CHECKING:
    from smoecast.tasks.postprocess.statistical import Apply

Fields = NDArray[np.floating[Any]]
KINDS = ("emos", "mbm", *NETWORKS)
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
    load : callable
        Returns how it is applied, and the number of its learned values.
    record : tuple of FitRecord
        What its coefficients rest on, where they are of emos or mbm.
    """

    channels: tuple[str, ...]
    targets: tuple[str, ...]
    lead_hours: tuple[int, ...]
    grid: Grid | ProjectedGrid | None
    sha256: str
    method: str
    protocol: str
    load: "Callable[[], tuple[Apply, int]]"
    record: tuple[FitRecord, ...] = ()

    @cached_property
    def _parts(self) -> "tuple[Apply, int]":
        return self.load()

    @property
    def apply(self) -> "Apply":
        """How it is applied.

        Raises
        ------
        ModelError
            Its tensors are missing or damaged.
        """
        return self._parts[0]

    @property
    def parameters(self) -> int:
        """Learned values. Raises as `apply` does."""
        return self._parts[1]

    @property
    def gives_members(self) -> bool:
        """Whether it corrects member by member, and gives no distribution."""
        return self.method in ("raw", "mbm")


def raw_calibration(settings: Postprocess) -> Calibration:
    """Return the calibration that corrects nothing."""
    columns = [settings.channels.index(t) for t in settings.targets]

    def load() -> "tuple[Apply, int]":
        from smoecast.calibration.calibrated_forecast import CalibratedForecast  # noqa: PLC0415

        def apply(members: Fields, _: NDArray[np.datetime64], __: Fields) -> CalibratedForecast:
            check_several(members)
            return CalibratedForecast(members=members[:, :, :, columns])

        return apply, 0

    return Calibration(
        settings.channels, settings.targets, settings.lead_hours, None, "raw", "raw",
        settings.protocol, load,
    )  # fmt: skip


def open_calibration(folder: Path) -> Calibration:
    """Open a fitted calibration of a run folder or the zoo; it is loaded when it is applied.

    Raises
    ------
    ModelError
        It is missing, damaged, of another kind or another schema.
    """
    state = load_state(folder)
    if state.get("kind") not in KINDS:
        kind = one_line(str(state.get("kind")), 40)
        raise ModelError(f"{folder}: this is a {kind} model, no calibration")
    with of_model(folder):
        settings = calibration_config(state).postprocess
        grid = place_from_dict(state["grid"])
        record = record_in(state)
    pooled = settings.coefficients == "pooled"  # such coefficients fit any grid
    anywhere = state["kind"] == "mlp" or state["kind"] not in NETWORKS
    return Calibration(
        settings.channels,
        settings.targets,
        settings.lead_hours,
        None if pooled and anywhere else grid,
        identity_of(state),
        state["kind"],
        state.get("protocol", "default"),
        partial(_load, folder, settings, state, grid),
        record,
    )


class Calibrations:
    """The calibration that was opened last, kept loaded for the next ensemble while it is the same.

    Another in its place, on disk or by name, is opened anew.
    """

    def __init__(self) -> None:
        self._opened: Calibration | None = None

    def open(self, folder: Path) -> Calibration:
        """Open a calibration. Raises as `open_calibration` does."""
        found = open_calibration(folder)
        if self._opened is None or self._opened.sha256 != found.sha256:
            self._opened = found
        return self._opened


def _load(
    folder: Path, settings: Postprocess, state: dict[str, Any], grid: Grid | ProjectedGrid
) -> "tuple[Apply, int]":
    from smoecast.nn.cost import count_parameters  # noqa: PLC0415
    from smoecast.nn.memory_format import put_channels_last  # noqa: PLC0415
    from smoecast.tasks.postprocess import statistical  # noqa: PLC0415
    from smoecast.tasks.postprocess.network import open_correction  # noqa: PLC0415

    tensors = load_tensors(folder, state)
    size = sum(tensor.numel() for tensor in tensors.values())
    with of_model(folder):
        if state["kind"] not in NETWORKS:
            return statistical.open_coefficients(settings, state, tensors, grid.shape), size
        apply, network = open_correction(settings, state, tensors, grid)
        put_channels_last(network)
        return apply, count_parameters(network)


def select_part(ensembles: xr.Dataset, truth: xr.DataArray, part: str | None) -> xr.DataArray:
    """Return the forecasts of one part of the split, or of all, whose truth is known, lazy."""
    fields = ensembles["fields"]
    valid = fields["init_time"].values[:, None] + fields["lead_time"].values[None, :]
    known = np.isin(valid, truth["time"].values).all(axis=1)
    inside = True if part is None else ensembles[part].values
    return fields.isel(init_time=np.flatnonzero(inside & known))
