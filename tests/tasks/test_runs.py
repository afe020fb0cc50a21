"""Records of runs, listed, shown and held against what is there."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_world import small_run
from typer.testing import CliRunner

from smoecast import run_record
from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.errors import InputError
from smoecast.fields.store import store
from smoecast.tasks.runs import list_runs, show_run, verify_runs

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Leave the record of a run that wrote `content` to a file; return its path."""
    monkeypatch.setattr(run_record, "_state", {"run": None})
    hours = iter(range(24))

    def call(name: str, content: str, code: int = 0, verb: str = "forecast") -> Path:
        run_record.begin(verb)
        run_record.set_folder(tmp_path / "run")
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / name).write_text(content)
        run_record.add_output(tmp_path / "run" / name)
        path = Path(run_record.finish(code, "no room" if code else "")["record"])
        said = {**json.loads(path.read_text()), "start": f"2026-11-28T{next(hours):02d}:00:00.000Z"}
        path.write_text(json.dumps(said))
        return path

    return call


def states(found: dict[str, Any]) -> dict[str, str]:
    return {Path(c["path"]).name: c["state"] for c in found["checked"]}


def change(path: Path, **said: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **said}))


def test_a_list_has_the_newest_last(make: Make, tmp_path: Path) -> None:
    paths = [make("a", "1"), make("a", "2", code=5), make("b", "3")]
    (tmp_path / "run" / "records" / "notes.json").write_text("mine")
    assert [r["record"] for r in list_runs(tmp_path / "run")["runs"]] == [str(p) for p in paths]
    assert [r["exit_code"] for r in list_runs(tmp_path / "run", failed=True)["runs"]] == [5]
    assert [r["record"] for r in list_runs(tmp_path / "run", last=1)["runs"]] == [str(paths[2])]
    assert len(list_runs(tmp_path / "run", last=9)["runs"]) == 3


def test_a_folder_has_none_or_is_not_there(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == {"runs": [], "damaged": []}
    with pytest.raises(InputError, match="there is no such folder"):
        list_runs(tmp_path / "none")
    for ask in (show_run, verify_runs):
        with pytest.raises(
            InputError, match="there are no records: name the folder of the results"
        ):
            ask(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[1]",
        b"[" * 100_000,
        b'{"verb": "train"}',
        json.dumps({"outputs": ["a"]}).encode(),
    ],
    ids=range(6),
)
def test_what_is_no_record_is_said_and_hides_no_other(
    make: Make, tmp_path: Path, content: bytes
) -> None:
    good = make("a", "1")
    bad = good.with_name("20261128T210000Z_forecast_0123ab.json")
    bad.write_bytes(content)
    found = list_runs(tmp_path / "run")
    assert [r["record"] for r in found["runs"]] == [str(good)]
    assert [words.startswith(f"{bad}: is no record of a run") for words in found["damaged"]] == [
        True
    ]
    with pytest.raises(InputError, match="is no record of a run"):
        show_run(bad)
    assert verify_runs(tmp_path / "run")["exit_code"] == 5


@pytest.mark.parametrize(
    "said", [{"outputs": [3]}, {"stages": {"a": 1}}, {"error": 3}, {"seconds": "1"}, {"inputs": {}}]
)
def test_a_record_of_another_form_is_none(make: Make, said: dict[str, Any]) -> None:
    path = make("a", "1")
    change(path, **said)
    with pytest.raises(InputError, match="is no record of a run"):
        show_run(path)


def test_a_record_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\)"):
        show_run(tmp_path / "a.json")


def test_whole_replaced_changed_and_gone(make: Make, tmp_path: Path) -> None:
    first = make("a", "1")
    second = make("a", "2")
    make("b", "3")
    run = tmp_path / "run"
    assert (states(verify_runs(run)), verify_runs(run)["exit_code"]) == (
        {"a": "whole", "b": "whole"},
        0,
    )
    (old,) = verify_runs(first)["checked"]
    assert (old["state"], old["words"]) == ("replaced", f"replaced by {second}")
    assert verify_runs(first)["exit_code"] == 0
    (run / "b").unlink()
    assert (states(verify_runs(run))["b"], verify_runs(run)["exit_code"]) == ("gone", 0)
    (run / "a").write_text("1")  # what was there once is not what the newest says
    assert (states(verify_runs(run))["a"], verify_runs(run)["exit_code"]) == ("changed", 5)
    assert verify_runs(second)["exit_code"] == 5


def test_a_folder_that_was_moved_is_verified_where_it_is(make: Make, tmp_path: Path) -> None:
    make("a", "1")
    (tmp_path / "run").rename(tmp_path / "moved")
    assert states(verify_runs(tmp_path / "moved")) == {"a": "whole"}
    (tmp_path / "moved" / "a").write_text("2")
    assert verify_runs(tmp_path / "moved")["exit_code"] == 5


def test_inputs_that_changed_are_told_and_are_no_error(tmp_path: Path, make: Make) -> None:
    path = make("a", "1")
    (source := tmp_path / "source.nc").write_text("x")
    change(
        path, inputs=[{"file": "source.nc", "path": str(source), "sha256": "0" * 64}, {"file": "b"}]
    )
    found = verify_runs(tmp_path / "run")
    assert states(found) == {"a": "whole", "source.nc": "changed"}
    assert found["exit_code"] == 0


