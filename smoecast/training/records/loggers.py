"""Epochs told to TensorBoard or MLflow too. Whatever goes wrong there never stops a run."""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smoecast import console
from smoecast.errors import ConfigError

METRICS = ("train_loss", "validation_loss", "routing_loss", "learning_rate")
Metrics = Mapping[str, float]


class MetricLogger:
    """One logger, which falls silent with one warning when it fails.

    Parameters
    ----------
    kind : str
        Its name.
    failures : tuple of exception classes
        What it may raise.
    """

    def __init__(self, kind: str, failures: tuple[type[Exception], ...]) -> None:
        self.kind, self.failures, self.silent = kind, failures, False
        self.write: Callable[[Metrics, int], Any] = lambda metrics, epoch: None
        self.close: Callable[[], Any] = lambda: None

    def attempt(self, action: Callable[[], Any]) -> None:
        """Do something with the logger, unless it failed before."""
        if self.silent:
            return
        try:
            action()
        except self.failures as error:
            self.silent = True
            console.say(f"warning: {self.kind} failed ({error}); training goes on without it")


@contextmanager
def open_loggers(
    kinds: Sequence[str], folder: Path, name: str
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Open what `training.log` names; close it when the block ends.

    Parameters
    ----------
    kinds : sequence of str
        ``tensorboard`` (files in `folder`/tensorboard) or ``mlflow`` (where MLflow's environment
        variables say; a resumed run is a new run there).
    folder : Path
        Run folder.
    name : str
        Of the run.

    Yields
    ------
    callable
        To be called with each epoch's record.

    Raises
    ------
    ConfigError
        A package is missing.
    """
    opened = [OPENERS[kind](folder, name) for kind in kinds]

    def note(record: Mapping[str, Any]) -> None:
        metrics = {key: float(record[key]) for key in METRICS}
        for logger in opened:
            logger.attempt(lambda: logger.write(metrics, record["epoch"]))  # noqa: B023  # at once

    try:
        yield note
    finally:
        for logger in opened:
            logger.attempt(logger.close)


def _tensorboard(folder: Path, _name: str) -> MetricLogger:
    module = _package("torch.utils.tensorboard", "tensorboard")
    logger = MetricLogger("tensorboard", (OSError, RuntimeError, ValueError, TypeError))

    def begin() -> None:
        writer = module.SummaryWriter(str(folder / "tensorboard"))

        def write(metrics: Metrics, epoch: int) -> None:
            for key, value in metrics.items():
                writer.add_scalar(key, value, epoch)
            writer.flush()

        logger.write, logger.close = write, writer.close

    logger.attempt(begin)
    return logger


def _mlflow(_folder: Path, name: str) -> MetricLogger:
    module = _package("mlflow", "mlflow")
    own = _package("mlflow.exceptions", "mlflow").MlflowException
    # a server that does not answer is an OSError of requests
    logger = MetricLogger("mlflow", (OSError, RuntimeError, ValueError, TypeError, own))

    def begin() -> None:
        module.start_run(run_name=name)
        logger.write = lambda metrics, epoch: module.log_metrics(dict(metrics), step=epoch)
        logger.close = module.end_run

    logger.attempt(begin)
    return logger


OPENERS: Mapping[str, Callable[[Path, str], MetricLogger]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
}


def _package(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise ConfigError(
            f"training.log: {package} is not installed; pip install 'smoecast[log]', "
            "or leave training.log empty"
        ) from None
