"""Pictures of a run's files."""

import json
from pathlib import Path

import pytest

from smoecast.errors import InputError
from smoecast.tasks.plot import pictures
from smoecast.tasks.plot.records import Results

EPOCH = {"epoch": 1, "train_loss": 1.0, "validation_loss": 2.0}
PLACE = {"region": "global", "season": "year", "lead_hours": 24}


@pytest.mark.parametrize("content", ["", "half a", '{"epoch": 1}', "[1]", "[" * 100_000])
def test_a_damaged_history_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match="the history is damaged, or has no epoch: train again"):
        list(pictures.training(path, simulated=False))


def test_the_planet_is_stamped(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps(EPOCH))
    for simulated in (True, False):
        ((_, figure),) = pictures.training(path, simulated)
        assert ("SIMULATED PLANET" in str(figure._supxlabel)) is simulated


def test_ranks_say_source_and_number_of_cases() -> None:
    curve = {**PLACE, "kind": "rank", "forecast": "raw", "channel": "t2m", "share": 0.5}
    score = {**PLACE, "forecast": "raw", "channel": "t2m", "starts": 12}
    results = Results([score], [], [curve, curve], "run", False)
    ((name, figure),) = pictures.ranks(results)
    assert name == "t2m_24h"
    assert figure.axes[0].get_title() == "raw, ranks, global\n12 starts"


def test_reliability_knows_how_often_the_event_came() -> None:
    curve = {**PLACE, "kind": "reliability", "event": "t2m>280", "forecast": "raw", "share": 1.0}
    curve |= {"probability": 0.3, "frequency": 0.4}
    event = {**PLACE, "event": "t2m>280", "forecast": "raw", "event_rate": 0.25, "starts": 3}
    ((name, figure),) = pictures.reliability(Results([], [event], [curve], "run", False))
    assert name == "t2m_above_280_24h"
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines["climatology"].get_ydata()) == [0.25, 0.25]
    assert "raw, 3 starts" in lines
