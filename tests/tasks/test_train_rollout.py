"""`training.rollout_steps` from the config to a model that forecasts, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_world import small_run

from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError
from smoecast.fields.store import store
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.forecast_model import inputs_of, open_model, samples_of
from smoecast.tasks.train import LAST, train
from smoecast.training.model_files import load_state, load_tensors


def tuned(world: Path, done: Config, folder: Path, *overrides: str) -> Config:
    start = (f"training.initial_weights={done.model}", "training.keep_statistics=true")
    config = small_run(world, folder, *start, "training.rollout_steps=3", *overrides)
    config.place.mkdir(parents=True)
    (config.place / "store.zarr").symlink_to(done.store.resolve())
    return config


@pytest.mark.parametrize("cache", ["disk", "device"])
def test_a_model_is_tuned_and_forecasts(
    world: Path, done: Config, tmp_path: Path, cache: str
) -> None:
    config = tuned(world, done, tmp_path, f"training.cache={cache}", "training.keep_last=true")
    assert train(config)["trained"]
    assert not train(config)["trained"]
    ours, theirs = load_tensors(config.model), load_tensors(done.model)
    assert ours.keys() == theirs.keys()
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)
    assert load_state(config.model)["config"]["training"]["rollout_steps"] == 3
    assert load_tensors(config.model / LAST).keys() == ours.keys()
    assert open_model(config.model / LAST)
    assert forecast(config)["written"]


def test_every_step_stays_in_its_part(world: Path, done: Config, tmp_path: Path) -> None:
    config = tuned(world, done, tmp_path)
    with store.open_store(config.store) as dataset:
        inputs = inputs_of(config.data, config.sample, dataset, config.store)
        source = store.rows_of(config.store)
        samples = samples_of(
            config.sample, config.data.step_hours, dataset, inputs, source, rollout_steps=3
        )
        for part in ("train", "validation"):
            inside = np.flatnonzero(dataset[part].values)
            assert samples[part].starts[-1] + 3 == inside[-1]


def test_a_run_cannot_change_its_steps(world: Path, done: Config, tmp_path: Path) -> None:
    config = tuned(world, done, tmp_path)
    train(config)
    training = config.training.model_copy(update={"rollout_steps": 2})
    with pytest.raises(ConfigError, match=r"training\.rollout_steps"):
        train(config.model_copy(update={"training": training}))


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["sample.targets=[t2m]"], "predicts only some of the channels"),
        (["sample.targets=[t2m, z500]"], "or in another order"),
        (["sample.lead_hours=[6, 12]"], "it has several lead times"),
        (["sample.lead_input=true"], "it has several lead times"),
        (["sample.history_hours=[0, 12]"], "not spaced by its lead time of 6 h"),
    ],
)
@pytest.mark.parametrize("key", ["rollout_steps", "fine_tuning.rollout_steps"])
def test_a_model_that_is_not_iterative_is_refused(
    overrides: list[str], words: str, key: str
) -> None:
    text = "data: {channels: [z500, t2m]}\ntraining: {fine_tuning: {epochs: 1}}"
    two = f"training.{key}=2"
    with pytest.raises(ConfigError, match=rf"training\.{key}: the model is not .*{words}"):
        yaml_file.parse(text, "x.yaml", [two, *overrides])
    yaml_file.parse(text, "x.yaml", [two])
    yaml_file.parse(text, "x.yaml", overrides)


def test_a_calibration_has_one_step() -> None:
    with pytest.raises(ConfigError, match="a calibration has one step"):
        yaml_file.parse("postprocess: {training: {rollout_steps: 2}}", "x.yaml", [])
