"""The operational chain: every stage does what is missing, and one that fails is alone in it."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import arrivals
import made_opendata
import numpy as np
import pytest
from arrivals import bring_analyses, bring_ensembles, config_of
from loopback import Shelf, serving
from made_models import classical_calibration, forecast_model

from smoecast.data.sources.opendata import runs
from smoecast.disk.locks import lock_output
from smoecast.errors import (
    AbsentError,
    ConfigError,
    InputError,
    Interrupted,
    LockedError,
    ModelError,
    NotPublishedError,
    OutputError,
    SmoecastError,
)
from smoecast.tasks import cycle as task
from smoecast.tasks.cycle import cycle
from smoecast.tasks.evaluate import score_files

PLACE = Path("runs/ops")
DAY = np.timedelta64(1, "D")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder after the first cycle, and what that said."""
    folder = tmp_path_factory.mktemp("begun")
    arrivals.prepare(folder)
    bring_analyses(folder, *range(5))
    bring_ensembles(folder, 0)
    here = Path.cwd()
    os.chdir(folder)
    try:
        return folder, cycle(config_of())["stages"]
    finally:
        os.chdir(here)


@pytest.fixture
def folder(
    begun: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of it, in which we are."""
    arrivals.copy(begun[0], tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def results(kind: str = "forecast") -> list[str]:
    """Return the starts of the results that are there, as day and hour of January 2001."""
    return [path.stem[-4:] for path in sorted(PLACE.glob(f"{kind}_*.nc"))]


def state() -> dict[str, tuple[int, int]]:
    """Return what tells whether any file was written again."""
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in sorted(Path().rglob("*"))
        if path.is_file() and "records" not in path.parts and path.name != ".lock"
    }


def scored() -> list[str]:
    return [entry["file"] for entry in json.loads((PLACE / "scores.json").read_text())["files"]]


def test_the_first_cycle_makes_all(begun: tuple[Path, dict[str, Any]]) -> None:
    folder, stages = begun
    assert stages["download"] is None
    assert (stages["forecast"]["made"], stages["forecast"]["last"]) == (4, "2001-01-02T00:00")
    assert (stages["postprocess"]["made"], stages["postprocess"]["written"]) == (1, True)
    assert [entry["file"] for entry in stages["evaluate"]["files"]] == [
        *("forecast_2001010106.nc", "forecast_2001010112.nc", "calibrated_2001010100.nc")
    ]
    kinds = {(r["forecast"], r["lead_hours"], r["starts"]) for r in stages["evaluate"]["scores"]}
    assert {("forecast", 6, 2), ("forecast", 12, 2), ("calibrated", 24, 1)} <= kinds
    place = folder / PLACE
    left = [p.name for p in place.iterdir() if p.name.startswith(".")]
    assert left == [".lock"]
    scores = place / "scores.json"
    assert {*score_files.name_files(stages["evaluate"], scores)} == {*place.glob("scores*")}


ASK = """
import sys
from smoecast.cli.entry import main
sys.argv = ["smoecast", "cycle", "-c", "run.yaml"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("torch" in sys.modules)
"""


def test_the_second_does_nothing_and_loads_no_torch(folder: Path) -> None:
    before = state()
    said = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    lines = said.stdout.splitlines()
    assert [line.partition(":")[2].rpartition(", ")[2].strip() for line in lines[:4]] == [
        "nothing to do"
    ] * 4
    assert [line.partition(":")[0] for line in lines[:4]] == [
        *("download", "forecast", "postprocess", "evaluate")
    ]
    assert lines[4] == "False"
    assert state() == before


def test_a_new_analysis_makes_one_forecast_and_scores_what_came_due(folder: Path) -> None:
    before = state()
    bring_analyses(folder, 5)
    stages = cycle(config_of())["stages"]
    assert stages["forecast"]["made"] == 1
    assert results() == ["0106", "0112", "0118", "0200", "0206"]
    assert scored() == [
        *(f"forecast_20010101{hour}.nc" for hour in ("06", "12", "18")),
        "calibrated_2001010100.nc",
    ]
    after = state()
    assert {path for path in before if before[path] != after[path]} == {
        str(path) for path in PLACE.glob("scores*")
    }


def test_a_day_later_only_what_came_due_since_is_scored(folder: Path) -> None:
    bring_analyses(folder, 5, 6, 7, 8)
    bring_ensembles(folder, 1)
    stages = cycle(config_of())["stages"]
    assert stages["forecast"]["made"] == 4
    assert scored() == [
        *(f"forecast_200101{when}.nc" for when in ("0118", "0200", "0206", "0212")),
        "calibrated_2001010200.nc",
    ]


def test_only_recent_starts_are_caught_up_with(folder: Path) -> None:
    bring_analyses(folder, 5, 6, 7, 8)
    bring_ensembles(folder, 1, 2)
    stages = cycle(config_of("cycle.catch_up_hours=6"))["stages"]
    assert stages["forecast"]["made"] == 2
    assert results()[4:] == ["0218", "0300"]
    assert results("calibrated") == ["0100", "0300"]


def test_what_was_scored_is_not_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, real = [], task.evaluate
    monkeypatch.setattr(task, "evaluate", lambda *a, **k: calls.append(k) or real(*a, **k))
    cycle(config_of())
    assert not calls
    other = config_of("evaluate.resamples=10")
    cycle(other)
    assert len(calls) == 1  # another config has other scores
    cycle(other)
    assert len(calls) == 1
    (PLACE / "scores.curves.csv").unlink()  # as a run that was killed leaves them
    cycle(other)
    assert len(calls) == 2
    (PLACE / "scores.json").write_text("{")
    cycle(other)
    assert len(calls) == 3
    cycle(other)
    assert len(calls) == 3


def test_stores_are_scored_once_too(folder: Path) -> None:
    config = config_of("forecast.format=wb2")
    assert cycle(config)["stages"]["evaluate"] is not None
    assert scored()[:2] == [f"forecast_20010101{h}.zarr/.zmetadata" for h in ("06", "12")]
    assert cycle(config)["stages"]["evaluate"] is None


def test_names_of_the_config_are_kept(folder: Path) -> None:
    names = [f"{verb}.output={verb[:4]}_{{init_time}}.nc" for verb in ("forecast", "postprocess")]
    assert cycle(config_of(*names))["stages"]["forecast"]["made"] == 4
    assert len([*PLACE.glob("fore_*.nc"), *PLACE.glob("post_*.nc")]) == 5
    assert "fore_2001010106.nc" in scored()


@pytest.mark.parametrize("verb", ["forecast", "postprocess"])
def test_one_file_for_all_starts_is_refused(verb: str) -> None:
    with pytest.raises(ConfigError, match=rf"{verb}\.output all\.nc: is one file for all"):
        cycle(config_of(f"{verb}.output=all.nc"))


def test_a_broken_ensemble_leaves_the_other_stages_alone(folder: Path) -> None:
    bring_analyses(folder, 5)
    (folder / "ensembles/2001010200.nc").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(
        InputError, match=r"1 of 4 stages failed, the others are done: postprocess \(.*0200\.nc"
    ):
        cycle(config_of(), keep=30 * DAY)
    assert "0206" in results()
    assert "forecast_2001010118.nc" in scored()


def test_a_broken_analysis_leaves_what_came_due_to_be_scored(folder: Path) -> None:
    (PLACE / "scores.json").unlink()
    bring_ensembles(folder, 1)
    (folder / "runs/ops/model/state.json").write_text("{}")
    with pytest.raises(ModelError, match=r"1 of 4 .*: forecast \(runs/ops/model"):
        cycle(config_of())
    assert results("calibrated") == ["0100", "0200"]
    assert len(scored()) == 3


def test_nothing_has_arrived(folder: Path) -> None:
    with pytest.raises(AbsentError, match=r"2 of 4 stages failed.*new: there is no such file"):
        cycle(config_of("name=other", "cycle.analyses=[new]", "cycle.ensembles=[new]"))


def test_a_run_of_ensembles_alone(folder: Path) -> None:
    stages = cycle(config_of("name=other", "cycle.analyses=[]"))["stages"]
    assert stages["postprocess"]["made"] == 1
    assert stages["forecast"] is stages["evaluate"] is None


def test_analyses_of_the_store(done: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where nothing arrives and nothing is fetched, the store and the files of data are read."""
    arrivals.copy(done.place, tmp_path / done.name)
    config = done.model_copy(update={"folder": tmp_path})
    stages = cycle(config)["stages"]
    assert stages["download"] is stages["postprocess"] is None
    assert stages["forecast"]["made"] == 5
    names = {record["forecast"] for record in stages["evaluate"]["scores"]}
    assert "climatology" in names  # which the training times of the store give


def test_a_model_with_channels_of_its_own_is_scored_in_them(folder: Path) -> None:
    """As a model of the zoo has, beside a config that says nothing of channels."""
    bring_analyses(folder, 5)
    stages = cycle(config_of("data.channels=[sst]"))["stages"]
    assert {record["channel"] for record in stages["evaluate"]["scores"]} >= {"z500"}


ERRORS = (*task.WORST, SmoecastError)


@pytest.mark.parametrize(("one", "two"), [*itertools.permutations(ERRORS, 2)])
def test_the_worst_is_what_a_cycle_ends_with(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    one: type[SmoecastError],
    two: type[SmoecastError],
) -> None:
    monkeypatch.setattr(task, "_download", raising(one("of the first")))
    monkeypatch.setattr(task, "_forecast", raising(two("of the second")))
    monkeypatch.setattr(task, "_postprocess", lambda *_: None)
    monkeypatch.setattr(task, "_evaluate", lambda *_: None)
    with pytest.raises(SmoecastError) as caught:
        cycle(config_of(f"folder={tmp_path}"))
    early = (one, two) == (NotPublishedError, AbsentError)  # what was to come with it
    assert caught.type is (one if early else max(one, two, key=ERRORS.index))
    assert str(caught.value) == (
        "2 of 4 stages failed, the others are done: download (of the first); forecast "
        "(of the second)"
    )


def raising(problem: Exception) -> Any:
    def stage(*_: object) -> None:
        raise problem

    return stage


def test_an_order_of_exit_codes() -> None:
    assert [kind.exit_code for kind in task.WORST] == [4, 75, 3, 3, 5, 6, 2]


def test_what_the_system_refuses_is_5(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(task, "_download", raising(OSError(5, "Input/output error")))
    for stage in ("_forecast", "_postprocess", "_evaluate"):
        monkeypatch.setattr(task, stage, lambda *_: None)
    with pytest.raises(OutputError, match="Input/output error"):
        cycle(config_of(f"folder={tmp_path}"))


def test_a_kind_of_a_kind_is_that_kind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class StrangeError(InputError):
        def __init__(self) -> None:
            super().__init__("strange")

    monkeypatch.setattr(task, "_download", raising(StrangeError()))
    monkeypatch.setattr(task, "_forecast", raising(AbsentError("absent")))
    monkeypatch.setattr(task, "_postprocess", lambda *_: None)
    monkeypatch.setattr(task, "_evaluate", lambda *_: None)
    with pytest.raises(InputError) as caught:
        cycle(config_of(f"folder={tmp_path}"))
    assert caught.type is InputError  # so that --wait does not wait for it


def test_a_signal_ends_the_chain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(task, "_download", raising(Interrupted(15, "nothing")))
    monkeypatch.setattr(task, "_forecast", pytest.fail)
    with pytest.raises(Interrupted):
        cycle(config_of(f"folder={tmp_path}"))


def test_two_cycles_of_a_run_are_one_too_many(folder: Path) -> None:
    bring_analyses(folder, 5)
    with (
        lock_output(PLACE / "cycle"),
        pytest.raises(LockedError, match=r"\.cycle\.lock is held by another run"),
    ):
        cycle(config_of())
    assert "0206" not in results()


def test_stale_analyses_are_4(folder: Path) -> None:
    bring_analyses(folder, 5)
    with pytest.raises(NotPublishedError, match=r"2 of 4 stages failed.*forecast \(.*older"):
        cycle(config_of(), oldest=np.datetime64("2001-01-03", "s"))
    assert "0206" not in results()


def test_what_is_kept_and_what_goes(folder: Path) -> None:
    records = PLACE / "records"
    records.mkdir()
    for day in ("20010101", "20010103"):
        (records / f"{day}T000000Z_cycle_abcdef.json").write_text("{}")
    bring_analyses(folder, *range(5, 9))
    bring_ensembles(folder, 1, 2)
    config = config_of("cycle.catch_up_hours=48")
    (folder / "ensembles/2001010200.nc").rename("broken.nc")
    (folder / "ensembles/2001010200.nc").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(InputError):
        cycle(config, keep=DAY)
    assert len(list(records.iterdir())) > 0
    (folder / "broken.nc").rename("ensembles/2001010200.nc")
    cycle(config, keep=DAY)
    assert results() == ["0200", "0206", "0212", "0218", "0300"]
    assert results("calibrated") == ["0200", "0300"]
    assert [path.name[:8] for path in records.iterdir()] == ["20010103"]
    before = state()
    stages = cycle(config, keep=DAY)["stages"]  # what went is not made again to go again
    assert (stages["forecast"]["made"], stages["postprocess"]["made"]) == (0, 0)
    assert state() == before


START = datetime(2026, 11, 24)
OPENDATA = (
    "data.source=opendata",
    "postprocess.source=opendata",
    "cycle.analyses=[]",
    "cycle.ensembles=[]",
    "download.retry_minutes=0.01",
    "sample.history_hours=[0]",
    "forecast.lead_hours=[12]",
)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """A server without a run yet, and models for what it will have, where we are."""
    monkeypatch.chdir(tmp_path)
    history, moments = "sample.history_hours=[0]", {"z500": (49e3, 1e3), "t2m": (280.0, 5.0)}
    forecast_model(PLACE / "model", *arrivals.MODEL, history, moments=moments)
    classical_calibration(Path("emos"), "emos", grid=made_opendata.GRID)
    with serving(Shelf()) as shelf:
        yield shelf


def publish(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, hour: int) -> None:
    """Have the run of an hour appear, and set the clock a little later."""
    start = START.replace(day=START.day + hour // 24, hour=hour % 24)
    shelf.files |= made_opendata.run(start, "oper", "fc", 0, (None,))
    if hour % 24 == 0:
        shelf.files |= made_opendata.run(start, "enfo", "ef", 24, (0, 1, 2))
    monkeypatch.setattr(runs, "now", lambda: start.replace(tzinfo=UTC, minute=30))
    today = date(start.year, start.month, start.day)
    monkeypatch.setattr("smoecast.data.download.collect.today", lambda: today)


def test_open_data_from_the_server_to_the_scores(
    server: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(*OPENDATA, f"download.url={server.address}")
    with monkeypatch.context() as patch:
        patch.setattr(runs, "now", lambda: START.replace(tzinfo=UTC))
        patch.setattr("smoecast.data.download.collect.today", START.date)
        with pytest.raises(NotPublishedError, match=r"3 of 4 stages failed.*download"):
            cycle(config)
    publish(server, monkeypatch, 0)
    stages = cycle(config)["stages"]
    assert len(stages["download"]["files"]) == 2
    assert [stages[verb]["last"] for verb in ("forecast", "postprocess")] == [
        "2026-11-24T00:00"
    ] * 2
    publish(server, monkeypatch, 12)
    with monkeypatch.context() as patch:
        patch.setattr(task, "_forecast", raising(ModelError("no")))
        with pytest.raises(ModelError):
            cycle(config)
    publish(server, monkeypatch, 24)
    assert cycle(config, keep=DAY)["stages"]["forecast"]["made"] == 2  # that which failed, too
    forecasts = ["forecast_2026112400.nc", "forecast_2026112412.nc"]
    assert scored() == [*forecasts, "calibrated_2026112400.nc"]
    publish(server, monkeypatch, 36)
    assert cycle(config, keep=DAY)["stages"]["postprocess"]["made"] == 0
    assert scored()[:2] == ["forecast_2026112412.nc", "forecast_2026112500.nc"]
    assert not (PLACE / forecasts[0]).exists()
    kept = [path.name[9:19] for path in sorted((PLACE / "raw").glob("*.grib2"))]
    assert kept == ["2026112412", "2026112500", "2026112512"]
