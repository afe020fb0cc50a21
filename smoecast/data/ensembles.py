"""Ensemble forecasts as a calibration network sees them, and the truth."""

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast.data.predictors import Predictors
from smoecast.data.series import HOUR


@dataclass(frozen=True, eq=False)
class EnsembleSamples:
    """One sample for each start and lead time.

    Attributes
    ----------
    fields : (N, L, [M,] C, H, W) float32
        Moments of the ensemble, or its members; lazy ones are read sample by sample.
    truth : (N, L, D, H, W) float32
        What came.
    starts : (N,) datetime64
    lead_hours : (L,) float64
    predictors : Predictors
        What stands beside the ensemble.
    """

    fields: NDArray[np.float32] | xr.DataArray
    truth: NDArray[np.float32]
    starts: NDArray[np.datetime64]
    lead_hours: NDArray[np.float64]
    predictors: Predictors

    def __len__(self) -> int:
        """Return the number of samples, N * L."""
        return len(self.fields) * len(self.lead_hours)

    def batch(self, indices: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs (B, [M] C + X, H, W) and targets (B, D, H, W), SI units."""
        start, lead = np.divmod(indices, len(self.lead_hours))
        hours = self.lead_hours[lead]
        valid = self.starts[start] + hours.astype(np.int64) * HOUR
        fields = np.stack([np.asarray(self.fields[i, j]) for i, j in zip(start, lead, strict=True)])
        inputs = self.predictors.beside(fields, valid, hours)
        return torch.from_numpy(inputs), torch.from_numpy(self.truth[start, lead])
