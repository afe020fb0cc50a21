"""All that a page shows, gathered from the files of its runs and models."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from smoecast import zoo
from smoecast.tasks.evaluate.published import MARKS
from smoecast.tasks.plot.cartography import coast
from smoecast.tasks.plot.records import Results, read_results
from smoecast.tasks.report import calibration_charts, charts, facts
from smoecast.tasks.report.absent import name_absent
from smoecast.tasks.report.experts import draw_routing
from smoecast.tasks.report.maps import make_albums
from smoecast.tasks.report.published import compare_with_published
from smoecast.tasks.report.score_tables import find_differences, make_tables
from smoecast.tasks.report.sources import list_sources, number_of_scores
from smoecast.tasks.report.subjects import Subject

PARTS = {
    "runs": "Runs",
    "scores": "Scores",
    "curves": "Lead time",
    "maps": "Maps",
    "routing": "Routing",
    "calibration": "Calibration",
    "training": "Training",
    "published": "Published",
    "sources": "Sources",
}


def collect(subjects: Sequence[Subject]) -> dict[str, Any]:
    """Return what `page.html` shows of runs and models.

    Raises
    ------
    InputError, ModelError
        A file of theirs is damaged.
    LockedError
        A store is being replaced.
    """
    scored = [(s, _read_scores(s)) for s in subjects if s.scores is not None]
    scored = [(s, results) for s, results in scored if results.scores or results.events]
    sources = list_sources(subjects)
    numbers = number_of_scores(sources)
    routings = draw_routing(subjects)
    published, comparable = compare_with_published(scored, numbers)
    cards = [(s.label, facts.render_card(s)) for s in subjects]
    content: dict[str, Any] = {
        "title": _title(subjects),
        "labels": [s.label for s in subjects],
        "facts": facts.list_facts(subjects, {r.subject.label: r.parameters for r in routings}),
        "cards": [(label, card) for label, card in cards if card],
        "tables": make_tables(scored, numbers),
        "differences": list(find_differences(scored)) if len(scored) > 1 else [],
        "bootstrap": _say_bootstrap(scored),
        "curves": charts.draw_curves(scored),
        "albums": make_albums(subjects),
        "routings": [r for r in routings if r.layers],
        "ranks": calibration_charts.draw_ranks(scored),
        "reliabilities": calibration_charts.draw_reliability(scored),
        "trainings": calibration_charts.draw_training(subjects),
        "published": published,
        "comparable": comparable,
        "published_marks": MARKS,
        "sources": sources,
        "absent": name_absent(subjects, scored, routings, published is not None),
        "simulated": _say_simulated(subjects, scored),
        "credit": "" if all(s.is_simulated for s in subjects) else coast.CREDIT,
    }
    content["regions"] = list(dict.fromkeys(chart.region for chart in content["curves"]))
    content["scores_drawn"] = list(dict.fromkeys(chart.score for chart in content["curves"]))
    there = {
        "curves": content["curves"],
        "training": content["trainings"],
        "published": published or content["absent"]["published"],
    }
    content["parts"] = [(id_, name) for id_, name in PARTS.items() if there.get(id_, True)]
    return content


def _read_scores(subject: Subject) -> Results:
    """Return the scores of a run, each with the truth that the file names."""
    assert subject.scores is not None
    said = zoo.scores(subject.scores.parent)
    results = read_results(subject.scores)
    truth = str(said.get("truth") or said.get("data") or "not recorded")
    # published scores name no region where they are of the whole grid
    records = [{"truth": truth, "region": "global", **r} for r in results.scores]
    return replace(results, scores=records, simulated=results.simulated or subject.is_simulated)


def _title(subjects: Sequence[Subject]) -> str:
    labels = [s.label for s in subjects]
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"


def _say_bootstrap(scored: Sequence[tuple[Subject, Results]]) -> str:
    said = [zoo.scores(s.folder).get("bootstrap") for s, _ in scored]
    return "; ".join(dict.fromkeys(str(words) for words in said if isinstance(words, str)))


def _say_simulated(subjects: Sequence[Subject], scored: Sequence[tuple[Subject, Results]]) -> str:
    """Return which runs are of the simulated planet; empty where none is."""
    labels = [s.label for s in subjects if s.is_simulated]
    labels += [s.label for s, results in scored if results.simulated]
    labels = list(dict.fromkeys(labels))
    if not labels:
        return ""
    if len(labels) == len(subjects):
        return "All on this page is of a made-up planet and says nothing about the Earth's weather."
    return (
        f"{', '.join(labels)}: of a made-up planet, which says nothing about the Earth's weather."
    )
