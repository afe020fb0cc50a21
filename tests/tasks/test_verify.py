"""`smoecast verify`: it finds out what a path is, and whether that is whole."""

import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from smoecast.cli.main import app
from smoecast.config.run import Config
from smoecast.tasks.forecast.forecast import forecast


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, words)])


@pytest.fixture
def result(done: Config, tmp_path: Path) -> Path:
    return Path(shutil.copy(done.place / "forecast.nc", tmp_path))


@pytest.fixture
def store(done: Config, tmp_path: Path) -> Path:
    section = done.forecast.model_copy(update={"format": "wb2"})
    config = done.model_copy(update={"forecast": section})
    forecast(config, init_times=["2001-02-20"], output=tmp_path / "f.zarr")
    return tmp_path / "f.zarr"


@pytest.fixture
def model(done: Config, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done.model, tmp_path / "model"))


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_whole_ones_end_in_0_a_line_each(
    result: Path, store: Path, model: Path, done: Config
) -> None:
    paths = (result, store, model, done.calibration, done.place / "calibrated.nc")
    found = call(*paths)
    assert found.exit_code == 0, found.output
    kinds = ("result", "result", "model", "model", "result")
    lines = [f"{path}: whole, a {kind}" for path, kind in zip(paths, kinds, strict=True)]
    assert found.stdout.splitlines() == lines
    assert not found.stderr


def test_a_damaged_result_ends_in_5(result: Path, store: Path) -> None:
    damage(result)
    (store / "2m_temperature" / "0.0.0.0").unlink()
    found = call(result, store)
    assert found.exit_code == 5
    first, second = found.stdout.splitlines()
    assert first.startswith(f"{result}: was damaged or changed")
    assert second.startswith(f"{store}: was damaged or changed")


@pytest.mark.parametrize("name", ["model.safetensors"])
def test_a_damaged_model_ends_in_6(model: Path, name: str) -> None:
    damage(model / name)
    found = call(model)
    assert found.exit_code == 6
    assert name in found.stdout


@pytest.mark.parametrize("name", ["model.safetensors", "state.json"])
def test_half_a_model_is_a_damaged_model(model: Path, name: str) -> None:
    (model / name).unlink()
    assert call(model).exit_code == 6


def test_what_is_missing_or_foreign_ends_in_3(tmp_path: Path, world: Path) -> None:
    (tmp_path / "text").write_text("text")
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "nothing", "is not there"),
        (tmp_path / "pipe", "is not there, or neither a file nor a folder"),
        (tmp_path, "is neither a result nor a store nor a model"),
        (tmp_path / "text", "is no result of smoecast"),
        (world / "ensembles.nc", "carries no checksums"),
        (tmp_path / ("long" * 100), "it cannot be read (File name too long)"),
    ):
        found = call(path)
        assert found.exit_code == 3, found.output
        assert found.stdout.startswith(f"{path}: ")
        assert words in found.stdout


def test_the_worst_wins_and_json_has_it_all(
    result: Path, store: Path, model: Path, tmp_path: Path
) -> None:
    damage(result)
    damage(model / "model.safetensors")
    assert call(store, tmp_path / "nothing", result).exit_code == 5
    found = call(model, result, store, tmp_path / "nothing", "--json")
    assert found.exit_code == 6
    said = json.loads(found.stdout)
    assert said["exit_code"] == 6
    kinds = [(c["kind"], c["whole"], bool(c["problem"])) for c in said["checked"]]
    assert kinds == [
        ("model", False, True),
        ("result", False, True),
        ("result", True, False),
        ("unknown", False, True),
    ]


def test_no_path_is_a_usage_error() -> None:
    assert call().exit_code == 2


def test_a_store_of_preprocess(done: Config, tmp_path: Path) -> None:
    found = call(done.store)
    assert found.exit_code == 0
    assert found.stdout == f"{done.store}: whole, a store\n"
    shutil.copytree(done.store, tmp_path / "store.zarr")
    damage(next((tmp_path / "store.zarr" / "fields").glob("[0-9]*")))
    assert call(tmp_path / "store.zarr").exit_code == 5
