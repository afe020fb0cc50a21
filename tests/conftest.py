"""What every test begins with."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from smoecast import console

if TYPE_CHECKING:
    from distributed import LocalCluster

    from smoecast.config.run import Config

# two processes with two threads each wait for each other; smoecast.console loads no torch
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def talkative() -> None:
    """A command that ran with --quiet in the same process does not silence the next test."""
    console.configure(quiet=False)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small world, shared by the tests of the tasks."""
    from small_world import write_world

    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def done(world: Path, tmp_path_factory: pytest.TempPathFactory) -> "Config":
    """A run whose every verb has been called once; read it, do not change it."""
    from small_world import small_run

    from smoecast.tasks.evaluate.evaluate import evaluate
    from smoecast.tasks.forecast.forecast import forecast
    from smoecast.tasks.postprocess.postprocess import postprocess
    from smoecast.tasks.preprocess.preprocess import preprocess
    from smoecast.tasks.train import train

    config = small_run(world, tmp_path_factory.mktemp("runs"))
    for verb in (preprocess, train, forecast, postprocess, evaluate):
        verb(config)
    return config


@pytest.fixture(scope="session")
def cluster() -> "Iterator[LocalCluster]":
    """A Dask cluster of two processes, as one that somebody else started."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as made:
        yield made
