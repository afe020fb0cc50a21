"""A store comes out the same however it was made: killed, by many workers, by a cluster."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from distributed import LocalCluster
from small_world import analyses, small_run

from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.data.sources import files
from smoecast.data.sources.source import Request
from smoecast.data.store_plan import plan_stores
from smoecast.errors import InputError
from smoecast.fields.store import store
from smoecast.fields.store import writer as drafts
from smoecast.tasks.preprocess import preprocess as task


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "CHUNK_BYTES", 20_000)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "analyses.nc"
    analyses().to_netcdf(path)
    return path


def run_of(tmp_path: Path, name: str, raw: Path, *more: str) -> Config:
    return small_run(
        tmp_path, tmp_path / name, f"data.files=['{raw}']", "postprocess.files=[]", *more
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_kill_in_the_middle_resumes_to_the_same_bytes(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_of(tmp_path, "whole", raw)
    task.preprocess(whole)
    killed = run_of(tmp_path, "killed", raw)
    real, made = task.fill, []

    def killer(asked: Request, draft: drafts.Draft, chunk: int) -> None:
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(chunk)
        real(asked, draft, chunk)

    with monkeypatch.context() as patch:
        patch.setattr(task, "fill", killer)
        with pytest.raises(KeyboardInterrupt):
            task.preprocess(killed)
    assert not killed.store.exists()
    again: list[int] = []

    def counted(asked: Request, draft: drafts.Draft, chunk: int) -> None:
        again.append(chunk)
        real(asked, draft, chunk)

    monkeypatch.setattr(task, "fill", counted)
    assert task.preprocess(killed)["analyses"]["written"]
    assert not set(made) & set(again)
    assert tree(killed.store) == tree(whole.store)


# the quick test is the next one: its two processes are there already
@pytest.mark.slow
def test_two_workers_make_the_same_bytes_as_one(tmp_path: Path, raw: Path) -> None:
    one, two = run_of(tmp_path, "one", raw), run_of(tmp_path, "two", raw, "compute.workers=2")
    task.preprocess(one)
    task.preprocess(two)
    assert tree(two.store) == tree(one.store)


def test_a_cluster_makes_the_same_bytes_and_passes_errors_on(
    tmp_path: Path, raw: Path, cluster: LocalCluster
) -> None:
    one = run_of(tmp_path, "one", raw)
    there = f"compute.scheduler={cluster.scheduler_address}"
    far = run_of(tmp_path, "far", raw, there)
    task.preprocess(one)
    task.preprocess(far)
    assert tree(far.store) == tree(one.store)
    spoiled = analyses()
    spoiled["t2m"][40] = np.nan
    spoiled.to_netcdf(tmp_path / "bad.nc")
    bad = run_of(tmp_path, "bad", tmp_path / "bad.nc", there)
    with pytest.raises(InputError, match=r"bad\.nc: t2m has \d+ missing values"):
        task.preprocess(bad)


# quick are the first test here, and the SIGKILLs of tests/program/test_kills.py
@pytest.mark.slow
def test_sigkill_of_the_command_loses_only_the_chunk_under_way(tmp_path: Path, raw: Path) -> None:
    whole = run_of(tmp_path, "whole", raw)
    task.preprocess(whole)
    config = run_of(tmp_path, "killed", raw)
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(config))
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from smoecast.config import yaml_file\n"
        "from smoecast.fields.store import writer\n"
        "from smoecast.tasks.preprocess import preprocess as task\n"
        "writer.CHUNK_BYTES = 20_000\n"
        "real = task.fill\n"
        "def slow(*arguments): real(*arguments); time.sleep(0.3)\n"
        "task.fill = slow\n"
        "task.preprocess(yaml_file.load(Path(sys.argv[1]), []))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stderr=subprocess.DEVNULL)
    notes = config.store.with_name(".store.zarr.draft") / "notes"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not len(list(notes.glob("[0-9]*.json"))) >= 2:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not config.store.exists()
    done = len(list(notes.glob("[0-9]*.json")))
    assert done >= 2
    task.preprocess(config)
    assert tree(config.store) == tree(whole.store)


def test_statistics_are_those_of_numpy_over_the_training_times(tmp_path: Path, raw: Path) -> None:
    config = run_of(tmp_path, "run", raw)
    task.preprocess(config)
    with store.open_store(config.store) as dataset:
        training = dataset["fields"].values[dataset["train"].values].astype(np.float64)
        np.testing.assert_allclose(dataset["mean"], training.mean(axis=(0, 2, 3)), rtol=1e-12)
        np.testing.assert_allclose(dataset["std"], training.std(axis=(0, 2, 3)), rtol=1e-9)


def test_half_precision_keeps_the_fields_to_a_thousandth_of_their_spread(
    tmp_path: Path, raw: Path
) -> None:
    whole = run_of(tmp_path, "whole", raw)
    half = run_of(tmp_path, "half", raw, "data.precision=float16")
    task.preprocess(whole)
    task.preprocess(half)
    with store.open_store(whole.store) as a, store.open_store(half.store) as b:
        error = np.abs(a["fields"] - b["fields"]).max(["time", "latitude", "longitude"])
        assert (error < 3e-3 * a["std"]).all()
        xr.testing.assert_equal(a["mean"], b["mean"])


NO_TRAINING = ("data.split.train=0", "data.split.validation=0", "data.split.test=1")


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_without_a_training_part_there_are_no_statistics(
    tmp_path: Path, raw: Path, precision: str
) -> None:
    config = run_of(tmp_path, "run", raw, *NO_TRAINING, f"data.precision={precision}")
    made = task.preprocess(config)["analyses"]
    assert made["split"] == {"train": 0, "validation": 0, "test": 240}
    with store.open_store(config.store) as dataset:
        assert not {"mean", "std"} & set(dataset.data_vars)
        true = analyses()["t2m"].values
        found = dataset["fields"].sel(channel="t2m").values
        np.testing.assert_allclose(found, true, atol=0 if precision == "float32" else 0.05)
    assert not task.preprocess(config)["analyses"]["written"]


def test_a_constant_with_a_hole_is_refused(tmp_path: Path) -> None:
    dataset = analyses()
    orography = dataset["t2m"][0].drop_vars("time") * 0
    orography[0, 0] = np.nan
    dataset["orography"] = orography.assign_attrs(units="m", standard_name="surface_altitude")
    dataset.to_netcdf(tmp_path / "hole.nc")
    config = run_of(tmp_path, "run", tmp_path / "hole.nc", "data.constants=['orography']")
    with pytest.raises(InputError, match=r"hole\.nc: the constant orography has missing values"):
        task.preprocess(config)


def test_digests_are_read_again_only_where_a_file_changed(tmp_path: Path, raw: Path) -> None:
    memory = tmp_path / "digests.json"
    first = files.manifest([raw], memory)
    known = json.loads(memory.read_text())
    known[str(raw)][-1] = "remembered"
    memory.write_text(json.dumps(known))
    assert files.manifest([raw], memory)[0]["sha256"] == "remembered"
    os.utime(raw, ns=(1, 1))
    assert files.manifest([raw], memory) == first
    memory.write_text("no json")
    assert files.manifest([raw], memory) == first


def test_a_store_that_cannot_be_read_is_made_again(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = run_of(tmp_path, "run", raw)
    task.preprocess(config)
    whole = tree(config.store)
    (config.store / ".zmetadata").write_text("{")
    (config.store / ".zattrs").unlink()
    assert task.preprocess(config)["analyses"]["written"]
    assert "no readable store: the store is made again" in capsys.readouterr().err
    assert tree(config.store) == whole


def test_what_is_left_out_is_told_and_stands_in_the_store(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = tmp_path / "more.nc"
    with xr.open_dataset(raw) as dataset:
        dataset.assign(zust_of_the_store=dataset["t2m"].drop_attrs()).to_netcdf(more)
    entry = [{"name": "zust_of_the_store", "reason": "", "file": "more.nc"}]
    runs = [run_of(tmp_path, name, more) for name in ("one", "two")]
    assert plan_stores(runs[0])["analyses"]["left_out"] == entry
    assert "left out of more.nc: zust_of_the_store" in capsys.readouterr().err
    made = [task.preprocess(run)["analyses"] for run in runs]
    assert [one["left_out"] for one in made] == [entry, entry]
    assert tree(runs[0].store) == tree(runs[1].store)
    assert not task.preprocess(runs[0])["analyses"]["written"]
    assert "left out" not in capsys.readouterr().err  # once is enough
    plain = run_of(tmp_path, "plain", raw)
    assert task.preprocess(plain)["analyses"]["left_out"] == []
    with xr.open_zarr(plain.store) as dataset:
        assert set(dataset.attrs) == {"smoecast"}


def test_the_store_of_an_earlier_version_that_tells_nothing_is_done(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = tmp_path / "more.nc"
    with xr.open_dataset(raw) as dataset:
        dataset.assign(zust=dataset["t2m"].drop_attrs()).to_netcdf(more)
    run = run_of(tmp_path, "run", more)
    with monkeypatch.context() as patch:
        patch.setattr(drafts, "to_attribute", lambda left_out: {})
        assert task.preprocess(run)["analyses"]["left_out"] == []
    assert not task.preprocess(run)["analyses"]["written"]
