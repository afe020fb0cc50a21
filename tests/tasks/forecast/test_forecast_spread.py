"""Forecasts made by several processes: the same to the byte, whatever dies or fails."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster
from same_data import assert_same, with_compute

from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ModelError, OutputError
from smoecast.tasks.fan_out import cluster as clusters
from smoecast.tasks.fan_out.per_worker import PerWorker
from smoecast.tasks.forecast import pieces
from smoecast.tasks.forecast.forecast import forecast

NOISY = {"members": 3, "perturbation": 0.1}
STARTS = ("2001-02-20/2001-02-25",)
PATTERN = "fc_{init_time:%Y%m%d%H}.nc"


def asked(config: Config, **changes: object) -> Config:
    section = config.forecast.model_copy(update=changes)
    return config.model_copy(update={"forecast": section})


@pytest.fixture
def spread(done: Config, cluster: LocalCluster) -> Config:
    return with_compute(asked(done, **NOISY), scheduler=cluster.scheduler_address)


@pytest.fixture(scope="module")
def here(done: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of six starts."""
    folder = tmp_path_factory.mktemp("here")
    forecast(asked(done, **NOISY), init_times=STARTS, output=folder / PATTERN)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def assert_all_same(here: Path, there: Path) -> None:
    assert names(here) == names(there)
    assert len(names(here)) == 12
    for path in here.glob("*.nc"):
        assert_same(path, there / path.name)


def test_one_file_is_the_same(
    done: Config, spread: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "BATCH", 4)
    forecast(asked(done, **NOISY), output=tmp_path / "here.nc")
    assert forecast(spread, output=tmp_path / "there.nc")["written"]
    assert_same(tmp_path / "here.nc", tmp_path / "there.nc")
    monkeypatch.setattr(clusters, "connect", lambda _: pytest.fail("nothing is to be done"))
    assert not forecast(spread, output=tmp_path / "there.nc")["written"]


def test_a_file_a_start_is_the_same_and_only_what_is_missing_is_made(
    here: Path, spread: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert forecast(spread, init_times=STARTS, output=tmp_path / PATTERN)["made"] == 6
    assert_all_same(here, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(clusters, "connect", lambda _: pytest.fail("nothing is to be done"))
        assert not forecast(spread, init_times=STARTS, output=tmp_path / PATTERN)["written"]
    gone = min(tmp_path.glob("*.nc"))
    gone.unlink()  # of one start the members are spread
    assert forecast(spread, init_times=STARTS, output=tmp_path / PATTERN)["made"] == 1
    assert_all_same(here, tmp_path)
    changed = {path for path in before if path.stat().st_mtime_ns != before[path]}
    assert changed <= {gone, gone.with_suffix(".config.yaml")}


def test_a_start_that_fails_does_not_take_others_along(
    here: Path, spread: Config, tmp_path: Path
) -> None:
    place = tmp_path / "fc_2001022200.nc"
    place.mkdir()
    with pytest.raises(OutputError, match=r"1 of 6 results were not made.*fc_2001022200\.nc") as e:
        forecast(spread, init_times=STARTS, output=tmp_path / PATTERN)
    assert e.value.exit_code == 5
    assert len(list(tmp_path.glob("*.config.yaml"))) == 5
    place.rmdir()
    assert forecast(spread, init_times=STARTS, output=tmp_path / PATTERN)["made"] == 1
    assert_all_same(here, tmp_path)


def test_a_model_that_is_replaced_meanwhile_is_refused() -> None:
    there = SimpleNamespace(ensemble=SimpleNamespace(identity="new"))
    piece = pieces.Piece(np.array([], "datetime64[ns]"), 0, 0.0)
    with pytest.raises(ModelError, match="replaced while this run began: run again"):
        pieces._predict_there(PerWorker(lambda: nullcontext(there)), "old", piece)


# the last: after it another worker loads PyTorch, which the others here are spared
def test_a_worker_that_is_killed_costs_nothing(
    here: Path, spread: Config, cluster: LocalCluster, tmp_path: Path
) -> None:
    with Client(cluster) as client:
        pid = next(iter(client.run(os.getpid).values()))

    def kill() -> None:
        while not list(tmp_path.glob("*.nc")):
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert forecast(spread, init_times=STARTS, output=tmp_path / PATTERN)["made"] == 6
    killer.join()
    assert_all_same(here, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_command_that_is_stopped_ends_its_workers(
    here: Path, done: Config, tmp_path: Path, signum: int
) -> None:
    path, out = tmp_path / "run.yaml", tmp_path / "out"
    out.mkdir()
    path.write_text(yaml_file.dump(asked(done, **NOISY, init_times=STARTS)))
    words = ["-c", "from smoecast.cli.entry import main; main()", "forecast", "--workers", "2"]
    words += ["-c", str(path), "-o", str(out / PATTERN)]
    process = subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True)
    while not list(out.glob("*.nc")) and process.poll() is None:
        time.sleep(0.02)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    process.send_signal(signum)
    said = process.communicate(timeout=60)[1].strip().splitlines()
    psutil.wait_procs(workers, timeout=30)
    assert not [worker for worker in workers if worker.is_running()]
    if signum == signal.SIGKILL:
        assert process.returncode == -signum
    else:
        assert process.returncode == 128 + signum
        assert "the same command goes on where it can" in said[-1]
    assert subprocess.run([sys.executable, *words], check=False).returncode == 0
    extra = {name for name in names(out) if name == "records"}
    assert [name for name in names(out) if name not in extra] == names(here)
    for made in here.glob("*.nc"):
        assert_same(made, out / made.name)
