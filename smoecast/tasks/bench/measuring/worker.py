"""The process that is measured: makes the ways of a task, and does each when it is told to.

``python -m smoecast.tasks.bench.measuring.worker JSON``. It says on stdout, a JSON object a line,
that it is ready; then it reads the name of a way from each line of stdin, does it, and says what
that took. What libraries print goes to stderr.
"""

import importlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, TextIO

from smoecast.tasks.bench.measuring.case import Case, Setting, Work
from smoecast.tasks.bench.measuring.usage import cpu_seconds, peak_bytes


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
    works = {name: task.ways[name].make(setting) for name in told["ways"]}
    say(answers, {})
    tensors = dict.fromkeys(works, -1)
    for line in sys.stdin:
        way = line.rstrip("\n")
        if task.together:
            say(answers, do_among_others(works[way], way, tensors, setting))
        else:
            say(answers, do_alone(works[way], setting))


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


def do_among_others(
    work: Work, way: str, tensors: dict[str, int], setting: Setting
) -> dict[str, Any]:
    """Do a task of a network that shares its process, once untimed and once timed.

    The first time, the memory of its tensors is noted too.
    """
    from smoecast.tasks.bench.measuring.tensors import peak_of_tensors, seconds_of

    def call() -> object:
        return work(setting.folder)

    call()  # what was done before has left the cache
    if tensors[way] < 0:
        tensors[way] = peak_of_tensors(call, setting.device)
    return {
        "seconds": seconds_of(call, setting.device),
        "peak_bytes": tensors[way],
    }


if __name__ == "__main__":
    main()
