"""Where work goes that is spread: processes on this machine, or a Dask cluster that is there.

Processes, never threads: netCDF-C crashes under threads.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

import dask
from distributed import Client, LocalCluster

from smoecast import freed_memory, signals
from smoecast.config.run import Compute
from smoecast.errors import ConfigError

WAIT = "20s"
"""For a scheduler to answer."""

_LOCAL = {
    # one thread each: a process a core is what was asked for. And not Dask's own
    # MALLOC_TRIM_THRESHOLD_, with which each array gets its memory from the system anew
    "distributed.nanny.pre-spawn-environ": {
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), 1),
        **freed_memory.VARIABLES,
    },
    # what died with its worker is tried once more in the crowd, then alone (`spread`)
    "distributed.scheduler.allowed-failures": 1,
}


@contextmanager
def connect(compute: Compute) -> Iterator[Client]:
    """Start the processes, or find the cluster; those processes end with the block.

    What this process computes with dask meanwhile, it computes itself.

    Raises
    ------
    ConfigError
        No scheduler answers at the address.
    """
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)  # what goes wrong is said once, by who waits for it
    try:
        if compute.scheduler:
            try:
                client = Client(compute.scheduler, timeout=WAIT, set_as_default=False)
            except OSError as problem:
                raise ConfigError(
                    f"compute.scheduler = {compute.scheduler}: no Dask scheduler answers there "
                    f"({problem}); start one with `dask scheduler`, or leave the key empty"
                ) from None
            with client:
                yield client
            return
        with (
            dask.config.set(_LOCAL),
            _start(compute.workers) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
    finally:
        logger.setLevel(before)


def _start(workers: int) -> LocalCluster:
    """Start processes on this machine that leave errors and signals to this one."""
    # what the thread that starts them does not hear, they do not hear either; the tracker comes
    # first and by itself, for who starts it hears again
    with signals.leave_to_parent():
        resource_tracker.ensure_running()
    with signals.leave_to_parent():
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        )


def start_again(client: Client) -> None:
    """Start those processes of this machine again that died while they started.

    Dask starts any other again by itself; of these it still waits to hear that they are there.

    Parameters
    ----------
    client : Client
        Of `connect`, without a scheduler.
    """
    cluster: Any = client.cluster
    for nanny in cluster.workers.values():
        if nanny.process is None or not nanny.process.is_alive():
            cluster.sync(nanny.restart)
