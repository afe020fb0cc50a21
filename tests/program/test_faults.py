"""The faults of docs/reliability.md that no other module has: what happens, and what is said."""

import json
import os
import random
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import arrivals
import contents
import numpy as np
import pytest
import xarray as xr
from arrivals import config_of
from mishaps import Runner
from scenes import ONCE, Scene, World, open_world, play

from smoecast.errors import LockedError
from smoecast.tasks.cycle import cycle
from smoecast.tasks.forecast.forecast import forecast

KILLS = 50
CYCLE = ("cycle", "-q", "-c", "run.yaml")
FORECAST = ("forecast", "-q", "-c", "run.yaml", "-i", "analyses", "-t", "latest")
RESULT = Path("runs/ops/forecast_2001010112.nc")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("scene", ONCE, ids=str)
def test_fifty_kills_at_random(world: World, scene: Scene) -> None:
    """The moments are the same in every run: by file operation, seeded by the name of the scene."""
    moments = random.Random(str(scene))
    count = len(world.end_of(scene).operations)
    for _ in range(KILLS):
        play(world, scene, moments.randint(1, count), moments.choice(["before", "after"]))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Runner]]:
    """Where commands are called, what is there at first, and what calls them."""
    place, kept = tmp_path_factory.mktemp("place"), tmp_path_factory.mktemp("kept") / "first"
    arrivals.prepare(place)
    arrivals.bring_analyses(place, 0, 1, 2)
    arrivals.bring_ensembles(place, 0)
    shutil.copytree(place, kept)
    runner = Runner(place)
    assert runner.run(*CYCLE).code == 0
    yield place, kept, runner


@pytest.fixture
def place(stage: tuple[Path, Path, Runner]) -> Path:
    folder, kept, _ = stage
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)
    return folder


@pytest.fixture
def runner(stage: tuple[Path, Path, Runner]) -> Runner:
    return stage[2]


def is_well(place: Path, runner: Runner, *more: str) -> None:
    """See that nothing is half-written, and that the same command completes the set."""
    for path in contents.units(place / "runs").values():
        contents.read(path)
    outcome = runner.run(*CYCLE)
    assert outcome.code == 0, outcome.err
    assert {path.name for path in (place / "runs/ops").glob("*.nc")} == {
        *("forecast_2001010106.nc", "forecast_2001010112.nc", "calibrated_2001010100.nc"),
        *more,
    }
    hidden = {path.name for path in (place / "runs/ops").glob(".*")}
    assert hidden <= {".lock"}, hidden


