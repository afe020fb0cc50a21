"""`smoecast.load`: a forecast model that is called from Python."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast import console, zoo
from smoecast.errors import ConfigError
from smoecast.interface.given import Given, as_text, take, with_section
from smoecast.interface.model_inputs import ModelInputs, inputs_of
from smoecast.interface.places import find_model
from smoecast.tasks import provenance
from smoecast.tasks.descriptions import Description, read_description
from smoecast.tasks.forecast.initial_conditions import LATEST, select_starts
from smoecast.tasks.forecast.networks import Networks
from smoecast.tasks.forecast.run import Order, open_run
from smoecast.tasks.output_names import OutputName

Time = str | datetime | np.datetime64
NAME = "the dataset"
"""What messages call one in memory."""


def load(name: str | os.PathLike[str]) -> "ForecastModel":
    """Return a forecast model; its network is loaded with the first forecast.

    Parameters
    ----------
    name : str or path
        A name of the zoo (``smoecast models list``), a run's folder, the folder of a model, or the
        config of a run.

    Raises
    ------
    ConfigError
        There is none of that name.
    ModelError
        It is not trained yet, damaged, or a calibration, which `smoecast.calibrate` takes.

    Examples
    --------
    >>> import smoecast
    >>> model = smoecast.load("ncep-air-6h")
    >>> print(model.inputs)  # doctest: +SKIP
    >>> forecast = model.forecast("air.nc", lead_hours=[6, 12, 24])  # doctest: +SKIP
    """
    return ForecastModel(read_description(find_model(name, "model")))


class ForecastModel:
    """A trained model; `load` returns it.

    Parameters
    ----------
    description : Description
        What it says of itself.

    Attributes
    ----------
    inputs : ModelInputs
        What it wants and what it gives; ``print(model.inputs)`` says it in words.
    """

    def __init__(self, description: Description) -> None:
        self._description = description
        self._networks = Networks()
        self.inputs: ModelInputs = inputs_of(description)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self._description.folder

    @property
    def name(self) -> str:
        """The name of its run."""
        return self._description.config.name

    @property
    def example(self) -> Path:
        """A file of real fields that come with the model, for a first forecast.

        Raises
        ------
        ConfigError
            It has none.
        """
        return zoo.find_example(self.folder)

    def __repr__(self) -> str:
        """Return what it is in one line."""
        asked, given = self.inputs, ", ".join(self.inputs.targets)
        hours = ", ".join(map(str, asked.lead_hours))
        return f"<smoecast model {self.name}: {given} at {hours} h on {asked.grid.describe()}>"

    def forecast(
        self,
        analyses: Given,
        *,
        lead_hours: int | Iterable[int] | None = None,
        init_times: Time | Iterable[Time] = LATEST,
        members: int | None = None,
        perturbation: float | None = None,
    ) -> xr.Dataset:
        """Forecast from analyses, as ``smoecast forecast`` does.

        Parameters
        ----------
        analyses : xarray.Dataset, path, or sequence of paths
            A dataset as xarray opens it of any maker's file, or files, folders, globs and Zarr
            groups. Names, axes and units are brought to ours, another regular grid to the model's;
            what does not fit is refused. Files are read as the model's own config says
            (``data.select``, ``data.assume``), a dataset as it is.
        lead_hours : int or iterable of int, optional
            Hours ahead; past its own the model goes on from its own output. None given: those of
            its config.
        init_times : str, datetime, or iterable of them
            Starts: times in UTC, ranges ``"2014-12-01/2014-12-07"``, or ``"latest"``.
        members : int, optional
            Of an ensemble whose members, but for the first, start with noise.
        perturbation : float, optional
            That noise, as a share of each channel's standard deviation.

        Returns
        -------
        xarray.Dataset
            Each target a variable ``(init_time, lead_time, [number,] latitude, longitude)``,
            float32, SI units, with the attributes that a file has: of which model, config and
            inputs it was made, and what of them was left out.

        Raises
        ------
        ConfigError
            A start, lead time or number of members is none, or `analyses` are neither.
        InputError
            The analyses are damaged, or lack a channel, a time or a value.
        NotPublishedError
            A start is later than the newest analysis.
        ModelError
            The model cannot reach a lead time, or the analyses are not what it was trained on.

        Examples
        --------
        >>> import xarray as xr, smoecast
        >>> model = smoecast.load("ncep-air-6h")
        >>> air = xr.open_dataset(model.example)  # doctest: +SKIP
        >>> model.forecast(air, init_times="2014-12-31", lead_hours=[6, 24])  # doctest: +SKIP
        """
        starts = list_times(init_times)
        wanted: dict[str, Any] = {"init_times": starts}
        if lead_hours is not None:
            wanted["lead_hours"] = list_hours(lead_hours)
        if members is not None:
            wanted["members"] = members
        if perturbation is not None:
            wanted["perturbation"] = perturbation
        config = with_section(self._description.config, "forecast", wanted)
        paths, given = take(analyses, NAME)
        said = provenance.arguments(
            models=[self.folder], inputs=as_text(analyses, NAME), init_times=starts
        )
        order = Order(config, OutputName(""), (self.folder,), paths, said, False)
        with open_run(order, self._networks, given=given) as run:
            found = select_starts(config.forecast, config.store, run.analyses.times, run.ensemble)
            with console.progress("forecasting", len(found)) as step:
                return run.gather(found, step)


def list_hours(hours: int | Iterable[int]) -> list[int]:
    """Return hours as a config has them; numbers of numpy are such."""
    each = [hours] if isinstance(hours, int | np.integer) else hours
    return [int(one) if isinstance(one, np.integer) else one for one in each]


def list_times(times: Time | Iterable[Time]) -> list[str]:
    """Return times as a config has them.

    Raises
    ------
    ConfigError
        One is no time.
    """
    each = [times] if isinstance(times, Time) else list(times)
    return [_as_text(one) for one in each]


def _as_text(time: Time) -> str:
    if isinstance(time, str):
        return time
    if isinstance(time, datetime):  # and of pandas
        naive = time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
        return naive.isoformat(timespec="minutes")
    if isinstance(time, np.datetime64) and not np.isnat(time):
        return str(time.astype("datetime64[m]"))
    raise ConfigError(f"{time!r:.60} is no time of a start: give 2014-12-31T06, or a datetime")
