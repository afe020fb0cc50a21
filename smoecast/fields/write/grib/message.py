"""One message of GRIB 2, made by ecCodes from keys and values."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import eccodes
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.errors import OutputError
from smoecast.fields.times import as_hours
from smoecast.fields.write.grib.keys import Product

BITS = 24
"""Of every packed value."""

LEAST = 2.0**-126
"""The least number above 0 of 32 bits that all of ecCodes knows."""

CodesError = eccodes.CodesInternalError
"""Whatever ecCodes complains of."""

_MISSING = 1e20
_EVERY = {
    "centre": 65535,  # missing: common code table C-11 has no number for whoever runs smoecast
    "subCentre": 65535,
    "tablesVersion": 28,
    "localTablesVersion": 0,
    "significanceOfReferenceTime": 1,  # start of forecast
    "productionStatusOfProcessedData": 255,
    "shapeOfTheEarth": 6,  # a sphere of 6,371,229 m, as ECMWF has it
}
"""Keys of every message; the codes are those of the WMO's tables."""


@dataclass(frozen=True)
class Packed:
    """One message.

    Attributes
    ----------
    message : bytes
    step : float
        Of its packing.
    values : numpy.ndarray
        (H, W) float64: what is read again, missing values as NaN.
    """

    message: bytes
    step: float
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Times:
    """When the fields of a dataset hold.

    Attributes
    ----------
    starts : list of datetime
    minutes : list of int
        Lead times.
    """

    starts: list[datetime]
    minutes: list[int]

    @classmethod
    def of(cls, dataset: xr.Dataset) -> "Times":
        """Return those of a dataset."""
        starts = dataset["init_time"].values.astype("datetime64[s]").tolist()
        minutes = np.round(60 * as_hours(dataset["lead_time"].values)).astype(int).tolist()
        return cls(starts, minutes)

    @property
    def shape(self) -> tuple[int, int]:
        """How many there are of each."""
        return len(self.starts), len(self.minutes)

    def keys(self, start: int, lead: int, hours: int) -> dict[str, int | str]:
        """Return the keys of a time, or of an interval of so many hours (-1: from the start)."""
        at, end = self.starts[start], self.minutes[lead]
        keys: dict[str, int | str] = {
            "dataDate": int(f"{at:%Y%m%d}"),
            "dataTime": int(f"{at:%H%M}"),
        }
        whole = end % 60 == 0
        if hours:
            span = (0 if hours < 0 else end - 60 * hours, end)
            keys["stepRange"] = "-".join(f"{m // 60}" if whole else f"{m}m" for m in span)
        else:
            keys["indicatorOfUnitForForecastTime"] = (
                1 if whole else 0
            )  # code table 4.4: hour, minute
            keys["forecastTime"] = end // 60 if whole else end
        return keys


@contextmanager
def templates_of(products: Sequence[Product], grid: Mapping[str, int | str]) -> Iterator[list[int]]:
    """Give an ecCodes handle of every product, to be cloned for each of its messages."""
    handles: list[int] = []
    try:
        for product in products:
            handles.append(eccodes.codes_grib_new_from_samples("GRIB2"))
            for key, value in {**_EVERY, **product.keys, **grid}.items():
                eccodes.codes_set(handles[-1], key, value)
            eccodes.codes_set(handles[-1], "bitsPerValue", BITS)
        yield handles
    finally:
        for handle in handles:
            eccodes.codes_release(handle)


def pack(template: int, keys: Mapping[str, int | str], values: NDArray[np.float64]) -> Packed:
    """Make a message.

    Parameters
    ----------
    template : int
        An ecCodes handle.
    keys : mapping
        What is set beside those that it has.
    values : (H, W) float64
        In the unit of GRIB; NaN where they are missing.

    Raises
    ------
    OutputError
        What is read again differs by more than half a step of the packing.
    """
    handle = eccodes.codes_clone(template)
    try:
        for key, value in keys.items():
            eccodes.codes_set(handle, key, value)
        missing = np.isnan(values)
        eccodes.codes_set(handle, "bitmapPresent", int(missing.any()))
        eccodes.codes_set(handle, "missingValue", _MISSING)
        eccodes.codes_set_values(handle, np.where(missing, _MISSING, values).ravel())
        step = _step(handle)
        again = np.reshape(eccodes.codes_get_values(handle), values.shape)
        again[again == _MISSING] = np.nan
        # a field of one value is its reference alone: the next smaller IEEE number of 32 bits, and
        # 0 for what is nearer to it than the least of these
        most = 0.5 * step * (1 + 1e-9) if step else np.maximum(2.0**-23 * np.abs(values), LEAST)
        far = np.abs(again - values) > most
        if far[~missing].any() or not np.array_equal(np.isnan(again), missing):
            raise OutputError("ecCodes packed a field with a larger error than it may: run again")
        return Packed(eccodes.codes_get_message(handle), step, again)
    finally:
        eccodes.codes_release(handle)


def _step(handle: int) -> float:
    """Return the step of a packing, 0 where all values are one."""
    bits, binary, decimal = (
        eccodes.codes_get_long(handle, key)
        for key in ("bitsPerValue", "binaryScaleFactor", "decimalScaleFactor")
    )
    return float(2.0**binary / 10.0**decimal) if bits else 0.0
