"""How the files of a run are read: what its config selects of them, and what it assumes."""

from smoecast.config.data import Data
from smoecast.config.postprocess import Postprocess
from smoecast.fields.read.reading import Reading, reading_of


def of_analyses(data: Data) -> Reading:
    """Return how files of analyses and of truth are read."""
    return reading_of(data.select, data.assume, "data")


def of_ensembles(settings: Postprocess) -> Reading:
    """Return how files of ensemble forecasts are read."""
    return reading_of(settings.select, settings.assume, "postprocess")
