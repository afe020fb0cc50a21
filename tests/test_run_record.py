"""The record of a run: what it says, where it stands, and that nothing fails for it."""

import hashlib
import json
import re
import sys
import threading
import time
from pathlib import Path

import pytest

from smoecast import run_record

ABOUT = {"file": "a.nc", "bytes": 3, "sha256": "f" * 64}


@pytest.fixture(autouse=True)
def none_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_record, "_state", {"run": None})


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Time that goes on when the test says so."""
    now = {"wall": 100.0, "cpu": 10.0}
    monkeypatch.setattr(run_record.time, "monotonic", lambda: now["wall"])
    monkeypatch.setattr(run_record.time, "process_time", lambda: now["cpu"])
    return now


def test_a_record_says_what_was_read_made_and_spent(tmp_path: Path) -> None:
    run_record.begin("forecast")
    run_record.set_folder(tmp_path)
    (out := tmp_path / "out.nc").write_bytes(b"result")
    run_record.add_inputs([ABOUT], [Path("a.nc")])
    run_record.add_output(out)
    run_record.note(run="small", seed=3, scores=[{"rmse": float("nan"), "mae": 1.5}])
    run_record.note(seed=4)
    found = run_record.finish(3, "a.nc: is\ndamaged")
    path = Path(found["record"])
    assert path.parent == tmp_path / "records"
    assert re.fullmatch(r"\d{8}T\d{6}Z_forecast_[0-9a-f]{6}\.json", path.name)
    said = json.loads(path.read_text())
    assert {**said, "record": str(path)} == found
    assert (said["exit_code"], said["error"]) == (3, "a.nc: is damaged")
    assert (said["verb"], said["run"], said["schema"]) == ("forecast", "small", 1)
    assert said["notes"] == {"seed": 4, "scores": [{"rmse": None, "mae": 1.5}]}
    assert said["inputs"] == [{**ABOUT, "path": str(Path("a.nc").absolute())}]
    digest = hashlib.sha256(b"result").hexdigest()
    assert said["outputs"] == [{"path": str(out), "made": True, "bytes": 6, "sha256": digest}]
    assert said["versions"]["python"] == sys.version.split()[0]
    assert {"smoecast", "torch", "xarray", "netCDF4", "eccodes"} <= said["versions"].keys()
    assert said["peak_memory_bytes"] > 2**20
    assert said["start"] <= said["end"]


def test_a_second_end_changes_nothing(tmp_path: Path) -> None:
    run_record.begin("train")
    run_record.set_folder(tmp_path)
    first = run_record.finish(0, "")
    run_record.note(late=1)
    assert run_record.finish(1, "too late") is first
    assert first["error"] is None
    assert len(list((tmp_path / "records").iterdir())) == 1


def test_without_a_run_nothing_is_noted(tmp_path: Path) -> None:
    with run_record.stage("inputs"):
        run_record.set_folder(tmp_path)
        run_record.add_inputs([ABOUT])
        run_record.add_stores([tmp_path])
        run_record.add_output(tmp_path / "none")
        run_record.note(seed=1)
    assert run_record.finish(0, "") == {}
    assert not list(tmp_path.iterdir())


def test_the_first_folder_is_right(tmp_path: Path) -> None:
    run_record.begin("cycle")
    run_record.set_folder(tmp_path / "a")
    run_record.set_folder(tmp_path / "b")
    assert Path(run_record.finish(0, "")["record"]).parent == tmp_path / "a" / "records"


def test_no_folder_no_record(tmp_path: Path) -> None:
    run_record.begin("train")
    assert run_record.finish(2, "no config")["record"] is None
    run_record.begin("train")
    run_record.set_folder(tmp_path / "mistyped")
    assert run_record.finish(3, "nothing there")["record"] is None
    assert not list(tmp_path.iterdir())


def test_a_stage_within_is_not_counted_twice(clocks: dict[str, float]) -> None:
    run_record.begin("forecast")
    with run_record.stage("write"):
        clocks["wall"] += 1
        with run_record.stage("network"):
            clocks["wall"] += 4
            clocks["cpu"] += 3
        clocks["wall"] += 1
        clocks["cpu"] += 0.5
    with run_record.stage("network"):
        clocks["wall"] += 2
    found = run_record.finish(0, "")
    assert found["stages"] == {
        "network": {"seconds": 6.0, "cpu_seconds": 3.0},
        "write": {"seconds": 2.0, "cpu_seconds": 0.5},
    }
    assert found["seconds"] == 8.0


def test_a_run_that_ends_within_stages_counts_them(clocks: dict[str, float]) -> None:
    run_record.begin("forecast")
    outer, inner = run_record.stage("write"), run_record.stage("network")
    outer.__enter__()
    clocks["wall"] += 1
    inner.__enter__()
    clocks["wall"] += 2
    stages = run_record.finish(143, "stopped")["stages"]
    assert {name: spent["seconds"] for name, spent in stages.items()} == {"network": 2, "write": 1}


def test_what_other_threads_do_is_in_the_stage_of_the_first(clocks: dict[str, float]) -> None:
    run_record.begin("forecast")

    def work() -> None:
        with run_record.stage("network"):
            clocks["wall"] += 1

    with run_record.stage("write"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert run_record.finish(0, "")["stages"] == {"write": {"seconds": 1.0, "cpu_seconds": 0.0}}


def test_what_a_process_did_before_is_its_start() -> None:
    run_record.begin("forecast", since_start=True)
    spent = time.process_time()
    found = run_record.finish(0, "")
    assert 0 < found["stages"]["start"]["cpu_seconds"] <= spent
    assert found["seconds"] >= found["stages"]["start"]["seconds"] > 0
    assert found["cpu_seconds"] >= found["stages"]["start"]["cpu_seconds"]


def test_a_store_goes_by_the_file_that_lists_its_files(tmp_path: Path) -> None:
    listing = tmp_path / "a.zarr" / "time" / ".smoecast.json"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(b"{}")
    (tmp_path / "a.zarr" / "chunk").write_bytes(b"12345")
    run_record.begin("preprocess")
    run_record.add_output(tmp_path / "a.zarr")
    run_record.add_stores([tmp_path / "a.zarr", tmp_path / "none.zarr"])
    found = run_record.finish(0, "")
    wanted = {"listing": "time/.smoecast.json", "sha256": hashlib.sha256(b"{}").hexdigest()}
    assert found["outputs"][0].items() >= {"bytes": 7, **wanted}.items()
    assert len(found["inputs"]) == 1
    assert found["inputs"][0].items() >= {"file": "a.zarr", **wanted}.items()


def test_what_was_there_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.nc").write_bytes(b"x")
    run_record.begin("forecast")
    run_record.add_output(tmp_path / "a.nc", made=False)
    run_record.add_output(tmp_path / "b.nc", sha256="0" * 64)
    run_record.add_output(tmp_path / "a.nc", made=False)
    there, gone = run_record.finish(0, "")["outputs"]
    assert there == {"path": str(tmp_path / "a.nc"), "made": False, "bytes": 1}
    assert gone == {"path": str(tmp_path / "b.nc"), "made": True}


@pytest.mark.parametrize(("code", "lines"), [(0, 1), (5, 0)])
def test_a_record_that_cannot_be_written_fails_no_run(
    tmp_path: Path, code: int, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    from smoecast import console

    (tmp_path / "records").write_text("in the way")
    console.configure(quiet=True)
    run_record.begin("train")
    run_record.set_folder(tmp_path)
    assert run_record.finish(code, "full" if code else "")["record"] is None
    err = capsys.readouterr().err
    assert len(err.splitlines()) == lines  # one that failed has said its own
    assert "the record of this run cannot be written (" in err or not lines


def test_a_link_does_not_lead_a_record_out_of_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "records").symlink_to(tmp_path / "elsewhere")
    run_record.begin("train")
    run_record.set_folder(tmp_path / "run")
    assert run_record.finish(0, "")["record"] is None
    assert not list((tmp_path / "elsewhere").iterdir())
    assert "a symbolic link leads out of" in capsys.readouterr().err


def test_what_a_killed_run_left_of_its_record_goes(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / ".a.json.0123abcd.tmp").write_text("half")
    run_record.begin("train")
    run_record.set_folder(tmp_path)
    found = run_record.finish(0, "")["record"]
    assert [str(path) for path in (tmp_path / "records").iterdir()] == [found]
