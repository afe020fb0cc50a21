"""Blocks of starts calibrated: members, moments, quantiles and probabilities, as arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast.calibration.forecasts import Forecast, joined
from smoecast.calibration.members import How, choice
from smoecast.config import Config
from smoecast.config_products import Event, Products
from smoecast.tasks.calibrations import Calibration
from smoecast.tasks.templates import History

Fields = NDArray[np.floating[Any]]
Starts = NDArray[np.datetime64]
_HOW: dict[str, How] = {"ecc-q": "quantile", "ecc-r": "random", "ecc-t": "transformation"}


@dataclass(frozen=True, eq=False)
class Maker:
    """All that a block needs beside its fields.

    Attributes
    ----------
    config : Config
    calibration : Calibration
    lead_hours : tuple of int
        Of the fields.
    wanted : Products
        What is made.
    count : int
        Members made.
    history : History or None
        For the Schaake shuffle.
    """

    config: Config
    calibration: Calibration
    lead_hours: tuple[int, ...]
    wanted: Products
    count: int
    history: History | None

    def chosen(self, size: int) -> NDArray[np.intp]:
        """Return which of `size` members stand for those made: the same at every start."""
        return choice(size, self.count, np.random.default_rng(self.config.seed))

    def numbers(self, numbers: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        """Return the numbers of the members made: those that came in, then new ones."""
        size = len(numbers)
        more = numbers.max() + 1 + np.arange(max(0, self.count - size))
        return np.concatenate([numbers[self.chosen(size)[:size]], more])

    def block(self, fields: Fields, starts: Starts) -> dict[str | Event, NDArray[np.float32]]:
        """Calibrate the ensembles of some starts.

        Parameters
        ----------
        fields : (B, L, M, C, H, W) float32
        starts : (B,) datetime64

        Returns
        -------
        dict
            ``members`` (B, L, count, D, H, W), ``mean`` and ``std`` (B, L, D, H, W),
            ``quantiles`` (B, L, Q, D, H, W), and for each event (B, L, H, W).
        """
        wanted, targets = self.wanted, self.calibration.targets
        forecast = self._forecast(fields, starts)
        mean, std = forecast.moments()
        made: dict[str | Event, Fields] = {"mean": mean, "std": std}
        if wanted.members:
            raw = fields[:, :, :, [self.calibration.channels.index(t) for t in targets]]
            made["members"] = self._members(forecast, raw, starts)
        if wanted.quantiles:
            made["quantiles"] = forecast.quantiles(wanted.quantiles)
        for event in wanted.events:
            target = targets.index(event.channel)
            made[event] = forecast.probability(target, event.threshold, event.above)
        return {name: values.astype(np.float32) for name, values in made.items()}

    def _members(self, forecast: Forecast, raw: Fields, starts: Starts) -> Fields:
        """Return members (B, L, count, D, H, W), each start's from a generator of its own."""
        how = _HOW.get(self.config.postprocess.members_by, "quantile")
        chosen = self.chosen(raw.shape[2])
        if forecast.members is not None and self.history is None:
            return forecast.members[:, :, chosen]
        made = []
        for index, start in enumerate(starts):
            rng = np.random.default_rng([self.config.seed, _number_of(start)])
            if self.history is not None:
                past = self.history(start, self.count)
                made.append(forecast.shuffled(index, past, self.count, rng=rng))
            else:
                made.append(forecast.ranked(index, raw[index][:, chosen], how, rng=rng))
        return np.stack(made)

    def _forecast(self, fields: Fields, starts: Starts) -> Forecast:
        """Apply the calibration, also to lead times that it was not fitted for.

        Those are taken for the nearest that it was fitted for.
        """
        fitted, hours = self.calibration.lead_hours, self.lead_hours
        if hours == fitted:
            return self.calibration.apply(fields, starts, np.array(hours))
        found = []
        for index, hour in enumerate(hours):
            slot = int(np.argmin([abs(known - hour) for known in fitted]))
            # a calibration takes all its lead times at once: the others are there for show
            shown = np.repeat(fields[:, [index]], len(fitted), axis=1)
            ahead = np.full(len(fitted), hour)
            found.append(self.calibration.apply(shown, starts, ahead).lead(slot))
        return joined(found)


def _number_of(start: np.datetime64) -> int:
    """Return a number of a start for its generator: minutes since 1970, never negative."""
    return int(start.astype("datetime64[m]").astype(np.int64)) % 2**32
