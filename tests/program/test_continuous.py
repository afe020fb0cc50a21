"""One model for every lead time between those that it learned."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_world import small_run

from smoecast.errors import ModelError
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.plot.plot import plot
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train


def test_lead_times_in_between_are_forecast_and_others_refused(world: Path, tmp_path: Path) -> None:
    asked = ["sample.lead_input=true", "sample.lead_hours=[6, 24]", "postprocess.files=[]"]
    config = small_run(world, tmp_path, *asked, "forecast.lead_hours=[6, 18, 24]")
    preprocess(config)
    assert train(config)["trained"]
    made = forecast(config)
    with xr.open_dataset(made["output"], decode_timedelta=True) as written:
        hours = written["lead_time"].values / np.timedelta64(1, "h")
        assert hours.tolist() == [6, 18, 24]
        values = written["t2m"].transpose("lead_time", ...).values
        assert np.isfinite(values).all()
        assert not np.array_equal(values[0], values[1])
    assert plot(config, kinds=["routing"], output=tmp_path / "plots")["files"]
    outside = small_run(world, tmp_path, *asked, "forecast.lead_hours=[30]")
    with pytest.raises(ModelError, match=r"cannot forecast \[30\] h.* only those in between"):
        forecast(outside)
