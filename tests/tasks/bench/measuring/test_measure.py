"""Ways of a task in processes that wait for their turn."""

from dataclasses import replace
from pathlib import Path

import made_case
import pytest

from smoecast.tasks.bench.measuring.case import OURS, Setting
from smoecast.tasks.bench.measuring.measure import WorkerError, ask, measure


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    monkeypatch.setenv("PYTHONPATH", str(Path(made_case.__file__).parent), prepend=":")
    monkeypatch.setenv("PATH", "")
    return Setting(tmp_path)


def measure_task(name: str, setting: Setting) -> dict:
    task = made_case.CASE.tasks(setting)[name]
    return measure("made_case", name, task, setting, rounds=2)


def test_every_peer_is_measured_or_says_why_not(setting: Setting) -> None:
    ask("make data", setting, module="made_case")
    found = measure_task("reading", setting)
    ways = found["ways"]
    assert len(ways[OURS]["seconds"]) == 2
    assert ways[OURS]["smallest"] <= ways[OURS]["median"] <= ways[OURS]["largest"]
    assert ways[OURS]["peak_mib"] > 1
    assert ways["absent"] == {"not_measured": "cdo is not installed"}
    assert ways["broken"] == {"not_measured": "it failed: ValueError: no such luck"}
    assert ways["gone"] == {"not_measured": "it failed: it ended with 3"}
    assert [(pair["ours"], pair["peer"]) for pair in found["pairs"]] == [
        (OURS, peer) for peer in made_case.PEERS
    ]
    assert found["pairs"][2]["not_measured"] == "cdo is not installed"
    assert [path.name for path in setting.folder.iterdir()] == ["number"]


def test_a_part_of_a_task_is_scaled_to_all_of_it(setting: Setting) -> None:
    ask("make data", setting, module="made_case")
    ways = measure_task("reading", setting)["ways"]
    assert ways["tenth"]["median"] > ways["peer"]["median"]


def test_a_peer_that_fails_leaves_its_process_to_the_others(setting: Setting) -> None:
    ask("make data", setting, module="made_case")
    ways = measure_task("together", setting)["ways"]
    assert ways["full"] == {"not_measured": "it failed: RuntimeError: out of memory"}
    assert len(ways["peer"]["seconds"]) == len(ways[OURS]["seconds"]) == 2


@pytest.mark.parametrize("threads", [0, 2])
def test_every_process_has_its_threads(
    setting: Setting, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    asked = replace(setting, threads=threads)
    ask("make data", asked, module="made_case")
    ways = measure_task("threads", asked)["ways"]
    assert all("seconds" in way for way in ways.values())


@pytest.mark.parametrize(
    ("name", "words"), [("failing", "ValueError: no such luck"), ("ending", "it ended with 3")]
)
def test_smoecast_must_not_fail(setting: Setting, name: str, words: str) -> None:
    with pytest.raises(WorkerError, match=f"^{name}: smoecast failed: {words}$"):
        measure_task(name, setting)
