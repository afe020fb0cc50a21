"""A calibration applied block by block of starts, each here or in another process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import console
from smoecast.config.run import Compute
from smoecast.errors import ModelError
from smoecast.tasks.fan_out.per_worker import PerWorker
from smoecast.tasks.fan_out.spread import is_spread, spread
from smoecast.tasks.postprocess.calibration import Calibration
from smoecast.tasks.postprocess.input import EnsembleInput

if TYPE_CHECKING:
    from smoecast.tasks.postprocess.apply import CalibratedBlocks

Starts = NDArray[np.datetime64]


class Applier(Protocol):
    """What applies a calibration, here and in other processes."""

    calibration: Calibration
    incoming: EnsembleInput

    @property
    def compute(self) -> Compute:
        """In which processes."""

    @property
    def for_workers(self) -> "PerWorker[Applier]":
        """The same in another process."""

    def apply(self, fields: xr.DataArray) -> "CalibratedBlocks":
        """Return the calibration applied to some starts."""


@contextmanager
def calibrate_blocks(
    run: Applier, calibrated: "CalibratedBlocks", step: console.Progress
) -> Iterator[Iterator[xr.Dataset]]:
    """Calibrate.

    Parameters
    ----------
    run : Applier
    calibrated : CalibratedBlocks
        From it, of the starts that are wanted.
    step : Progress
        Told the number of starts done.

    Yields
    ------
    iterator of xr.Dataset
        Some starts of what the template of `calibrated` describes.

    Raises
    ------
    ModelError
        The calibration was replaced meanwhile.
    """
    blocks = calibrated.cut()
    work: Callable[[Starts], Any] = calibrated.calibrate_starts
    if is_spread(run.compute, len(blocks)):
        work = partial(_calibrate_there, run.for_workers, run.calibration.sha256)
    ends = np.cumsum([len(starts) for starts in blocks]).tolist()

    def lay(starts: Starts, products: Any, done: int) -> xr.Dataset:
        step(done)
        return calibrated.lay_out(products, starts)

    with spread(work, blocks, run.compute) as outcomes:
        yield (
            lay(starts, outcome.get(), done)
            for starts, outcome, done in zip(blocks, outcomes, ends, strict=True)
        )


def _calibrate_there(run: "PerWorker[Applier]", sha256: str, starts: Starts) -> Any:
    """Calibrate some starts in a worker process, by what the whole is described by."""
    here = run.get()
    if here.calibration.sha256 != sha256:
        raise ModelError("the calibration was replaced while this run began: run again")
    return here.apply(here.incoming.fields).calibrate_starts(starts)
