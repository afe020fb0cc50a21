"""Scores of calibrated ensembles, beside the raw one: CRPS, ranks, PIT, events, extremes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config.evaluate import Evaluate
from smoecast.config.postprocess import ENS10_PAPER
from smoecast.events import Event
from smoecast.events import event as read_event
from smoecast.fields import channels
from smoecast.fields.grid import place_of
from smoecast.fields.read.results import moments_of, probabilities_of
from smoecast.scores import reliability
from smoecast.scores.ensemble import pit_gaussian, ranks
from smoecast.scores.extremes import eecrps
from smoecast.scores.histograms import PIT_BINS, pit_places
from smoecast.scores.pointwise import Values
from smoecast.scores.statistics import ensemble_statistics, normal_statistics
from smoecast.tasks.evaluate.accumulate import (
    BlockSums,
    Case,
    ResultSums,
    finish,
    sum_cases,
    weigh_regions,
)
from smoecast.tasks.evaluate.reference import AGAINST, Reference, group_starts
from smoecast.tasks.evaluate.result_files import ResultFile
from smoecast.tasks.evaluate.truth import (
    Fields,
    Truth,
    cut,
    fields_at,
    generator,
    present,
    take,
    with_truth,
)

NORMAL = "normal"
"""Beside the name of a result: the distribution of its mean and spread."""


class EnsembleScorer:
    """CRPS, spread, error of the mean and more of a calibrated ensemble, and of its reference.

    CRPS is that of the members as they are (not the fair one).

    Parameters
    ----------
    scored : ResultFile
        The ensemble.
    truth : Truth
        Of ensembles.
    asked : Evaluate
        Names regions and events.
    seed : int
        Breaks ties among the ranks of members.
    reference : Reference or None
        What it is compared with: the run's raw ensemble counts only where it has all of the
        starts and lead times, of another those in common are scored.

    Attributes
    ----------
    result : xr.Dataset
        Its starts that have their truth.

    Raises
    ------
    InputError
        There is no truth for it, on its grid and at its times, or nothing in common with the
        `reference`; or a region has no point.
    """

    def __init__(
        self,
        scored: ResultFile,
        truth: Truth,
        asked: Evaluate,
        seed: int,
        reference: Reference | None,
    ) -> None:
        self.scored, self.truth, self.seed = scored, truth, seed
        self.targets = present(truth.channels, scored.fields, scored.source)
        fields = scored.fields
        if reference is not None and reference.name == AGAINST:
            fields = reference.restrict(fields, scored.source)
        self.result = with_truth(fields, truth.fields, scored.source)
        covers = reference is not None and reference.covers(self.result)
        self.reference = reference if covers else None
        events = [read_event(text) for text in asked.events]
        events += [e for t in truth.channels for e in probabilities_of(scored.fields, t)]
        self.events = list(dict.fromkeys(events))
        plain = scored.protocol == ENS10_PAPER
        self.normal = asked.normal or plain
        self.weighed = weigh_regions(asked, truth.store, place_of(self.result), plain)

    @property
    def own(self) -> tuple[str, str]:
        """What the result is called: its members, or all it has, and its normal distribution."""
        return self.scored.name, f"{self.scored.name} {NORMAL}"

    def cut(self) -> list[NDArray[np.intp]]:
        """Return the positions of starts that are scored together: those of one climate."""
        climates = list(self.reference.climates.values()) if self.reference else []
        return cut(self.result, group_starts(self.result["init_time"].values, climates))

    def sum_block(self, positions: NDArray[np.intp]) -> BlockSums:
        """Score some starts."""
        cases = self._cases(*take(self.result, positions))
        return sum_cases(cases, self.weighed[1], self.result.sizes["init_time"])

    def finish(self, total: BlockSums) -> ResultSums:
        """Return the sums of the result from those of all its blocks."""
        return finish(
            self.result,
            total,
            self.weighed,
            own=self.own,
            truth=self.truth.label,
            protocol=self.scored.protocol,
            reference=self.reference.name if self.reference else "",
        )

    def _cases(self, block: xr.Dataset, valid: NDArray[np.datetime64]) -> Iterator[Case]:
        """Yield what the reference and the result have."""
        starts, reference = block["init_time"].values, self.reference
        rng = generator(self.seed, starts)
        for target in self.targets:
            true = fields_at(self.truth.fields, target, valid)
            extremes: dict[str, Values] = {}
            if reference is not None and target in reference.fields["channel"].values:
                members = reference.members(block, target)
                extremes = reference.extremes(block, target, members)
                sizes = {"efi_abs": np.abs(extremes["efi"])} if extremes else {}
                raw = (starts, target, reference.name, members, true, self.events, rng)
                yield _weigh(score_members(*raw), extremes, extremes | sizes)
            for case in self._own(block, target, true, rng):
                yield _weigh(case, extremes, {})

    def _own(
        self, block: xr.Dataset, target: str, true: Fields, rng: np.random.Generator
    ) -> Iterator[Case]:
        starts, (name, normal) = block["init_time"].values, self.own
        written = {
            str(e): (f.values.astype(np.float64), reliability.outcome(true, e.threshold, e.above))
            for e, f in probabilities_of(block, target).items()
        }
        moments = moments_of(block, target)
        has_members = channels.has_field(block, target)
        if has_members:
            members = channels.field(block, target, self.scored.source).values
            case = score_members(starts, target, name, members, true, self.events, rng)
            yield replace(case, chances={**case.chances, **written})
        if moments is not None and (self.normal or not has_members):
            mean, std = (field.values for field in moments)
            places = ("pit", PIT_BINS, pit_places(pit_gaussian(true, mean, std)))
            chance = partial(reliability.normal_probability, mean, std)
            chances = _chances(self.events, target, true, chance)
            statistics = normal_statistics(mean, std, true)
            called = normal if has_members else name
            yield Case(starts, target, called, statistics, places, {**chances, **written})
        elif written and not has_members:
            yield Case(starts, target, name, {}, None, written)


def score_members(
    starts: NDArray[np.datetime64],
    channel: str,
    name: str,
    members: Fields,
    true: Fields,
    events: Sequence[Event],
    rng: np.random.Generator,
) -> Case:
    """Return what an ensemble of a channel, (I, L, M, H, W), has at a block of starts."""
    places = ("rank", members.shape[2] + 1, ranks(true, members, 2, rng))
    chance = partial(reliability.member_probability, members, axis=2)
    chances = _chances(events, channel, true, chance)
    return Case(starts, channel, name, ensemble_statistics(members, true), places, chances)


def _chances(
    events: Sequence[Event], channel: str, true: Fields, chance: Callable[[float, bool], Values]
) -> dict[str, tuple[Values, Values]]:
    """Return the probability of each event of a channel, and whether it came."""
    return {
        str(e): (chance(e.threshold, e.above), reliability.outcome(true, e.threshold, e.above))
        for e in events
        if e.channel == channel
    }


def _weigh(case: Case, extremes: Mapping[str, Values], more: Mapping[str, Values]) -> Case:
    """Add `more`, and the CRPS weighted by each EFI of the raw ensemble."""
    if "crps" not in case.statistics:
        return case
    crps = case.statistics["crps"]
    found = {
        f"eecrps{name.removeprefix('efi')}": eecrps(index, crps)
        for name, index in extremes.items()
        if name in ("efi", "efi_ens10")
    }
    return replace(case, statistics={**case.statistics, **more, **found})
