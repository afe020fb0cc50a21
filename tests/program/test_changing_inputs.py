"""Inputs that change under a run: nothing is written of two versions, whatever the verb."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_store import CHUNK
from small_world import analyses, ensembles, small_run

from smoecast.config.run import Config
from smoecast.data.unchanged import ChangedError, Inputs
from smoecast.disk.read_locks import hold_for_reading
from smoecast.errors import InputError, LockedError
from smoecast.fields.store import checksums, rows, store
from smoecast.fields.store import writer as drafts
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess import preprocess as task
from smoecast.tasks.train import train
from smoecast.training.checkpoint import RESUME


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with stores, a model and a forecast."""
    folder = tmp_path_factory.mktemp("made")
    truth = analyses(40)
    truth.to_netcdf(folder / "a.nc")
    ensembles(truth).to_netcdf(folder / "e.nc")
    config = run_in(folder)
    task.preprocess(config)
    train(config)
    forecast(config, init_times=["test"])
    return folder


def run_in(folder: Path) -> Config:
    return small_run(
        folder,
        folder / "run",
        f"data.files=['{folder}/a.nc']",
        f"postprocess.files=['{folder}/e.nc']",
        "postprocess.method=emos",
        "training.epochs=1",
    )


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Config:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return run_in(tmp_path)


def when_confirmed(monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
    """Change something when a run is about to end."""
    real = Inputs.confirm

    def confirm(self: Inputs, *spoiled: Path) -> None:
        change()
        real(self, *spoiled)

    monkeypatch.setattr(Inputs, "confirm", confirm)


def spoil(path: Path) -> None:
    """Change a file in place: of the same size, and the times as they were."""
    state = path.stat()
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"spoiled!")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def chunk_of(path: Path) -> Path:
    return path / "fields" / f"0{'.0' * (3 if path.name == 'store.zarr' else 5)}"


def test_a_raw_file_that_changes_ends_preprocess(
    run: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(run.store)
    with monkeypatch.context() as patch:
        when_confirmed(patch, lambda: spoil(tmp_path / "a.nc"))
        with pytest.raises(ChangedError, match=r"a\.nc: changed while this run was reading it"):
            task.preprocess(run)
    assert not run.store.exists()
    assert not drafts.part_of(run.store).exists()
    with monkeypatch.context() as patch:
        when_confirmed(patch, (tmp_path / "a.nc").touch)
        assert task.preprocess(run)["analyses"]["written"]


@pytest.mark.parametrize("which", ["store", "input"])
def test_no_forecast_of_two_versions(
    run: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    path, inputs, changed = tmp_path / "f.nc", [], chunk_of(run.store)
    if which == "input":
        inputs, changed = [str(tmp_path / "a.nc")], tmp_path / "a.nc"
    with monkeypatch.context() as patch:
        when_confirmed(patch, lambda: spoil(changed))
        with pytest.raises(ChangedError, match="changed while"):
            forecast(run, inputs=inputs, init_times=["latest"], output=path)
    assert not list(tmp_path.glob("*f.nc*"))


def test_no_model_of_two_versions(run: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    more = run.training.model_copy(update={"cache": "disk"})
    fresh = run.model_copy(update={"training": more})
    shutil.rmtree(run.model)
    with monkeypatch.context() as patch:
        when_confirmed(patch, lambda: spoil(chunk_of(run.store)))
        with pytest.raises(ChangedError):
            train(fresh)
    assert not (run.model / RESUME).exists()
    assert not (run.model / "model.safetensors").exists()
    with pytest.raises(InputError, match="is damaged; delete the store"):
        train(fresh)


def test_no_calibration_of_two_versions(run: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    when_confirmed(monkeypatch, lambda: spoil(chunk_of(run.ensemble_store)))
    with pytest.raises(ChangedError):
        postprocess(run)
    assert not (run.calibration / "model.safetensors").exists()
    assert not (run.place / "calibrated.nc").exists()


def test_no_scores_of_two_versions(run: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        when_confirmed(patch, lambda: spoil(run.place / "forecast.nc"))
        with pytest.raises(ChangedError, match=r"forecast\.nc: changed"):
            evaluate(run)
    assert not (run.place / "scores.json").exists()


def test_a_chunk_that_is_cut_under_a_forecast_is_a_sentence(
    run: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rows._Chunk.read

    def cut(self: rows._Chunk, into: memoryview, begin: int) -> None:
        os.truncate(self._path, 100)
        real(self, into, begin)

    monkeypatch.setattr(rows._Chunk, "read", cut)
    with pytest.raises(ChangedError, match=r"0\.0\.0\.0: changed while"):
        forecast(run, init_times=["latest"], output=tmp_path / "f.nc")


def test_a_store_that_is_read_is_not_replaced_and_the_draft_waits(
    run: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.sums_of(run.store)
    other = run.model_copy(update={"data": run.data.model_copy(update={"channels": ("t2m",)})})
    with (
        hold_for_reading(run.store),
        pytest.raises(LockedError, match=r"store\.zarr: another run is read"),
    ):
        task.preprocess(other)
    assert store.sums_of(run.store) == before
    monkeypatch.setattr(task, "fill", pytest.fail)  # every part is there
    assert task.preprocess(other)["analyses"]["written"]
    assert not drafts.part_of(run.store).exists()


@pytest.mark.parametrize("whole", [False, True])
def test_a_damaged_store_is_told_and_made_again(
    run: Config, capsys: pytest.CaptureFixture[str], whole: bool
) -> None:
    content = chunk_of(run.store).read_bytes()
    spoil(chunk_of(run.store))
    assert task.preprocess(run, verify=whole)["analyses"]["written"]
    assert "fields/0.0.0.0: a file of the store is damaged: the store is made again\n" in (
        capsys.readouterr().err
    )
    assert chunk_of(run.store).read_bytes() == content


def test_what_only_a_whole_check_reads_is_found_by_it(
    run: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(run.store)
    monkeypatch.setattr(drafts, "CHUNK_BYTES", CHUNK * 100)
    task.preprocess(run)
    monkeypatch.setattr(checksums, "SAMPLE_BYTES", 1)
    chunks = sorted((run.store / "fields").glob("[0-9]*"))
    assert len(chunks) > 4
    real = chunks[1].read_bytes()
    spoil(chunks[1])
    assert task.preprocess(run, verify=True)["analyses"]["written"]
    assert chunks[1].read_bytes() == real


def test_a_store_of_an_earlier_version_gets_checksums(
    run: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = run.store / "fields" / checksums.NAME
    content = kept.read_bytes()
    kept.unlink()
    assert forecast(run, init_times=["latest"], output=run.place / "f.nc")["written"]
    assert not task.preprocess(run)["analyses"]["written"]
    assert "an earlier version made it" in capsys.readouterr().err
    assert kept.read_bytes() == content


def test_a_draft_that_was_left_is_cleared_though_nothing_is_to_do(run: Config) -> None:
    part = drafts.part_of(run.store)
    part.mkdir()
    (part / "identity").write_text("of another config")
    assert not task.preprocess(run)["analyses"]["written"]
    assert not part.exists()


def test_a_selection_across_the_axes_of_an_ensemble_is_in_order(run: Config) -> None:
    fields = store.open_store(run.ensemble_store)["fields"]
    whole = xr.DataArray(fields.values, fields.coords, fields.dims)
    key = {"init_time": [0, 2], "lead_time": 1, "channel": [1, 0]}
    np.testing.assert_array_equal(fields.isel(key), whole.isel(key))
