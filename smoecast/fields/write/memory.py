"""Results that stay in memory, filled block by block as the files of results are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr

from smoecast.errors import OutputError
from smoecast.fields.write.blocks import Append, count_missing, locate
from smoecast.fields.write.cf import prepare


class InMemory:
    """Takes one result in the place of a file."""

    def __init__(self) -> None:
        self._made = xr.Dataset()

    def get(self) -> xr.Dataset:
        """Return the result: coordinates as its file would have them, `valid_time` too."""
        return self._made

    @contextmanager
    def open(
        self,
        template: xr.Dataset,
        path: Path,
        gaps: bool = False,
        *,
        confirm: Callable[[], None] = lambda: None,
    ) -> Iterator[Append]:
        """Take the blocks of a result, as `fields.write.netcdf.netcdf_writer` does.

        Raises
        ------
        OutputError
            A value is missing that may not be.
        """
        whole = prepare(template)
        values = {
            name: np.full(whole.variables[name].shape, np.nan, np.float32)
            for name in whole.data_vars
        }

        def append(block: xr.Dataset) -> None:
            place = locate(whole, block)
            for name in block.data_vars:
                array = block.variables[name]
                missing = count_missing(array.values)
                if missing and not (gaps and "number" in array.dims):
                    raise OutputError(
                        f"the result would have {missing} missing values of {name}: look at what "
                        "it is made from, and at the model"
                    )
                where = tuple(place.get(dimension, slice(None)) for dimension in array.dims)
                values[name][where] = array.values

        yield append
        confirm()
        self._made = whole.assign(
            {name: whole.variables[name].copy(data=field) for name, field in values.items()}
        )
