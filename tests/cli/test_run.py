"""Around every verb: records, JSON of failures, quiet, logs as JSON, signals."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from log_lines import without_times
from typer.testing import CliRunner

from smoecast import console, run_record
from smoecast.cli.main import app
from smoecast.cli.run import run
from smoecast.errors import InputError

SCRIPT = "import sys; sys.argv[0] = 'smoecast'; from smoecast.cli.entry import main; main()"


def work(folder: Path, problem: BaseException | None = None):
    """Return a task that is recorded in a folder, and may fail there."""

    def task() -> dict[str, Any]:
        run_record.set_folder(folder)
        console.say("working")
        (folder / "a.txt").write_text("made")
        run_record.add_output(folder / "a.txt")
        if problem is not None:
            raise problem
        return {"output": "a.txt"}

    return task


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((folder / "records").glob("*.json"))]


def test_a_summary_as_json_names_its_record(tmp_path: Path, capsys) -> None:
    run(work(tmp_path), str, verb="forecast", record=True, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said.keys() == {"output", "record"}
    (record,) = records(tmp_path)
    assert json.loads(Path(said["record"]).read_text()) == record
    assert (record["verb"], record["exit_code"], len(record["outputs"])) == ("forecast", 0, 1)


def test_without_a_record_the_summary_is_as_it_was(tmp_path: Path, capsys) -> None:
    run(work(tmp_path), str, verb="config", as_json=True)
    assert json.loads(capsys.readouterr().out) == {"output": "a.txt"}
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize(
    ("problem", "code"),
    [(InputError("a.nc: is damaged"), 3), (ValueError("odd"), 1), (KeyboardInterrupt(), 130)],
)
def test_a_failure_is_one_json_object_and_has_its_record(
    tmp_path: Path, problem: BaseException, code: int, capsys
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(work(tmp_path, problem), str, verb="forecast", record=True, as_json=True, quiet=True)
    assert caught.value.code == code
    out, err = capsys.readouterr()
    said = json.loads(out)
    (record,) = records(tmp_path)
    assert said == {**record, "record": said["record"]}
    assert (said["exit_code"], f"smoecast: {said['error']}\n") == (code, err)


def test_a_failure_without_a_record_says_code_and_error(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        run(work(tmp_path, InputError("no")), str, verb="models", as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said == {"exit_code": 3, "error": "no", "record": None, "verb": "models"}


@pytest.mark.parametrize("as_json", [False, True])
def test_quiet_prints_nothing_but_what_json_asks_for(tmp_path: Path, as_json: bool, capsys) -> None:
    run(work(tmp_path), str, verb="forecast", record=True, quiet=True, as_json=as_json)
    out, err = capsys.readouterr()
    assert bool(out) == as_json
    assert err == ""
    console.warn("disk: is nearly full")
    assert capsys.readouterr().err == "smoecast: disk: is nearly full\n"


def test_what_shows_a_result_and_fails_has_its_record(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        run(work(tmp_path), lambda s: s["missing"], verb="forecast", record=True)
    assert [r["exit_code"] for r in records(tmp_path)] == [1]


def test_metrics_come_of_runs_that_fail_too(tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    with pytest.raises(SystemExit):
        run(work(tmp_path, InputError("no")), str, verb="forecast", record=True, metrics=str(path))
    assert 'smoecast_last_exit_code{run="",verb="forecast"} 3\n' in path.read_text()


def test_a_mute_process_writes_no_metrics(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(console, "_state", {**console._state, "mute": True})
    run(work(tmp_path), str, verb="train", record=True, metrics=str(tmp_path / "a.prom"))
    assert not (tmp_path / "a.prom").exists()


def test_logs_as_json(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        run(work(tmp_path, InputError("a\nb")), str, verb="forecast", log_json=True, debug=True)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["level"], line["verb"]) for line in lines] == [
        ("info", "forecast"),
        ("debug", "forecast"),
        ("error", "forecast"),
    ]
    assert lines[0]["message"] == "working"
    assert "Traceback" in lines[1]["message"]
    assert lines[2]["message"] == "a b"
    assert all(line.keys() == {"time", "level", "verb", "message"} for line in lines)


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, check=False
    )


def test_what_the_parser_refuses_is_json_for_a_machine() -> None:
    done = call("trian", "--json", "--log-json")
    assert done.returncode == 2
    said, line = json.loads(done.stdout), json.loads(done.stderr)
    assert (said["exit_code"], said["record"]) == (2, None)
    assert said["error"] == line["message"]
    assert said["error"].startswith("no such command 'trian'; did you mean 'train'?")
    assert line["level"] == "error"


def test_what_the_parser_answers_stays_what_it_is() -> None:
    assert call("config", "show", "--help", "--json").returncode == 0
    checked = call("verify", "nothing", "--json")
    assert (checked.returncode, json.loads(checked.stdout)["exit_code"]) == (3, 3)


STOPPED = """
import signal, sys, time
import smoecast.zoo as zoo
from smoecast.cli import boundary
def names():
    zoo.names = list  # once is enough
    {how}
    return []
