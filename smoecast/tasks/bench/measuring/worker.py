"""The process that is measured: does the ways of a task, each when it is told to.

``python -m smoecast.tasks.bench.measuring.worker JSON``. It reads the name of a way from each line
of stdin, makes it ready the first time, does it, and says on stdout what that took, a JSON object a
line. What libraries print goes to stderr.
"""

import importlib
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from smoecast import freed_memory
from smoecast.tasks.bench.measuring.case import Case, Setting, Work
from smoecast.tasks.bench.measuring.usage import cpu_seconds, peak_bytes

SHORT = 0.2
"""Seconds."""


def main() -> None:
    """Do what the command line asks for."""
    told = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    setting = Setting(**{**told["setting"], "folder": Path(told["setting"]["folder"])})
    if told["do"] == "device":
        say(answers, find_device(setting.device))
        return
    case: Case = importlib.import_module(told["module"]).CASE
    if told["do"] == "make data":
        if case.make_data:
            case.make_data(setting)
        say(answers, {})
        return
    task = case.tasks(setting)[told["task"]]
    works: dict[str, Work] = {}
    among: dict[str, Among] = {}
    for line in sys.stdin:
        way = line.rstrip("\n")
        try:
            if way not in works:
                if way in task.ours and not task.together:
                    freed_memory.keep()  # as the command does
                works[way], among[way] = task.ways[way].make(setting), Among()
            if task.together:
                answer = do_among_others(works[way], among[way], setting)
            else:
                answer = do_alone(works[way], setting)
        except RuntimeError as failure:  # a GPU is full, say: other ways may still go
            first, *_ = str(failure).splitlines()
            answer = {"failed": f"{type(failure).__name__}: {first}"}
        say(answers, answer)


def say(answers: TextIO, what: dict[str, Any]) -> None:
    """Answer the process that measures."""
    answers.write(json.dumps(what) + "\n")
    answers.flush()


def find_device(wanted: str) -> dict[str, Any]:
    """Return ``device`` and what it is, where it is a GPU; empty where it is not here."""
    import torch

    if wanted == "cpu" or not torch.cuda.is_available():
        return {"device": "" if wanted == "cuda" else "cpu", "gpu": ""}
    gpu = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    return {"device": "cuda", "gpu": gpu}


def do_alone(work: Work, setting: Setting) -> dict[str, Any]:
    """Do a task and return ``seconds`` and ``peak_bytes``."""
    place = Path(tempfile.mkdtemp(dir=setting.folder))
    try:
        begun = cpu_seconds()
        work(place)
        seconds = cpu_seconds() - begun
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return {"seconds": seconds, "peak_bytes": peak_bytes()}


@dataclass
class Among:
    """What is known of a way that shares its process with others.

    Attributes
    ----------
    peak_bytes : int
        What its tensors hold; -1 until it was seen.
    seconds : float
        What it took last.
    """

    peak_bytes: int = -1
    seconds: float = 0.0


def do_among_others(work: Work, known: Among, setting: Setting) -> dict[str, Any]:
    """Do a task of a network that shares its process.

    The first time, which does not count, the memory of its tensors is seen. Afterwards a short task
    is done untimed before it is timed: what was done before has left the cache.
    """
    from smoecast.nn.cost import peak_of_tensors
    from smoecast.tasks.bench.measuring.device_time import seconds_of

    def call() -> object:
        return work(setting.folder)

    if known.peak_bytes < 0:
        known.peak_bytes = peak_of_tensors(call, setting.device)
    else:
        if known.seconds < SHORT:
            call()
        known.seconds = seconds_of(call, setting.device)
    return asdict(known)


if __name__ == "__main__":
    main()
