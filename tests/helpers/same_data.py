"""Results that hold the same to the last byte, but for when they were made and how it was asked."""

from pathlib import Path

import xarray as xr

from smoecast.config.run import Compute, Config


def with_compute(config: Config, **compute: object) -> Config:
    """Return a config that spreads its work."""
    return config.model_copy(update={"compute": Compute(**compute)})


def open_result(path: Path) -> xr.Dataset:
    """Return a result without the time at which it was made, and its name."""
    with xr.open_dataset(path, decode_timedelta=True) as dataset:
        found = dataset.load()
    found.attrs["history"] = [line.partition(" ")[2] for line in found.attrs["history"].split("\n")]
    return found.drop_attrs(deep=False).assign_attrs(
        {key: value for key, value in found.attrs.items() if key != "smoecast_arguments"}
    )


def assert_same(one: Path, other: Path) -> None:
    """Hold two NetCDF results against each other: data bit by bit, attributes, what is beside."""
    first, second = open_result(one), open_result(other)
    xr.testing.assert_identical(first, second)
    for name in first.data_vars:
        assert first[name].values.tobytes() == second[name].values.tobytes()
    beside = [path.with_suffix(".config.yaml").read_bytes() for path in (one, other)]
    assert beside[0] == beside[1]
