"""Metrics for Prometheus, read by a parser that is as strict as its text format."""

import re
from pathlib import Path
from typing import Any

import pytest

from smoecast import console
from smoecast.cli import metrics

RECORD: dict[str, Any] = {
    "verb": "forecast",
    "run": "small",
    "end": "2026-11-28T21:00:00.500Z",
    "exit_code": 0,
    "peak_memory_bytes": 100,
    "peak_memory_bytes_of_a_child": 200,
    "stages": {"imports": {"seconds": 1.25}, "network": {"seconds": 0.5}},
    "notes": {},
}
END = 1795899600.5
FAILED = {**RECORD, "end": "2026-11-28T22:00:00Z", "exit_code": 3}

_NAME, _LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"'
_LINE = re.compile(rf"({_NAME})\{{({_LABEL}(?:,{_LABEL})*)\}} (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")

Found = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Found:
    """Read the format; AssertionError where a line, its order or its labels are not right."""
    assert text.endswith("\n")
    found: Found = {}
    helped, typed, name = set[str](), set[str](), ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in helped, f"{name} comes twice"
            assert not re.search(r"\\(?![\\n])", line)
            helped.add(name)
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {name} gauge"
            typed.add(name)
        else:
            match = _LINE.fullmatch(line)
            assert match is not None, line
            assert match[1] == name, "series of one name stand together"
            assert name in helped & typed
            labels = [(key, value) for key, value in re.findall(_LABEL, match[2])]
            assert len(dict(labels)) == len(labels), "a label comes twice"
            key = (name.removeprefix("smoecast_"), frozenset(labels))
            assert key not in found, "a series comes twice"
            found[key] = float(match.groups()[-1])
    return found


def value(found: Found, name: str, **labels: str) -> float:
    """Return the one value of a name whose labels hold these."""
    (only,) = [
        v for (n, said), v in found.items() if n == name and labels.items() <= dict(said).items()
    ]
    return only


def names(found: Found) -> set[str]:
    return {name for name, _ in found}


def test_a_run_that_went_well(tmp_path: Path) -> None:
    metrics.write(str(tmp_path / "a.prom"), RECORD)
    found = parse((tmp_path / "a.prom").read_text())
    assert all({("run", "small"), ("verb", "forecast")} <= labels for _, labels in found)
    assert value(found, "last_run_timestamp_seconds") == END
    assert value(found, "last_success_timestamp_seconds") == END
    assert value(found, "last_exit_code") == 0
    assert value(found, "peak_memory_bytes") == 200
    assert value(found, "stage_seconds", stage="imports") == 1.25
    assert value(found, "stage_seconds", stage="network") == 0.5
    assert not {"score", "newest_analysis_timestamp_seconds"} & names(found)


def test_a_run_that_failed_keeps_when_one_went_well(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    newest = {"newest_analysis": "2026-11-28T18:00"}
    metrics.write(str(path), {**RECORD, "notes": newest})
    metrics.write(str(path), FAILED)
    found = parse(path.read_text())
    assert value(found, "last_exit_code") == 3
    assert value(found, "last_run_timestamp_seconds") == END + 3599.5
    assert value(found, "last_success_timestamp_seconds") == END
    assert value(found, "newest_analysis_timestamp_seconds") == END - 10800.5
    assert value(found, "newest_analysis_age_seconds") == 4 * 3600


def test_a_run_whose_config_is_wrong_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    metrics.write(str(path), {**RECORD, "run": 'a "b"\\c\n'})
    metrics.write(str(path), {**FAILED, "run": ""})
    found = parse(path.read_text())
    assert {dict(labels)["run"] for _, labels in found} == {r"a \"b\"\\c\n"}
    assert value(found, "last_success_timestamp_seconds") == END


def test_another_verb_and_what_is_none_of_ours_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    metrics.write(str(path), {**RECORD, "verb": "download"})
    metrics.write(str(path), FAILED)
    assert "last_success_timestamp_seconds" not in names(parse(path.read_text()))
    path.write_bytes(
        b'\xff\nsmoecast_last_success_timestamp_seconds{run="small",verb="forecast"} x\n'
    )
    metrics.write(str(path), FAILED)
    assert "last_success_timestamp_seconds" not in names(parse(path.read_text()))


def test_scores_by_channel_lead_time_and_forecast() -> None:
    where = {"channel": "t2m", "lead_hours": 24, "forecast": 'a"b', "starts": 4, "truth": "era5"}
    scores = [{**where, "region": "global", "season": "year", "rmse": 1.5, "crps": None}]
    found = parse(metrics.to_text(list(metrics.series_of({**RECORD, "notes": {"scores": scores}}))))
    assert value(found, "score", channel="t2m", lead_hours="24", score="rmse") == 1.5
    assert [dict(labels) for name, labels in found if name == "score"] == [
        {
            "run": "small",
            "verb": "forecast",
            "channel": "t2m",
            "lead_hours": "24",
            "forecast": r"a\"b",
            "region": "global",
            "season": "year",
            "score": "rmse",
        }
    ]


@pytest.mark.parametrize(("code", "lines"), [(0, 1), (3, 0)])
def test_metrics_that_cannot_be_written_fail_no_run(
    tmp_path: Path, code: int, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    console.configure(quiet=True)
    metrics.write(str(tmp_path / "no" / "a.prom"), {**RECORD, "exit_code": code})
    err = capsys.readouterr().err
    assert len(err.splitlines()) == lines
    assert "a.prom: the metrics of this run cannot be written (" in err or not lines


def test_a_file_that_is_too_large_is_left_alone(tmp_path: Path, monkeypatch, capsys) -> None:
    (path := tmp_path / "a.prom").write_text("mine, and long")
    monkeypatch.setattr(metrics, "MOST_BYTES", 3)
    metrics.write(str(path), RECORD)
    assert path.read_text() == "mine, and long"
    assert "it is larger than 3 bytes" in capsys.readouterr().err


def test_the_parser_is_strict() -> None:
    good = metrics.to_text(list(metrics.series_of(RECORD)))
    for old, new in (
        ('run="small"', 'run="sm"all"'),
        ("# TYPE smoecast_last_exit_code gauge\n", ""),
        ('verb="forecast"', 'run="forecast"'),
        (" 0\n", " zero\n"),
    ):
        assert old in good
        with pytest.raises(AssertionError):
            parse(good.replace(old, new))
