"""What a process keeps: opened once, closed by another, by itself after a while."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from smoecast.tasks.fan_out import per_worker
from smoecast.tasks.fan_out.per_worker import PerWorker, at_work

LOG: list[str] = []


@contextmanager
def hold(name: str) -> Iterator[str]:
    LOG.append(f"open {name}")
    yield name
    LOG.append(f"close {name}")


@pytest.fixture(autouse=True)
def nothing() -> Iterator[None]:
    LOG.clear()
    yield
    per_worker.release()


def test_it_is_opened_once_and_closed_by_another() -> None:
    one, other = PerWorker(partial(hold, "one")), PerWorker(partial(hold, "other"))
    for wanted in (one, one, other):
        with at_work():
            wanted.get()
    assert LOG == ["open one", "close one", "open other"]
    with at_work():
        assert other.get() == "other"
    per_worker.release()
    assert LOG[-1] == "close other"


def test_one_that_cannot_be_opened_is_tried_again() -> None:
    wanted = PerWorker(partial(partial, 1))  # no context manager
    for _ in range(2):
        with at_work(), pytest.raises(TypeError):
            wanted.get()


def test_what_nobody_uses_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(per_worker, "IDLE", 0.05)
    with at_work():
        PerWorker(partial(hold, "one")).get()
        time.sleep(0.1)
        assert LOG == ["open one"]
    deadline = time.monotonic() + 10
    while len(LOG) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert LOG == ["open one", "close one"]
