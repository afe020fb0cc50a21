"""`smoecast train` beyond its defaults: fine-tuning, the last model, loggers, several processes."""

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import torch
from small_world import small_run

import smoecast
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError, ModelError
from smoecast.nn.build import Forecaster
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.models import freeze_model, verify_model
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.train import LAST, train
from smoecast.training.model_files import load_state, load_tensors, save_model


@pytest.fixture
def ready(world: Path, tmp_path: Path, done: Config):
    """Make a run of a changed config, its store the one of the finished run."""

    def make(*overrides: str, name: str = "again") -> Config:
        config = small_run(world, tmp_path, f"name={name}", *overrides)
        config.place.mkdir(parents=True)
        (config.place / "store.zarr").symlink_to(done.store.resolve())
        return config

    return make


def test_fine_tuning_begins_where_the_other_ended(ready, done: Config) -> None:
    still = ("training.learning_rate=1e-12", "training.advanced.gate_learning_rate=1e-12")
    config = ready(
        f"training.initial_weights={done.model}",
        "training.epochs=1",
        "training.minimum_rate=0",
        *still,
    )
    outcome = train(config)
    ours, theirs = load_tensors(config.model), load_tensors(done.model)
    for name in ours:
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-6)
    assert outcome["train_loss"] < 1.5 * load_state(done.model)["training"]["train_loss"]
    assert not train(config)["trained"]


def test_a_profile_tells_the_time_and_changes_no_loss(ready) -> None:
    short = ("training.epochs=1", "network.blocks=1")
    plain = train(ready(*short, name="plain"))
    timed = train(ready(*short, name="timed"), profile=True)
    assert timed["best_loss"] == plain["best_loss"]
    assert "profile" not in plain
    parts = timed["profile"]["parts"]
    for name in ("reading", "preparing", "forward", "backward", "validation", "checkpoint"):
        assert parts[name]["seconds"] > 0
    assert timed["profile"]["seconds"] <= timed["seconds"] + 1


def test_filters_of_a_frozen_model_learn_apart(ready, done: Config, tmp_path: Path) -> None:
    freeze_model(done.model, tmp_path / "frozen")
    config = ready(
        f"training.initial_weights={tmp_path / 'frozen'}",
        "network.convolution=frozen",
        "training.epochs=1",
    )
    outcome = train(config)
    assert outcome["train_loss"] < load_state(done.model)["training"]["train_loss"]
    ours, frozen = load_tensors(config.model), load_tensors(tmp_path / "frozen")
    name = next(n for n in ours if ours[n].ndim == 6)  # filters of points
    changed = (ours[name] - frozen[name]).flatten(2).abs().amax(dim=(0, 1))
    assert (changed > 0).all()


def test_a_locally_connected_model_of_before_is_read_and_begun_with(ready) -> None:
    local = ("network.convolution=local", "training.epochs=1")
    config = ready(*local, name="local")
    train(config)
    tensors = load_tensors(config.model)
    name = next(n for n in tensors if n.endswith("last.filters"))
    # (D, H, W, k, k, C) -> (D, C k k, H W)
    weight = tensors[name].permute(0, 5, 3, 4, 1, 2).flatten(1, 3).flatten(2)
    older = {n: t for n, t in tensors.items() if n != name}
    older[name.removesuffix("filters") + "weight"] = weight
    save_model(config.model, older, load_state(config.model))
    network = open_model(config.model).network
    assert torch.equal(network.get_parameter(name), tensors[name])
    assert train(ready(*local, f"training.initial_weights={config.model}"))["trained"]


def test_experts_are_added_to_a_plain_model(ready) -> None:
    plain = ready("training.epochs=1", "network.smoe.layers=none", name="plain")
    before = train(plain)["best_loss"]
    start = (f"training.initial_weights={plain.model}", "training.keep_statistics=true")
    grown = ready("training.epochs=1", *start)
    assert train(grown)["best_loss"] < before
    assert any(name.endswith("common") for name in load_tensors(grown.model))


def test_the_experts_of_the_paper_cannot_be_added(ready) -> None:
    plain = ready("training.epochs=1", "network.smoe.layers=none", name="plain")
    train(plain)
    config = ready(f"training.initial_weights={plain.model}", "network.smoe.preset=paper")
    with pytest.raises(ModelError, match="do not fit this network at"):
        train(config)


