"""The process that is measured."""

from pathlib import Path

import torch

from smoecast.tasks.bench.measuring.case import Setting
from smoecast.tasks.bench.measuring.worker import SHORT, Among, do_among_others, find_device


def test_networks_are_seen_once_then_done_untimed_before_they_are_timed() -> None:
    calls, known = [], Among()

    def work(_: Path) -> None:
        calls.append(torch.zeros(1000, 1000).sum())

    first = do_among_others(work, known, Setting(Path()))
    assert first["seconds"] == 0
    assert 4e6 <= first["peak_bytes"] < 5e6
    second = do_among_others(work, known, Setting(Path()))
    assert second["seconds"] > 0
    assert second["peak_bytes"] == first["peak_bytes"]
    assert len(calls) == 3
    known.seconds = 2 * SHORT
    do_among_others(work, known, Setting(Path()))
    assert len(calls) == 4


def test_a_gpu_is_found_or_not(monkeypatch) -> None:
    assert find_device("cpu") == {"device": "cpu", "gpu": ""}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto")["device"] == "cpu"
    assert find_device("cuda")["device"] == ""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Abacus GPU")
    found = find_device("auto")
    assert found["device"] == "cuda"
    assert found["gpu"].startswith("Abacus GPU, CUDA")
