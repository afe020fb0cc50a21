"""All ways of a task in turn, round after round, each in a process that waits for its turn.

Whatever else the machine does falls on all of them alike: a ratio is taken within a round, and the
median over rounds is what is said, with the smallest and the largest.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from smoecast.errors import SmoecastError
from smoecast.tasks.bench.measuring.case import Setting, Task
from smoecast.tasks.bench.measuring.peers import is_installed

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}
"""Of networks: the C library keeps what was freed. Else page faults, more of them for a plain
convolution, decide about small layers."""
WARM_UP = 1
"""Rounds that are not counted."""


class WorkerError(SmoecastError):
    """A process that was to be measured failed: the message is its last line."""


class Worker:
    """A process that is measured.

    Parameters
    ----------
    told : mapping
        What it is to do (`worker.main`).
    log : file
        Takes what it prints on stderr.
    keep_memory : bool
        Whether memory that was freed is kept (`KEEP_MEMORY`).
    """

    def __init__(self, told: Mapping[str, Any], log: BinaryIO, *, keep_memory: bool) -> None:
        environment = {**os.environ, "no_proxy": "127.0.0.1"}
        if threads := told["setting"]["threads"]:
            environment |= dict.fromkeys(THREADS, str(threads))
        if keep_memory:
            environment |= KEEP_MEMORY
        self.log = log
        module = "smoecast.tasks.bench.measuring.worker"
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, json.dumps(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )

    def answer(self) -> dict[str, Any]:
        """Return what it says next.

        Raises
        ------
        WorkerError
            It ended without an answer, or says that it failed.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            said = self.log.read().decode(errors="replace").strip().splitlines()
            raise WorkerError(said[-1] if said else f"it ended with {self.process.wait()}")
        answered: dict[str, Any] = json.loads(line)
        if "failed" in answered:
            raise WorkerError(answered["failed"])
        return answered

    def do(self, way: str) -> dict[str, Any]:
        """Have it do a way of its task once; return what that took."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # its last words say more
            self.process.stdin.write(way + "\n")
            self.process.stdin.flush()
        return self.answer()

    def end(self) -> None:
        """Let it go, or stop it."""
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def start_worker(
    told: Mapping[str, Any], setting: Setting, *, keep_memory: bool = False
) -> Iterator[Worker]:
    """Give a process that is measured; it ends with the block."""
    whole = {**told, "setting": {**asdict(setting), "folder": str(setting.folder)}}
    with TemporaryFile() as log:
        worker = Worker(whole, log, keep_memory=keep_memory)
        try:
            yield worker
        finally:
            worker.end()


def ask(what: str, setting: Setting, **told: str) -> dict[str, Any]:
    """Have a process do one thing, and return its answer."""
    with start_worker({"do": what, **told}, setting) as worker:
        return worker.answer()


def measure(module: str, name: str, task: Task, setting: Setting, rounds: int) -> dict[str, Any]:
    """Do a task of a module in all of its ways, in turn.

    Returns
    -------
    dict
        ``task``, ``ways`` by name, and ``pairs``: of each way of ours and a peer the
        ratios of time and memory. A way that could not be measured says why.

    Raises
    ------
    WorkerError
        A way of ours failed.
    """
    ways: dict[str, dict[str, Any]] = {name: {} for name in task.ways}
    with ExitStack() as stack:
        workers = _start(stack, module, name, task, setting, ways)
        done: dict[str, list[dict[str, Any]]] = {way: [] for way in workers}
        for _ in range(WARM_UP + rounds):
            for way in list(workers):
                try:
                    done[way].append(workers[way].do(way))
                except WorkerError as failure:
                    _give_up(name, task, way, failure, ways)
                    del workers[way], done[way]
    for way, takes in done.items():
        share = task.ways[way].share
        seconds = [take["seconds"] / share for take in takes[WARM_UP:]]
        peak = max(take["peak_bytes"] for take in takes)
        ways[way] = {
            **_spread(seconds),
            "seconds": seconds,
            "peak_mib": peak / 2**20,
        }
    pairs = [_compare(ours, peer, ways) for ours, peer in task.pairs()]
    return {"task": name, "ways": ways, "pairs": pairs}


def _start(
    stack: ExitStack,
    module: str,
    name: str,
    task: Task,
    setting: Setting,
    ways: dict[str, dict[str, Any]],
) -> dict[str, Worker]:
    """Start the processes of a task; return by which each way is done, where it can be."""
    here = []
    for way, told in task.ways.items():
        if told.needs and not is_installed(told.needs):
            ways[way] = {"not_measured": f"{told.needs} is not installed"}
        else:
            here.append(way)
    groups = [here] if task.together else [[way] for way in here]
    workers: dict[str, Worker] = {}
    wanted = {"do": "task", "module": module, "task": name}
    for group in groups:
        worker = stack.enter_context(start_worker(wanted, setting, keep_memory=task.together))
        workers |= dict.fromkeys(group, worker)
    return workers


def _give_up(
    name: str, task: Task, way: str, failure: WorkerError, ways: dict[str, dict[str, Any]]
) -> None:
    """Note that a peer failed; smoecast must not."""
    if way in task.ours:
        raise WorkerError(f"{name}: {way} failed: {failure}") from None
    ways[way] = {"not_measured": f"it failed: {failure}"}


def _compare(ours: str, peer: str, ways: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a way of ours takes beside a peer's: the ratios of time and of memory."""
    mine, theirs = ways[ours], ways[peer]
    if "not_measured" in theirs:
        return {"ours": ours, "peer": peer, "not_measured": theirs["not_measured"]}
    ratios = [a / max(b, 1e-9) for a, b in zip(mine["seconds"], theirs["seconds"], strict=True)]
    memory = mine["peak_mib"] / theirs["peak_mib"] if theirs["peak_mib"] else None
    return {"ours": ours, "peer": peer, **_spread(ratios), "memory": memory}


def _spread(values: Sequence[float]) -> dict[str, float]:
    """Return the middle of some values, the smallest and the largest."""
    return {
        "median": statistics.median(values),
        "smallest": min(values),
        "largest": max(values),
    }