def test_a_model_with_other_targets_is_refused(ready, done: Config) -> None:
    config = ready(f"training.initial_weights={done.model}", "sample.targets=[t2m]")
    with pytest.raises(ModelError, match="has the targets z500, t2m, the config t2m: start from"):
        train(config)


def test_another_network_is_refused_by_its_first_tensor(ready, done: Config) -> None:
    config = ready(f"training.initial_weights={done.model}", "network.width=6")
    with pytest.raises(ModelError, match=r"do not fit this network at backbone\.first"):
        train(config)


def test_a_refused_run_leaves_the_config_of_what_is_there(ready) -> None:
    config = ready("training.epochs=1")
    train(config)
    before = (config.model / "config.yaml").read_bytes()
    other = config.model_copy(update={"seed": config.seed + 1})
    with pytest.raises(ConfigError, match="seed"):
        train(other)
    assert (config.model / "config.yaml").read_bytes() == before


def test_a_model_that_is_not_there_is_refused(ready) -> None:
    with pytest.raises(ConfigError, match="no such model in the zoo"):
        train(ready("training.initial_weights=nowhere"))


def test_the_last_model_is_a_model_too(ready) -> None:
    config = ready("training.keep_last=true", "training.epochs=3", "training.learning_rate=0.1")
    outcome = train(config)
    verify_model(config.model / LAST)
    last, best = open_model(config.model / LAST), open_model(config.model)
    same = all(
        torch.equal(a, b)
        for a, b in zip(last.network.parameters(), best.network.parameters(), strict=True)
    )
    assert same == (outcome["best_epoch"] == outcome["epochs"])


def test_a_missing_logger_is_refused_before_anything_is_trained(
    ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    config = ready("training.log=[mlflow]")
    with pytest.raises(ConfigError, match=r"training\.log: mlflow is not installed"):
        train(config)
    assert not (config.model / "history.jsonl").exists()


def test_progress_moves_within_an_epoch(
    ready, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smoecast.console._LINE_SECONDS", 0.0)
    train(ready("training.epochs=2"))
    lines = capsys.readouterr().err.splitlines()
    inside = [line for line in lines if line.startswith("training: 0.") and " left" in line]
    assert len(inside) > 5
    assert any(line.startswith("training: 1.") and "validation loss" in line for line in lines)


@pytest.mark.parametrize(
    "key", ["initial_weights=x", "keep_last=true", "log=[mlflow]", "fine_tuning.epochs=1"]
)
def test_keys_that_do_nothing_for_a_calibration_are_refused(done: Config, key: str) -> None:
    text = yaml_file.dump(done)
    config = yaml_file.parse(text, "small.yaml", [f"postprocess.training.{key}"])
    with pytest.raises(ConfigError, match="does nothing for a calibration"):
        postprocess(config)


@pytest.mark.slow
def test_two_processes_through_the_command_line(ready, tmp_path: Path) -> None:
    """`torchrun --nproc-per-node 2 smoecast train`, against one process and twice the batch."""
    plain = ("network.normalization=none", "network.dropout=0", "training.fine_tuning.epochs=1")
    two = ready(*plain, "training.batch_size=8", name="two")
    one = ready(*plain, "training.batch_size=16", name="one")
    (path := tmp_path / "two.yaml").write_text(yaml_file.dump(two))
    (script := tmp_path / "entry.py").write_text("from smoecast.cli.main import app\napp()\n")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(script), "train", "-c", str(path), "--json"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)  # one process alone speaks
    assert done.stderr.count("epoch 1: ") == 2  # of the training, and of its fine-tuning
    expected = train(one)
    assert outcome["best_loss"] == pytest.approx(expected["best_loss"], rel=1e-4)
    theirs = load_tensors(one.model)
    for name, value in load_tensors(two.model).items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-3, atol=1e-4, msg=name)
    verify_model(two.model)


def test_the_network_is_five_calls_from_the_command(ready) -> None:
    package, calls = Path(smoecast.__file__).parent, []

    def note(module: torch.nn.Module, _inputs: object) -> None:
        if isinstance(module, Forecaster) and not calls:
            frames = [f for f in traceback.extract_stack() if package in Path(f.filename).parents]
            calls.extend(f"{Path(f.filename).stem}.{f.name}" for f in frames if f.name != "forward")

    handle = torch.nn.modules.module.register_module_forward_pre_hook(note)
    try:
        train(ready("training.epochs=1"))
    finally:
        handle.remove()
    assert calls[:2] == ["train.train", "loop.train"]
    assert len(calls) <= 4  # between the command and the network
