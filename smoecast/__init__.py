"""smoecast: weather forecasting with Spatial Mixture-of-Experts networks.

::

    model = smoecast.load("ncep-air-6h")
    forecast = model.forecast("air.nc", lead_hours=[6, 12, 24])

`docs/python.md` teaches it. Importing the package loads neither torch nor xarray: what is named
here is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smoecast.interface.calibrate import calibrate
    from smoecast.interface.evaluate import Scores, evaluate
    from smoecast.interface.load import ForecastModel, load
    from smoecast.interface.open import open  # noqa: A004  # it is asked for as smoecast.open

    __version__: str

__all__ = ["ForecastModel", "Scores", "__version__", "calibrate", "evaluate", "load", "open"]

_HOME = {
    "ForecastModel": "load",
    "Scores": "evaluate",
    "calibrate": "calibrate",
    "evaluate": "evaluate",
    "load": "load",
    "open": "open",
}
"""Module of `smoecast.interface` in which each is."""


def __getattr__(name: str) -> object:
    if name == "__version__":
        return _read_version()
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.interface.{_HOME[name]}"), name)


def _read_version() -> str:
    """Return the version that was installed; it is made of the tags of git when that is built."""
    metadata = import_module("importlib.metadata")
    try:
        return str(metadata.version(__name__))
    except metadata.PackageNotFoundError:  # a tree on the path, never installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