def test_names_in_a_record_neither_write_nor_wait(make: Make, tmp_path: Path) -> None:
    path = make("a", "1")
    os.mkfifo(tmp_path / "pipe")
    kept = tmp_path / "kept"
    kept.write_text("keep me")
    made = {"made": True, "sha256": "0" * 64}
    entries = [
        {**made, "path": str(tmp_path / "pipe")},
        {**made, "path": str(tmp_path / "run" / ".." / "kept")},
        {**made, "path": str(tmp_path / "run"), "listing": "../kept"},
        {**made, "path": "a\0b"},
    ]
    change(path, outputs=entries)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    found = verify_runs(tmp_path / "run")
    assert [c["state"] for c in found["checked"]] == ["unknown", "changed", "unknown", "unreadable"]
    assert found["exit_code"] == 5
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_a_terminal_is_not_commanded_by_a_record(make: Make, tmp_path: Path) -> None:
    path = make("a", "1")
    change(path, error="\x1b[2Jgone", run="\x07", exit_code=1, notes={"a": "\x1b"})
    for words in (["list", str(tmp_path / "run")], ["show", str(path)], ["verify", str(path)]):
        result = CliRunner().invoke(app, ["runs", *words])
        assert result.exit_code == 0, result.output
        assert not {"\x1b", "\x07"} & set(result.output)


def test_the_command_line(make: Make, tmp_path: Path) -> None:
    make("a", "1", verb="train")
    path = make("a", "2", code=5)
    invoke, run = CliRunner().invoke, str(tmp_path / "run")
    table = invoke(app, ["runs", "list", run]).output.splitlines()
    assert table[0].split() == ["start", "verb", "exit", "seconds", "outputs", "error"]
    assert [line.split()[1:3] for line in table[2:]] == [["train", "0"], ["forecast", "5"]]
    assert table[3].endswith("no room")
    few = invoke(app, ["runs", "list", run, "--failed", "--last", "1", "--json"])
    assert [r["verb"] for r in json.loads(few.output)["runs"]] == ["forecast"]
    shown = invoke(app, ["runs", "show", run]).output
    assert "exit code 5: no room" in shown
    assert f"output  {tmp_path / 'run' / 'a'} " in shown
    assert json.loads(invoke(app, ["runs", "show", str(path), "--json"]).output)["exit_code"] == 5
    (tmp_path / "run" / "a").write_text("3")
    verified = invoke(app, ["runs", "verify", run])
    assert verified.exit_code == 5
    assert f"{tmp_path / 'run' / 'a'}: output, has other content than it had" in verified.output
    assert (
        invoke(app, ["runs", "list", str(tmp_path)]).output
        == "no records here: name the folder of the results\n"
    )


def test_the_chain_leaves_records_that_hold(world: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    config = small_run(world, tmp_path, "training.epochs=1", "evaluate.resamples=0")
    path.write_text(yaml_file.dump(config))

    def call(*words: str) -> dict[str, Any]:
        result = CliRunner().invoke(app, [*words, "-c", str(path), "--json", "-q"])
        assert result.exit_code == 0, result.output
        summary = json.loads(result.stdout)
        return show_run(Path(summary["record"])) if summary["record"] else {}

    made = {verb: call(verb) for verb in ("download", "preprocess", "train", "forecast")}
    made |= {"evaluate": call("evaluate"), "plot": call("plot", "--kind", "training")}
    assert {Path(e["path"]).name for e in made["download"]["inputs"]} == {
        *("analyses_a.nc", "analyses_b.nc", "ensembles.nc")
    }
    assert {Path(e["path"]).name for e in made["preprocess"]["outputs"]} == {
        *("store.zarr", "ensemble.zarr")
    }
    assert made["preprocess"]["notes"]["newest_analysis"] == "2001-03-01T18:00"
    assert made["preprocess"]["stages"].keys() >= {"imports", "inputs", "chunks", "finish"}
    assert [Path(e["path"]).name for e in made["train"]["outputs"]] == [
        *("model.safetensors", "state.json")
    ]
    assert made["train"]["inputs"][0]["sha256"] == made["preprocess"]["outputs"][0]["sha256"]
    assert len(made["train"]["notes"]["model_sha256"]) == 64
    assert made["train"]["stages"].keys() >= {"imports", "inputs", "prepare", "train", "write"}
    outputs = [Path(e["path"]).name for e in made["evaluate"]["outputs"]]
    assert sorted(outputs) == ["scores.config.yaml", "scores.csv", "scores.json"]
    scores = made["evaluate"]["notes"]["scores"]
    assert {(s["region"], s["season"]) for s in scores} == {("global", "year")}
    assert all(e["path"].endswith(".png") for e in made["plot"]["outputs"])
    for verb in ("preprocess", "train", "evaluate", "plot"):
        found = verify_runs(Path(made[verb]["record"]))
        assert {c["state"] for c in found["checked"]} == {"whole"}
    again = call("preprocess")
    assert [e["made"] for e in again["outputs"]] == [False, False]
    chunk = max((config.store / "fields").glob("[0-9]*"))
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"?")
    found = verify_runs(config.place)
    assert found["exit_code"] == 5  # by the store's own checksums
    assert states(found)["store.zarr"] == "changed"
    assert store.sums_of(config.store) is not None


def test_verify_needs_no_torch(make: Make, tmp_path: Path) -> None:
    make("a", "1")
    code = (
        "import sys\nfrom pathlib import Path\nfrom smoecast.tasks.runs import verify_runs\n"
        f"assert verify_runs(Path({str(tmp_path / 'run')!r}))['exit_code'] == 0\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