def test_two_jobs_at_once_on_one_file_and_in_one_folder(
    place: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second job is this process."""
    monkeypatch.chdir(place)
    asked = {"inputs": ["analyses"], "init_times": ["latest"]}
    with runner.hold(*FORECAST, "-o", str(RESULT), at=f"open .*{RESULT.name}.*part") as first:
        with pytest.raises(LockedError, match=r"is held by another run \(pid \d+ on .*\): wait"):
            forecast(config_of(), output=RESULT, **asked)
        assert forecast(config_of(), output=RESULT.with_name("beside.nc"), **asked)["written"]
    assert (first[0].code, LockedError.exit_code) == (0, 75)
    for name in (RESULT.name, "beside.nc"):
        contents.read(place / "runs/ops" / name)


def test_two_cycles_at_once(place: Path, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    with (
        runner.hold(*CYCLE, at=r"open .*forecast_2001010112.*part") as first,
        pytest.raises(LockedError, match=r"\.cycle\.lock is held by another run \(pid \d+ on"),
    ):
        cycle(config_of())
    assert first[0].code == 0


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def replace(path: Path) -> None:
    shutil.copy(path.parent / "2001010100.nc", path.parent / "new")
    (path.parent / "new").rename(path)


OPENED, COMPUTED = r"open .*0112\.nc\.lock", r"open .*0112\.nc\..*part"


@pytest.mark.parametrize(
    ("change", "moment"), [(truncate, OPENED), (replace, COMPUTED), (Path.unlink, OPENED)]
)
def test_an_input_that_changes_while_it_is_read(
    place: Path, runner: Runner, change: object, moment: str
) -> None:
    path = place / "analyses/2001010112.nc"
    shutil.copy(path, place / "whole.nc")
    with runner.hold(*CYCLE, at=moment) as found:
        change(path)  # type: ignore[operator]
    assert found[0].code == 5, found
    said = found[0].one_sentence()
    assert "(analyses/2001010112.nc: changed while this run was reading it, so" in said
    assert not (place / RESULT).exists()
    (place / "whole.nc").rename(path)
    is_well(place, runner)


@pytest.mark.parametrize(("what", "code"), [("cut", 3), ("nan", 5)])
def test_an_analysis_that_is_not_as_it_should_be(
    place: Path, runner: Runner, what: str, code: int
) -> None:
    """Of several starts those that can be made are: then the set is incomplete, which is 5."""
    path = place / "analyses/2001010112.nc"
    whole = path.read_bytes()
    if what == "nan":
        with xr.open_dataset(path) as opened:
            fields = opened.load()
        fields["t2m"][0, 3, 3] = np.nan
        fields.to_netcdf(path)
    else:
        path.write_bytes(whole[: len(whole) // 2])
    outcome = runner.run(*CYCLE)
    assert outcome.code == code, outcome
    said = outcome.one_sentence()
    assert "1 of 4 stages failed, the others are done: forecast (" in said
    assert "2001010112.nc" in said
    assert not (place / RESULT).exists()
    assert (place / "runs/ops/calibrated_2001010100.nc").exists()
    path.write_bytes(whole)
    is_well(place, runner)


def test_models_with_one_bit_turned(place: Path, runner: Runner) -> None:
    kept = {}
    for folder in ("runs/ops/model", "emos"):
        path = place / folder / "model.safetensors"
        kept[path] = path.read_bytes()
        turned = bytearray(kept[path])
        turned[-5] ^= 1
        path.write_bytes(turned)
    outcome = runner.run(*CYCLE)
    assert outcome.code == 6, outcome
    said = outcome.one_sentence()
    assert "2 of 4 stages failed, the others are done: forecast (" in said
    for path in kept:
        assert str(path.parent.relative_to(place)) in said
    assert not list((place / "runs/ops").glob("*2001*.nc"))
    for path, content in kept.items():
        path.write_bytes(content)
    is_well(place, runner)


def test_a_clock_that_is_set_back(place: Path, runner: Runner) -> None:
    """All that is there is of tomorrow, and the clock goes back a day in the middle of the run."""
    assert runner.run(*CYCLE).code == 0
    records = place / "runs/ops/records"
    for path in records.iterdir():
        path.rename(records / re.sub(r"^\d{8}", "20991231", path.name))
    for path in sorted(place.rglob("*")):
        os.utime(path, (4e9, 4e9))
    before = {path: contents.read(path) for path in contents.units(place / "runs").values()}
    arrivals.bring_analyses(place, 3)
    outcome = runner.run(*CYCLE, "--keep", "30d", mishap="clock back")
    assert (outcome.code, outcome.err) == (0, "")
    assert (place / "runs/ops/forecast_2001010118.nc").exists()
    for path, leaves in before.items():  # nothing was thrown away, and nothing made again
        assert contents.read(path) == leaves
    newest = max(records.iterdir(), key=lambda path: path.name[:8] != "20991231")
    said = json.loads(newest.read_text())
    assert said["exit_code"] == 0
    assert 0 <= said["seconds"] < 3600
    assert runner.run("runs", "list", "runs/ops").code == 0


def close(path: Path, mode: int) -> None:
    for inside in sorted([path, *path.rglob("*")], reverse=True):
        inside.chmod(mode if inside.is_dir() else mode & 0o666)


def test_a_read_only_folder(place: Path, runner: Runner) -> None:
    close(place / "runs", 0o555)
    outcome = runner.run(*CYCLE, mishap="no leave")
    close(place / "runs", 0o755)
    assert outcome.code == 5, outcome
    assert "Permission denied" in outcome.one_sentence()


def test_a_disk_without_room_for_a_byte(place: Path, runner: Runner) -> None:
    outcome = runner.run(*CYCLE, mishap="no room")
    assert outcome.code == 5, outcome
    assert not [path for path in contents.units(place / "runs") if "2001" in path]
    outcome.one_sentence()


STAGES = {
    "forecast": r"forecast_2001010106.*part",
    "postprocess": r"calibrated_2001010100.*part",
    "evaluate": r"scores.*part",
}


@pytest.mark.parametrize("verb", STAGES)
def test_sigterm_in_every_stage(place: Path, runner: Runner, verb: str) -> None:
    arrivals.bring_analyses(place, 3)
    outcome = runner.run(*CYCLE, mishap="stop before", at=STAGES[verb])
    assert outcome.code == 143, outcome
    assert "stopped by SIGTERM" in outcome.one_sentence()
    is_well(place, runner, "forecast_2001010118.nc")
