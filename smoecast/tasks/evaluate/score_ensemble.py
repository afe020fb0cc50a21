"""Scores of calibrated ensembles, beside the raw one: CRPS, ranks, PIT, events, extremes."""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config.run import Config
from smoecast.data import raw
from smoecast.events import Event
from smoecast.events import event as read_event
from smoecast.fields import channels, times
from smoecast.fields.read.results import moments_of, probabilities_of
from smoecast.scores import reliability
from smoecast.scores.ensemble import pit_gaussian, ranks
from smoecast.scores.extremes import eecrps
from smoecast.scores.histograms import PIT_BINS, pit_places
from smoecast.scores.pointwise import Values
from smoecast.scores.statistics import ensemble_statistics, normal_statistics
from smoecast.tasks.evaluate import truth as evaluate_truth
from smoecast.tasks.evaluate.accumulate import PLAIN, Case, Collected, Key, accumulate
from smoecast.tasks.evaluate.reference import Reference, groups_of, in_common, raw_reference
from smoecast.tasks.evaluate.result_files import ResultFile
from smoecast.tasks.evaluate.truth import Fields, fields_at

NORMAL = "normal"
"""Beside the name of a result: the distribution of its mean and spread."""

Chances = Mapping[str, tuple[Values, Values]]
"""Event in words to its probability and whether it came."""


def collect_ensembles(config: Config, scored: ResultFile, against: Reference | None) -> Collected:
    """Sum up CRPS, spread, error of the mean and more, with the raw ensemble's.

    CRPS is that of the members as they are (not the fair one).

    Parameters
    ----------
    config : Config
        The run.
    scored : Scored
        What is judged.
    against : Reference, optional
        Of ``--against``; none: the run's raw ensemble, where it has one.

    Raises
    ------
    InputError
        There is no truth for it, on its grid and at its times, or nothing in common with
        `against`.
    """
    source = scored.source
    targets = evaluate_truth.present(config.postprocess.targets, scored.fields, source)
    truth = raw.truth_of(config.postprocess, config.store)
    result = evaluate_truth.with_truth(in_common(scored.fields, against, source), truth, source)
    reference = against or raw_reference(config, result, scored.protocol)
    scorer = _Scorer(config, scored, reference)

    def cases(block: xr.Dataset, valid: NDArray[np.datetime64]) -> Iterator[Case]:
        for target in targets:
            yield from scorer.cases(block, target, fields_at(truth, target, valid))

    starts = result["init_time"].values
    collected = Collected(
        own=scorer.own,
        truth=evaluate_truth.label_of(config, True),
        protocol=scored.protocol,
        reference=reference.name if reference else "",
        starts=starts,
        lead_hours=times.as_hours(result["lead_time"].values),
        regions=[],
    )
    climates = list(reference.climates.values()) if reference else []
    return accumulate(config, collected, result, cases, groups_of(starts, climates))


class _Scorer:
    """Makes the cases of a calibrated result and of its reference.

    Parameters
    ----------
    config, scored
        As `collect_ensembles` has them.
    reference : Reference or None
        What it is compared with.
    """

    def __init__(self, config: Config, scored: ResultFile, reference: Reference | None) -> None:
        self.config, self.source, self.reference = config, scored.source, reference
        self.own = (scored.name, f"{scored.name} {NORMAL}")
        self.normal = config.evaluate.normal or scored.protocol == PLAIN
        self.rng = np.random.default_rng(config.seed)
        asked = [read_event(text) for text in config.evaluate.events]
        targets = config.postprocess.targets
        there = [e for target in targets for e in probabilities_of(scored.fields, target)]
        self.events = list(dict.fromkeys([*asked, *there]))

    def cases(self, block: xr.Dataset, target: str, true: Fields) -> Iterator[Case]:
        """Yield what the reference and the result have at a block of starts."""
        extremes: dict[str, Values] = {}
        if self.reference is not None and target in self.reference.fields["channel"].values:
            members = self.reference.members(block, target)
            extremes = self.reference.extremes(block, target, members)
            own = extremes | {"efi_abs": np.abs(extremes["efi"])} if extremes else {}
            case = self._members((target, self.reference.name), members, true, {})
            yield _extend(case, own | _weigh_by_extremes(case, extremes))
        for case in self._own(block, target, true):
            yield _extend(case, _weigh_by_extremes(case, extremes))

    def _own(self, block: xr.Dataset, target: str, true: Fields) -> Iterator[Case]:
        written = {
            str(e): (f.values.astype(np.float64), reliability.outcome(true, e.threshold, e.above))
            for e, f in probabilities_of(block, target).items()
        }
        moments = moments_of(block, target)
        has_members = channels.has_field(block, target)
        if has_members:
            members = channels.field(block, target, self.source).values
            yield self._members((target, self.own[0]), members, true, written)
        if moments is not None and (self.normal or not has_members):
            mean, std = (field.values for field in moments)
            key = (target, self.own[1] if has_members else self.own[0])
            yield self._normal(key, mean, std, true, written)
        elif written and not has_members:
            yield Case((target, self.own[0]), {}, None, written)

    def _members(self, key: Key, members: Fields, true: Fields, written: Chances) -> Case:
        places = ("rank", members.shape[2] + 1, ranks(true, members, 2, self.rng))
        chances = events_of_members(self.events, key[0], members, true)
        return Case(key, ensemble_statistics(members, true), places, {**chances, **written})

    def _normal(self, key: Key, mean: Fields, std: Fields, true: Fields, written: Chances) -> Case:
        places = ("pit", PIT_BINS, pit_places(pit_gaussian(true, mean, std)))
        chances = {
            str(e): (
                reliability.normal_probability(mean, std, e.threshold, e.above),
                reliability.outcome(true, e.threshold, e.above),
            )
            for e in self.events
            if e.channel == key[0]
        }
        return Case(key, normal_statistics(mean, std, true), places, {**chances, **written})


def events_of_members(
    events: list[Event], channel: str, members: Fields, true: Fields
) -> dict[str, tuple[Values, Values]]:
    """Return the share of members beyond the thresholds of a channel, and whether the truth is."""
    return {
        str(e): (
            reliability.member_probability(members, e.threshold, e.above, axis=2),
            reliability.outcome(true, e.threshold, e.above),
        )
        for e in events
        if e.channel == channel
    }


def _weigh_by_extremes(case: Case, extremes: Mapping[str, Values]) -> dict[str, Values]:
    """Return the CRPS weighted by each EFI of the raw ensemble."""
    if "crps" not in case.statistics:
        return {}
    return {
        f"eecrps{name.removeprefix('efi')}": eecrps(index, case.statistics["crps"])
        for name, index in extremes.items()
        if name in ("efi", "efi_ens10")
    }


def _extend(case: Case, more: Mapping[str, Values]) -> Case:
    return Case(case.key, {**case.statistics, **more}, case.places, case.events)
