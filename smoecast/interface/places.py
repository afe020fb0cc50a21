"""Where a model lies that is called by a name of the zoo, a folder, or the config of its run."""

import os
from pathlib import Path
from typing import Literal

from smoecast import zoo
from smoecast.config import yaml_file
from smoecast.training.model_files import STATE

Kind = Literal["model", "calibration"]
"""What `train` and `postprocess` fill in a run's folder."""


def find_model(name: str | os.PathLike[str], kind: Kind) -> Path:
    """Return the folder of a model.

    Parameters
    ----------
    name : str or path
        A name of the zoo, the folder of a model or of its run, or the config of that run.
    kind : {"model", "calibration"}
        Which of those that a run may have.

    Raises
    ------
    ConfigError
        There is none of that name, or the config is none.
    """
    place = zoo.locate(os.fspath(name))
    if place.is_file():
        config = yaml_file.load(place)
        return config.model if kind == "model" else config.calibration
    inner = place / kind
    return inner if (inner / STATE).is_file() and not (place / STATE).is_file() else place