zoo.names = names
sys.argv = ["smoecast", "models", "list"]
boundary.main()
"""


def stopped(how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", STOPPED.format(how=how)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: [signal.signal(s, signal.SIG_DFL) for s in (1, 2, 15)],
    )


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_is_128_and_its_number_in_one_line(name: str) -> None:
    done = stopped(f"signal.raise_signal(signal.{name})")
    assert done.returncode == 128 + signal.Signals[name]
    said = without_times(done.stderr)
    assert said == f"smoecast: stopped by {name}; the same command goes on where it can\n"


def test_a_signal_that_a_dying_object_swallows_comes_again() -> None:
    how = (
        "class Dying:\n        def __del__(self): signal.raise_signal(signal.SIGTERM)\n"
        "    Dying()\n    time.sleep(60)"
    )
    done = stopped(how)
    assert done.returncode == 143
    assert without_times(done.stderr).startswith("smoecast: stopped by SIGTERM; ")


def test_so_does_one_that_comes_again_too_soon() -> None:
    """As on a busy machine: before Python has left what it calls for a dying object."""
    how = (
        "class Dying:\n        def __del__(self): signal.raise_signal(signal.SIGTERM)\n"
        "    send, boundary._send_again = boundary._send_again, lambda signum: "
        "(setattr(boundary, '_send_again', send), "
        "signal.signal(signum, boundary._interrupt), signal.raise_signal(signum))\n"
        "    Dying()\n    time.sleep(60)"
    )
    done = stopped(how)
    assert done.returncode == 143
    assert without_times(done.stderr).startswith("smoecast: stopped by SIGTERM; ")


def test_a_signal_that_a_library_turns_into_nothing_ends_the_run() -> None:
    how = "try: signal.raise_signal(signal.SIGTERM)\n    except BaseException: pass"
    assert stopped(how).returncode == 143


def test_a_second_signal_ends_at_once() -> None:
    how = (
        "try: signal.raise_signal(signal.SIGTERM)\n    finally: signal.raise_signal(signal.SIGTERM)"
    )
    done = stopped(how)
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")


def test_a_hangup_that_was_to_be_ignored_is_ignored() -> None:
    code = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + STOPPED.format(
        how="signal.raise_signal(signal.SIGHUP)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_signal_before_anything_is_loaded() -> None:
    code = (
        "import sys, os, signal\n"
        "class Finder:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'smoecast.console': signal.raise_signal(signal.SIGTERM)\n"
        f"sys.meta_path.insert(0, Finder())\n{SCRIPT}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (143, "smoecast: stopped by SIGTERM\n")


def test_a_signal_while_the_run_is_closed_comes_too_late(tmp_path: Path) -> None:
    code = (
        "import signal, sys\nfrom pathlib import Path\n"
        "from smoecast import run_record\nfrom smoecast.cli import boundary, run\n"
        "signal.signal(signal.SIGTERM, boundary._interrupt)\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "write = run_record.write_atomic\n"
        "def slow(*given):\n    signal.raise_signal(signal.SIGTERM)\n    write(*given)\n"
        "run_record.write_atomic = slow\n"
        "run.run(lambda: run_record.set_folder(folder) or {}, str, verb='train', record=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [record["exit_code"] for record in records(tmp_path)] == [0]


def test_a_process_that_has_to_die_at_once_has_its_record(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from smoecast import console, run_record\nfrom smoecast.cli import run\n"
        "def task():\n"
        f"    run_record.set_folder(Path({str(tmp_path)!r}))\n"
        "    console.die('a.nc: leads in circles', 3)\n"
        "run.run(task, str, verb='forecast', record=True, as_json=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "smoecast: a.nc: leads in circles\n")
    assert json.loads(done.stdout)["exit_code"] == 3
    assert [record["error"] for record in records(tmp_path)] == ["a.nc: leads in circles"]


RECORDED = ("download", "preprocess", "train", "forecast", "postprocess", "evaluate", "plot")


@pytest.mark.parametrize("verb", RECORDED)
def test_every_verb_of_the_chain_knows_the_options(verb: str) -> None:
    text = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200"}).output
    for option in ("--json", "--log-json", "--quiet", *(("--metrics",) if verb != "plot" else ())):
        assert option in text


@pytest.mark.parametrize("verb", RECORDED)
def test_every_verb_of_the_chain_begins_a_record(verb: str, monkeypatch) -> None:
    begun = []
    monkeypatch.setattr(run_record, "begin", lambda name, **_: begun.append(name))
    CliRunner().invoke(app, [verb, "-c", "nowhere.yaml"])
    assert begun == [verb]


@pytest.mark.parametrize(
    "words",
    [
        ["download", "--dry-run", "-c", "nowhere.yaml"],
        ["download", "--list"],
        ["preprocess", "--dry-run", "-c", "nowhere.yaml"],
        ["postprocess", "--dry-run", "-c", "nowhere.yaml"],
        ["config", "show", "-c", "nowhere.yaml"],
        ["runs", "list"],
    ],
    ids=" ".join,
)
def test_what_only_looks_leaves_no_record(words: list[str], monkeypatch) -> None:
    begun = []
    monkeypatch.setattr(run_record, "begin", lambda name, **_: begun.append(name))
    CliRunner().invoke(app, words)
    assert begun == []


def test_a_config_that_is_read_is_noted(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(f"name: small\nfolder: {tmp_path}\nseed: 5\n")
    (tmp_path / "small").mkdir()
    result = CliRunner().invoke(app, ["train", "--json", "-q", "-c", str(tmp_path / "run.yaml")])
    said = json.loads(result.stdout)
    assert result.exit_code == said["exit_code"] != 0
    assert (said["run"], said["notes"]["seed"]) == ("small", 5)
    assert len(said["notes"]["config_sha256"]) == 64
    assert said["stages"].keys() >= {"imports", "config"}
    (record,) = records(tmp_path / "small")
    assert record["error"] == said["error"]
    assert Path(said["record"]).name.split("_")[1] == "train"
