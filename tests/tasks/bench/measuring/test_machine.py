"""What a measurement was made on."""

import json

import pytest

from smoecast.tasks.bench.measuring import machine


def test_all_of_it_is_there() -> None:
    told = json.loads(json.dumps(machine.describe(2)))
    assert told["processor"]
    assert told["threads"] == 2
    assert told["cores"] >= 1
    assert {"smoecast", "Python", "torch", "numpy"} <= told["versions"].keys()
    assert isinstance(machine.has_gpu(), bool)


def test_a_system_that_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise OSError

    monkeypatch.setattr(machine, "Path", lambda _: type("Absent", (), {"read_text": refuse}))
    assert machine.describe(1)["processor"]
