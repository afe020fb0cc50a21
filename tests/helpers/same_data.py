"""Results that hold the same to the last byte, but for the moment at which they were made."""

from pathlib import Path

import xarray as xr

from smoecast.config.run import Compute, Config


def with_compute(config: Config, **compute: object) -> Config:
    """Return a config that spreads its work."""
    return config.model_copy(update={"compute": Compute(**compute)})


def opened(path: Path) -> xr.Dataset:
    """Return a result without the time at which it was made."""
    with xr.open_dataset(path, decode_timedelta=True) as dataset:
        found = dataset.load()
    found.attrs["history"] = found.attrs["history"].partition(" ")[2]
    return found


def assert_same(one: Path, other: Path) -> None:
    """Hold two NetCDF results against each other: data bit by bit, attributes, what is beside."""
    first, second = opened(one), opened(other)
    xr.testing.assert_identical(first, second)
    for name in first.data_vars:
        assert first[name].values.tobytes() == second[name].values.tobytes()
    beside = [path.with_suffix(".config.yaml").read_bytes() for path in (one, other)]
    assert beside[0] == beside[1]
