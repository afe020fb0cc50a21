"""Loggers get each epoch's numbers; nothing they do stops a run. The packages are made up here."""

import sys
from types import ModuleType

import pytest

from smoecast import console
from smoecast.errors import ConfigError
from smoecast.training.records.loggers import open_loggers

RECORD = {
    "epoch": 3,
    "train_loss": 0.5,
    "validation_loss": 0.25,
    "routing_loss": 0.75,
    "learning_rate": 1e-3,
    "seconds": 2.0,
    "best": True,
}
NUMBERS = {k: v for k, v in RECORD.items() if isinstance(v, float) and k != "seconds"}


class MlflowException(Exception):  # noqa: N818  # its real name
    pass


@pytest.fixture(autouse=True)
def _loud():
    console.configure(quiet=False)


@pytest.fixture
def mlflow(monkeypatch):
    module, errors = ModuleType("mlflow"), ModuleType("mlflow.exceptions")
    errors.MlflowException = MlflowException
    module.calls = []
    module.start_run = lambda *, run_name: module.calls.append(run_name)
    module.log_metrics = lambda metrics, step: module.calls.append((metrics, step))
    module.end_run = lambda: module.calls.append("end")
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.exceptions", errors)
    return module


@pytest.fixture
def tensorboard(monkeypatch):
    module = ModuleType("torch.utils.tensorboard")
    module.calls = []

    class SummaryWriter:
        def __init__(self, folder):
            module.calls.append(folder)

        def add_scalar(self, name, value, step):
            module.calls.append((name, value, step))

        def flush(self):
            module.calls.append("flush")

        def close(self):
            module.calls.append("close")

    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    return module


def test_mlflow_gets_every_number(mlflow, tmp_path):
    with open_loggers(("mlflow",), tmp_path, "mine") as note:
        note(RECORD)
    assert mlflow.calls == ["mine", (NUMBERS, 3), "end"]


def test_tensorboard_gets_every_number(tensorboard, tmp_path):
    with open_loggers(("tensorboard",), tmp_path, "mine") as note:
        note(RECORD)
    numbers = [(name, value, 3) for name, value in NUMBERS.items()]
    folder = str(tmp_path / "tensorboard")
    assert tensorboard.calls == [folder, *numbers, "flush", "close"]


def test_without_loggers_nothing_happens(tmp_path):
    with open_loggers((), tmp_path, "mine") as note:
        note(RECORD)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [MlflowException("no answer"), ConnectionError("no answer")])
@pytest.mark.parametrize("place", ["start_run", "log_metrics", "end_run"])
def test_a_failure_is_one_warning_and_the_others_go_on(
    mlflow, tensorboard, tmp_path, capsys, place, error
):
    def fail(*_, **__):
        raise error

    setattr(mlflow, place, fail)
    with open_loggers(("mlflow", "tensorboard"), tmp_path, "mine") as note:
        note(RECORD)
        note(RECORD)
    expected = "warning: mlflow failed (no answer); training goes on without it\n"
    assert capsys.readouterr().err == expected
    assert tensorboard.calls.count("flush") == 2


@pytest.mark.parametrize("kind", ["mlflow", "tensorboard"])
def test_a_missing_package_is_refused_at_the_start(monkeypatch, tmp_path, kind):
    name = {"mlflow": "mlflow", "tensorboard": "torch.utils.tensorboard"}[kind]
    monkeypatch.setitem(sys.modules, name, None)
    with (
        pytest.raises(
            ConfigError, match=rf"{kind} is not installed; pip install 'smoecast\[log\]'"
        ),
        open_loggers((kind,), tmp_path, "mine"),
    ):
        pass
