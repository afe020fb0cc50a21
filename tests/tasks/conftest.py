"""One small world, and one run through the whole chain, shared by the tests of the tasks."""

from pathlib import Path

import pytest
from small_world import small_run, write_world

from smoecast.config.run import Config
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def done(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A run whose every verb has been called once; read it, do not change it."""
    config = small_run(world, tmp_path_factory.mktemp("runs"))
    for verb in (preprocess, train, forecast, postprocess, evaluate):
        verb(config)
    return config
