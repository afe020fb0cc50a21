"""What a person sees of a measurement."""

import pytest
from made_measurement import MACHINE, SUMMARY

from smoecast.tasks.bench.measuring.tables import say, show


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a pipe, whatever a test before this one left."""
    monkeypatch.delenv("COLUMNS", raising=False)


def test_a_row_for_each_peer() -> None:
    first, _, *lines = show(SUMMARY).splitlines()
    assert first == (
        "Abacus 3, Linux x86_64, 2 cores, 1 thread, load 0.5; smoecast 1.0, Python 3.11.7, curl 8.0"
    )
    assert " ".join(lines[2].split()) == "download: one file curl 500 ms 1 s 0.50 0.40 0.75 2.00"
    assert "not measured: cdo is not installed" in lines[3]
    assert lines[4].startswith("download: one file, idle")
    assert lines[4].endswith("-")


def test_markdown_and_warning() -> None:
    gpu = {**MACHINE, "gpu": "Abacus GPU", "threads": 2}
    text = show({**SUMMARY, "quick": True, "machine": gpu}, markdown=True)
    assert "2 threads, load 0.5, Abacus GPU in float32;" in text
    assert "default threads" in show({**SUMMARY, "machine": {**MACHINE, "threads": 0}})
    assert "the ratios mean nothing" in text
    assert "| download: one file | curl | 500 ms | 1 s | 0.50 | 0.40 | 0.75 | 2.00 |" in text
    assert "| --- | --- |" in text


def test_times_have_three_digits() -> None:
    assert [say(x) for x in (0.00123, 0.5, 12.345, 123.4)] == [
        "1.23 ms",
        "500 ms",
        "12.3 s",
        "123 s",
    ]
