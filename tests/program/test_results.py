"""What results say of themselves, and that "made before" is said of whole ones alone."""

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner, Result
from write_whole import write_grib, write_netcdf, write_wb2

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.disk import atomic, locks
from smoecast.errors import OutputError
from smoecast.fields import checksums
from smoecast.fields.read.results import read_attributes
from smoecast.fields.times import as_lead
from smoecast.tasks import provenance
from smoecast.tasks.evaluate import score_files
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast import run as forecast_run
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.postprocess import run as postprocess_run

START = "2001-02-20"


@pytest.fixture(scope="module")
def run_file(done: Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "run.yaml"
    path.write_text(yaml_file.dump(done))
    return path


@pytest.fixture
def ask(run_file: Path, tmp_path: Path) -> Callable[..., Result]:
    """Forecast from one start through the command line."""

    def call(*words: str, name: str = "f.nc") -> Result:
        line = ["forecast", "-c", str(run_file), "-t", START, "-o", str(tmp_path / name), *words]
        return CliRunner().invoke(app, line)

    return call


def made(result: Result, word: str = "") -> None:
    """Made, or made again because of what `word` says."""
    assert result.exit_code == 0, result.output
    assert "made before" not in result.stdout
    assert (word in result.stderr) if word else (not result.stderr), result.stderr
    if word:
        assert "it is made again" in result.stderr
        assert result.stderr.count("\n") == 1


def made_before(result: Result) -> None:
    assert result.exit_code == 0, result.output
    assert "made before" in result.stdout
    assert not result.stderr


# ---- damaged results are made again


def test_no_flipped_byte_is_made_before(ask: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "f.nc"
    made(ask())
    made_before(ask())
    content = path.read_bytes()
    with xr.open_dataset(path) as opened:
        first = opened.load()
    for place in (9, *np.linspace(100, len(content) - 1, 12).astype(int).tolist()):
        damaged = bytearray(path.read_bytes())
        damaged[place] ^= 4
        path.write_bytes(damaged)
        made(ask(), "f.nc: ")
        with xr.open_dataset(path) as again:
            xr.testing.assert_equal(again, first)
        checksums.check(path, whole=True)
    made_before(ask())


@pytest.mark.parametrize("kept", [0, 100, 20_000])
def test_a_cut_result_is_made_again(ask: Callable[..., Result], tmp_path: Path, kept: int) -> None:
    made(ask())
    os.truncate(tmp_path / "f.nc", kept)
    made(ask(), "f.nc: ")
    made_before(ask())


def test_no_damaged_store_is_made_before(ask: Callable[..., Result], tmp_path: Path) -> None:
    words, store = ("--format", "wb2"), tmp_path / "f.zarr"
    made(ask(*words, name="f.zarr"))
    made_before(ask(*words, name="f.zarr"))
    chunk = store / "2m_temperature" / "0.0.0.0"
    content = chunk.read_bytes()
    chunk.unlink()
    made(ask(*words, name="f.zarr"), "(2m_temperature/0.0.0.0 is missing)")
    assert chunk.read_bytes() == content
    chunk.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    made(ask(*words, name="f.zarr"), "(2m_temperature/0.0.0.0 has other content)")
    chunk.with_name("1.0.0.0").write_bytes(content)
    made(ask(*words, name="f.zarr"), "(2m_temperature/1.0.0.0 was added)")
    (store / ".zattrs").unlink()
    made(ask(*words, name="f.zarr"), "(.zattrs is missing)")
    (store / checksums.LISTING).unlink()
    made(ask(*words, name="f.zarr"), "are gone")
    made_before(ask(*words, name="f.zarr"))


def test_a_result_of_an_older_version_is_made_again(
    ask: Callable[..., Result], tmp_path: Path
) -> None:
    made(ask())
    with netCDF4.Dataset(tmp_path / "f.nc", "a") as opened:
        opened.delncattr(checksums.MARK)
    made(ask(), "carries no checksums")
    made_before(ask())


def test_verify_reads_what_samples_miss(
    ask: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "PIECE_BYTES", 1024)
    monkeypatch.setattr(checksums, "SAMPLE_BYTES", 2048)
    made(ask())
    path = tmp_path / "f.nc"
    damaged = bytearray(path.read_bytes())
    with path.open("rb") as opened:
        sizes, _, _ = checksums._read_sums(opened) or ([], [], "")
    # the last piece but one lies between those that are read
    damaged[sum(sizes[:-2]) + 5] ^= 1
    path.write_bytes(damaged)
    made_before(ask())
    made(ask("--verify"), "between bytes")
    made_before(ask("--verify"))


def test_verify_of_a_calibrated_ensemble(
    run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.nc"
    line = ["postprocess", "-c", str(run_file), "-o", str(path)]
    made(CliRunner().invoke(app, line))
    made_before(CliRunner().invoke(app, line))
    seen = []
    monkeypatch.setattr(checksums, "check", lambda path, whole: seen.append(whole))
    made_before(CliRunner().invoke(app, line))
    made_before(CliRunner().invoke(app, [*line, "--verify"]))
    assert seen == [False, True]


# ---- config and arguments


def test_a_result_says_what_it_was_made_from(
    ask: Callable[..., Result], run_file: Path, tmp_path: Path
) -> None:
    made(ask())
    said = read_attributes(tmp_path / "f.nc")
    config = json.loads(said["smoecast_config"])
    assert config["forecast"]["init_times"] == [START]
    assert json.loads(said["smoecast_arguments"]) == {
        "models": [],
        "inputs": [],
        "init_times": [START],
        "output": str(tmp_path / "f.nc"),
    }
    beside = (tmp_path / "f.config.yaml").read_bytes()
    assert said["config_sha256"] == hashlib.sha256(beside).hexdigest()
    assert yaml_file.load(tmp_path / "f.config.yaml").model_dump(mode="json") == config
    # that config alone makes the same result
    again = ["forecast", "-c", str(tmp_path / "f.config.yaml"), "-o", str(tmp_path / "f.nc")]
    made_before(CliRunner().invoke(app, again))


def test_models_that_were_named_stand_in_the_config(done: Config, tmp_path: Path) -> None:
    path = tmp_path / "f.nc"
    forecast(done, models=[done.model], init_times=[START], output=path)
    said = read_attributes(path)
    assert json.loads(said["smoecast_config"])["forecast"]["models"] == [str(done.model)]
    assert json.loads(said["smoecast_arguments"])["models"] == [str(done.model)]


def test_a_store_says_the_same(ask: Callable[..., Result], tmp_path: Path) -> None:
    made(ask("--format", "wb2", name="f.zarr"))
    said = read_attributes(tmp_path / "f.zarr")
    assert json.loads(said["smoecast_config"])["forecast"]["format"] == "wb2"
    beside = (tmp_path / "f.config.yaml").read_bytes()
    assert said["config_sha256"] == hashlib.sha256(beside).hexdigest()


def test_another_layout_is_another_result(ask: Callable[..., Result]) -> None:
    made(ask())
    for _ in range(2):
        made(ask("--layout", "cdo"))
        made_before(ask("--layout", "cdo"))
        made(ask())


def test_the_config_beside_is_mended(
    ask: Callable[..., Result], run_file: Path, tmp_path: Path
) -> None:
    made(ask())
    beside = tmp_path / "f.config.yaml"
    right, time = beside.read_text(), beside.stat().st_mtime_ns
    made_before(ask())
    assert beside.stat().st_mtime_ns == time
    beside.write_text("name: another\n")
    made_before(ask())
    assert beside.read_text() == right
    beside.unlink()
    # a key that does not change the result: the file tells of the run that made it
    made_before(ask("-s", "training.epochs=77"))
    assert beside.read_text() == right


def test_killed_between_the_result_and_its_config(
    ask: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, content: bytes) -> None:
        raise KeyboardInterrupt

    made(ask())
    right = (tmp_path / "f.config.yaml").read_text()
    (tmp_path / "f.config.yaml").unlink()
    (tmp_path / "f.nc").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "write_atomic", killed)
        assert ask().exit_code == 130
    assert (tmp_path / "f.nc").exists()
    assert not (tmp_path / "f.config.yaml").exists()
    made_before(ask())
    assert (tmp_path / "f.config.yaml").read_text() == right


def test_a_calibrated_ensemble_says_what_it_was_made_from(done: Config) -> None:
    said = read_attributes(done.place / "calibrated.nc")
    assert json.loads(said["smoecast_config"]) == done.model_dump(mode="json")
    assert json.loads(said["smoecast_arguments"]) == {"model": None, "inputs": [], "output": None}
    beside = (done.place / "calibrated.config.yaml").read_bytes()
    assert said["config_sha256"] == hashlib.sha256(beside).hexdigest()


WRITTEN = ("members,mean,std", "quantiles=0.1:0.9,probabilities=t2m>280:t2m<270")


def test_what_is_said_is_as_cf_has_it(done: Config, run_file: Path, tmp_path: Path) -> None:
    checker = Path(sys.executable).with_name("compliance-checker")
    if not checker.exists():
        pytest.skip("compliance-checker is not installed beside this Python")
    made = [done.place / "forecast.nc", done.place / "calibrated.nc"]
    for number, words in enumerate(WRITTEN):
        pattern = str(tmp_path / f"{number}_{{init_time:%Y%m%d}}.nc")
        line = ["postprocess", "-c", str(run_file), "--write", words, "--layout", "cdo"]
        assert CliRunner().invoke(app, [*line, "-o", pattern]).exit_code == 0
        made.append(sorted(tmp_path.glob(f"{number}_*.nc"))[0])
    words = [checker, "--test=cf:1.11", *made]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert found.stdout.count("All tests passed!") == len(made) == 4, found.stdout


# ---- what is refused before anything is computed


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("computed before the output was looked at")


@pytest.mark.parametrize("make", [os.mkfifo, lambda p: p.symlink_to("elsewhere"), Path.mkdir])
@pytest.mark.parametrize("name", ["f.nc", "f.config.yaml"])
def test_output_that_is_no_file_is_refused_at_once(
    run_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    name: str,
) -> None:
    monkeypatch.setattr(forecast_run, "read_description", refuse)
    monkeypatch.setattr(postprocess_run, "hold_inputs", refuse)
    make(tmp_path / name)
    before = (tmp_path / name).lstat()
    for verb in ("forecast", "postprocess"):
        line = [verb, "-c", str(run_file), "-o", str(tmp_path / "f.nc")]
        result = CliRunner().invoke(app, line)
        assert result.exit_code == 5, result.output
        assert f"{name}: is a" in result.stderr
    assert (tmp_path / name).lstat() == before
    assert {p.name for p in tmp_path.iterdir()} - {"records"} == {name}


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a device node")
@pytest.mark.parametrize("verb", ["forecast", "postprocess"])
def test_root_cannot_replace_a_device(run_file: Path, tmp_path: Path, verb: str) -> None:
    null = tmp_path / "null"
    try:
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this root may make no device node")
    result = CliRunner().invoke(app, [verb, "-c", str(run_file), "-o", str(null)])
    assert result.exit_code == 5
    assert "is a device, which is not replaced" in result.stderr
    assert stat.S_ISCHR(null.lstat().st_mode)


def test_a_folder_of_other_things_is_no_store(
    run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast_run, "read_description", refuse)
    (tmp_path / "letter").write_text("dear")
    line = ["forecast", "-c", str(run_file), "--format", "wb2", "-o", str(tmp_path)]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 5
    assert "is a folder of other things" in result.stderr
    assert (tmp_path / "letter").read_text() == "dear"


def test_a_folder_that_takes_no_files(
    run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecast_run, "read_description", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    line = ["forecast", "-c", str(run_file), "-o", str(tmp_path / "a" / "f.nc")]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 5
    assert "takes no new files" in result.stderr


# ---- killed at any file operation of the end


def small() -> xr.Dataset:
    sizes = {"init_time": 1, "lead_time": 1, "latitude": 2, "longitude": 3}
    start = np.array(["2020-01-01"], "datetime64[ns]")
    coordinates = {"init_time": start, "lead_time": as_lead([6])}
    coordinates |= {"latitude": [10.0, -10.0], "longitude": [0.0, 120.0, 240.0]}
    values = np.ones(tuple(sizes.values()), np.float32)
    described = {"units": "K", "long_name": "temperature"}
    return xr.Dataset({"t2m": (tuple(sizes), values, described)}, coordinates)


WRITERS = {"f.nc": write_netcdf, "f.zarr": write_wb2, "f.grib": write_grib}
EVENTS = ("open", "os.", "shutil.", "fcntl.", "ctypes.call_function")


def final_stage(config: Config, path: Path) -> bool:
    """Do what `forecast` and `postprocess` do once the fields are there."""
    described = provenance.attributes(config, "forecast", "none", [], {"seed": config.seed})
    with locks.lock(path.parent):
        if written := not provenance.is_there(path, described):
            WRITERS[path.name](small().assign_attrs(described), path)
        provenance.save_config(path)
    return written


def dies_at(operation: int, work: Callable[[], object]) -> bool:
    """Call in a process of its own that is killed at one of its file operations."""
    child = os.fork()
    if not child:
        signal.alarm(300)
        seen = 0

        def count(event: str, _: object) -> None:
            nonlocal seen
            seen += event.startswith(EVENTS)
            if seen == operation:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            work()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert not os.WIFSIGNALED(status) or os.WTERMSIG(status) == signal.SIGKILL
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("f.nc", 5),
        ("f.zarr", 59),
        ("f.grib", 7),
        pytest.param("f.nc", 1, marks=pytest.mark.slow),
        pytest.param("f.zarr", 1, marks=pytest.mark.slow),
        pytest.param("f.grib", 1, marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("replaces", [False, True])
def test_killed_at_any_file_operation(
    done: Config, tmp_path: Path, name: str, step: int, replaces: bool
) -> None:
    """What is there is whole, and one more run leaves the result, its config and nothing else."""
    path = tmp_path / name
    older = done.model_copy(update={"seed": 99})
    operation = kills = 0
    while True:
        operation += step
        for left in tmp_path.iterdir():
            atomic.remove(left)
        if replaces:
            final_stage(older, path)
        if not dies_at(operation, lambda: final_stage(done, path)):
            break
        kills += 1
        if path.exists():
            checksums.check(path, whole=True)
        else:
            assert not replaces
        final_stage(done, path)
        checksums.check(path, whole=True)
        assert not final_stage(done, path)
        assert (tmp_path / "f.config.yaml").read_text() == yaml_file.dump(done)
        assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "f.config.yaml", name]
    assert kills > 3


# ---- scores


def test_scores_say_what_they_were_made_from(done: Config, tmp_path: Path) -> None:
    inputs = [str(done.place / "forecast.nc")]
    evaluate(done, inputs=inputs, output=tmp_path / "s.json")
    said = json.loads((tmp_path / "s.json").read_text())
    assert said["config"] == done.model_dump(mode="json")
    arguments = {"inputs": inputs, "output": str(tmp_path / "s.json"), "against": None}
    assert said["arguments"] == arguments
    assert (tmp_path / "s.config.yaml").read_text() == yaml_file.dump(done)
    evaluate(done, inputs=inputs, output=tmp_path / "n.nc")
    attributes = read_attributes(tmp_path / "n.nc")
    assert json.loads(attributes["smoecast_config"]) == done.model_dump(mode="json")
    assert json.loads(attributes["smoecast_arguments"])["inputs"] == inputs
    checksums.check(tmp_path / "n.nc", whole=True)


@pytest.mark.parametrize("name", ["s.json", "s.csv", "s.nc"])
@pytest.mark.parametrize("last", range(5))
def test_files_of_scores_are_of_one_run(
    done: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, last: int
) -> None:
    """However far a killed run came, what lies there is of one run."""
    summary = json.loads((done.place / "scores.json").read_text())

    def write(run: int) -> None:
        made = {**summary, "truth": f"truth {run}"}
        for part in ("scores", "curves"):
            made[part] = [{**record, "starts": run} for record in summary[part]]
        config = done.model_copy(update={"seed": run}).model_dump(mode="json")
        score_files.write(made, {"config": config, "arguments": {}}, tmp_path / name)

    def there() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    steps = iter(range(last))

    def killed(real: Callable[..., None]) -> Callable[..., None]:
        def call(*given: Any) -> None:
            if next(steps, None) is None:
                raise KeyboardInterrupt
            real(*given)

        return call

    write(2)
    new = there()
    write(1)
    old = there()
    assert old.keys() == new.keys()
    assert not any(old[name] == new[name] for name in old)
    monkeypatch.setattr(score_files, "put", killed(score_files.put))
    monkeypatch.setattr(score_files, "write_atomic", killed(score_files.write_atomic))
    with pytest.raises(KeyboardInterrupt) if last < len(new) else nullcontext():
        write(2)
    left = there()
    of = new if last else old
    assert left == {name: of[name] for name in left}
    assert len(left) == min(max(last, 1), len(new))
    assert name in left


@pytest.mark.parametrize("name", ["s.json", "s.csv", "s.config.yaml", "s.curves.csv"])
def test_scores_replace_files_alone(
    done: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from smoecast.tasks.evaluate import evaluate as task

    monkeypatch.setattr(task, "open_results", refuse)
    os.mkfifo(tmp_path / name)
    with pytest.raises(OutputError, match=f"{name}: is a pipe, which is not replaced"):
        evaluate(done, output=tmp_path / "s.json")
