"""A run of `postprocess`: inputs held and described, from which results are made one by one."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import console, run_record
from smoecast.config.products import Products, products
from smoecast.config.run import Compute, Config
from smoecast.data import raw
from smoecast.data.readings import of_analyses
from smoecast.data.unchanged import Inputs, hold_inputs
from smoecast.errors import ConfigError
from smoecast.fields.grid import place_of
from smoecast.fields.left_out import left_out_of_files, to_attribute
from smoecast.fields.store import store
from smoecast.fields.times import iso
from smoecast.fields.write.blocks import Append
from smoecast.fields.write.memory import InMemory
from smoecast.run_record import stage
from smoecast.tasks import formats, provenance
from smoecast.tasks.fan_out.per_worker import PerWorker
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.postprocess.blocks import calibrate_blocks
from smoecast.tasks.postprocess.calibration import Calibration, Calibrations, raw_calibration
from smoecast.tasks.postprocess.content import check_events, describe
from smoecast.tasks.postprocess.fit import fit
from smoecast.tasks.postprocess.input import EnsembleInput, open_input
from smoecast.tasks.postprocess.schaake_dates import History, earlier_truth
from smoecast.tasks.provenance import attributes, make_result, with_lineage

if TYPE_CHECKING:
    from smoecast.tasks.postprocess.apply import CalibratedBlocks

Starts = NDArray[np.datetime64]


@dataclass(frozen=True)
class Order:
    """What is to be calibrated; it can be pickled.

    Attributes
    ----------
    config : Config
    name : OutputName
        Of the results.
    model : Path, optional
        Folder of a fitted calibration; none: the run's own.
    paths, truth : tuple of Path
        Files of ensembles (none: the test part of the run's store), and of their truth.
    arguments : dict
        The attribute that says what was given beside the config.
    verify : bool
        See `postprocess`.
    digests : bool
        Whether all files are read for their digests at once, where one result is made of all.
    """

    config: Config
    name: OutputName
    model: Path | None
    paths: tuple[Path, ...]
    truth: tuple[Path, ...]
    arguments: dict[str, str]
    verify: bool
    digests: bool = True

    def for_workers(self) -> "Order":
        """Return the order for a worker process: it spreads, fits and describes nothing whole."""
        config = self.config.in_one_process()
        fitted = config.calibration if config.postprocess.method != "raw" else None
        return replace(self, config=config, model=self.model or fitted, digests=False)


@dataclass(eq=False)
class Run:
    """Inputs held and described, from which results are made one after the other.

    Attributes
    ----------
    order : Order
    calibration : Calibration
        Loaded with the first result that is not there.
    wanted : Products
    held : Inputs
    incoming : EnsembleInput
    history : History or None
        For the Schaake shuffle.
    count : int
        Members made.
    """

    order: Order
    calibration: Calibration
    wanted: Products
    held: Inputs
    incoming: EnsembleInput
    history: History | None
    count: int

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
        described = self.describe(path, self.select(starts))
        return not make_result(path, described, verify=self.order.verify, write=None)

    def make(self, path: Path, starts: Starts, step: console.Progress) -> bool:
        """Make one result, unless it is there; whether it was written.

        Raises
        ------
        SmoecastError
            See `postprocess`.
        """
        fields = self.select(starts)
        described = self.describe(path, fields)
        write = partial(self._write, path, fields, described, step, self._open_writer)
        return make_result(path, described, verify=self.order.verify, write=write)

    def select(self, starts: Starts) -> xr.DataArray:
        """Return the ensembles of some starts."""
        alone = self.order.name.is_pattern
        return self.incoming.fields.sel(init_time=starts) if alone else self.incoming.fields

    def describe(self, path: Path, fields: xr.DataArray) -> dict[str, Any]:
        """Return the attributes of one result of some ensembles, once its place can take it."""
        provenance.check_output(path)
        return self._describe_content(fields)

    def gather(self, step: console.Progress) -> xr.Dataset:
        """Return the result in memory, with the values, axes and attributes of its file.

        Raises
        ------
        SmoecastError
            See `postprocess`.
        """
        memory, fields = InMemory(), self.incoming.fields
        # in this thread: netCDF-C is not asked from several, and dask looks for no cluster
        with dask.config.set(scheduler="synchronous"):
            self._write(Path(), fields, self._describe_content(fields), step, memory.open)
        return memory.get()

    def _describe_content(self, fields: xr.DataArray) -> dict[str, Any]:
        config, calibration = self.order.config, self.calibration
        starts, alone = fields["init_time"].values, self.order.name.is_pattern
        with stage("input"):
            manifest = self.incoming.describe(starts) if alone else self.incoming.manifest
        paths = self.incoming.find_files(starts) if alone else list(self.order.paths)
        run_record.add_inputs(manifest, paths)
        hours, settings = self.incoming.lead_hours, config.postprocess
        made_from = describe(settings, calibration, hours, self.count) | {
            "starts": starts.astype(str).tolist(),
            "seed": config.seed,
        }
        described = attributes(config, "postprocess", calibration.sha256, manifest, made_from)
        described |= {"protocol": calibration.protocol}
        used = paths if alone else self.incoming.left_out
        described |= to_attribute(left_out_of_files(self.incoming.left_out, used))
        return with_lineage(described, fields.attrs, "calibrated") | self.order.arguments

    def apply(self, fields: xr.DataArray) -> "CalibratedBlocks":
        """Return the calibration applied to some starts, block by block."""
        # only what is to be computed needs PyTorch, which takes longer to load than all else here
        with stage("imports"):
            from smoecast.tasks.postprocess.apply import CalibratedBlocks  # noqa: PLC0415

        settings, hours = self.order.config.postprocess, self.incoming.lead_hours
        return CalibratedBlocks(
            self.calibration, fields, hours, self.wanted, self.count, settings.reordering,
            self.history, self.order.config.seed,
        )  # fmt: skip

    def _open_writer(self, *given: Any, **more: Any) -> AbstractContextManager[Append]:
        settings, is_calibrated = self.order.config.postprocess, self.calibration.method != "raw"
        writer = formats.writer_of(settings, members=self.count, calibrated=is_calibrated)
        return writer(*given, **more)

    def _write(
        self,
        path: Path,
        fields: xr.DataArray,
        described: dict[str, Any],
        step: console.Progress,
        open_writer: formats.Writer,
    ) -> None:
        calibrated = self.apply(fields)
        template = calibrated.template().assign_attrs(described)
        with self.held.tell_changes():
            with stage("input"):
                gaps = self.incoming.find_gaps(fields)
            with (
                open_writer(template, path, gaps, confirm=self.held.confirm) as append,
                calibrate_blocks(self, calibrated, step) as blocks,
            ):
                for block in blocks:
                    append(block)


@contextmanager
def open_run(
    order: Order,
    calibrations: Calibrations | None = None,
    given: tuple[str, xr.Dataset] | None = None,
) -> Iterator[Run]:
    """Open what is to be calibrated, and hold it until the block ends; fit first if need be.

    In the place of files a canonical dataset in memory may be `given`, with its name for messages.
    Raises as `postprocess`.
    """
    config, settings, model = order.config, order.config.postprocess, order.model
    wanted = products(settings.write)
    # a fitted calibration that meets files reads no store
    named = order.paths or given
    alone = model is not None and named and settings.reordering != "schaake"
    stores = [] if alone else [config.store, config.ensemble_store]
    whole = order.digests and not order.name.is_pattern
    with hold_inputs([*order.paths, *order.truth], stores, describe=whole) as held:
        if model is None and settings.method == "raw":
            calibration = raw_calibration(settings)
        else:
            if model is None:
                with store.open_store(config.ensemble_store) as ensembles:
                    place = place_of(ensembles)
                formats.check_calibrated(settings, settings.targets, wanted, place)
                with stage("fit"):
                    fit(config, held)
            calibration = (calibrations or Calibrations()).open(model or config.calibration)
        run_record.note(model_sha256=[calibration.sha256])
        check_events(wanted, calibration)
        with stage("input"):
            store_path = config.ensemble_store
            incoming = open_input(settings, calibration, store_path, order.paths, held, given)
        run_record.note(newest_analysis=iso(incoming.fields["init_time"].values[-1]))
        history = None
        if settings.reordering == "schaake" and wanted.members:
            past = raw.truth_of(settings, config.store, of_analyses(config.data))
            place = place_of(incoming.fields)
            history = earlier_truth(past, calibration.targets, incoming.lead_hours, place)
        came = incoming.fields.sizes["number"]
        count = settings.members or came
        if calibration.gives_members and count > came and history is None:
            raise ConfigError(
                f"{count} members cannot come of {came} by postprocess.method "
                f"{calibration.method}: lower postprocess.members, or take emos"
            )
        yield Run(order, calibration, wanted, held, incoming, history, count)
