"""Forecasts that cost nothing: persistence, climatologies, linear regression."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config import Config
from smoecast.fields import times
from smoecast.tasks import climatology, linear
from smoecast.tasks.truths import Fields, fields_at


class Baselines:
    """The forecasts that cost nothing, fitted to the training times, for a block of starts."""

    def __init__(self, config: Config, dataset: xr.Dataset, result: xr.Dataset) -> None:
        self.truth, self.wanted = dataset["fields"], config.evaluate.baselines
        self.leads = times.as_hours(result["lead_time"].values).astype(int).tolist()
        self.hourly = climatology.hourly(dataset, config.targets)
        if "weekly_climatology" in self.wanted:
            self.weekly = climatology.weekly(dataset, config.targets)
        if "linear" in self.wanted:
            self.linear = linear.fit(dataset, self.hourly, self.leads)

    def start(self, block: xr.Dataset) -> None:
        """Look at what the forecasts of a block begin from."""
        self.starts = block["init_time"].values
        if "linear" in self.wanted:
            now = self.truth.sel(time=self.starts, channel=list(self.hourly.channels)).values
            components = self.linear.components(now, self.starts)
            self.ahead = self.linear.forecast(components, self.leads)

    def field(self, name: str, channel: str, valid: NDArray[np.datetime64]) -> Fields:
        """Return one baseline's forecasts (I, L, H, W)."""
        if name == "persistence":
            return fields_at(
                self.truth, channel, np.broadcast_to(self.starts[:, None], valid.shape)
            )
        if name == "linear":
            return self.linear.field(self.ahead, channel, valid)
        return (self.hourly if name == "climatology" else self.weekly).at(channel, valid)
