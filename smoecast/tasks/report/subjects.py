"""What a report is of: runs, and models without a run, each with where its parts lie."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smoecast import zoo
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError
from smoecast.training.model_files import STATE, load_state

FORECASTS = ("forecast.nc", "forecast.zarr", "forecast.grib")
CALIBRATED = ("calibrated.nc", "calibrated.grib")
_CONFIGS = (
    "scores.config.yaml",
    "forecast.config.yaml",
    f"model/{zoo.CONFIG}",
    "calibrated.config.yaml",
    f"calibration/{zoo.CONFIG}",
)
"""Where the config of a run stands, the first that is there."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A run, or a model without one.

    Attributes
    ----------
    label : str
        What the page calls it.
    folder : Path
        Of the run or the model.
    is_run : bool
    config : Config or None
        Of the run, or beside the model; None where there is none.
    model, calibration : Path or None
        Folders of trained models.
    forecast, calibrated, scores, store : Path or None
        Results and the truth.
    """

    label: str
    folder: Path
    is_run: bool
    config: Config | None = None
    model: Path | None = None
    calibration: Path | None = None
    forecast: Path | None = None
    calibrated: Path | None = None
    scores: Path | None = None
    store: Path | None = None

    @property
    def is_simulated(self) -> bool:
        """Whether its data is the simulated planet."""
        return self.config is not None and self.config.data.source == "planet"

    @property
    def history(self) -> Path | None:
        """Losses of the training; None where there are none."""
        return _first(self.model, ("history.jsonl",)) if self.model else None

    @property
    def argument(self) -> str:
        """What a command line names it by, to make what is missing."""
        if not self.is_run:
            return f"--model {self.folder.name}"
        beside = _first(self.folder, _CONFIGS)
        return f"--config {beside or self.folder.name}"


def find_subjects(names: Sequence[str]) -> list[Subject]:
    """Return the runs and models of some names, each with a label of its own.

    Parameters
    ----------
    names : sequence of str
        Folders of runs, configs of runs, folders of models, names in the zoo.

    Raises
    ------
    ConfigError
        A name is none of these, or two of them are the same run.
    InputError
        A folder has neither results nor a model.
    ModelError
        What a model says of itself is damaged.
    """
    found = [_find(name) for name in names]
    known: dict[str, str] = {}
    for name, subject in zip(names, found, strict=True):
        place = os.path.realpath(subject.folder)
        if place in known:
            raise ConfigError(
                f"{name}: is the same run as {known[place]}: name each once; several are compared"
            )
        known[place] = name
    return _label_apart(found)


def _find(name: str) -> Subject:
    place = zoo.locate(name)
    if place.is_dir():
        return _of_folder(place, None)
    if place.suffix not in (".yaml", ".yml"):
        raise ConfigError(
            f"{name}: is a file and no config: name the run's folder, its config, or a model"
        )
    config = yaml_file.load(place)
    if not config.place.is_dir():
        raise InputError(
            f"{config.place}: the run of {name} is not there: `smoecast train --config {name}` "
            "begins it"
        )
    return _of_folder(config.place, config)


def _of_folder(place: Path, config: Config | None) -> Subject:
    """Return the run or the model in a folder; InputError where it holds neither."""
    if (place / STATE).is_file() or (place / zoo.CARD).is_file():
        beside, trained = place / zoo.CONFIG, _with_state(place)
        forecasts = trained is not None and load_state(place).get("kind") == "forecast"
        found = Subject(
            place.absolute().name,
            place,
            False,
            yaml_file.load(beside, pipe=False, saved=True) if beside.is_file() else None,
            model=trained if forecasts else None,
            calibration=None if forecasts else trained,
            scores=_first(place, (zoo.SCORES,)),
        )
    else:
        beside_run = _first(place, _CONFIGS)
        if config is None and beside_run is not None:
            config = yaml_file.load(beside_run, pipe=False, saved=True)
        stores = (
            [place.parent / (config.data.run or place.name), config.data_place] if config else []
        )
        found = Subject(
            place.absolute().name,
            place,
            True,
            config,
            model=_with_state(place / "model"),
            calibration=_with_state(place / "calibration"),
            forecast=_first(place, FORECASTS),
            calibrated=_first(place, CALIBRATED),
            scores=_first(place, (zoo.SCORES,)),
            store=next((s / "store.zarr" for s in stores if (s / "store.zarr").is_dir()), None),
        )
        parts = (found.model, found.calibration, found.forecast, found.calibrated, found.scores)
        if not any(parts):
            raise InputError(
                f"{place}: holds no model, no forecast and no scores: name the folder of a run, or "
                "make one with `smoecast train`"
            )
    return found


def _label_apart(subjects: Sequence[Subject]) -> list[Subject]:
    """Give runs of one name the folder above too, and where that is not enough a number."""
    names = [s.label for s in subjects]
    longer = [f"{s.folder.absolute().parent.name}/{s.label}" for s in subjects]
    labels = [
        more if names.count(name) > 1 else name for name, more in zip(names, longer, strict=True)
    ]
    return [
        replace(s, label=f"{label} ({i + 1})" if labels.count(label) > 1 else label)
        for i, (s, label) in enumerate(zip(subjects, labels, strict=True))
    ]


def _with_state(folder: Path) -> Path | None:
    return folder if (folder / STATE).is_file() else None


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)
