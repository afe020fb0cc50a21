"""The two kinds of results of a warm process: forecasts of analyses, calibrations of ensembles.

Each keeps what it has opened for the next file: networks, or a calibration.
"""

import glob
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from smoecast import zoo
from smoecast.config.run import Config
from smoecast.fields.read.opened import OpenedFiles
from smoecast.fields.times import iso
from smoecast.tasks.descriptions import read_description
from smoecast.tasks.forecast.ensemble import ensemble_of
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.forecast.networks import Networks
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.postprocess.calibration import Calibrations
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.watch.jobs import Files, Job, calibration_jobs, forecast_jobs


class ResultKind(Protocol):
    """What is made of the files of a folder.

    Attributes
    ----------
    verb : str
        That makes it.
    name : OutputName
        Of the results.
    """

    verb: str
    name: OutputName

    def list_jobs(self, files: Files, keep: np.timedelta64 | None) -> list[Job]:
        """Return what can be made of files, in the order in which it is.

        Raises
        ------
        ModelError
            A model, or the calibration, is missing or damaged.
        """

    def make(self, job: Job) -> dict[str, Any]:
        """Make results as the verb does, and return what it returns."""


@dataclass
class Forecasts:
    """A forecast of each analysis.

    Attributes
    ----------
    config : Config
    name : OutputName
    models : tuple of Path
        Folders; none: `forecast.models`, or the run's own.
    opened_files : OpenedFiles
        Shared with who looks what is in the files.
    """

    config: Config
    name: OutputName
    models: tuple[Path, ...] = ()
    opened_files: OpenedFiles = field(default_factory=OpenedFiles)
    verb: str = "forecast"
    _networks: Networks = field(default_factory=Networks)

    def list_jobs(self, files: Files, keep: np.timedelta64 | None) -> list[Job]:
        """See `ResultKind`."""
        wanted = self.config.forecast
        own = [zoo.locate(name) for name in wanted.models] or [self.config.model]
        described = [read_description(folder) for folder in self.models or own]
        ensemble = ensemble_of(wanted, self.config.seed, described)
        model, history = ensemble.model, ensemble.history
        data, offset = model.config.data, model.offset
        return list(forecast_jobs(files, data.channels, history, data.step_hours, keep, offset))

    def make(self, job: Job) -> dict[str, Any]:
        """See `ResultKind`."""
        return forecast(
            self.config,
            models=self.models,
            inputs=_literally(job.paths),
            init_times=[iso(start) for start in job.starts],
            output=Path(self.name.text),
            networks=self._networks,
            opened_files=self.opened_files,
        )


@dataclass
class Calibrated:
    """A calibration of each ensemble.

    Attributes
    ----------
    config : Config
    name : OutputName
    model : Path, optional
        Folder of a fitted calibration; none: the run's own, which must be fitted.
    """

    config: Config
    name: OutputName
    model: Path | None = None
    verb: str = "postprocess"
    _opened: Calibrations = field(default_factory=Calibrations)

    @property
    def _folder(self) -> Path | None:
        """Where the calibration is; None: of method raw there is none."""
        is_raw = self.model is None and self.config.postprocess.method == "raw"
        return None if is_raw else self.model or self.config.calibration

    def list_jobs(self, files: Files, keep: np.timedelta64 | None) -> list[Job]:
        """See `ResultKind`."""
        settings, folder = self.config.postprocess, self._folder
        channels = settings.channels if folder is None else self._opened.open(folder).channels
        return list(calibration_jobs(files, channels, settings.lead_hours, keep))

    def make(self, job: Job) -> dict[str, Any]:
        """See `ResultKind`."""
        return postprocess(
            self.config,
            model=self._folder,
            inputs=_literally(job.paths),
            output=Path(self.name.text),
            calibrations=self._opened,
        )


def _literally(paths: Iterable[Path]) -> list[str]:
    """Return paths as options take them, where some letters mean many files."""
    return [glob.escape(str(path)) for path in paths]
