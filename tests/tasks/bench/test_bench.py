"""The command as a whole: what it prints, what it writes, what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_measurement import SUMMARY
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.errors import ConfigError
from smoecast.tasks.bench import bench as module
from smoecast.tasks.bench.bench import ALL, CASES, bench, find_case
from smoecast.tasks.bench.measuring.tables import show


def test_one_case_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    given = ["bench", "download", "--quick", "--json", "-o", str(path)]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.stderr
    said, kept = json.loads(done.stdout), json.loads(path.read_text())
    assert said["output"] == str(path)
    assert kept == {key: said[key] for key in ("machine", "quick", "tasks")}
    assert kept["machine"]["device"] == "cpu"
    assert {"processor", "cores", "threads", "load", "versions", "peers"} <= kept["machine"].keys()
    task = kept["tasks"][0]
    assert (task["case"], task["rounds"]) == ("download", 1)
    assert task["ways"]["smoecast"]["median"] > 0
    assert "bench download: a download" in done.stderr


def test_a_table_for_people_or_for_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "bench", lambda *_, **__: SUMMARY)
    plain = CliRunner().invoke(app, ["bench", "download"]).stdout
    assert plain == show(SUMMARY) + "\n"
    page = CliRunner().invoke(app, ["bench", "download", "--markdown"]).stdout
    assert page == show(SUMMARY, markdown=True) + "\n"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"names": ["fast"]}, "there is no benchmark 'fast': use layer "),
        ({"names": ["layer"], "device": "tpu"}, "--device is auto, cpu or cuda, not 'tpu'"),
        ({"names": ["layer"], "dtype": "int8"}, "--dtype is auto, float32, bfloat16 or float16"),
    ],
)
def test_refusals(given: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        bench(**given)


def test_a_gpu_that_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ask", lambda *_, **__: {"device": "", "gpu": ""})
    with pytest.raises(ConfigError, match="torch finds no GPU here"):
        bench(["layer"], device="cuda")


@pytest.mark.parametrize("name", CASES)
def test_every_case_says_what_it_is(name: str) -> None:
    assert find_case(name).about
    assert find_case(name).rounds > 1


def test_all_is_all() -> None:
    assert module._choose([ALL]) == module._choose([]) == [*CASES]
    assert module._choose([CASES[-1], CASES[0]]) == [*dict.fromkeys([CASES[0], CASES[-1]])]


def test_describing_cases_loads_nothing_heavy() -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from smoecast.tasks.bench.bench import CASES, find_case\n"
        "from smoecast.tasks.bench.measuring.case import Setting\n"
        "for name in CASES: find_case(name).tasks(Setting(Path('nowhere')))\n"
        "print({'torch', 'xarray', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
