"""Watches in tests: what happens between two looks is a list, and no clock has a say."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import xarray as xr
from small_world import analyses, small_run

from smoecast.cli.attempts import attempt
from smoecast.config.run import Config
from smoecast.tasks.watch.watch import watch

FIRST = "20010101"


class OverError(Exception):
    """Nothing more is to happen."""


class Scene:
    """A run of its own, with a trained model beside it and folders to watch.

    Attributes
    ----------
    records : list of dict
        Of every file made, and every failure, in order.
    """

    def __init__(self, done: Config, world: Path, place: Path, *overrides: str) -> None:
        self.config = small_run(world, place / "runs", *overrides)
        self.model, self.calibration = done.model, done.calibration
        self.place, self.inputs, self.ensembles = place, place / "in", place / "ens"
        self.inputs.mkdir()
        self.ensembles.mkdir()
        self.records: list[dict[str, Any]] = []
        self._truth = analyses(5)

    def bring(self, *numbers: int, name: str = "an_{}.nc", only: str = "") -> Path:
        """Write analyses, 6 hours apart, into one file."""
        path = self.inputs / name.format("_".join(map(str, numbers)))
        part = self._truth.isel(time=list(numbers))
        write_at_once(part[[only]] if only else part, path)
        return path

    def watch(self, *between: Callable[[], object], **wanted: Any) -> None:
        """Watch the analyses; between two looks one thing happens, and after the last all ends."""
        steps: Iterator[Callable[[], object]] = iter(between)

        def pause(_: float) -> None:
            step = next(steps, None)
            if step is None:
                raise OverError
            step()

        asked = {"analyses": str(self.inputs), "models": [self.model], "every": 600.0}
        asked |= {"attempt": attempt, "publish": self.records.append, "pause": pause}
        try:
            watch(self.config, **{**asked, **wanted})
        except OverError:
            return

    @property
    def made(self) -> list[str]:
        """Starts of the forecasts that are there."""
        return sorted(p.stem.split("_")[1] for p in self.config.place.glob("forecast_*.nc"))

    @property
    def on_disk(self) -> list[dict[str, Any]]:
        """The records in the run's folder."""
        return [
            json.loads(path.read_text())
            for path in sorted((self.config.place / "records").glob("*.json"))
        ]


def write_at_once(dataset: xr.Dataset, path: Path) -> None:
    """Write a NetCDF file under another name, and rename it: it is another one, whole."""
    dataset.to_netcdf(path.with_name(f".{path.name}"))
    path.with_name(f".{path.name}").replace(path)


def nothing() -> None:
    """Let a pause pass."""
