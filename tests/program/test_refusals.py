"""Every verb where the system refuses: a documented exit code and one sentence, never a traceback.

Read-only folders, a lock and inputs of somebody else, and a disk without room; root obeys
permissions here, as anybody else does.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mishaps import Runner
from small_world import small_run, write_world

from smoecast.config import yaml_file

CHAIN = ("preprocess", "train", "forecast", "postprocess", "evaluate")
PLANET = """
folder: runs
data:
  channels: [z500, t2m]
  step_hours: 12
  planet: {years: 0.02}
sample: {lead_hours: [12]}
"""
WRITING = (
    "download -q -c planet.yaml",
    "preprocess -q -c run.yaml -s data.precision=float16",
    "train -q -c run.yaml --fresh",
    "forecast -q -c run.yaml -s forecast.title=other",
    "forecast -q -c run.yaml --format wb2",
    "forecast -q -c run.yaml --format grib",
    "postprocess -q -c run.yaml -s postprocess.members=3",
    "postprocess -q -c run.yaml --format grib",
    "postprocess -q -c run.yaml -s name=new -s data.run=small",
    "evaluate -q -c run.yaml",
    "plot -q -c run.yaml -k routing",
    "demo -q --folder demo",
    "config init new.yaml",
)
"""Each has something to write."""

READING = (
    "preprocess -q -c run.yaml --dry-run",
    "postprocess -q -c run.yaml --dry-run",
    "models list",
    "models show planet-demo",
    "models verify runs/small/model",
    "config check -c run.yaml",
    "config show -c run.yaml",
    "config schema",
    "download --list",
    "download --dry-run -c run.yaml",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Runner]]:
    """A place, what it holds after the whole chain, and what calls commands in it."""
    place, kept = tmp_path_factory.mktemp("place"), tmp_path_factory.mktemp("kept") / "whole"
    (place / "data").mkdir()
    write_world(place / "data", days=20)
    config = small_run(Path("data"), Path("runs"), "evaluate.resamples=20")
    (place / "run.yaml").write_text(yaml_file.dump(config))
    (place / "planet.yaml").write_text(PLANET)
    runner = Runner(place)
    for verb in CHAIN:
        assert runner.run(verb, "-c", "run.yaml").code == 0
    shutil.copytree(place, kept)
    yield place, kept, runner


@pytest.fixture
def place(whole: tuple[Path, Path, Runner]) -> Iterator[Path]:
    """A fresh copy in the same place; permissions are given back afterwards."""
    folder, kept, _ = whole
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)


@pytest.fixture
def runner(whole: tuple[Path, Path, Runner]) -> Runner:
    return whole[2]


def close(*paths: Path, mode: int) -> None:
    for path in paths:
        for inside in sorted([path, *path.rglob("*")], reverse=True):
            inside.chmod(mode if inside.is_dir() else mode & 0o444)


@pytest.mark.parametrize("command", WRITING)
def test_a_read_only_folder_is_5(place: Path, runner: Runner, command: str) -> None:
    close(place, mode=0o555)
    outcome = runner.run(*command.split(), mishap="no leave")
    assert outcome.code == 5, outcome
    said = outcome.one_sentence()
    assert "Permission denied" in said or "takes no new files" in said


@pytest.mark.parametrize("command", READING)
def test_a_read_only_folder_is_enough_to_read(place: Path, runner: Runner, command: str) -> None:
    close(place, mode=0o555)
    outcome = runner.run(*command.split(), mishap="no leave")
    assert outcome.code == 0, outcome


@pytest.mark.parametrize("command", WRITING[1:11])
def test_a_lock_of_somebody_else_is_5(place: Path, runner: Runner, command: str) -> None:
    for folder in ("runs/small", "runs/small/model", "runs/new", "runs/small/calibration", "."):
        (place / folder).mkdir(exist_ok=True)
        (place / folder / ".lock").write_text("")
        (place / folder / ".lock").chmod(0)
    for result in ("small/.forecast.nc", "small/.forecast.zarr", "small/.forecast.grib"):
        (place / f"runs/{result}.lock").touch(mode=0)
    (place / "runs/new/.calibrated.nc.lock").touch(mode=0)
    plots = place / "runs/small/plots"
    plots.mkdir()
    (plots / ".lock").touch(mode=0)
    outcome = runner.run(*command.split(), mishap="no leave")
    assert outcome.code == 5, outcome
    assert ".lock" in outcome.one_sentence()


FORECAST = "forecast -q -c run.yaml"


@pytest.mark.parametrize(
    ("command", "closed", "codes"),
    [
        ("config check -c run.yaml", "run.yaml", {2}),
        ("train -q -c run.yaml", "run.yaml", {2}),
        ("download -q -c run.yaml", "data/analyses_a.nc", {3}),
        ("preprocess -q -c run.yaml", "data", {3}),
        ("preprocess -q -c run.yaml -s data.precision=float16", "data/analyses_a.nc", {3}),
        ("train -q -c run.yaml", "runs/small/store.zarr", {3}),
        ("train -q -c run.yaml", "runs/small/store.zarr/.zmetadata", {3}),
        ("train -q -c run.yaml --fresh", "runs/small/store.zarr/fields/0.0.0.0", {3}),
        ("train -q -c run.yaml", "runs/small/model/resume.safetensors", {3, 6}),
        (FORECAST, "runs/small/model", {3, 6}),
        (f"{FORECAST} -s seed=1 -o other.nc", "runs/small/model/model.safetensors", {3, 6}),
        ("forecast -q -c run.yaml -i data/analyses_a.nc", "data/analyses_a.nc", {3}),
        ("forecast -q -c run.yaml -i data", "data", {3}),
        ("postprocess -q -c run.yaml", "runs/small/calibration/state.json", {3, 6}),
        ("postprocess -q -c run.yaml -i data/ensembles.nc", "data/ensembles.nc", {3}),
        ("evaluate -q -c run.yaml", "runs/small/forecast.nc", {3}),
        ("evaluate -q -c run.yaml --against data/ensembles.nc", "data/ensembles.nc", {3}),
        ("plot -q -c run.yaml -k scores", "runs/small/scores.json", {3}),
        ("plot -q -c run.yaml -k maps", "runs/small/forecast.nc", {3}),
        ("models verify runs/small/model", "runs/small/model/state.json", {3, 6}),
        ("models show runs/small", "runs/small", {3, 6}),
    ],
)
def test_what_must_not_be_read_is_named(
    place: Path, runner: Runner, command: str, closed: str, codes: set[int]
) -> None:
    close(place / closed, mode=0)
    outcome = runner.run(*command.split(), mishap="no leave")
    assert outcome.code in codes, outcome
    assert closed.rsplit("/", maxsplit=1)[-1] in outcome.one_sentence()
    assert "No such file" not in outcome.err


@pytest.mark.parametrize("command", WRITING)
def test_a_disk_without_room_for_a_byte_is_5(place: Path, runner: Runner, command: str) -> None:
    outcome = runner.run(*command.split(), mishap="no room")
    assert outcome.code == 5, outcome
    outcome.one_sentence()
