"""A forecast cut into pieces that are computed for themselves, known without PyTorch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import console
from smoecast.config.run import Compute
from smoecast.errors import ModelError
from smoecast.tasks.fan_out.per_worker import PerWorker
from smoecast.tasks.fan_out.spread import is_spread, spread
from smoecast.tasks.forecast.ensemble import Ensemble
from smoecast.tasks.forecast.template import lay_out, shape_of

BATCH = 16
"""Starts that go through the network together, at most."""

BATCH_BYTES = 128 * 2**20
"""Of the forecasts of one batch, at most, unless one start has more."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Some starts of one member.

    Attributes
    ----------
    starts : (B,) datetime64
    number : int
        Of the member.
    done : float
        Starts done when this piece is.
    """

    starts: NDArray[np.datetime64]
    number: int
    done: float


class Predictor(Protocol):
    """What forecasts pieces, here and in other processes."""

    @property
    def ensemble(self) -> Ensemble:
        """What is forecast."""

    @property
    def compute(self) -> Compute:
        """In which processes."""

    @property
    def for_workers(self) -> "PerWorker[Predictor]":
        """The same in another process."""

    def predict(self, piece: Piece) -> NDArray[np.float32]:
        """Forecast some starts of one member, (B, L, D, H, W)."""


def cut(ensemble: Ensemble, starts: NDArray[np.datetime64]) -> list[Piece]:
    """Cut a forecast into pieces, always the same: what they are may show in the last digit.

    Parameters
    ----------
    ensemble : Ensemble
    starts : (I,) datetime64
    """
    members = len(ensemble.members)
    one = 4 * int(np.prod(shape_of(ensemble)))
    batch = max(1, min(BATCH, BATCH_BYTES // one))
    batches = [(begin, starts[begin : begin + batch]) for begin in range(0, len(starts), batch)]
    return [
        Piece(some, number, begin + len(some) * (number + 1) / members)
        for begin, some in batches
        for number in range(members)
    ]


@contextmanager
def predict_blocks(
    run: Predictor, starts: NDArray[np.datetime64], step: console.Progress
) -> Iterator[Iterator[xr.Dataset]]:
    """Forecast, some starts of one member at a time, each here or in another process.

    Parameters
    ----------
    run : Predictor
    starts : (I,) datetime64
    step : Progress
        Told the number of starts done.

    Yields
    ------
    iterator of xr.Dataset
        Each channel a variable (init_time, lead_time, [number,] latitude, longitude).

    Raises
    ------
    ModelError
        The analyses are not what a model was trained on: other units, another planet.
    """
    pieces = cut(run.ensemble, starts)
    work: Callable[[Piece], NDArray[np.float32]] = run.predict
    if is_spread(run.compute, len(pieces)):
        work = partial(_predict_there, run.for_workers, run.ensemble.identity)

    def lay(piece: Piece, values: NDArray[np.float32]) -> xr.Dataset:
        step(piece.done)
        return lay_out(run.ensemble, values[:, :, None], piece.starts, [piece.number])

    with spread(work, pieces, run.compute) as outcomes:
        yield (lay(p, o.get()) for p, o in zip(pieces, outcomes, strict=True))


def _predict_there(run: "PerWorker[Predictor]", identity: str, piece: Piece) -> NDArray[np.float32]:
    """Forecast in a worker process, by the models that the whole is described by."""
    if run.get().ensemble.identity != identity:
        raise ModelError("a model was replaced while this run began: run again")
    return run.get().predict(piece)
