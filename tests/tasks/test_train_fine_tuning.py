"""`training.fine_tuning`: two trainings by one command, and a run that uses another one's data."""

import shutil
from pathlib import Path

import pytest
import torch
from small_world import small_run

from smoecast.config.run import Config
from smoecast.errors import ConfigError, Interrupted, ModelError, OutputError
from smoecast.nn.smoe.model_layers import smoe_layers
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.models import verify_model
from smoecast.tasks.plot.routing import find_experts
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train
from smoecast.training import loop
from smoecast.training.checkpoint import RESUME
from smoecast.training.model_files import FIRST, load_state, load_tensors

TUNING = ("training.fine_tuning.epochs=2", "training.fine_tuning.rollout_steps=2")


@pytest.fixture
def ready(world: Path, done: Config):
    """Make a run beside the finished one, on its data."""

    def make(name: str, *overrides: str) -> Config:
        shutil.rmtree(done.folder / name, ignore_errors=True)
        there = (f"folder={done.folder}", f"data.run={done.name}", f"name={name}")
        return small_run(world, done.folder, *there, *overrides)

    return make


@pytest.fixture(scope="module")
def trained(world: Path, done: Config) -> Path:
    """The models of a run that was tuned."""
    there = (f"folder={done.folder}", f"data.run={done.name}", "name=trained")
    config = small_run(world, done.folder, *there, *TUNING)
    assert train(config)["trained"]
    return config.model


@pytest.fixture
def tuned(ready, trained: Path):
    """Make a run that was trained as `trained` was."""

    def make(name: str) -> Config:
        config = ready(name, *TUNING)
        shutil.copytree(trained, config.model)
        assert not train(config)["trained"]
        return config

    return make


def same(one: Path, other: Path) -> bool:
    ours, theirs = load_tensors(one), load_tensors(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)


def test_it_equals_two_runs_by_hand(ready, capsys: pytest.CaptureFixture[str]) -> None:
    both = ready("both", *TUNING)
    outcome = train(both)
    assert outcome["epochs"] == 2
    said = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("epoch ") for line in said) == both.training.epochs
    assert sum(line.startswith("fine-tuning, epoch ") for line in said) == 2
    assert not train(both)["trained"]
    first = ready("first")
    train(first)
    assert same(both.model / FIRST, first.model)
    by_hand = ready(
        "hand",
        f"training.initial_weights={first.model}",
        "training.keep_statistics=true",
        "training.rollout_steps=2",
        "training.learning_rate=2e-4",
        "training.advanced.gate_learning_rate=0",
        "training.epochs=2",
    )
    train(by_hand)
    assert same(both.model, by_hand.model)
    assert not same(both.model, first.model)


def test_both_models_are_models_and_say_how_they_were_made(tuned) -> None:
    config = tuned("told")
    for place, epochs in ((config.model, 2), (config.model / FIRST, 0)):
        verify_model(place)
        assert open_model(place)
        told = load_state(place)["config"]["training"]
        assert told["fine_tuning"]["epochs"] == epochs
        assert told["epochs"] == config.training.epochs
        assert told["initial_weights"] == ""
    assert forecast(config)["written"]


@pytest.mark.parametrize(("rate", "moved"), [(0.0, False), (0.5, True)])
def test_routing_scores_move_only_if_wished(ready, rate: float, moved: bool) -> None:
    config = ready("gates", *TUNING, f"training.fine_tuning.gate_learning_rate={rate}")
    train(config)
    ours, first = load_tensors(config.model), load_tensors(config.model / FIRST)
    scores = [name for name in ours if name.endswith("gate.scores")]
    assert scores
    assert any(not torch.equal(ours[name], first[name]) for name in scores) == moved


def test_filters_are_freed_as_by_hand(ready) -> None:
    later = ("training.fine_tuning.free_filters=true", "training.fine_tuning.schedule=cosine")
    freed = (*TUNING, *later)
    config, shared = ready("freed", *freed), ready("shared", *TUNING)
    train(shared)
    train(config)
    assert same(config.model / FIRST, shared.model / FIRST)
    by_hand = ready(
        "apart",
        f"training.initial_weights={shared.model / FIRST}",
        "network.convolution=frozen",
        "training.keep_statistics=true",
        "training.rollout_steps=2",
        "training.learning_rate=2e-4",
        "training.schedule=cosine",
        "training.epochs=2",
    )
    train(by_hand)
    assert same(config.model, by_hand.model)
    verify_model(config.model)
    assert smoe_layers(open_model(config.model / FIRST).network)
    assert not smoe_layers(open_model(config.model).network)
    # pictures show the experts that the filters came from
    assert find_experts(config.model) == config.model / FIRST
    assert find_experts(shared.model) == shared.model
    assert not train(config)["trained"]
    assert forecast(config)["written"]
    # the same run where nothing is freed is another one, and says by which key
    with pytest.raises(ConfigError, match=r"training\.fine_tuning\."):
        train(shared.model_copy(update={"name": config.name}))


