"""What a page lacks, and the command that makes it."""

from collections.abc import Callable, Sequence
from typing import Any

from smoecast.tasks.report.experts import Routing
from smoecast.tasks.report.score_tables import Scored
from smoecast.tasks.report.subjects import Subject

Sentence = tuple[str, str, str]
"""What stands before the command, the command, and what stands after it; it may have none."""


def name_absent(
    subjects: Sequence[Subject], scored: Scored, routings: Sequence[Routing], published: bool
) -> dict[str, list[Sentence]]:
    """Return by part of the page what is missing of which run.

    Parameters
    ----------
    subjects : sequence of Subject
    scored : sequence of (Subject, Results)
        Those that have scores.
    routings : sequence of Routing
        Of models that were opened.
    published : bool
        Whether published scores are shown.
    """
    results = {subject.label: found for subject, found in scored}
    layers = {routing.subject.label for routing in routings if routing.layers}
    ensembles = [s for s in subjects if s.calibrated is not None or s.calibration is not None]

    def curves(subject: Subject, kinds: Sequence[str]) -> bool:
        found = results.get(subject.label)
        return found is not None and any(r["kind"] in kinds for r in found.curves)

    def tell(
        asked: Sequence[Subject], has: Callable[[Subject], Any], what: str, command: str
    ) -> list[Sentence]:
        return [_tell(s, what, command) for s in asked if not has(s)]

    calibration = [] if ensembles else [_tell(s, "calibration", "postprocess") for s in subjects]
    calibration += tell(ensembles, lambda s: curves(s, ("rank", "pit")), "ranks", "evaluate")
    event = "evaluate --event 't2m>273.15'"
    calibration += tell(
        ensembles, lambda s: curves(s, ("reliability",)), "reliability of an event", event
    )
    maps = tell(subjects, lambda s: s.forecast or s.calibrated, "maps of forecasts", "forecast")
    known = [s for s in subjects if s.is_run and (s.forecast or s.calibrated)]
    maps += tell(known, lambda s: s.store, "truth beside its maps", "preprocess")
    routing = [
        _tell(s, "routing", "train")
        if s.model is None
        else (f"{s.label} has no layer whose experts have places on a map.", "", "")
        for s in subjects
        if s.label not in layers
    ]
    real = [s for s in subjects if s.is_run and s.scores is not None and not s.is_simulated]
    return {
        "scores": tell(subjects, lambda s: s.label in results, "scores", "evaluate"),
        "maps": maps,
        "routing": routing,
        "calibration": calibration,
        "published": []
        if published
        else [
            _tell(s, "published scores beside its own", "evaluate --against weatherbench")
            for s in real
        ],
    }


def _tell(subject: Subject, what: str, command: str) -> Sentence:
    verb, _, more = command.partition(" ")
    if not subject.is_run:
        return f"{subject.label} is a model without a run: it has no {what} here.", "", ""
    typed = " ".join(word for word in ("smoecast", verb, subject.argument, more) if word)
    return f"{subject.label} has no {what}:", typed, " makes it."
