"""Doing the same work for many items: here, in processes on this machine, or on a cluster.

Processes, never threads: netCDF-C crashes under threads.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker

from distributed import Client, KilledWorker, LocalCluster, as_completed

from smoecast import stop
from smoecast.config.data import Preprocess
from smoecast.errors import ConfigError, OutputError

WAIT = "20s"
"""For a scheduler to answer."""


def each(
    work: Callable[[int], None],
    items: Sequence[int],
    settings: Preprocess,
    done: Callable[[int], None],
) -> None:
    """Do the work for every item.

    Parameters
    ----------
    work : callable
        Can be pickled; takes an item. What it raises ends everything.
    items : sequence of int
        In any order.
    settings : Preprocess
        How many workers, or which cluster.
    done : callable
        Told how many items are done.

    Raises
    ------
    ConfigError
        No scheduler answers at the address.
    OutputError
        Workers died again and again, most likely for want of memory.
    """
    if settings.workers == 1 and not settings.scheduler:
        for count, item in enumerate(items, start=1):
            work(item)
            done(count)
        return
    with _client(settings) as client:
        futures = client.map(work, items, pure=False)
        try:
            for count, future in enumerate(as_completed(futures), start=1):
                future.result()
                done(count)
        except KilledWorker as problem:
            raise OutputError(
                f"a worker process died several times at the same part ({problem.last_worker}): "
                "most likely memory ran out; take fewer preprocess.workers, then run it again"
            ) from None
        finally:
            client.cancel(futures)


@contextmanager
def _client(settings: Preprocess) -> Iterator[Client]:
    if settings.scheduler:
        try:
            client = Client(settings.scheduler, timeout=WAIT)
        except OSError as problem:
            raise ConfigError(
                f"preprocess.scheduler = {settings.scheduler}: no Dask scheduler answers there "
                f"({problem}); start one with `dask scheduler`, or leave the key empty"
            ) from None
        with client:
            yield client
        return
    with _cluster(settings.workers) as cluster, Client(cluster) as client:
        yield client


def _cluster(workers: int) -> LocalCluster:
    """Start processes on this machine that leave errors and signals to this one."""
    # what the thread that starts them does not hear, they do not hear either; the tracker comes
    # first and by itself, for who starts it hears again
    with stop.leave_to_parent():
        resource_tracker.ensure_running()
    with stop.leave_to_parent():
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        )
