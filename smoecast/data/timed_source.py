"""A source of fields whose reading is told from what is made of it, for `train --profile`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast.data.samples import Source
from smoecast.fields.store.rows import Packing


@dataclass(frozen=True, eq=False)
class TimedSource:
    """A source that says when it begins to read, and when it has read.

    Attributes
    ----------
    source : Source
        What is read.
    mark : callable
        Called with the part of a step that is over: ``preparing``, then ``reading``.
    """

    source: Source
    mark: Callable[[str], None]

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, C, H, W)."""
        return self.source.shape

    @property
    def packing(self) -> Packing | None:
        """That of the source."""
        return self.source.packing

    def read(self, index: int, channels: slice | NDArray[np.intp], out: NDArray[Any]) -> None:
        """Fill `out` (D, H, W) with channels of one time."""
        self.mark("preparing")
        self.source.read(index, channels, out)
        self.mark("reading")
