"""Zarr stores as source `files`: a day that has metadata and no values never becomes a store."""

import numpy as np
import pytest
from made_zarr import dataset, stored

from smoecast.config import yaml_file
from smoecast.errors import InputError
from smoecast.fields.store.store import open_store
from smoecast.tasks.preprocess.preprocess import preprocess

CONFIG = """
name: z
data:
  source: files
  channels: [z500, t850]
  constants: [lsm]
  step_hours: 6
compute: {workers: 1}
"""


def parse(tmp_path, *overrides):
    files = f"data.files=[{tmp_path}/made.zarr/.zmetadata]"
    return yaml_file.parse(CONFIG, "z.yaml", [f"folder={tmp_path}/run", files, *overrides])


def write(tmp_path, empty=None, times=100):
    made = dataset().isel(time=slice(0, 400))
    if empty is not None:
        made["temperature"].loc[{"time": empty, "level": 850}] = np.nan
    return stored(made, tmp_path, times=times)


def test_a_store_that_has_all_its_values(tmp_path):
    write(tmp_path)
    assert preprocess(parse(tmp_path))["analyses"]["shape"]["time"] == 400


@pytest.mark.parametrize("day", ["2015-12-20", "2016-02-03", "2016-03-28"])
def test_a_day_without_values_is_refused(tmp_path, day):
    """The first, one in between, the last."""
    write(tmp_path, slice(day, f"{day}T18"))
    words = (
        rf"made\.zarr.*: t850 has no value anywhere on {day} \(00 to 18 UTC\): leave the channel"
    )
    with pytest.raises(InputError, match=words):
        preprocess(parse(tmp_path))
    assert not parse(tmp_path).store.exists()
    other = parse(tmp_path, "data.channels=[z500, t500]")
    assert preprocess(other)["analyses"]["shape"]["time"] == 400  # the other level has them


def test_chunks_that_never_came(tmp_path):
    write(tmp_path, times=20)
    for chunk in (tmp_path / "made.zarr" / "temperature").glob("4.*"):
        chunk.unlink()
    first = str(dataset()["time"].values[80])[:10]
    with pytest.raises(InputError, match=rf"t850 has no value anywhere on {first} \(00 to 18 UTC"):
        preprocess(parse(tmp_path))


@pytest.mark.parametrize("version", [2, 3])
def test_a_store_is_a_file_like_any_other(tmp_path, version):
    """A chunk that is another one makes another store, though the metadata stay what they were."""
    made = dataset().isel(time=slice(0, 40))
    made.to_zarr(tmp_path / "made.zarr", zarr_format=version, consolidated=False)
    made.to_netcdf(tmp_path / "made.nc")
    one, other = (
        parse(tmp_path, f"data.files=[{tmp_path}/{name}]", f"name={name[-2:]}")
        for name in ("made.zarr", "made.nc")
    )
    preprocess(one)
    preprocess(other)
    found, wanted = (open_store(config.store)["fields"].load() for config in (one, other))
    np.testing.assert_array_equal(found, wanted)
    (made + 1).to_zarr(tmp_path / "new.zarr", zarr_format=version, consolidated=False)
    for chunk in (tmp_path / "new.zarr" / "temperature").rglob("*0"):
        if chunk.is_file():
            chunk.replace(tmp_path / "made.zarr" / chunk.relative_to(tmp_path / "new.zarr"))
    preprocess(one)
    found = open_store(one.store)["fields"].load()
    np.testing.assert_array_equal(found[:, 0], wanted[:, 0])
    np.testing.assert_allclose(found[:, 1], wanted[:, 1] + 1, rtol=1e-6)
