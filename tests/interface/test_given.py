"""What the interface is given."""

from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr
from small_world import analyses

from smoecast.interface.given import as_text, take, take_dataset


def test_a_dataset_is_taken_without_reading_it() -> None:
    def explode(block: np.ndarray) -> np.ndarray:
        raise AssertionError("a field was read")

    given = analyses(days=2)
    lazy = da.zeros(given["t2m"].shape, np.float32).map_blocks(
        explode, dtype=np.float32, meta=np.array((), np.float32)
    )
    given["t2m"] = given["t2m"].copy(data=lazy)
    taken = take_dataset(given, "the dataset")
    assert taken["z500"].chunks is not None
    assert taken["t2m"].sizes == given["t2m"].sizes
    np.testing.assert_array_equal(taken["z500"], given["z500"])
    assert given["z500"].chunks is None


def test_what_was_given_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.nc").touch()
    assert as_text(analyses(days=1), "the dataset") == ["the dataset"]
    assert as_text(tmp_path / "a.nc", "") == [str(tmp_path / "a.nc")]
    assert as_text([tmp_path, "b.nc"], "") == [str(tmp_path), "b.nc"]
    assert take(tmp_path / "a.nc", "the dataset") == ((tmp_path / "a.nc",), None)
    paths, given = take(analyses(days=1), "the dataset")
    assert (paths, given is not None and given[0]) == ((), "the dataset")
    assert given is not None
    assert isinstance(given[1], xr.Dataset)
