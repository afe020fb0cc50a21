"""Files in which a member is missing, and variables along other dimensions."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_fields import forecast, leftovers
from write_whole import write_netcdf

from smoecast.errors import OutputError
from smoecast.fields.read.open import open_file


def members() -> xr.Dataset:
    return forecast("t2m", members=3)


def test_a_missing_member_is_written_where_it_may_be(tmp_path: Path) -> None:
    dataset = members()
    dataset["t2m"].values[0, 0, 1] = np.nan
    path = tmp_path / "a.nc"
    with pytest.raises(OutputError, match="missing or infinite"):
        write_netcdf(dataset, path)
    write_netcdf(dataset, path, gaps=True)
    with xr.open_dataset(path, decode_timedelta=True) as found:
        np.testing.assert_array_equal(found["t2m"].values, dataset["t2m"].values)
        assert np.isnan(found["t2m"].encoding["_FillValue"])
    dataset["t2m"].values[0, 1, 1, :2] = np.nan
    with pytest.raises(OutputError, match="missing or infinite"):
        write_netcdf(dataset, path, gaps=True)
    assert leftovers(tmp_path) == ["a.nc"]


def test_quantiles_and_probabilities_stand_beside_members(tmp_path: Path) -> None:
    dataset = members()
    quantiles = dataset["t2m"].rename(number="quantile").assign_coords(quantile=[0.1, 0.5, 0.9])
    share = (dataset["t2m"] > 280).astype("f4").rename(number="t2m_threshold_above")
    share = share.assign_coords(
        t2m_threshold_above=("t2m_threshold_above", [1.0, 2.0, 3.0], {"units": "K"})
    )
    path = tmp_path / "a.nc"
    share.attrs = {"long_name": "probability of it"}
    write_netcdf(dataset.assign(t2m_quantile=quantiles, t2m_probability_above=share), path)
    with xr.open_dataset(path, decode_timedelta=True) as found:
        assert found["t2m_quantile"].attrs["standard_name"] == "air_temperature"
        assert found["quantile"].attrs["units"] == "1"
        probability = found["t2m_probability_above"]
        assert {"long_name": "probability of it", "units": "1"}.items() <= probability.attrs.items()
        assert "standard_name" not in probability.attrs
        assert found["t2m_threshold_above"].attrs["units"] == "K"
    again = open_file(path)
    assert list(again.data_vars) == ["t2m"]
    np.testing.assert_array_equal(again["t2m"], dataset["t2m"])
