"""The script behind `make gpu`, with parts that need no GPU."""

import json
import sys
from pathlib import Path

import prove
import pytest
import torch
from prove import NO_GPU, PARTS, Part, main, read_properties, write_table

PROPERTY = """
import pathlib, sys
pathlib.Path(sys.argv[1]).write_text(
    '<testsuites><testsuite><testcase><properties><property name="a step, seconds" value="0.25"/>'
    "</properties></testcase></testsuite></testsuites>"
)
"""
FAKES = (
    Part("it fails", ("-c", "print('alas'); raise SystemExit(3)"), 60),
    Part("it hangs", ("-c", "import time; time.sleep(100)"), 1),
    Part("it measures", ("-c", PROPERTY, "{folder}/tests.xml"), 60),
    Part("bench", ("-c", "import sys; open(sys.argv[1], 'w').write('[1]'); print('| x |')",
                   "{folder}/bench.json"), 60),
)  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    made = prove.prove(sys.executable, tmp_path_factory.mktemp("parts"), FAKES)
    return {"machine": {"device": "none"}, **made}


def test_a_failed_part_does_not_stop_the_rest(found):
    outcomes = [part["outcome"] for part in found["parts"]]
    assert outcomes == ["failed with exit code 3", "stopped after 1 s", "passed", "passed"]
    assert not found["passed"]
    assert found["parts"][2]["measured"] == {"a step, seconds": 0.25}
    assert found["parts"][3]["bench"] == [1]


def test_the_table_has_all_of_it(found):
    table = write_table(found)
    for line in ("| it hangs | stopped after 1 s |", "| a step, seconds | 0.25 |", "alas", "| x |"):
        assert line in table


def test_nothing_is_begun_after_the_time(tmp_path):
    (part,) = prove.prove(sys.executable, tmp_path, FAKES[:1], limit=0)["parts"]
    assert part["outcome"] == "not begun: the time was up"


def test_the_budgets_are_within_eight_minutes():
    assert sum(part.seconds for part in PARTS) <= prove.LIMIT <= 8 * 60


def test_no_report_is_no_measurement(tmp_path):
    assert read_properties(tmp_path / "none.xml") == {}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_in_one_sentence(tmp_path, capsys):
    assert main(["--output", str(tmp_path / "report")]) == 1
    assert capsys.readouterr().err == f"{NO_GPU}\n"
    assert not (tmp_path / "report").exists()


def test_with_a_gpu_it_writes_json_and_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(prove, "ask", lambda _, code: "{}")
    monkeypatch.setattr(prove, "PARTS", FAKES[2:])
    assert main(["--output", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "gpu.json").read_text())["passed"]
    assert (tmp_path / "gpu.md").read_text().startswith("# What a GPU has shown")
    monkeypatch.setattr(prove, "PARTS", FAKES[:1])
    assert main(["--output", str(tmp_path)]) == 1


def test_what_is_missing_is_installed_without_pytorch(monkeypatch):
    assert prove.complete(sys.executable) == sys.executable
    done = []

    def note(command, **_):
        done.append([*command])
        if "--constraint" in command:
            pins = Path(command[command.index("--constraint") + 1]).read_text()
            assert "numpy==" in pins
            assert "torch==" not in pins

    monkeypatch.setattr(prove, "ask", lambda *_: None)
    monkeypatch.setattr(prove.subprocess, "run", note)
    assert prove.complete(sys.executable).endswith(".venv-gpu/bin/python")
    assert [words[2] for words in done] == ["venv", "pip"]
