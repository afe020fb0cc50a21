"""Ensemble forecasts as calibration sees them: mean and spread over members, and the truth."""

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast.data.inputs import Inputs
from smoecast.data.series import HOUR

LEAD_UNIT_HOURS = 100.0
"""The lead time enters as hours over this, as in Rasp and Thuerey's (2021) continuous model."""


def with_lead(
    inputs: Inputs,
    fields: NDArray[np.float32],
    valid: NDArray[np.datetime64],
    lead_hours: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Return network inputs (B, 2 C + X + 1, H, W) from ensemble moments (B, 2 C, H, W)."""
    assembled = inputs.assemble(fields[:, None], valid)
    plane = np.broadcast_to(
        (lead_hours / LEAD_UNIT_HOURS)[:, None, None, None],
        (len(lead_hours), 1, *fields.shape[2:]),
    )
    return np.concatenate([assembled, plane.astype(np.float32)], axis=1)


@dataclass(frozen=True, eq=False)
class EnsembleSamples:
    """One sample for each start and lead time.

    Attributes
    ----------
    fields : (N, L, 2 C, H, W) float32
        Moments of the ensemble; lazy ones are read sample by sample.
    truth : (N, L, D, H, W) float32
        What came.
    starts : (N,) datetime64
    lead_hours : (L,) float64
    inputs : Inputs
        Its channels are the 2 C moments.
    """

    fields: NDArray[np.float32] | xr.DataArray
    truth: NDArray[np.float32]
    starts: NDArray[np.datetime64]
    lead_hours: NDArray[np.float64]
    inputs: Inputs

    def __len__(self) -> int:
        """Return the number of samples, N * L."""
        return len(self.fields) * len(self.lead_hours)

    def batch(self, indices: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs (B, 2 C + X + 1, H, W) and targets (B, D, H, W), SI units."""
        start, lead = np.divmod(indices, len(self.lead_hours))
        hours = self.lead_hours[lead]
        valid = self.starts[start] + hours.astype(np.int64) * HOUR
        fields = np.stack([np.asarray(self.fields[i, j]) for i, j in zip(start, lead, strict=True)])
        network_inputs = with_lead(self.inputs, fields, valid, hours)
        return torch.from_numpy(network_inputs), torch.from_numpy(self.truth[start, lead])
