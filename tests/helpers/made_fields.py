"""Foreign datasets and results made for tests."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical.canonical import canonical
from smoecast.fields.channels import layout
from smoecast.fields.times import as_lead

LATITUDE = np.array([-30.0, 0.0, 30.0])
LONGITUDE = np.array([0.0, 90.0, 180.0, 270.0])
TIMES = np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(6, "h")


def field(sizes: dict[str, int], units: str | None = "K", **attributes: object) -> xr.DataArray:
    """Values that tell their own place, 200 and more."""
    count = int(np.prod(list(sizes.values())))
    values = 200.0 + np.arange(count, dtype="f4").reshape(tuple(sizes.values()))
    attrs = attributes if units is None else {"units": units, **attributes}
    return xr.DataArray(values, dims=tuple(sizes), attrs=attrs)


def surface(name: str = "t2m", units: str | None = "K", **attributes: object) -> xr.Dataset:
    """One analysis variable, south to north."""
    array = field({"time": 4, "latitude": 3, "longitude": 4}, units, **attributes)
    return xr.Dataset({name: array}, {"time": TIMES, "latitude": LATITUDE, "longitude": LONGITUDE})


def upper(levels: object = (500, 850), units: str | None = "hPa", name: str = "t") -> xr.Dataset:
    """One variable on levels."""
    array = field({"time": 4, "level": len(levels), "latitude": 3, "longitude": 4})
    dataset = xr.Dataset(
        {name: array},
        {"time": TIMES, "level": np.asarray(levels), "latitude": LATITUDE, "longitude": LONGITUDE},
    )
    if units is not None:
        dataset["level"].attrs["units"] = units
    return dataset


def refused(dataset: xr.Dataset, words: str, **options: bool) -> None:
    with pytest.raises(InputError, match=words) as caught:
        canonical(dataset, "a.nc", **options)
    assert str(caught.value).startswith("a.nc: ")


STARTS = np.datetime64("2020-01-01", "ns") + np.arange(3) * np.timedelta64(24, "h")
GLOBAL = {
    "title": "a forecast",
    "institution": "a house",
    "source": "a model",
    "history": "made",
    "references": "none",
    "license": "free",
}


def forecast(
    *names: str, members: int = 0, hours: tuple[float, ...] = (6, 12), stack: bool = True
) -> xr.Dataset:
    rng = np.random.default_rng(1)
    coords = {"init_time": STARTS, "lead_time": as_lead(hours)}
    if members:
        coords["number"] = np.arange(members, dtype="i4")
    coords |= {"latitude": np.linspace(80, -80, 9), "longitude": np.arange(16) * 22.5}
    shape = tuple(len(values) for values in coords.values())
    fields = {
        name: xr.DataArray(rng.normal(size=shape).astype("f4"), coords, dims=tuple(coords))
        for name in names
    }
    return layout(fields, stack=stack).assign_attrs(GLOBAL)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
