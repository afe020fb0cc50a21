"""Scores of calibrated ensembles, beside the raw one: CRPS, ranks, PIT, events, extremes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config.evaluate import Evaluate
from smoecast.config.postprocess import ENS10_PAPER
from smoecast.events import Event
from smoecast.events import event as read_event
from smoecast.fields import channels
from smoecast.fields.read.results import moments_of, probabilities_of
from smoecast.scores import reliability
from smoecast.scores.ensemble import pit_gaussian, ranks
from smoecast.scores.extremes import eecrps
from smoecast.scores.histograms import PIT_BINS, pit_places
from smoecast.scores.pointwise import Values
from smoecast.scores.statistics import ensemble_statistics, normal_statistics
from smoecast.tasks.evaluate.accumulate import Case, ResultSums, accumulate
from smoecast.tasks.evaluate.reference import AGAINST, Reference, group_starts
from smoecast.tasks.evaluate.result_files import ResultFile
from smoecast.tasks.evaluate.truth import Fields, Truth, blocks, fields_at, present, with_truth

NORMAL = "normal"
"""Beside the name of a result: the distribution of its mean and spread."""


def score_ensemble(
    scored: ResultFile, truth: Truth, asked: Evaluate, seed: int, reference: Reference | None
) -> ResultSums:
    """Sum up CRPS, spread, error of the mean and more of a calibrated ensemble.

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

    Raises
    ------
    InputError
        There is no truth for it, on its grid and at its times, or nothing in common with the
        `reference`.
    """
    targets = present(truth.channels, scored.fields, scored.source)
    fields = scored.fields
    if reference is not None and reference.name == AGAINST:
        fields = reference.restrict(fields, scored.source)
    result = with_truth(fields, truth.fields, scored.source)
    if reference is not None and not reference.covers(result):
        reference = None
    events = [read_event(text) for text in asked.events]
    events += [e for target in truth.channels for e in probabilities_of(scored.fields, target)]
    normal = asked.normal or scored.protocol == ENS10_PAPER
    scorer = _Scorer(scored, list(dict.fromkeys(events)), normal, np.random.default_rng(seed))
    return accumulate(
        result,
        scorer.cases(result, targets, truth.fields, reference),
        truth,
        asked,
        own=scorer.own,
        protocol=scored.protocol,
        reference=reference.name if reference else "",
    )


@dataclass(frozen=True, eq=False)
class _Scorer:
    """Makes the cases of a calibrated result and of its reference.

    Attributes
    ----------
    scored : ResultFile
    events : list of Event
        Of any channel.
    normal : bool
        Whether mean and spread are scored where there are members too.
    rng : numpy.random.Generator
    """

    scored: ResultFile
    events: list[Event]
    normal: bool
    rng: np.random.Generator

    @property
    def own(self) -> tuple[str, str]:
        """What the result is called: its members, or all it has, and its normal distribution."""
        return self.scored.name, f"{self.scored.name} {NORMAL}"

    def cases(
        self,
        result: xr.Dataset,
        targets: Sequence[str],
        truth: xr.DataArray,
        reference: Reference | None,
    ) -> Iterator[Case]:
        """Yield what the reference and the result have, block by block."""
        climates = list(reference.climates.values()) if reference else []
        groups = group_starts(result["init_time"].values, climates)
        for block, valid in blocks(result, groups):
            starts = block["init_time"].values
            for target in targets:
                true = fields_at(truth, target, valid)
                extremes: dict[str, Values] = {}
                if reference is not None and target in reference.fields["channel"].values:
                    members = reference.members(block, target)
                    extremes = reference.extremes(block, target, members)
                    sizes = {"efi_abs": np.abs(extremes["efi"])} if extremes else {}
                    raw = (starts, target, reference.name, members, true, self.events, self.rng)
                    yield _weigh(score_members(*raw), extremes, extremes | sizes)
                for case in self._own(block, target, true):
                    yield _weigh(case, extremes, {})

    def _own(self, block: xr.Dataset, target: str, true: Fields) -> Iterator[Case]:
        starts, (name, normal) = block["init_time"].values, self.own
        written = {
            str(e): (f.values.astype(np.float64), reliability.outcome(true, e.threshold, e.above))
            for e, f in probabilities_of(block, target).items()
        }
        moments = moments_of(block, target)
        has_members = channels.has_field(block, target)
        if has_members:
            members = channels.field(block, target, self.scored.source).values
            case = score_members(starts, target, name, members, true, self.events, self.rng)
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
