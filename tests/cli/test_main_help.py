"""The command line answers fast, names its exit codes, and fails with the right one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from log_lines import without_times
from typer.testing import CliRunner

from smoecast.cli.main import app

CHAIN = ("download", "preprocess", "train", "forecast", "postprocess", "evaluate")
VERBS = (*CHAIN, "inspect", "channels", "cycle", "watch", "verify", "runs", "demo")
run = CliRunner().invoke


def test_help_names_every_verb_and_exit_code() -> None:
    text = run(app, ["--help"]).output
    for word in (*VERBS, "models", "config", "Exit codes", "75"):
        assert word in text


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_exit_codes(verb: str) -> None:
    result = run(app, [verb, "--help"])
    assert result.exit_code == 0
    assert "Exit codes" in result.output


def test_python_runs_it_where_its_script_is_not_on_the_path() -> None:
    words = [sys.executable, "-m", "smoecast"]
    done = subprocess.run([*words, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == run(app, ["--version"]).output
    done = subprocess.run([*words, "bake"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "smoecast: " in done.stderr
    assert "'bake'" in done.stderr


def test_config_promises_the_commands_that_it_has() -> None:
    text = " ".join(run(app, ["config", "--help"]).output.split())
    assert "Write, check and show configs, and print their schema." in text
    for command in ("init", "check", "show", "schema"):
        assert run(app, ["config", command, "--help"]).exit_code == 0


def test_plot_writes_into_a_folder() -> None:
    assert "Folder for the pictures" in run(app, ["plot", "--help"]).output


@pytest.mark.parametrize(("verb", "goes"), [("cycle", True), ("forecast", False)])
def test_only_cycle_removes_fetched_runs(verb: str, goes: bool) -> None:
    assert ("fetched runs" in " ".join(run(app, [verb, "--help"]).output.split())) is goes


def test_version() -> None:
    assert run(app, ["--version"]).output.startswith("smoecast 0.")


def test_help_and_import_load_nothing_heavy() -> None:
    code = (
        "import sys, smoecast, smoecast.cli.main\n"
        "heavy = {'torch', 'xarray', 'numpy', 'pydantic', 'yaml', 'smoecast.run_record'}\n"
        "heavy &= set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_config_round_trip_through_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    assert run(app, ["config", "init", str(path)]).exit_code == 0
    assert run(app, ["config", "check", "-c", str(path)]).output.endswith("good\n")
    shown = run(app, ["config", "show", "-c", str(path), "-s", "training.epochs=7"])
    assert "epochs: 7" in shown.output
    assert (
        '"epochs": 7'
        in run(app, ["config", "show", "-c", str(path), "-s", "training.epochs=7", "--json"]).output
    )
    assert '"title": "Config"' in run(app, ["config", "schema"]).output


def test_config_init_writes_what_one_begins_with_or_all(tmp_path: Path) -> None:
    few, every = tmp_path / "few.yaml", tmp_path / "every.yaml"
    assert run(app, ["config", "init", str(few)]).exit_code == 0
    assert run(app, ["config", "init", str(every), "--all"]).exit_code == 0
    assert len(few.read_text().splitlines()) <= 90
    assert "routing_loss" not in few.read_text()
    assert "      routing_loss: experts  # " in every.read_text()
    assert run(app, ["config", "check", "-c", str(every)]).exit_code == 0


def test_config_init_for_a_task_asks_nothing(tmp_path: Path) -> None:
    code = "from smoecast.cli.entry import main\nmain()"
    words = ["config", "init", "uk.yaml", "--for", "ensemble"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path / "uk.yaml"
    assert "source: none" in path.read_text()
    assert run(app, ["config", "check", "-c", str(path)]).exit_code == 0
    both = run(app, ["config", "init", str(tmp_path / "a.yaml"), "--for", "era5", "--all"])
    assert both.exit_code == 2
    assert run(app, ["config", "init", str(tmp_path / "a.yaml"), "--for", "x"]).exit_code == 2


def test_config_init_keeps_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("mine")
    result = run(app, ["config", "init", str(path)])
    assert result.exit_code == 2
    assert path.read_text() == "mine"
    assert run(app, ["config", "init", str(path), "--force"]).exit_code == 0


def test_config_show_reads_a_pipe_once() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"name: piped")
    os.close(writer)
    shown = run(app, ["config", "show", "-c", f"/dev/fd/{reader}"])
    os.close(reader)
    assert shown.output.startswith("name: piped\n")


def test_config_init_refuses_a_name_that_no_run_can_have(tmp_path: Path) -> None:
    result = run(app, ["config", "init", str(tmp_path / "my run.yaml")])
    assert result.exit_code == 2
    assert "the run would be called 'my run'" in result.output
    assert not list(tmp_path.iterdir())


def test_config_init_again_has_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    assert [run(app, ["config", "init", str(path)]).exit_code for _ in range(2)] == [0, 0]


def test_config_init_names_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert run(app, ["config", "init", str(tmp_path / "no" / "run.yaml")]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["config", "check", "-c", "nowhere.yaml"], 2),
        (["train"], 2),
        (["config", "check", "-c", "x" * 5000], 2),
        (["config", "check", "-c", "~no-such-user/run.yaml"], 2),
        (["trian"], 2),
        (["models", "show", "nothing"], 2),
    ],
)
def test_usage_errors_end_in_2(arguments: list[str], code: int) -> None:
    assert run(app, arguments).exit_code == code


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("trian", "no such command 'trian'; did you mean 'train'? (`smoecast --help` says more)"),
        ("train", "missing option '--config' / '-c' (`smoecast train --help` says more)"),
        ("config shw", "no such command 'shw'; did you mean 'show'? (`smoecast config --help`"),
        ("demo --qiet", "no such option: --qiet (possible options: --quiet) (`smoecast demo"),
        ("train -c", "option '-c' requires an argument"),
    ],
)
def test_what_the_parser_refuses_is_one_sentence(words: str, said: str) -> None:
    code = "from smoecast.cli.entry import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words.split()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    (line,) = without_times(done.stderr).splitlines()
    assert line.startswith(f"smoecast: {said}")
    assert done.stdout == ""


def test_a_command_of_commands_alone_shows_its_help() -> None:
    code = "from smoecast.cli.entry import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "config"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == ""
    assert "Write, check and show configs" in done.stdout
