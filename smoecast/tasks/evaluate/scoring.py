"""What is scored, opened: results, their truth, what they are compared with; scored by blocks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config.run import Config
from smoecast.data.raw import open_truth, truth_of
from smoecast.data.readings import of_analyses, of_ensembles
from smoecast.fields.grid import Grid, place_of, same_place
from smoecast.fields.regrid import regrid
from smoecast.fields.store.store import open_store
from smoecast.tasks.evaluate.accumulate import BlockSums, ResultSums
from smoecast.tasks.evaluate.reference import Reference, open_against, open_raw
from smoecast.tasks.evaluate.result_files import ResultFile, open_results
from smoecast.tasks.evaluate.score_ensemble import EnsembleScorer
from smoecast.tasks.evaluate.score_forecast import Baselines, ForecastScorer, fit_baselines
from smoecast.tasks.evaluate.truth import Truth, label_of
from smoecast.tasks.fan_out.per_worker import PerWorker
from smoecast.tasks.fan_out.spread import is_spread, spread

Shared = dict[tuple[int, ...], Baselines]
"""Baselines by the lead times that they were fitted for."""
Scorer = ForecastScorer | EnsembleScorer
"""Scores one result block by block of its starts."""
Block = tuple[int, NDArray[np.intp]]
"""Number of a result, and positions of some of its starts."""


@dataclass(frozen=True)
class Order:
    """What is to be scored; it can be pickled.

    Attributes
    ----------
    config : Config
    results : tuple of tuple of Path
        Files, or the metadata of stores, that are one result each.
    others : tuple of Path
        Files of the ensemble that calibrated ones are compared with; none: the run's raw one.
    protocol : str
        Of the calibrated ones.
    truth : tuple of Path
        Files of the truth of forecasts; none: the run's store.
    """

    config: Config
    results: tuple[tuple[Path, ...], ...]
    others: tuple[Path, ...]
    protocol: str
    truth: tuple[Path, ...] = ()


@dataclass(eq=False)
class Scoring:
    """What is scored, each part opened when it is asked for.

    Attributes
    ----------
    order : Order
    opened : dict
        Results by their numbers; of those opened later the last is kept.
    known : tuple of xr.DataArray and str, optional
        Truth ``(time, channel, latitude, longitude)`` in the place of the run's, and what it is.
    """

    order: Order
    opened: dict[int, ResultFile] = field(default_factory=dict)
    known: tuple[xr.DataArray, str] | None = None
    _scorers: dict[int, Scorer] = field(default_factory=dict)

    @cached_property
    def reference(self) -> Reference | None:
        """What ensembles are compared with.

        Raises
        ------
        InputError
            See `reference.open_against`.
        """
        config, protocol = self.order.config, self.order.protocol
        raw = open_raw(config.ensemble_store, config.evaluate.efi_window_days, protocol)
        if not self.order.others:
            return raw
        climates = raw.climates if raw else {}
        wanted, reading = config.postprocess.targets, of_ensembles(config.postprocess)
        return open_against(self.order.others, wanted, protocol, climates, reading)

    @cached_property
    def truth(self) -> Truth:
        """Of forecasts."""
        config, files, known = self.order.config, self.order.truth, self.known
        there = config.store.exists() or not (files or known)
        training = open_store(config.store) if there else None
        if known:
            return Truth(known[0], config.targets, known[1], config.store, training)
        if files or training is None:
            fields = open_truth(files, config.targets, of_analyses(config.data))
        else:
            fields = training["fields"]
        label = label_of(config.data, [str(path) for path in files])
        return Truth(fields, config.targets, label, config.store, training)

    def truth_for(self, one: ResultFile) -> Truth:
        """Return it on the grid of a forecast, brought there as the run's own analyses came."""
        here, there = place_of(self.truth.fields), place_of(one.fields)
        if not (self.order.truth or self.known) or same_place(here, there):
            return self.truth  # a store is on the grid that its run was given
        if not (isinstance(here, Grid) and isinstance(there, Grid)):
            return self.truth  # who scores it refuses it
        fields = regrid(self.truth.fields, there, self.order.config.data.regrid)
        return replace(self.truth, fields=fields)

    @cached_property
    def ensemble_truth(self) -> Truth:
        """Of ensembles."""
        config, known = self.order.config, self.known
        if known:
            return Truth(known[0], config.postprocess.targets, known[1], config.store)
        label = label_of(config.data, config.postprocess.truth)
        fields = truth_of(config.postprocess, config.store, of_analyses(config.data))
        return Truth(fields, config.postprocess.targets, label, config.store)

    def scorer(self, number: int) -> Scorer:
        """Return what scores a result; the last is kept.

        Raises
        ------
        InputError
            The result cannot be read, or there is no truth for it.
        """
        if number not in self._scorers:
            scored = self.opened.get(number) or self._open(number)
            how = (self.order.config.evaluate, self.order.config.seed)
            if scored.beside_raw:
                one: Scorer = EnsembleScorer(scored, self.ensemble_truth, *how, self.reference)
            else:
                one = ForecastScorer(scored, self.truth_for(scored), *how)
            self._scorers = {number: one}
        return self._scorers[number]

    def _open(self, number: int) -> ResultFile:
        (found,) = open_results(self.order.results[number]).values()
        return found

    def sum_block(self, block: Block, shared: Shared) -> BlockSums:
        """Score some starts of a result."""
        number, positions = block
        scorer = self.scorer(number)
        if isinstance(scorer, ForecastScorer):
            return scorer.sum_block(positions, shared[scorer.hours])
        return scorer.sum_block(positions)

    def score(self) -> list[ResultSums]:
        """Score every result, block by block, here or in other processes.

        Raises
        ------
        InputError
            See `ForecastScorer` and `EnsembleScorer`.
        """
        blocks: list[Block] = []
        shared: Shared = {}
        for number in range(len(self.order.results)):
            scorer = self.scorer(number)
            blocks += [(number, positions) for positions in scorer.cut()]
            if isinstance(scorer, ForecastScorer) and scorer.hours not in shared:
                names = self.order.config.evaluate.baselines
                shared[scorer.hours] = fit_baselines(self.truth, names, scorer.hours)
        compute, work = self.order.config.compute, self.sum_block
        if is_spread(compute, len(blocks)):
            work = partial(_sum_there, PerWorker(partial(open_scoring, self.order)))
        found = []
        with spread(work, blocks, compute, shared) as outcomes:
            pairs = zip(blocks, outcomes, strict=True)
            # in the order of the blocks: sums are the same however many processes there are
            for number, parts in groupby(pairs, key=lambda pair: pair[0][0]):
                total = BlockSums({}, {})
                for _, outcome in parts:
                    total += outcome.get()
                found.append(self.scorer(number).finish(total))
        return found


@contextmanager
def open_scoring(order: Order) -> Iterator[Scoring]:
    """Open what is scored, in a worker process."""
    yield Scoring(order)


def _sum_there(scoring: PerWorker[Scoring], block: Block, shared: Shared) -> BlockSums:
    """Score some starts in a worker process."""
    return scoring.get().sum_block(block, shared)
