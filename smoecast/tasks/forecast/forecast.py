"""`smoecast forecast`: model and initial conditions to CF NetCDF, WeatherBench 2 or GRIB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast import console, run_record, zoo
from smoecast.config.forecast import Forecast
from smoecast.config.run import Compute, Config
from smoecast.data import time_selection
from smoecast.data.sources import files
from smoecast.data.unchanged import Inputs, hold_inputs
from smoecast.disk.locks import lock_output
from smoecast.fields.read.opened import OpenedFiles
from smoecast.fields.times import iso
from smoecast.run_record import stage
from smoecast.tasks import formats, provenance, retention
from smoecast.tasks.descriptions import read_description
from smoecast.tasks.fan_out.kept import Kept
from smoecast.tasks.forecast.ensemble import Ensemble, ensemble_of
from smoecast.tasks.forecast.initial_conditions import (
    Analyses,
    check_history,
    open_analyses,
    select_starts,
)
from smoecast.tasks.forecast.networks import Networks
from smoecast.tasks.forecast.pieces import Piece, predict_blocks
from smoecast.tasks.forecast.template import template
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.provenance import attributes, is_there, save_config
from smoecast.tasks.several import make_each, summarize

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

    def elsewhere(self) -> "Order":
        """Return the order for a worker process, which spreads nothing and describes no whole."""
        return replace(self, config=self.config.in_one_process(), digests=False)


def forecast(
    config: Config,
    *,
    models: Sequence[Path] = (),
    inputs: Sequence[str] = (),
    init_times: Sequence[str] = (),
    output: Path | None = None,
    verify: bool = False,
    oldest: np.datetime64 | None = None,
    keep: np.timedelta64 | None = None,
    catch_up: np.timedelta64 | None = None,
    networks: Networks | None = None,
    opened_files: OpenedFiles | None = None,
) -> dict[str, Any]:
    """Forecast from one or many starts, with one model or as an ensemble.

    Parameters
    ----------
    config : Config
        Its `forecast` section says what is written.
    models : sequence of Path
        Folders of models, each a member; none: `forecast.models`, or the run's own.
    inputs : sequence of str
        Analysis files, folders or globs; none: the run's store.
    init_times : sequence of str
        Override `forecast.init_times`.
    output : Path, optional
        Overrides `forecast.output`; a pattern such as ``fc_{init_time:%Y%m%d%H}.nc`` makes a file
        a start. Default: ``forecast.nc`` in the run's folder; in the format ``wb2``
        ``forecast.zarr``, in ``grib`` ``forecast.grib``.
    verify : bool
        Whether a result that is there is read wholly, not in samples, before it counts as made.
    oldest : datetime64, optional
        That the latest analysis may be, where the latest is asked for.
    keep : timedelta64, optional
        Results of the pattern, and records, that are so much older than the newest are removed
        when all is made.
    catch_up : timedelta64, optional
        The latest stands for all starts so much earlier that have their history, too.
    networks : Networks, optional
        Of earlier calls, which need not be opened again.
    opened_files : OpenedFiles, optional
        Likewise.

    Returns
    -------
    dict
        See `several.summarize`.

    Raises
    ------
    ConfigError
        The name of `output` is no name of a result, or belongs to another format, which may not
        hold such a forecast, or a split has no start.
    InputError
        Initial conditions are missing or damaged.
    NotPublishedError
        A start is later than the newest analysis, or this is older than `oldest`.
    ModelError
        A model does not fit the input or the other models, or cannot reach a lead time.
    LockedError
        Another run makes the same result.
    OutputError
        A file could not be written whole, what has its name is no result, or an input changed
        meanwhile; or of several files some could not be made, for whatever reason.
    """
    name = formats.name_output(config.place, "forecast", config.forecast, output)
    run_record.set_folder(name.folder)
    retention.check_keep(name, keep)
    if not name.is_pattern:
        provenance.check_output(Path(name.text), folder=config.forecast.format == "wb2")
    said = provenance.arguments(models=models, inputs=inputs, init_times=init_times, output=output)
    config = provenance.resolve_arguments(config, "forecast", models=models, init_times=init_times)
    folders = [zoo.locate(name) for name in config.forecast.models] or [config.model]
    paths = files.expand(inputs, "--input") if inputs else []
    order = Order(config, name, tuple(folders), tuple(paths), said, verify)
    with open_run(order, networks, opened_files) as run:
        wanted, ensemble = config.forecast, run.ensemble
        starts = select_starts(wanted, config.store, run.analyses.times, ensemble, oldest, catch_up)
        jobs = name.split(starts)
        with console.progress("forecasting", len(starts)) as step:
            written = make_each(jobs, run, step)
    if keep is not None:
        gone = retention.remove_results(name, keep) + retention.remove_records(name.folder, keep)
        retention.tell(gone, keep)
    more = [] if ensemble.single else [f"{len(ensemble.members)} members ({ensemble.words})"]
    targets, leads = ensemble.model.config.targets, ensemble.plan.lead_hours
    return summarize(name, jobs, written, targets, leads, more)


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
    def elsewhere(self) -> "Kept[Run]":
        """The same in a worker process."""
        return Kept(partial(open_run, self.order.elsewhere()))

    def find(self, path: Path, starts: Starts) -> bool:
        """Tell whether one result is there. Raises as `make` does."""
        return not self.make(path, starts, None)

    def make(self, path: Path, starts: Starts, step: console.Progress | None) -> bool:
        """Make one result, unless it is there; whether it was written.

        Parameters
        ----------
        path : Path
        starts : (I,) datetime64
        step : Progress or None
            None: write nothing, and say whether it is to be written.

        Raises
        ------
        SmoecastError
            See `forecast`.
        """
        wanted, config = self.order.config.forecast, self.order.config
        provenance.check_output(path, folder=wanted.format == "wb2")
        needed = check_history(starts, self.analyses.times, self.ensemble.history)
        alone = self.order.name.is_pattern  # a result of other files is another one
        with stage("input"):
            manifest = self.analyses.describe(needed) if alone else self.analyses.describe_all()
        paths = self.analyses.find_files(needed) if alone else list(self.analyses.files)
        run_record.add_inputs(manifest, paths)
        sha256, made_from = _describe(wanted, config.seed, self.ensemble, starts)
        described = attributes(config, "forecast", sha256, manifest, made_from)
        described |= {} if self.ensemble.single else {"ensemble": self.ensemble.words}
        described |= self.order.arguments
        with lock_output(path):
            written = not is_there(path, described, whole=self.order.verify)
            if written and step is None:
                return True
            if written and step is not None:
                with stage("input"):
                    self.analyses.check_finite(needed)
                with stage("write"):
                    self._write(path, starts, described, step)
            save_config(path, described if written else None)
            run_record.add_output(path, made=written)
        return written

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
        self, path: Path, starts: Starts, described: dict[str, Any], step: console.Progress
    ) -> None:
        whole = template(self.ensemble, starts).assign_attrs(described)
        open_writer = formats.writer_of(self.order.config.forecast)
        with (
            open_writer(whole, path, confirm=self.held.confirm) as append,
            predict_blocks(self, starts, step) as blocks,
        ):
            for block in blocks:
                append(block)


@contextmanager
def open_run(
    order: Order, networks: Networks | None = None, opened_files: OpenedFiles | None = None
) -> Iterator[Run]:
    """Open what is to be forecast from, and hold it until the block ends.

    Raises
    ------
    SmoecastError
        See `forecast`.
    """
    config, wanted = order.config, order.config.forecast
    with stage("model"):
        described = [read_description(folder) for folder in order.models]
        ensemble = ensemble_of(wanted, config.seed, described)
    run_record.note(model_sha256=[model.identity for model in described])
    split = set(wanted.init_times) & set(time_selection.PARTS)
    stores = [config.store] if split or not order.paths else []
    whole = order.digests and not order.name.is_pattern
    with hold_inputs(order.paths, stores, describe=whole) as held:
        with stage("input"):
            model, paths = ensemble.model, order.paths
            analyses = open_analyses(model, config.store, paths, held, opened_files)
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
