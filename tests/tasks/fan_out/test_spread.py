"""Work spread over processes: in order, few under way, a dead process no harm to others."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
from distributed import Client, LocalCluster
from distributed.core import Status

from smoecast import console, signals
from smoecast.config.run import Compute
from smoecast.errors import ConfigError, InputError, OutputError
from smoecast.tasks.fan_out import cluster as clusters
from smoecast.tasks.fan_out import spread as spreading
from smoecast.tasks.fan_out.spread import AHEAD, spread

TWO = Compute(workers=2)
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def double(item: int, more: int = 0) -> int:
    console.say(f"doubling {'even' if item % 2 == 0 else 'odd'} ones")
    if item < 0:
        raise InputError(f"{item}: is below zero")
    return 2 * item + more


def log(folder: Path, item: int) -> int:
    (folder / str(item)).touch()
    return item


def die_at_three(folder: Path, item: int) -> int:
    """Die at each try of 3; of 5 only at the first."""
    tries = folder / f"tries_{item}"
    with tries.open("a") as file:
        file.write(f"{os.getpid()}\n")
    if item == 3 or (item == 5 and len(tries.read_text().splitlines()) == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def refuse(_: int) -> None:
    """Hear an interrupt, as all processes of a terminal do, and refuse the work."""
    for signum in signals.SIGNALS:
        signal.raise_signal(signum)
    raise InputError("a.nc: is damaged")


def threads(_: int) -> list[str]:
    return [os.environ[name] for name in THREADS]


@pytest.fixture(scope="module")
def started() -> Iterator[Client]:
    """Two processes of this machine for the whole module: to start them takes 2 s."""
    with pytest.MonkeyPatch.context() as patch:
        for name in THREADS:
            patch.delenv(name, raising=False)
        with clusters.connect(TWO) as client:
            patch.undo()
            yield client


@pytest.fixture
def two(started: Client, monkeypatch: pytest.MonkeyPatch) -> Compute:
    monkeypatch.setattr(clusters, "connect", lambda _: nullcontext(started))
    return TWO


@pytest.mark.parametrize("where", ["here", "two"])
def test_what_comes_of_each_item_comes_in_order(
    where: str, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    compute = Compute() if where == "here" else request.getfixturevalue("two")
    with spread(double, [3, 1, -4, 2], compute, 100) as outcomes:
        found = list(outcomes)
    assert [found[i].get() for i in (0, 1, 3)] == [106, 102, 104]
    with pytest.raises(InputError, match="-4: is below zero"):
        found[2].get()
    said = capfd.readouterr().err
    assert "doubling odd ones" in said
    assert "doubling even ones" in said


def look_up(item: int, shared: dict[tuple[int, ...], str]) -> str:
    return shared[(item,)]


def add_up(item: int) -> float:
    import dask.array

    return float(dask.array.ones(item, chunks=1).sum())


def test_what_is_lazy_is_computed_by_the_worker_itself(cluster: LocalCluster) -> None:
    with spread(add_up, [2, 5, 3], Compute(scheduler=cluster.scheduler_address)) as outcomes:
        assert [one.get() for one in outcomes] == [2, 5, 3]
        assert add_up(4) == 4


def test_a_dictionary_is_shared_as_it_is(cluster: LocalCluster) -> None:
    shared, there = {(1,): "a", (2,): "b"}, Compute(scheduler=cluster.scheduler_address)
    with spread(look_up, [2, 1], there, shared) as outcomes:
        assert [one.get() for one in outcomes] == ["b", "a"]


def test_no_item_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "_start", lambda _: pytest.fail("started"))
    with spread(double, [], TWO) as outcomes:
        assert list(outcomes) == []
    with spread(double, [4], TWO) as outcomes:
        assert next(outcomes).get() == 8
    with spread(double, [], Compute(scheduler="tcp://127.0.0.1:1")) as outcomes:
        assert list(outcomes) == []


def test_few_items_are_under_way(tmp_path: Path, two: Compute) -> None:
    with spread(partial(log, tmp_path), range(40), two) as outcomes:
        assert next(outcomes).get() == 0
        time.sleep(0.5)
        assert len(list(tmp_path.iterdir())) <= 2 * AHEAD


def test_what_a_worker_refuses_is_said_once_and_by_this_process(
    capfd: pytest.CaptureFixture[str], two: Compute
) -> None:
    with spread(refuse, [1, 2], two) as outcomes, pytest.raises(InputError, match="is damaged"):
        next(outcomes).get()
    assert capfd.readouterr().err == ""
    assert not {*signals.SIGNALS} & signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_each_process_has_one_thread(two: Compute) -> None:
    """PyTorch and NumPy heed what is there before they are loaded."""
    with spread(threads, [1, 2], two) as outcomes:
        assert [one.get() for one in outcomes] == [["1"] * 3] * 2


def test_a_process_that_dies_costs_no_other_item(tmp_path: Path, two: Compute) -> None:
    with spread(partial(die_at_three, tmp_path), range(8), two) as outcomes:
        found = list(outcomes)
    assert [one.value for one in found] == [0, 1, 2, None, 4, 5, 6, 7]
    with pytest.raises(OutputError, match=r"died several times at the same part: .* run it again"):
        found[3].get()
    # Dask also counts the death of a process by item 5 while this one waited there to be begun
    assert len({*(tmp_path / "tries_3").read_text().split()}) in (3, 4)
    assert len({*(tmp_path / "tries_5").read_text().split()}) >= 2


def test_a_cluster_does_the_work(cluster: LocalCluster) -> None:
    with spread(double, [1, 2, 3], Compute(scheduler=cluster.scheduler_address)) as outcomes:
        assert [one.get() for one in outcomes] == [2, 4, 6]


def test_a_cluster_that_goes_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "WAIT", "1s")
    with (
        LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0") as running,
        spread(time.sleep, [0, 60], Compute(scheduler=running.scheduler_address)) as outcomes,
    ):
        next(outcomes).get()
        running.close()
        with pytest.raises(OutputError, match=r"tcp:.*: went away while there was work to do"):
            next(outcomes)


def test_processes_that_died_while_they_started_are_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Dask leaves them, as it takes their end for a part of their start."""
    monkeypatch.setattr(spreading, "PATIENCE", 1.0)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as running:
        monkeypatch.setattr(clusters, "_start", lambda _: nullcontext(running))
        with spread(double, range(12), TWO) as outcomes:
            assert next(outcomes).get() == 0
            for nanny in running.workers.values():
                nanny.status = Status.starting
                os.kill(nanny.pid, signal.SIGKILL)
            assert [one.get() for one in outcomes] == [2 * item for item in range(1, 12)]


def test_processes_that_do_not_come_back_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spreading, "PATIENCE", 0.2)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as running:
        monkeypatch.setattr(clusters, "_start", lambda _: nullcontext(running))
        with spread(time.sleep, [0, 60, 60], TWO) as outcomes:
            next(outcomes).get()
            running.scale(0)
            words = r"the worker processes: went away while there was work to do .* again for the"
            with pytest.raises(OutputError, match=words):
                next(outcomes)


def test_no_scheduler_at_the_address_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "WAIT", "1s")
    settings = Compute(scheduler="tcp://127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"compute\.scheduler = tcp:.* no Dask scheduler"):
        spread(abs, [1], settings).__enter__()