def test_filters_of_points_begin_with_a_plain_one_as_by_hand(ready) -> None:
    plain, freed = "network.convolution=plain", "training.fine_tuning.free_filters=true"
    config, first = ready("points", *TUNING, plain, freed), ready("plain", plain)
    train(first)
    train(config)
    assert same(config.model / FIRST, first.model)
    by_hand = ready(
        "apart",
        f"training.initial_weights={first.model}",
        "network.convolution=frozen",
        "training.keep_statistics=true",
        "training.rollout_steps=2",
        "training.learning_rate=2e-4",
        "training.epochs=2",
    )
    train(by_hand)
    assert same(config.model, by_hand.model)
    verify_model(config.model)
    assert any(name.endswith(".filters") for name in load_tensors(config.model))
    # nobody ever chose among experts
    assert find_experts(config.model) == config.model
    assert forecast(config)["written"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ("network.smoe.layers=none", "it has no SMoE layer"),
        ("network.convolution=local", "it has no SMoE layer"),
        ("network.smoe.advanced.gate=conv", "the choice of experts depends on the weather"),
    ],
)
def test_what_cannot_be_freed_is_refused_before_anything_is_trained(
    ready, changed: str, why: str
) -> None:
    config = ready("stuck", *TUNING, "training.fine_tuning.free_filters=true", changed)
    with pytest.raises(ConfigError, match=rf"training\.fine_tuning\.free_filters: .*{why}"):
        train(config)
    assert not (config.model / FIRST / RESUME).exists()
    if "gate" in changed:
        train(ready("weather", changed))
        origin = config.folder / "weather" / "model"
        apart = ("network.convolution=frozen", f"training.initial_weights={origin}")
        with pytest.raises(ModelError, match=f"nothing to freeze: .*{why}"):
            train(ready("stuck", *apart))


@pytest.mark.parametrize("stop", [3, 40])
def test_stopped_anywhere_it_ends_with_the_same_weights(
    ready, trained: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    cut = ready("cut", *TUNING)
    steps = iter(range(10**6))

    def agree(run, job, routing, signals, late):
        run.ledger.routing_sum += routing
        if next(steps) == stop:
            run.save(job.folder / RESUME, job.key)
            raise Interrupted(15, "saved")
        return False

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(loop, "_agree", agree)
        train(cut)
    assert (cut.model / RESUME).exists() == (stop == 40)
    train(cut)
    assert same(trained, cut.model)


def test_begun_anew_and_stopped_the_old_model_does_not_stay(
    tuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tuned("anew")
    with monkeypatch.context() as patch, pytest.raises(OutputError):
        patch.setattr(loop, "take_step", _full)
        train(config, fresh=True)
    assert train(config)["trained"]


def test_begun_anew_in_vain_the_old_model_stays(tuned) -> None:
    config = tuned("kept")
    before = load_tensors(config.model)
    training = config.training.model_copy(update={"initial_weights": "nowhere"})
    with pytest.raises(ConfigError, match="no such model"):
        train(config.model_copy(update={"training": training}), fresh=True)
    assert all(torch.equal(value, before[n]) for n, value in load_tensors(config.model).items())
    assert not train(config)["trained"]


def _full(*_: object) -> float:
    raise OutputError("the disk is full")


def test_tuned_it_does_not_need_the_first_model_any_more(tuned) -> None:
    config = tuned("slim")
    shutil.rmtree(config.model / FIRST)
    assert not train(config)["trained"]
    assert not (config.model / FIRST).exists()


def test_another_first_training_is_another_run(tuned) -> None:
    config = tuned("other")
    training = config.training.model_copy(update={"epochs": config.training.epochs + 1})
    with pytest.raises(ConfigError, match=r"training\.epochs"):
        train(config.model_copy(update={"training": training}))


def test_the_data_of_another_run_is_found_and_not_made_again(ready, done: Config) -> None:
    config = ready("guest")
    assert config.store == done.store
    assert not any(made["written"] for made in preprocess(config).values())
    train(config)
    assert not (config.place / "store.zarr").exists()
    assert same(config.model, done.model)
