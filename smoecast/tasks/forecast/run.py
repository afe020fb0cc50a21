"""A run of `forecast`: inputs held and described, from which results are made one by one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import console, run_record
from smoecast.config.forecast import Forecast
from smoecast.config.run import Compute, Config
from smoecast.data import time_selection
from smoecast.data.readings import of_analyses
from smoecast.data.sources.registry import request_of
from smoecast.data.store_origin import check_origin
from smoecast.data.unchanged import Inputs, hold_inputs
from smoecast.fields.left_out import left_out_of_files, to_attribute
from smoecast.fields.read.open import open_file
from smoecast.fields.read.opened import OpenedFiles
from smoecast.fields.store.store import open_store
from smoecast.fields.times import iso
from smoecast.fields.write.memory import InMemory
from smoecast.run_record import stage
from smoecast.tasks import formats, provenance
from smoecast.tasks.descriptions import read_description
from smoecast.tasks.fan_out.per_worker import PerWorker
from smoecast.tasks.forecast.analyses import Analyses
from smoecast.tasks.forecast.ensemble import Ensemble, ensemble_of
from smoecast.tasks.forecast.initial_conditions import (
    analyses_of,
    check_history,
    open_analyses,
)
from smoecast.tasks.forecast.networks import Networks
from smoecast.tasks.forecast.pieces import Piece, predict_blocks
from smoecast.tasks.forecast.template import template
from smoecast.tasks.forecast.trained_keys import adopt_trained
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.provenance import attributes, make_result

Starts = NDArray[np.datetime64]


@dataclass(frozen=True)
class Order:
    """What is to be forecast; it can be pickled.

    Attributes
    ----------
    config : Config
        Resolved: what was given beside it stands in its section `forecast`.
    name : OutputName
        Of the results.
    models : tuple of Path
        Folders of models, each a member.
    paths : tuple of Path
        Files of analyses; none: the run's store.
    arguments : dict
        The attribute that says what was given beside the config.
    verify : bool
        Whether a result that is there is read wholly before it counts as made.
    digests : bool
        Whether all files are read for their digests at once, where one result is made of all.
    """

    config: Config
    name: OutputName
    models: tuple[Path, ...]
    paths: tuple[Path, ...]
    arguments: dict[str, str]
    verify: bool
    digests: bool = True

    def for_workers(self) -> "Order":
        """Return the order for a worker process, which spreads nothing and describes no whole."""
        return replace(self, config=self.config.in_one_process(), digests=False)


@dataclass(eq=False)
class Run:
    """Inputs held and described, from which results are made one after the other.

    Attributes
    ----------
    order : Order
    ensemble : Ensemble
        Members and lead times; its networks are opened with the first result that is not there.
    held : Inputs
    analyses : Analyses
    networks : Networks, optional
    """

    order: Order
    ensemble: Ensemble
    held: Inputs
    analyses: Analyses
    networks: Networks | None

    @property
    def compute(self) -> Compute:
        """In which processes results are made."""
        return self.order.config.compute

    @cached_property
    def for_workers(self) -> "PerWorker[Run]":
        """The same in a worker process."""
        return PerWorker(partial(open_run, self.order.for_workers()))

    def find(self, path: Path, starts: Starts) -> bool:
        """Tell whether one result is there. Raises as `make` does."""
        described = self.describe(path, starts)
        return not make_result(path, described, verify=self.order.verify, write=None)

    def make(self, path: Path, starts: Starts, step: console.Progress) -> bool:
        """Make one result, unless it is there; whether it was written.

        Raises
        ------
        SmoecastError
            See `forecast`.
        """
        described = self.describe(path, starts)
        open_writer = formats.writer_of(self.order.config.forecast)
        write = partial(self._write, path, starts, described, step, open_writer)
        return make_result(path, described, verify=self.order.verify, write=write)

    def describe(self, path: Path, starts: Starts) -> dict[str, Any]:
        """Return the attributes of one result, once its analyses and its place are there."""
        provenance.check_output(path, folder=formats.is_store(self.order.config.forecast))
        return self._describe_content(starts)

    def gather(self, starts: Starts, step: console.Progress) -> xr.Dataset:
        """Return one result in memory, with the values, axes and attributes of its file.

        Raises
        ------
        SmoecastError
            See `forecast`.
        """
        memory = InMemory()
        # in this thread: netCDF-C is not asked from several, and dask looks for no cluster
        with dask.config.set(scheduler="synchronous"):
            self._write(Path(), starts, self._describe_content(starts), step, memory.open)
        return memory.get()

    def _describe_content(self, starts: Starts) -> dict[str, Any]:
        wanted, config = self.order.config.forecast, self.order.config
        needed = check_history(starts, self.analyses.times, self.ensemble.history)
        alone = self.order.name.is_pattern  # a result of other files is another one
        by_time = alone or self.analyses.in_memory
        with stage("input"):
            manifest = self.analyses.describe(needed) if by_time else self.analyses.describe_all()
        paths = self.analyses.find_files(needed) if alone else list(self.analyses.files)
        run_record.add_inputs(manifest, paths)
        sha256, made_from = _describe(wanted, config.seed, self.ensemble, starts)
        described = attributes(config, "forecast", sha256, manifest, made_from)
        described |= {} if self.ensemble.single else {"ensemble": self.ensemble.words}
        described |= to_attribute(left_out_of_files(self.analyses.left_out, paths))
        return described | self.order.arguments

    def predict(self, piece: Piece) -> NDArray[np.float32]:
        """Forecast some starts of one member, (B, L, D, H, W)."""
        # only what is to be computed needs PyTorch, which takes longer to load than all else here
        with stage("imports"):
            from smoecast.tasks.forecast.blocks import forecast_piece  # noqa: PLC0415

        self.networks = self.networks or Networks()
        with stage("model"):
            opened = self.networks.open(self.ensemble)
        return forecast_piece(self.ensemble, opened, self.analyses.fields, piece)

    def _write(
        self,
        path: Path,
        starts: Starts,
        described: dict[str, Any],
        step: console.Progress,
        open_writer: formats.Writer,
    ) -> None:
        whole = template(self.ensemble, starts).assign_attrs(described)
        with self.held.tell_changes():
            with stage("input"):
                needed = check_history(starts, self.analyses.times, self.ensemble.history)
                self.analyses.check_finite(needed)
            with (
                open_writer(whole, path, confirm=self.held.confirm) as append,
                predict_blocks(self, starts, step) as blocks,
            ):
                for block in blocks:
                    append(block)


@contextmanager
def open_run(
    order: Order,
    networks: Networks | None = None,
    opened_files: OpenedFiles | None = None,
    given: tuple[str, xr.Dataset] | None = None,
) -> Iterator[Run]:
    """Open what is to be forecast from, and hold it until the block ends.

    In the place of files a canonical dataset in memory may be `given`, with its name for messages.

    Raises
    ------
    SmoecastError
        See `forecast`.
    """
    config, wanted = order.config, order.config.forecast
    with stage("model"):
        described = [read_description(folder) for folder in order.models]
        order = replace(order, config=adopt_trained(config, described))
        ensemble = ensemble_of(wanted, config.seed, described)
    run_record.note(model_sha256=[model.identity for model in described])
    split = set(wanted.init_times) & set(time_selection.PARTS)
    stores = [config.store] if split or not (order.paths or given) else []
    whole = order.digests and not order.name.is_pattern
    with hold_inputs(order.paths, stores, describe=whole) as held:
        with stage("input"):
            if split:
                with open_store(config.store) as dataset:
                    check_origin(request_of(config), dataset, "split")
            model, paths = ensemble.model, order.paths
            opener = partial(opened_files.open, load=True) if opened_files else open_file
            open_one = partial(opener, reading=of_analyses(config.data))
            if given:
                name, dataset = given
                analyses = analyses_of(model, [(Path(name), dataset)], name, held, in_memory=True)
            else:
                analyses = open_analyses(model, config.store, paths, held, open_one)
        run_record.note(newest_analysis=iso(analyses.times[-1]))
        yield Run(order, ensemble, held, analyses, networks)


def _describe(
    settings: Forecast, seed: int, ensemble: Ensemble, starts: Starts
) -> tuple[str, dict[str, Any]]:
    """Return the sha256 of the models, and what decides the content beside them."""
    made_from: dict[str, Any] = {
        "starts": starts.astype(str).tolist(),
        "leads": ensemble.plan.lead_hours,
    }
    made_from |= formats.describe_format(settings)
    if not ensemble.single:
        keys = {"members", "perturbation", "perturbation_km", "lags_hours"}
        made_from["ensemble"] = settings.model_dump(mode="json", include=keys)
        made_from["seed"] = seed
    return ensemble.identity, made_from
